"""What is known of each model: where it comes from, its hash and licence, and how it wants to be fed.

The built-in entries are ``manifest.toml`` beside this module; a user's own are ``manifest.toml`` in the
folder of model files, of the same form.
"""

from __future__ import annotations

import json
import tomllib
from enum import StrEnum
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from assent.errors import AlreadyExists, ModelUnsupported

MANIFEST_NAME = "manifest.toml"

DEFAULT_DETECTOR = "centerface"
DEFAULT_EMBEDDER = "dlib-resnet-v1"
DEFAULT_LANDMARKS = "dlib-shape-5"
DEFAULT_MODELS = (DEFAULT_DETECTOR, DEFAULT_EMBEDDER, DEFAULT_LANDMARKS)
"""What the default recipe needs."""

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
ModelFileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,122}\.(onnx|dat)$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PlainText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
Channels = tuple[float, float, float]


class Kind(StrEnum):
    """What a model is for."""

    DETECTOR = "detector"
    EMBEDDER = "embedder"
    LANDMARKS = "landmarks"


class Family(StrEnum):
    """Which code reads and runs a model."""

    CENTERFACE = "centerface"
    YUNET = "yunet"
    SCRFD = "scrfd"
    ARCFACE = "arcface"
    DLIB_RESNET = "dlib-resnet"
    DLIB_SHAPE_5 = "dlib-shape-5"


FAMILY_KINDS: dict[Family, Kind] = {
    Family.CENTERFACE: Kind.DETECTOR,
    Family.YUNET: Kind.DETECTOR,
    Family.SCRFD: Kind.DETECTOR,
    Family.ARCFACE: Kind.EMBEDDER,
    Family.DLIB_RESNET: Kind.EMBEDDER,
    Family.DLIB_SHAPE_5: Kind.LANDMARKS,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageSource(_Frozen):
    """A member of an archive that the user's package index has."""

    type: Literal["package"] = "package"
    project: PlainText
    version: PlainText
    filename: FileName
    sha256: Sha256 = Field(description="Of the archive.")
    size_bytes: int | None = Field(default=None, gt=0, description="Of the archive.")
    member: PlainText


class UrlSource(_Frozen):
    """A file at an address."""

    type: Literal["url"] = "url"
    url: PlainText


class LocalSource(_Frozen):
    """A file that the user brought; nothing can fetch it again."""

    type: Literal["local"] = "local"


Source = PackageSource | UrlSource | LocalSource


class ModelEntry(_Frozen):
    """One model.

    Attributes:
        name: what commands and recipes call it.
        kind: detector, embedder or landmarks.
        family: which code reads and runs it.
        file: name of the published file in the folder of model files.
        sha256: of that file.
        size_bytes: of that file.
        licence: an SPDX identifier where there is one.
        licence_url: where it can be read.
        licence_notes: what else a user should know.
        source: where the file comes from.
        input_width: pixels, or None where any size will do.
        input_height: pixels, or None where any size will do.
        colour_order: order of the channels it is fed.
        mean: subtracted from each channel (0 to 255) before ``std`` divides; zeros where the network does it.
        std: see ``mean``.
        alignment: the template that faces are warped to, for embedders.
        output_dim: length of the embedding, for embedders.
        score_direction: cosine similarities of templates and detection scores are higher for more alike and
            more sure; nothing else is supported.
    """

    name: ModelName
    kind: Kind
    family: Family
    file: ModelFileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    licence: Annotated[PlainText, StringConstraints(min_length=1)]
    licence_url: PlainText = ""
    licence_notes: PlainText = ""
    source: Annotated[Source, Field(discriminator="type")]
    input_width: int | None = Field(default=None, ge=16, le=8192)
    input_height: int | None = Field(default=None, ge=16, le=8192)
    colour_order: Literal["rgb", "bgr"]
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    alignment: Literal["dlib-150", "arcface-112"] | None = None
    output_dim: int | None = Field(default=None, ge=2, le=8192)
    score_direction: Literal["higher-is-alike"] = "higher-is-alike"

    @model_validator(mode="after")
    def _check_family(self) -> ModelEntry:
        if FAMILY_KINDS[self.family] is not self.kind:
            raise ValueError(f"family {self.family} is a {FAMILY_KINDS[self.family]}, not a {self.kind}")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        needed = (self.input_width, self.input_height, self.alignment, self.output_dim)
        if self.kind is Kind.EMBEDDER and None in needed:
            raise ValueError("an embedder needs input_width, input_height, alignment and output_dim")
        return self

    @cached_property
    def is_default(self) -> bool:
        """Whether the default recipe needs it."""
        return self.name in DEFAULT_MODELS


class _Manifest(_Frozen):
    models: tuple[ModelEntry, ...] = ()


def parse_manifest(text: str, where: str) -> tuple[ModelEntry, ...]:
    """The entries of a manifest.

    Args:
        text: TOML with ``[[models]]`` tables.
        where: what messages call it.

    Returns:
        The entries, in the order of the file.

    Raises:
        ModelUnsupported: not TOML, a field that is missing, unknown or malformed, or one name twice.
    """
    try:
        manifest = _Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ModelUnsupported(f"{where}: expected TOML, got an error: {error}; correct the file.") from error
    except ValidationError as error:
        raise ModelUnsupported(f"{where}: {describe(error)}; correct the entry.") from error
    names = [entry.name for entry in manifest.models]
    for name in names:
        if names.count(name) > 1:
            raise ModelUnsupported(
                f"{where}: expected each name once, got {name!r} twice; rename one of them."
            )
    return manifest.models


def describe(error: ValidationError) -> str:
    """The first complaint in one line, without the offending value (an address may hold a password)."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "entry"
    return f"{place}: {first['msg']}"


def builtin_entries() -> tuple[ModelEntry, ...]:
    """What Assent ships with."""
    text = resources.files("assent.models").joinpath(MANIFEST_NAME).read_text(encoding="utf-8")
    return parse_manifest(text, "the built-in manifest")


def all_entries(models_dir: Path) -> tuple[ModelEntry, ...]:
    """Built-in entries, then the user's.

    Raises:
        ModelUnsupported: the user's manifest cannot be read.
        AlreadyExists: the user's manifest takes the name or the file of a built-in entry.
    """
    builtin = builtin_entries()
    path = models_dir / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return builtin
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ModelUnsupported(
            f"{path}: expected a readable manifest, got: {reason}; correct the file."
        ) from error
    own = parse_manifest(text, str(path))
    taken = {entry.name for entry in builtin} | {entry.file for entry in builtin}
    for entry in own:
        if {entry.name, entry.file} & taken:
            raise AlreadyExists(
                f"{path}: expected a name and a file of its own, got {entry.name!r} ({entry.file}), which is "
                "built in; rename it."
            )
    return builtin + own


def to_toml(entry: ModelEntry) -> str:
    """The entry as a ``[[models]]`` table."""
    fields = entry.model_dump(mode="json", exclude_defaults=True, exclude={"source"})
    source = entry.source.model_dump(mode="json")
    lines = ["[[models]]", *_assignments(fields), "", "[models.source]", *_assignments(source)]
    return "\n".join(lines) + "\n"


def _assignments(fields: dict[str, object]) -> list[str]:
    """Strings, numbers and arrays of numbers are written alike in JSON and TOML."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
