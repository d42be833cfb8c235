"""The folder of model files: what is there, whether it is what it should be, and how it gets there.

``FILE`` is the published file, ``NAME.onnx`` (or ``.npz``) what was made of it, ``state.json`` the hashes
of what was made, ``manifest.toml`` the user's own entries, ``downloads/`` what is under way. Nothing is
used whose hash is not the manifest's or the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ValidationError

from assent.errors import AlreadyExists, ModelCorrupt, ModelError, ModelMissing, NotFound
from assent.models.checked import check_file, read_checked
from assent.models.conversions import CONVERSIONS
from assent.models.files import disk_errors, exclusive, sha256_of, write_atomically
from assent.models.manifest import (
    DEFAULT_MODELS,
    MANIFEST_NAME,
    Kind,
    LocalSource,
    ModelEntry,
    PackageSource,
    UrlSource,
    all_entries,
    to_toml,
)

if TYPE_CHECKING:
    from assent.models.download import Progress
    from assent.models.sessions import ModelSession
    from assent.models.shape_predictor import ShapeTrees

_STATE_NAME = "state.json"
_DOWNLOADS_NAME = "downloads"


class ModelState(StrEnum):
    """Whether a model can be used."""

    READY = "ready"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What was found of one model.

    Attributes:
        name: the model.
        state: whether it can be used.
        path: the file that is run.
        detail: what is wrong, in one line; empty when ready.
    """

    name: str
    state: ModelState
    path: Path
    detail: str = ""


class _Made(BaseModel):
    """What was converted from what, and the hash of the result."""

    source_sha256: str
    conversion: str
    sha256: str


class _State(BaseModel):
    """``state.json``."""

    version: Literal[1] = 1
    made: dict[str, _Made] = {}


