"""Output files that are whole or not there: written beside under another name, renamed when all is on the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from assent.errors import AlreadyExists, UsageError


def require_output(path: Path, *, sources: Sequence[Path], overwrite: bool) -> None:
    """Refuse an output's place before any work is done.

    Args:
        path: where it is to be written.
        sources: what it is made of; none of them is ever written over, whatever name it goes by.
        overwrite: whether another file may be there.

    Raises:
        UsageError: it is one of ``sources``, by its name, a link, or a second name; or it is a folder.
        AlreadyExists: a file is there, and ``overwrite`` is not set.
    """
    for source in sources:
        if _is_same(path, source):
            raise UsageError(
                f"the output {path} is the input {source}; the original is never written over, choose another name"
            )
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; give a file's name")
    if not overwrite and os.path.lexists(path):
        raise AlreadyExists(f"there is a file {path} already; choose another name, or --force to replace it")


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A file to write and seek in, which appears as ``path`` when the block ends well, and not at all otherwise.

    Beside it lies ``.NAME.PID.part`` in the meantime, readable by its owner only; one that a killed process left is
    removed.

    Raises:
        AlreadyExists: a file of this name has appeared meanwhile, and ``overwrite`` is not set.
        UsageError: it cannot be written there, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except (OSError, ValueError) as error:
        raise UsageError(_said(path, error)) from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        _rename(part, path, overwrite=overwrite)
    except OSError as error:
        raise UsageError(_said(path, error)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write a file at once (see ``whole_file``)."""
    with whole_file(path, overwrite=overwrite) as file:
        file.write(data)


def _rename(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
    else:
        try:
            os.link(part, path)  # unlike a rename, it does not replace what appeared in the meantime
        except FileExistsError as error:
            raise AlreadyExists(
                f"a file {path} has appeared meanwhile; choose another name, or --force to replace it"
            ) from error
        except OSError:
            part.rename(path)  # a file system without second names
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except (OSError, ValueError):
        return path.absolute() == source.absolute()


def _remove_left_behind(path: Path) -> None:
    for found in path.parent.glob(f".{_literal(path.name)}.*.part"):
        match = re.fullmatch(r"(\d+)\.part", found.name[len(path.name) + 2 :])
        if match and not _lives(int(match[1])):
            with suppress(OSError):
                found.unlink()


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _said(path: Path, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "not a file's name"
    return f"cannot write {path}: {why}; choose another place for it"
