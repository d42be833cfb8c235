"""Local folders as buckets: ``ROOT/<bucket>/<key>``, and no way out of them.

Every part of a path is opened from the folder before it, by its descriptor and without following links: what a name
means cannot change between a check and its use, because there is no check apart from the opening.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assent.errors import ObjectTooLarge, ObjectUnavailable
from assent.objects.base import check_names, path_of

_CHUNK_BYTES: Final = 2**20
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for somebody to write to it.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderBuckets:
    """The folders of one folder, each a bucket.

    Args:
        root: holds a folder for each bucket; it need not be there yet. Links in it are not followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> bytes:
        """One file's bytes (see ``ObjectStore.read``); folders keep no versions, so that asking for one is refused."""
        file = self._open(bucket, key, version)
        try:
            return _read_at_most(file, max_bytes)
        except OSError as error:
            raise _unavailable() from error
        finally:
            os.close(file)

    def size(self, bucket: str, key: str, *, version: str | None = None) -> int:
        """One file's bytes (see ``ObjectStore.size``)."""
        file = self._open(bucket, key, version)
        try:
            return os.fstat(file).st_size
        finally:
            os.close(file)

    @contextmanager
    def open(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> Iterator[Path]:
        """One file as it lies there (see ``ObjectStore.open``)."""
        file = self._open(bucket, key, version)
        try:
            if os.fstat(file).st_size > max_bytes:
                raise _too_large(max_bytes)
            yield path_of(file)
        finally:
            os.close(file)

    def _open(self, bucket: str, key: str, version: str | None) -> int:
        """An open regular file."""
        check_names(bucket, key)
        if version is not None:
            raise ObjectUnavailable(
                "expected no version: folders as buckets keep none; leave it out, or set ASSENT_OBJECTS=s3"
            )
        parts = [bucket, *key.split("/")]
        if any(part in ("", ".", "..") for part in parts):
            raise ObjectUnavailable(
                "expected an object's name whose parts between slashes are names; empty ones, '.' and '..' are none"
            )
        try:
            return self._open_parts(parts)
        except OSError as error:
            raise _unavailable() from error

    def _open_parts(self, parts: list[str]) -> int:
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in parts[:-1]:
                inner = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
                os.close(folder)
                folder = inner
            file = os.open(parts[-1], _FILE_FLAGS, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError("not a regular file")
        return file


def _read_at_most(file: int, max_bytes: int) -> bytes:
    """Everything of an open file, whatever its size is said to be."""
    chunks: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (chunk := os.read(file, min(left, _CHUNK_BYTES))):
        chunks.append(chunk)
        left -= len(chunk)
    if left <= 0:
        raise _too_large(max_bytes)
    return b"".join(chunks)


def _too_large(max_bytes: int) -> ObjectTooLarge:
    return ObjectTooLarge(
        f"an object may have at most {max_bytes:,} bytes, this one has more; make it smaller"
    )


def _unavailable() -> ObjectUnavailable:
    # Which part is missing is not told: it would say what else is there.
    return ObjectUnavailable(
        "there is no such bucket or object, or it may not be read; put the file at BUCKET/KEY in the folder of "
        "ASSENT_OBJECTS_DIR, as a file and not as a link"
    )
