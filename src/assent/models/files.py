"""Files that are either whole and as expected, or not there: hashes, atomic writes, one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from assent.errors import ModelError

PART_SUFFIX = ".part"
"""Files under this name are unfinished; the final name is only ever given to a whole file."""

_CHUNK = 1 << 20


def sha256_of(data: bytes) -> str:
    """The hash as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The hash of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(folder: Path, num_bytes: int | None = None) -> Iterator[None]:
    """Turns what a disk can refuse into one clear error.

    Args:
        folder: what could not be written.
        num_bytes: how much room is needed, where that is known.

    Raises:
        ModelError: no room, no permission, or another failure to read or write.
    """
    try:
        yield
    except OSError as error:
        room = "" if num_bytes is None else f"{num_bytes / 1e6:.0f} MB of room and "
        cures = {
            errno.ENOSPC: "free some space",
            errno.EDQUOT: "free some space",
            errno.EROFS: "choose a folder that can be written",
        }
        cure = cures.get(error.errno or 0, "check the folder and its permissions")
        raise ModelError(
            f"{folder}: expected {room}leave to write, got: {error.strerror or error}; {cure}, or set "
            "ASSENT_MODELS_DIR to another folder."
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes its final name, at once, when the block ends without an error.

    Args:
        path: the final name; its folder must exist. A file of that name is replaced.
    """
    descriptor, temporary_name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=PART_SUFFIX, dir=path.parent
    )
    temporary = Path(temporary_name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that is there whole or not at all.

    Raises:
        ModelError: no room or no permission.
    """
    with disk_errors(path.parent, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(data)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Waits until no other process changes this folder, and keeps others waiting until the block ends.

    Raises:
        ModelError: the folder cannot be made or written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("ab")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def exclusive_part(dest: Path) -> Iterator[BinaryIO]:
    """The unfinished file of ``dest``, open to read and append, with no other process writing to it."""
    part = dest.with_name(dest.name + PART_SUFFIX)
    file = _lock_part(part)
    while file is None:
        file = _lock_part(part)
    with file:
        yield file


def _lock_part(part: Path) -> BinaryIO | None:
    """The file, locked; None if another process gave it its final name while this one waited for the lock."""
    file = part.open("a+b")
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        is_current = part.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        is_current = False
    if is_current:
        return file
    file.close()
    return None
