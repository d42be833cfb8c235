"""Where the float32 templates of a segment are kept: in memory, or in a file that nobody else can read.

The file has no name, so it is gone with the process, and it is encrypted with a key that is in this process's memory
only. AES-CTR, since rows are read one by one; a key is used for one file, whose rows are written once.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from assent.errors import IndexUnavailable
from assent.types import Float32, Int64, UInt64

_BLOCK_BYTES = 16
_ROWS_AT_ONCE = 8192
"""Read as one, a segment's million would need its own size again three times over."""


class Originals(Protocol):
    """Templates by row."""

    def announce(self, rows: Int64) -> None:
        """Say which rows are read next, so that they are fetched at once and not one after the other."""
        ...

    def read(self, rows: Int64) -> Float32:
        """(len(rows), dim) float32."""
        ...

    def erase(self, rows: Int64) -> None:
        """Overwrite rows; they are not read again."""
        ...


class MemoryOriginals:
    """Templates in memory."""

    def __init__(self, templates: Float32) -> None:
        self._templates = np.array(templates, np.float32)

    def announce(self, rows: Int64) -> None:
        """Nothing is to fetch."""

    def read(self, rows: Int64) -> Float32:
        """See ``Originals.read``."""
        return self._templates[rows]

    def erase(self, rows: Int64) -> None:
        """See ``Originals.erase``."""
        self._templates[rows] = 0


class FileOriginals:
    """Templates in an encrypted file without a name.

    Args:
        templates: (N, dim) float32.
        folder: on the disk that has room for them.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, templates: Float32, folder: Path) -> None:
        self._dim = templates.shape[1]
        self._row_bytes = -(-self._dim * 4 // _BLOCK_BYTES) * _BLOCK_BYTES
        self._key = secrets.token_bytes(32)
        padded = np.zeros((len(templates), self._row_bytes // 4), "<f4")
        padded[:, : self._dim] = templates
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as this object
            sealing = Cipher(algorithms.AES(self._key), modes.CTR(bytes(_BLOCK_BYTES))).encryptor()
            view = memoryview(sealing.update(padded.tobytes()))
            while view:
                view = view[self._file.write(view) :]
            # rows are read here and there: what lies behind one is not worth the memory
            _advise(self._file.fileno(), 0, 0, "POSIX_FADV_RANDOM")
        except OSError as error:
            raise IndexUnavailable(
                f"cannot keep templates in {folder}: {error.strerror or error}; make room there"
            ) from error

    def announce(self, rows: Int64) -> None:
        """See ``Originals.announce``."""
        for _, first, count in _runs(rows):
            _advise(
                self._file.fileno(), first * self._row_bytes, count * self._row_bytes, "POSIX_FADV_WILLNEED"
            )

    def read(self, rows: Int64) -> Float32:
        """See ``Originals.read``."""
        found = np.empty((len(rows), self._row_bytes // 4), "<f4")
        sealed = found.view(np.uint8)
        for place, first, count in _runs(rows):
            part = sealed[place : place + count]
            if os.preadv(self._file.fileno(), [part.data], first * self._row_bytes) != part.nbytes:
                raise IndexUnavailable("templates of an index are cut short; make it anew from the records")
        words = found.view(np.uint64)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part_of_rows = slice(start, start + _ROWS_AT_ONCE)
            words[part_of_rows] ^= self._key_stream(rows[part_of_rows])
        return np.asarray(found[:, : self._dim], np.float32)

    def erase(self, rows: Int64) -> None:
        """See ``Originals.erase``."""
        for row in rows:
            os.pwrite(self._file.fileno(), bytes(self._row_bytes), int(row) * self._row_bytes)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _key_stream(self, rows: Int64) -> UInt64:
        """(len(rows), W) what CTR puts over these rows: their blocks' numbers, encrypted.

        One call for all of them, wherever they lie: a call for each takes ten times as long.
        """
        blocks_of_row = self._row_bytes // _BLOCK_BYTES
        numbers = np.zeros((len(rows), blocks_of_row, 2), ">u8")
        numbers[:, :, 1] = rows[:, None] * blocks_of_row + np.arange(blocks_of_row)
        encryptor = Cipher(algorithms.AES(self._key), modes.ECB()).encryptor()  # noqa: S305 - of numbers, as CTR does
        return np.frombuffer(encryptor.update(numbers.tobytes()), np.uint64).reshape(
            len(rows), 2 * blocks_of_row
        )


def _advise(file: int, offset: int, length: int, advice: str) -> None:
    """Tell the operating system, where it can be told."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, offset, length, getattr(os, advice))


def _runs(rows: Int64) -> Sequence[tuple[int, int, int]]:
    """(place in ``rows``, first row, how many) of each stretch of consecutive rows."""
    if not len(rows):
        return []
    breaks = (np.flatnonzero(rows[1:] != rows[:-1] + 1) + 1).tolist()
    starts, ends = [0, *breaks], [*breaks, len(rows)]
    return [(at, row, end - at) for at, end, row in zip(starts, ends, rows[starts].tolist(), strict=True)]
