"""Where the float32 templates of a segment are kept: in memory, or in a file that nobody else can read.

The file has no name, so it is gone with the process, and it is encrypted with a key that is in this process's memory
only. AES-CTR, since rows are read one by one; each is written once, under a counter that no other has.
"""

from __future__ import annotations

import itertools
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

Runs = Sequence[tuple[int, int, int]]
"""Of each stretch of consecutive rows: its place among those asked for, the first row, how many."""


class Originals(Protocol):
    """Templates by row; see ``read_together``, too."""

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

    def read(self, rows: Int64) -> Float32:
        """See ``Originals.read``."""
        return self._templates[rows]

    def erase(self, rows: Int64) -> None:
        """See ``Originals.erase``."""
        self._templates[rows] = 0


class RowCipher:
    """AES-CTR for rows of several files, under one key that is in this process's memory only.

    A block's counter is its file's number and its own, so that no two blocks ever have the same.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._files = itertools.count()

    def new_file(self) -> int:
        """A number that no other file has."""
        return next(self._files)

    def seal(self, file: int, content: bytes) -> bytes:
        """A whole file, encrypted."""
        counter = file.to_bytes(8, "big") + bytes(8)
        return Cipher(algorithms.AES(self._key), modes.CTR(counter)).encryptor().update(content)

    def open(self, words: UInt64, files: Int64, rows: Int64) -> None:
        """Decrypt (N, W) the words of rows, in place, wherever they lie, by one call for some thousands.

        A call for each row takes ten times as long.
        """
        blocks_of_row = words.shape[1] * words.itemsize // _BLOCK_BYTES
        for start in range(0, len(words), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            counters = np.empty((len(words[part]), blocks_of_row, 2), ">u8")
            counters[:, :, 0] = files[part, None]
            counters[:, :, 1] = rows[part, None] * blocks_of_row + np.arange(blocks_of_row)
            encryptor = Cipher(algorithms.AES(self._key), modes.ECB()).encryptor()  # noqa: S305 - of counters, as CTR does
            stream = np.frombuffer(encryptor.update(counters.tobytes()), np.uint64)
            words[part] ^= stream.reshape(-1, words.shape[1])


class FileOriginals:
    """Templates in an encrypted file without a name.

    Args:
        templates: (N, dim) float32.
        folder: on the disk that has room for them.
        cipher: what they are encrypted with; one for several files lets ``read_together`` be fast.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, templates: Float32, folder: Path, cipher: RowCipher) -> None:
        self.dim = templates.shape[1]
        self.cipher, self.number = cipher, cipher.new_file()
        self._row_bytes = -(-self.dim * 4 // _BLOCK_BYTES) * _BLOCK_BYTES
        padded = np.zeros((len(templates), self._row_bytes // 4), "<f4")
        padded[:, : self.dim] = templates
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as this object
            view = memoryview(cipher.seal(self.number, padded.tobytes()))
            while view:
                view = view[self._file.write(view) :]
            # rows are read here and there: what lies behind one is not worth the memory
            _advise(self._file.fileno(), 0, 0, "POSIX_FADV_RANDOM")
        except OSError as error:
            raise IndexUnavailable(
                f"cannot keep templates in {folder}: {error.strerror or error}; make room there"
            ) from error

    def read(self, rows: Int64) -> Float32:
        """See ``Originals.read``."""
        return _opened([(self, rows)])

    def erase(self, rows: Int64) -> None:
        """See ``Originals.erase``."""
        for row in rows:
            os.pwrite(self._file.fileno(), bytes(self._row_bytes), int(row) * self._row_bytes)

    def announce(self, runs: Runs) -> None:
        """Say which rows are read next, so that a disk fetches them at once and not one after the other."""
        file, row_bytes = self._file.fileno(), self._row_bytes
        for _, first, count in runs:
            _advise(file, first * row_bytes, count * row_bytes, "POSIX_FADV_WILLNEED")

    def sealed(self, runs: Runs) -> UInt64:
        """(N, W) the words of rows as they are in the file.

        Raises:
            IndexUnavailable: it has lost its end.
        """
        file, row_bytes = self._file.fileno(), self._row_bytes
        found = np.empty((sum(count for _, _, count in runs), row_bytes), np.uint8)
        for place, first, count in runs:
            part = found[place : place + count]
            if os.preadv(file, [part.data], first * row_bytes) != part.nbytes:
                raise IndexUnavailable("templates of an index are cut short; make it anew from the records")
        return found.view(np.uint64)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def read_together(parts: Sequence[tuple[Originals, Int64]]) -> Float32:
    """(N, dim) the templates of rows of each, one after the other; at least one part.

    Rows of several files of one cipher are fetched at once, and decrypted by one call.
    """
    files = [(originals, rows) for originals, rows in parts if isinstance(originals, FileOriginals)]
    if len(files) == len(parts) and len({id(originals.cipher) for originals, _ in files}) == 1:
        return _opened(files)
    return np.concatenate([originals.read(rows) for originals, rows in parts])


def _opened(parts: Sequence[tuple[FileOriginals, Int64]]) -> Float32:
    """See ``read_together``; all have one cipher."""
    runs = [_runs(rows) for _, rows in parts]
    if len(parts) > 1 or len(runs[0]) > 1:
        for (originals, _), runs_of in zip(parts, runs, strict=True):
            originals.announce(runs_of)
    sealed = [originals.sealed(runs_of) for (originals, _), runs_of in zip(parts, runs, strict=True)]
    words = sealed[0] if len(sealed) == 1 else np.concatenate(sealed)
    first, rows = parts[0][0], np.concatenate([rows for _, rows in parts])
    numbers = [originals.number for originals, _ in parts]
    first.cipher.open(words, np.repeat(numbers, [len(rows) for _, rows in parts]), rows)
    return np.asarray(words.view("<f4")[:, : first.dim], np.float32)


def _advise(file: int, offset: int, length: int, advice: str) -> None:
    """Tell the operating system, where it can be told."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, offset, length, getattr(os, advice))


def _runs(rows: Int64) -> Runs:
    """The stretches of consecutive rows."""
    if not len(rows):
        return []
    breaks = (np.flatnonzero(rows[1:] != rows[:-1] + 1) + 1).tolist()
    starts, ends = [0, *breaks], [*breaks, len(rows)]
    return [(at, row, end - at) for at, end, row in zip(starts, ends, rows[starts].tolist(), strict=True)]
