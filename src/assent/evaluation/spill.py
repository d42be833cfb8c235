"""Comparisons that are kept until the end: in memory while they are few, then in a temporary file.

The file has no name and is gone with the process, however that ends. It holds 17 bytes for each comparison:
two numbers of pictures, the score, and whether it is mated; no id, no name. It lies in the folder that
``TMPDIR`` names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from assent.errors import UsageError
from assent.evaluation.trials import Trials
from assent.types import Int64

MAX_IN_MEMORY = 20_000_000
PART_ROWS = 8_000_000
"""Comparisons that are looked at together where order matters."""

_ROW_BYTES = 4 + 4 + 8 + 1
_CHUNK_ROWS = 1_000_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True, eq=False)
class TrialStore:
    """Comparisons in the order they came.

    Attributes:
        max_in_memory: more are in a file.
    """

    max_in_memory: int = MAX_IN_MEMORY
    _parts: list[Trials] = field(default_factory=list)
    _file: IO[bytes] | None = None
    _lengths: list[int] = field(default_factory=list)
    _num_rows: int = 0
    _is_ascending: bool = (
        True  # each probe and reference have higher numbers than those before: none is twice
    )
    _last: int = -1

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._num_rows

    @property
    def is_in_memory(self) -> bool:
        """Whether there are few enough to be looked at all together."""
        return self._file is None

    def add(self, trials: Trials) -> None:
        """Keep some more.

        Raises:
            UsageError: the temporary file cannot be written.
        """
        if not len(trials):
            return
        self._num_rows += len(trials)
        self._note_order(trials)
        if self._file is None:
            self._parts.append(trials)
            if self._num_rows <= self.max_in_memory:
                return
            self._file = _temporary_file()
            parts, self._parts = self._parts, []
            for part in parts:
                self._write(self._file, part)
        else:
            self._write(self._file, trials)

    def joined(self) -> Trials:
        """All of them in memory: of few, or of a part of a store."""
        joined = Trials.joined([*self.chunks()] or [_NONE])
        if self._file is None:
            self._parts = [joined]
        return joined

    def chunks(self) -> Iterator[Trials]:
        """All of them, some at a time, in order."""
        if self._file is None:
            yield from self._parts
            return
        at = 0
        for length in self._lengths:
            self._file.seek(at)
            data = self._file.read(length * _ROW_BYTES)
            at += len(data)
            pictures = np.frombuffer(data, np.int32, 2 * length).astype(np.int64)
            yield Trials(
                pictures[:length],
                pictures[length:],
                np.frombuffer(data, np.float64, length, 8 * length),
                np.frombuffer(data, np.bool_, length, 16 * length),
            )

    def split(self, num_parts: int, codes: Int64 | None = None) -> list[TrialStore]:
        """Stores of their own, each with all comparisons of the pairs of pictures that fall to it.

        Args:
            num_parts: how many.
            codes: new numbers for the pictures; a comparison of one with a negative number is left out.
        """
        parts = [TrialStore(max_in_memory=PART_ROWS // num_parts) for _ in range(num_parts)]
        for chunk in self.chunks():
            probes, references = chunk.probes, chunk.references
            if codes is not None:
                probes, references = codes[probes], codes[references]
                known = (probes >= 0) & (references >= 0)
                probes, references, chunk = probes[known], references[known], chunk.take(known)
            moved = Trials(probes, references, chunk.scores, chunk.mated)
            keys = (probes.astype(np.uint64) << np.uint64(32) | references.astype(np.uint64)) * _MIX
            own = ((keys >> np.uint64(40)) % np.uint64(num_parts)).astype(np.int16)
            order = np.argsort(own, kind="stable")
            ends = np.cumsum(np.bincount(own, minlength=num_parts))
            for part, rows in zip(parts, np.split(order, ends[:-1]), strict=True):
                part.add(moved.take(rows))
        return parts

    def num_duplicates(self) -> int:
        """Comparisons of a probe and a reference beyond the first."""
        if self._is_ascending:
            return 0
        if self._num_rows <= self.max_in_memory:
            return _num_duplicates(self.joined())
        parts = self.split(-(-self._num_rows // PART_ROWS))
        return sum(_num_duplicates(part.joined()) for part in parts)

    def _note_order(self, trials: Trials) -> None:
        if self._is_ascending:
            keys = _keys(trials)
            self._is_ascending = bool(keys[0] > self._last and (keys[1:] > keys[:-1]).all())
            self._last = int(keys[-1])

    def _write(self, file: IO[bytes], trials: Trials) -> None:
        file.seek(0, 2)
        for start in range(0, len(trials), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            columns = (
                trials.probes[rows].astype(np.int32),
                trials.references[rows].astype(np.int32),
                np.ascontiguousarray(trials.scores[rows], np.float64),
                np.ascontiguousarray(trials.mated[rows]),
            )
            try:
                for column in columns:
                    file.write(column.data)
            except OSError as error:
                raise _no_room(error) from error
            self._lengths.append(len(columns[0]))


_NONE = Trials(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.bool_))


def _keys(trials: Trials) -> Int64:
    return (trials.probes << 32) | trials.references


def _num_duplicates(trials: Trials) -> int:
    keys = np.sort(_keys(trials))
    return int((keys[1:] == keys[:-1]).sum())


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="assent-audit-")
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> UsageError:
    return UsageError(
        f"expected room for a temporary file of {_ROW_BYTES} bytes for each comparison in {tempfile.gettempdir()}; "
        f"{error.strerror}. Set TMPDIR to a folder that has it."
    )
