"""What every object store does, and the names that none accepts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from assent.errors import ObjectUnavailable

BUCKET: Final = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{2,254}")
MAX_KEY_BYTES: Final = 1024


class ObjectStore(Protocol):
    """Pictures and videos by bucket and key. May be used from several threads at once."""

    def read(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> bytes:
        """One object's bytes.

        Args:
            bucket: its name.
            key: of the object in it.
            version: of the object; the newest when None.
            max_bytes: largest object that is read; never more than that is held in memory.

        Raises:
            ObjectUnavailable: no such bucket or object, or it cannot be read in time.
            ObjectTooLarge: over ``max_bytes``.
        """

    def size(self, bucket: str, key: str, *, version: str | None = None) -> int:
        """How many bytes an object has, without reading it.

        Raises:
            ObjectUnavailable: no such bucket or object, or it cannot be read in time.
        """

    def open(
        self, bucket: str, key: str, *, version: str | None = None, max_bytes: int
    ) -> AbstractContextManager[Path]:
        """One object as a file that can be read, and sought in, as long as the block runs; for what is large.

        Nothing is left on the disk after it, even where the process is killed.

        Args:
            bucket: its name.
            key: of the object in it.
            version: of the object; the newest when None.
            max_bytes: largest object that is opened.

        Raises:
            ObjectUnavailable: no such bucket or object, or it cannot be read in time.
            ObjectTooLarge: over ``max_bytes``.
        """


def path_of(file: int) -> Path:
    """A path at which an open file can be opened once more, though it may have no name any longer."""
    linux = Path(f"/proc/self/fd/{file}")
    return linux if linux.exists() else Path(f"/dev/fd/{file}")


@contextmanager
def unnamed_file() -> Iterator[BinaryIO]:
    """A temporary file without a name: it is gone when it is closed, or when the process ends, however it ends."""
    with tempfile.TemporaryFile() as file:
        yield file


def check_names(bucket: str, key: str) -> None:
    """Refuse names that no store has.

    Raises:
        ObjectUnavailable: a bucket of other characters, or a key that is empty, too long or no text.
    """
    if not BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ObjectUnavailable(
            "expected a bucket's name of 3 to 255 letters, digits, dots, hyphens and underscores, got another; check it"
        )
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ObjectUnavailable("expected an object's name in Unicode, got other characters") from error
    if not 1 <= size <= MAX_KEY_BYTES or "\0" in key:
        raise ObjectUnavailable(
            f"expected an object's name of 1 to {MAX_KEY_BYTES} bytes without NUL, got another; check it"
        )
