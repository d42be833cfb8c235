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
    size = 0
    with path.open("wb") as file:
        waiting: bytes | None = None
        number = 0
        for chunk in _even(chunks):
            if waiting is not None:
                file.write(_sealed(key, number, waiting, is_last=False))
                number += 1
            waiting = chunk
            size += len(chunk)
        file.write(_sealed(key, number, waiting or b"", is_last=True))
    path.chmod(0o600)
    return size


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


def _even(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of ``CHUNK_BYTES``, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)
