"""An index on the disk: its templates in one encrypted file, which opens whole or not at all.

    magic (8 bytes) || for each block: length (4 bytes, little endian) || nonce (12) || AES-256-GCM ciphertext and tag

A block is some thousands of rows: their number, the width of a key, the keys, the ends of consent, the templates. Its
associated data are what the file is of, the block's number, and whether it is the last: a block that was moved, left
out, or taken from another file does not open. Only rows are kept, not codes or centroids made of them, so that what
is on the disk does not depend on the kind of index, and a key destroyed takes everything with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assent.errors import IndexUnavailable, SnapshotUnusable
from assent.types import Float32, Float64, JsonObject

_MAGIC = b"assent#1"
_NONCE_BYTES = 12
_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_MAX_BLOCK_BYTES = 2**28

Columns = tuple[np.ndarray[tuple[int], np.dtype[np.bytes_]], Float32, Float64]
"""Keys, templates and ends of consent of some rows."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a snapshot is encrypted with and bound to.

    Attributes:
        key: 32 bytes, of this snapshot alone; never printed.
        facts: what it is of, e.g. collection, model, epoch; it opens for the very same facts only.
    """

    key: bytes = field(repr=False)
    facts: JsonObject

    def aad(self, number: int, *, is_last: bool, dim: int) -> bytes:
        """What block ``number`` is bound to."""
        bound = {"facts": self.facts, "block": number, "last": is_last, "dim": dim}
        return json.dumps(bound, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Saved:
    """What a written snapshot is known by.

    Attributes:
        count: templates in it.
        sha256: of the file, hexadecimal.
    """

    count: int
    sha256: str


def write_snapshot(path: Path, seal: Seal, blocks: Iterable[Columns], *, dim: int) -> Saved:
    """Write rows to a file beside ``path``, flush it to the disk, and put it in its place.

    Raises:
        IndexUnavailable: the disk refuses; what was at ``path`` is still there.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            saved = _write(stream, seal, blocks, dim)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise IndexUnavailable(
            f"cannot save the index to {path}: {error.strerror or error}; make room there, searches go on meanwhile"
        ) from error
    return saved


def _write(stream: BinaryIO, seal: Seal, blocks: Iterable[Columns], dim: int) -> Saved:
    cipher, digest, count, number = AESGCM(seal.key), hashlib.sha256(_MAGIC), 0, 0
    stream.write(_MAGIC)
    held: Columns | None = None
    for columns in blocks:
        if held is not None:
            _write_block(stream, cipher, digest, seal.aad(number, is_last=False, dim=dim), held)
            number += 1
        held, count = columns, count + len(columns[0])
    last = held if held is not None else (np.zeros(0, "S1"), np.zeros((0, dim), np.float32), np.zeros(0))
    _write_block(stream, cipher, digest, seal.aad(number, is_last=True, dim=dim), last)
    return Saved(count, digest.hexdigest())


def _write_block(
    stream: BinaryIO, cipher: AESGCM, digest: hashlib._Hash, aad: bytes, columns: Columns
) -> None:
    keys, templates, expires_s = columns
    plain = b"".join(
        (
            _HEAD.pack(len(keys), keys.dtype.itemsize),
            keys.tobytes(),
            np.ascontiguousarray(expires_s, "<f8").tobytes(),
            np.ascontiguousarray(templates, "<f4").tobytes(),
        )
    )
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, plain, aad)
    for part in (_LENGTH.pack(len(sealed)), sealed):
        digest.update(part)
        stream.write(part)


def read_snapshot(path: Path, seal: Seal, saved: Saved, *, dim: int) -> Iterator[Columns]:
    """The rows of a file, block by block; nothing is given before its digest was compared.

    Raises:
        SnapshotUnusable: it is not there, truncated, altered, or of something else.
    """
    try:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != saved.sha256:
                raise _unusable(path, "its digest is another")
            stream.seek(0)
            yield from _read(stream, path, seal, saved.count, dim)
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from error


def _read(stream: BinaryIO, path: Path, seal: Seal, count: int, dim: int) -> Iterator[Columns]:
    cipher, number, is_last = AESGCM(seal.key), 0, False
    size = os.fstat(stream.fileno()).st_size
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise _unusable(path, "it is another kind of file")
    while not is_last:
        head = stream.read(_LENGTH.size)
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not _NONCE_BYTES < length <= _MAX_BLOCK_BYTES:
            raise _unusable(path, "it ends early")
        sealed = stream.read(length)
        is_last = stream.tell() == size
        try:
            aad = seal.aad(number, is_last=is_last, dim=dim)
            columns = _columns(cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad), dim)
        except (InvalidTag, ValueError, struct.error):
            raise _unusable(path, "it is of another index, key, model or moment, or was altered") from None
        count -= len(columns[0])
        number += 1
        yield columns
    if count:
        raise _unusable(path, "it holds another number of templates")


def _columns(plain: bytes, dim: int) -> Columns:
    count, width = _HEAD.unpack_from(plain)
    at = _HEAD.size
    keys = np.frombuffer(plain, f"S{width}", count, at)
    at += count * width
    expires_s = np.frombuffer(plain, "<f8", count, at)
    at += count * 8
    templates = np.frombuffer(plain, "<f4", count * dim, at).reshape(count, dim)
    return keys, np.asarray(templates, np.float32), np.asarray(expires_s, np.float64)


def _unusable(path: Path, reason: str) -> SnapshotUnusable:
    return SnapshotUnusable(
        f"the saved index {path.name} cannot be used, {reason}; it is made anew from the records"
    )
