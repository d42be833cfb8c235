"""Many files at once: which are redacted, under which names, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from PIL import Image

from assent.errors import UsageError
from assent.service.images import require_file
from assent.service.redacting import PHOTO_FORMATS

VIDEO_SUFFIXES: Final = frozenset(
    {
        *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".mxf", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
"""Ends of names that are taken for videos."""
_WRITTEN_AS: Final = dict.fromkeys(VIDEO_SUFFIXES - {".m4v", ".mkv", ".mov", ".mp4", ".ts", ".webm"}, ".mp4")
"""Kinds of video that are read but not written: their copies are MP4."""


@dataclass(frozen=True, slots=True)
class Work:
    """One file to redact.

    Attributes:
        source: the original.
        target: the copy.
        kind: what it is.
    """

    source: Path
    target: Path
    kind: Literal["photo", "video"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be done, and what was found besides.

    Attributes:
        works: in the order of their names.
        ignored: files in folders that are neither photos nor videos; they are not copied.
        is_folder: whether the copies go into a folder.
    """

    works: tuple[Work, ...]
    ignored: tuple[Path, ...]
    is_folder: bool


def plan(sources: Sequence[Path], target: Path) -> Batch:
    """What copies are written where.

    One file goes to ``target`` itself, or into it where that is a folder; several files, and whole folders with what
    is in them, go into the folder ``target`` under their own names.

    Raises:
        NotFound: a source is not there.
        UsageError: nothing to do; ``target`` lies in a source folder or is one; or two copies would have one name.
    """
    for source in sources:
        require_file(source)
    if len(sources) == 1 and not sources[0].is_dir() and not target.is_dir():
        source = sources[0]
        return Batch((Work(source, target, kind_of_file(source)),), (), is_folder=False)
    if target.exists() and not target.is_dir():
        raise UsageError(f"several files go into a folder, and {target} is a file; name a folder")
    works: list[Work] = []
    ignored: list[Path] = []
    for source in sources:
        if source.is_dir():
            found, others = _in_folder(source, target)
            works += found
            ignored += others
        else:
            kind = kind_of_file(source)
            works.append(Work(source, target / _named(Path(source.name), kind), kind))
    _refuse_clashes(works)
    if not works:
        raise UsageError(f"expected photos or videos in {', '.join(map(str, sources))}, found none")
    return Batch(tuple(works), tuple(ignored), is_folder=True)


def kind_of_file(path: Path) -> Literal["photo", "video"]:
    """Whether a file is taken for a photo or a video: by its name, a GIF by whether it moves.

    A file of no known name is taken for what it can be opened as.
    """
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in PHOTO_FORMATS and suffix != ".gif":
        return "photo"
    try:
        with Image.open(path) as image:
            return "video" if image.format == "GIF" and getattr(image, "n_frames", 1) > 1 else "photo"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "photo" if suffix == ".gif" else "video"


def _in_folder(folder: Path, target: Path) -> tuple[list[Work], list[Path]]:
    inside, outside = target.resolve(), folder.resolve()
    if inside == outside or outside in inside.parents:
        raise UsageError(
            f"the copies would lie among the originals in {folder}; choose a folder outside of it for {target}"
        )
    works, ignored = [], []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix.lower() not in PHOTO_FORMATS and path.suffix.lower() not in VIDEO_SUFFIXES:
            ignored.append(path)
            continue
        kind = kind_of_file(path)
        works.append(Work(path, target / _named(path.relative_to(folder), kind), kind))
    return works, ignored


def _named(path: Path, kind: str) -> Path:
    suffix = _WRITTEN_AS.get(path.suffix.lower()) if kind == "video" else None
    return path if suffix is None else path.with_name(f"{path.name}{suffix}")


def _refuse_clashes(works: list[Work]) -> None:
    taken: dict[str, Path] = {}
    for work in works:
        key = str(work.target).casefold()
        if key in taken:
            raise UsageError(
                f"{taken[key]} and {work.source} would both become {work.target}; redact them one after the other into "
                "two folders"
            )
        taken[key] = work.source
