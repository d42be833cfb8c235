"""Which collections in Milvus are in use, and which a process left behind that ended without dropping its own.

A file for each, locked by the process that uses the collection: the operating system drops the lock with the process,
however it ends, and not while it merely sleeps. So nothing that is in use can be taken for a leftover, and nothing of
another installation, whose files are in another folder, either.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assent.errors import IndexUnavailable

_SUFFIX = ".in-use"


@dataclass(frozen=True, slots=True)
class Lease:
    """A collection's file, open and locked.

    Attributes:
        name: of the collection.
        path: of the file.
        descriptor: of the open file.
    """

    name: str
    path: Path
    descriptor: int

    def give_back(self, *, is_dropped: bool) -> None:
        """Unlock the file; it stays where the collection could not be dropped, for the next process to see."""
        if is_dropped:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Leases:
    """The files of one data folder.

    Args:
        folder: where they are; made when first needed.
        address: of the server; a leftover on another one is left alone.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address

    def take(self, name: str) -> Lease:
        """Mark a collection as in use, before it is made.

        Raises:
            IndexUnavailable: the disk refuses.
        """
        path = self._folder / f"{name}{_SUFFIX}"
        # locked before it has its name: whoever looks for leftovers never sees it unlocked
        beside = self._folder / f".{name}.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, self._address.encode())
            beside.rename(path)
        except OSError as error:
            raise IndexUnavailable(
                f"cannot write to {self._folder}: {error.strerror or error}; make room there"
            ) from error
        return Lease(name, path, descriptor)

    def left_behind(self) -> Iterator[Lease]:
        """Those of processes that are no more, each locked for the caller to drop and give back."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                descriptor = os.open(path, os.O_RDWR)
            except OSError:
                continue  # dropped just now
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = os.pread(descriptor, 4096, 0).decode() == self._address and path.exists()
            except (OSError, UnicodeDecodeError):
                is_ours = False
            if is_ours:
                yield Lease(path.name.removesuffix(_SUFFIX), path, descriptor)
            else:
                os.close(descriptor)
