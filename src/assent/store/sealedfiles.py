"""Files that are sealed with a key of their own: destroy the key, and the file is noise.

A file is a row of chunks, each sealed with AES-256-GCM and bound to its place and to whether it is the last, so that
none can be moved, left out or cut off. Nonces count up, which is safe because a key seals one file only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assent.errors import StoreUnavailable
from assent.store.crypto import NONCE_BYTES

CHUNK_BYTES: Final = 2**20
_TAG_BYTES: Final = 16


def seal_file(path: Path, key: bytes, chunks: Iterable[bytes]) -> int:
    """Write a sealed file; how many bytes were sealed.

    Args:
        path: the file; replaced if it is there.
        key: 32 bytes, of this file only.
        chunks: of any size.
    """
    writer = SealedWriter(path, key)
    try:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()
    finally:
        writer.close()


class SealedWriter:
    """A sealed file that is written as its bytes come; until ``finish`` it cannot be read.

    Args:
        path: the file; replaced if it is there.
        key: 32 bytes, of this file only.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._file = path.open("wb")
        path.chmod(0o600)
        self._key = key
        self._held = bytearray()
        self._number = 0
        self._size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes; how many."""
        self._held += data
        self._size += len(data)
        # the last chunk is sealed as such, so that one is held back until it is known not to be the last
        while len(self._held) > CHUNK_BYTES:
            self._file.write(_sealed(self._key, self._number, bytes(self._held[:CHUNK_BYTES]), is_last=False))
            self._number += 1
            del self._held[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> int:
        """Write what is held back, and close; how many bytes were sealed."""
        self._file.write(_sealed(self._key, self._number, bytes(self._held), is_last=True))
        self.close()
        return self._size

    def close(self) -> None:
        """Close it, whole or not."""
        self._held.clear()
        self._file.close()


def unsealed(path: Path, key: bytes) -> Iterator[bytes]:
    """What was sealed, chunk by chunk.

    Raises:
        StoreUnavailable: the file is gone, was altered or cut off, or is another key's.
    """
    try:
        with path.open("rb") as file:
            yield from _chunks(file, key)
    except (OSError, InvalidTag) as error:
        raise StoreUnavailable(
            "a sealed file of a job is gone, altered or damaged; submit the job again"
        ) from error


def unsealed_part(path: Path, key: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Some of what was sealed, as chunks of at most ``CHUNK_BYTES``; only what is needed is read.

    Args:
        path: the file.
        key: that it was sealed with.
        start: first byte, 0 or more.
        stop: byte after the last, at most ``unsealed_size``.

    Raises:
        StoreUnavailable: the file is gone, was altered or cut off, or is another key's.
    """
    try:
        size = unsealed_size(path)
        last = max(0, -(-size // CHUNK_BYTES) - 1)
        with path.open("rb") as file:
            for number in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
                file.seek(number * (CHUNK_BYTES + _TAG_BYTES))
                sealed = file.read(CHUNK_BYTES + _TAG_BYTES)
                chunk = AESGCM(key).decrypt(_nonce(number), sealed, _place(number, is_last=number == last))
                begins = number * CHUNK_BYTES
                yield chunk[max(start - begins, 0) : stop - begins]
    except (OSError, InvalidTag) as error:
        raise StoreUnavailable(
            "a sealed file of a job is gone, altered or damaged; submit the job again"
        ) from error


def unsealed_size(path: Path) -> int:
    """How many bytes were sealed. Raises ``OSError`` where the file is gone."""
    sealed = path.stat().st_size
    num_chunks = max(1, -(-sealed // (CHUNK_BYTES + _TAG_BYTES)))
    return sealed - num_chunks * _TAG_BYTES


def _chunks(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    number = 0
    sealed = file.read(CHUNK_BYTES + _TAG_BYTES)
    while True:
        after = file.read(CHUNK_BYTES + _TAG_BYTES)
        yield AESGCM(key).decrypt(_nonce(number), sealed, _place(number, is_last=not after))
        if not after:
            return
        sealed, number = after, number + 1


def _sealed(key: bytes, number: int, chunk: bytes, *, is_last: bool) -> bytes:
    return AESGCM(key).encrypt(_nonce(number), chunk, _place(number, is_last=is_last))


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES, "big")


def _place(number: int, *, is_last: bool) -> bytes:
    return f"assent/1|file|{number}|{'last' if is_last else 'more'}".encode("ascii")