class ModelStore:
    """The models in one folder, which need not exist yet.

    Args:
        models_dir: the folder.
    """

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir

    def entries(self) -> list[ModelEntry]:
        """Every model that is known, built-in ones first.

        Raises:
            ModelUnsupported: the user's manifest cannot be read.
            AlreadyExists: it takes a built-in name.
        """
        return list(all_entries(self.models_dir))

    def entry(self, name: str) -> ModelEntry:
        """One model.

        Raises:
            NotFound: no model has that name.
        """
        entries = self.entries()
        for entry in entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in entries)
        raise NotFound(
            f"expected a model out of {known}; got {name!r}. Add your own with `assent models add`."
        )

    def status(self, name: str) -> ModelStatus:
        """What is there of one model; reads and hashes its files.

        Raises:
            NotFound: no model has that name.
        """
        entry = self.entry(name)
        try:
            self._read(entry)
        except ModelMissing as error:
            return ModelStatus(name, ModelState.MISSING, self._run_path(entry), error.message)
        except ModelCorrupt as error:
            return ModelStatus(name, ModelState.CORRUPT, self._run_path(entry), error.message)
        return ModelStatus(name, ModelState.READY, self._run_path(entry))

    def verify(self, name: str | None = None) -> list[ModelStatus]:
        """The status of one model, or of all that are known.

        Raises:
            NotFound: no model has that name.
        """
        return [self.status(entry.name) for entry in ([self.entry(name)] if name else self.entries())]

    def path(self, name: str) -> Path:
        """The file that is run, after its hash was found right.

        Raises:
            NotFound: no model has that name.
            ModelMissing: it was not pulled yet.
            ModelCorrupt: a file is not what was pulled or made.
        """
        entry = self.entry(name)
        self._read(entry)
        return self._run_path(entry)

    def load_session(self, name: str, *, threads: int = 0) -> ModelSession:
        """The model, ready to run. The bytes that were hashed are the bytes that are loaded.

        An embedder takes any number of images at a time, even where its file takes one.

        Args:
            name: a detector or embedder.
            threads: how many work on one call; 0 takes the machine's cores.

        Raises:
            NotFound: no model has that name.
            ModelMissing: it was not pulled yet.
            ModelCorrupt: a file is not what was pulled or made.
            ModelUnsupported: ONNX Runtime cannot run it.
        """
        from assent.models.sessions import FixedBatchSession, OrtSession  # ONNX Runtime takes a while to load

        entry = self.entry(name)
        session = OrtSession(self._read(entry), name=name, threads=threads)
        batch = session.inputs[0].shape[0]
        if entry.kind is Kind.EMBEDDER and isinstance(batch, int):
            return FixedBatchSession(session, batch)
        return session

    def load_trees(self, name: str) -> ShapeTrees:
        """The regression trees of a landmark model.

        Raises:
            NotFound: no model has that name.
            ModelMissing: it was not pulled yet.
            ModelCorrupt: a file is not what was pulled or made.
            ModelUnsupported: it is no such model.
        """
        from assent.models.shape_predictor import unpack_trees

        return unpack_trees(self._read(self.entry(name)), name)

    def digest(self, names: Iterable[str]) -> str:
        """What the results of these models depend on, as a sha256: files, conversions, how they are fed.

        It does not depend on names, on order, or on how a converted file happens to be serialised.

        Raises:
            NotFound: no model has one of the names.
        """
        parts = [_identity(self.entry(name)) for name in names]
        canonical = json.dumps(sorted(parts), separators=(",", ":"))
        return sha256_of(canonical.encode())

    def pull(
        self,
        names: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
        force: bool = False,
    ) -> list[ModelStatus]:
        """Gets models that are not ready yet; asks nobody when all are.

        Args:
            names: which; default those of the default recipe.
            progress: told of every byte.
            force: get and make even what is ready.

        Returns:
            The status of each, in the order of ``names``.

        Raises:
            NotFound: no model has one of the names.
            DownloadFailed: a file cannot be had.
            ModelCorrupt: an archive is damaged or has another file.
            ModelUnsupported: a file cannot be converted.
            ModelError: no room or no permission.
        """
        entries = [self.entry(name) for name in (DEFAULT_MODELS if names is None else names)]
        wanted = [entry for entry in entries if force or not self._is_ready(entry)]
        if wanted:
            with exclusive(self.models_dir):
                # Whoever held the lock may have done it meanwhile.
                wanted = [entry for entry in wanted if force or not self._is_ready(entry)]
                self._pull(wanted, progress, force=force)
        return [self.status(entry.name) for entry in entries]

    def install(self, entry: ModelEntry, data: bytes) -> ModelStatus:
        """Puts a user's own model into the folder and its entry into the user's manifest.

        Args:
            entry: with the hash and size of ``data``; its source is ``LocalSource``.
            data: the file.

        Raises:
            AlreadyExists: the name or the file is taken.
            ModelUnsupported: the file cannot be converted.
            ModelError: no room or no permission.
        """
        with exclusive(self.models_dir):
            own_paths = {self._source_path(entry), self._run_path(entry)}
            for other in self.entries():
                paths = {self._source_path(other), self._run_path(other)}
                if entry.name == other.name or own_paths & paths:
                    raise AlreadyExists(
                        f"expected a name that is free, got {entry.name!r}, which is that of "
                        f"{other.name!r} or of its files; choose another."
                    )
            try:
                write_atomically(self._source_path(entry), data)
                self._convert(entry)
                self._append_to_manifest(entry)
            except ModelError:
                for path in own_paths:
                    path.unlink(missing_ok=True)
                raise
        return self.status(entry.name)

    def _append_to_manifest(self, entry: ModelEntry) -> None:
        """Adds at the end, so that whatever else the user wrote there stays."""
        manifest = self.models_dir / MANIFEST_NAME
        before = manifest.read_text(encoding="utf-8") + "\n" if manifest.exists() else ""
        write_atomically(manifest, (before + to_toml(entry)).encode())

    def _is_ready(self, entry: ModelEntry) -> bool:
        return self.status(entry.name).state is ModelState.READY

    def _pull(self, entries: Sequence[ModelEntry], progress: Progress | None, *, force: bool) -> None:
        """Fetches the sources that are missing, archive by archive, and converts."""
        to_fetch = [entry for entry in entries if force or not self._has_source(entry)]
        if any(not isinstance(entry.source, LocalSource) for entry in to_fetch):
            self._fetch(to_fetch, progress)
        for entry in to_fetch:
            if isinstance(entry.source, LocalSource) and not self._has_source(entry):
                raise ModelMissing(
                    f"{entry.name}: expected {self._source_path(entry)} as it was added, got no such file "
                    "or a changed one; copy it there again."
                )
        for entry in entries:
            self._convert(entry)

    def _fetch(self, entries: Sequence[ModelEntry], progress: Progress | None) -> None:
        """Each address, and each archive once, however many models are in it; archives are not kept."""
        # HTTP and the package finder take a while to load, and only here are they needed.
        from assent.models.fetch import PackageFile, fetch_package_file, fetch_url, unpack_member
        from assent.models.pip_settings import read_index_settings

        settings = read_index_settings()
        downloads = self.models_dir / _DOWNLOADS_NAME
        for source, members in _by_archive(entries):
            file = PackageFile(
                source.project, source.version, source.filename, source.sha256, source.size_bytes
            )
            archive = fetch_package_file(file, downloads, progress=progress, settings=settings)
            for entry, member in members:
                unpack_member(archive, member, self._source_path(entry), entry.sha256)
            with disk_errors(downloads):
                archive.unlink()
        for entry in entries:
            if isinstance(entry.source, UrlSource):
                got = fetch_url(
                    entry.source.url,
                    entry.sha256,
                    downloads / entry.file,
                    size_bytes=entry.size_bytes,
                    progress=progress,
                    settings=settings,
                )
                with disk_errors(self.models_dir):
                    got.replace(self._source_path(entry))

    def _convert(self, entry: ModelEntry) -> None:
        conversion = CONVERSIONS.get(entry.family)
        if conversion is None:
            return
        converted = conversion.convert(self._read_source(entry), entry.name)
        write_atomically(self._run_path(entry), converted)
        record = _Made(source_sha256=entry.sha256, conversion=conversion.version, sha256=sha256_of(converted))
        state = _State(made=self._made() | {entry.name: record})
        write_atomically(self.models_dir / _STATE_NAME, state.model_dump_json(indent=1).encode())

    def _source_path(self, entry: ModelEntry) -> Path:
        return self.models_dir / entry.file

    def _run_path(self, entry: ModelEntry) -> Path:
        conversion = CONVERSIONS.get(entry.family)
        if conversion is None:
            return self._source_path(entry)
        return self.models_dir / f"{entry.name}{conversion.suffix}"

    def _has_source(self, entry: ModelEntry) -> bool:
        try:
            self._check_source(entry)
        except (ModelMissing, ModelCorrupt):
            return False
        return True

    def _check_source(self, entry: ModelEntry) -> None:
        """Hashes the published file without holding it."""
        check_file(self._source_path(entry), entry.sha256, entry.name)

    def _read_source(self, entry: ModelEntry) -> bytes:
        return read_checked(self._source_path(entry), entry.sha256, entry.name)

    def _read(self, entry: ModelEntry) -> bytes:
        """The file that is run, after both it and the published file were found right."""
        conversion = CONVERSIONS.get(entry.family)
        if conversion is None:
            return self._read_source(entry)
        self._check_source(entry)
        made = self._made().get(entry.name)
        if made is None or (made.source_sha256, made.conversion) != (entry.sha256, conversion.version):
            raise ModelMissing(
                f"{entry.name}: expected it made by {conversion.version}, got "
                f"{made.conversion if made else 'nothing'}; run: assent models pull {entry.name}"
            )
        return read_checked(self._run_path(entry), made.sha256, entry.name)

    def _made(self) -> dict[str, _Made]:
        """What was converted; nothing if the record is missing or damaged, for then it is made again."""
        try:
            return _State.model_validate_json((self.models_dir / _STATE_NAME).read_bytes()).made
        except (OSError, ValidationError):
            return {}


def _identity(entry: ModelEntry) -> str:
    """What one model's results depend on, as canonical JSON."""
    conversion = CONVERSIONS.get(entry.family)
    fed = entry.model_dump(
        mode="json",
        include={
            "family",
            "sha256",
            "input_width",
            "input_height",
            "colour_order",
            "mean",
            "std",
            "alignment",
            "output_dim",
        },
    )
    fed["conversion"] = conversion.version if conversion else None
    return json.dumps(fed, sort_keys=True, separators=(",", ":"))


def _by_archive(
    entries: Iterable[ModelEntry],
) -> Iterator[tuple[PackageSource, list[tuple[ModelEntry, str]]]]:
    """Archives, each with the entries that are members of it; entries of other sources are left out."""
    archives: dict[str, tuple[PackageSource, list[tuple[ModelEntry, str]]]] = {}
    for entry in entries:
        if isinstance(entry.source, PackageSource):
            _, members = archives.setdefault(entry.source.sha256, (entry.source, []))
            members.append((entry, entry.source.member))
    yield from archives.values()
