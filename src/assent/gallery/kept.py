"""What is kept here of templates that a server searches: whose they are, until when, and the templates themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from assent.gallery.index import Keys, Rows, begin_with
from assent.gallery.key_filter import KeyFilter
from assent.gallery.originals import FileOriginals, MemoryOriginals, Originals
from assent.gallery.segments import Found, LiveRows
from assent.types import Int64, UInt64

_ROWS_AT_ONCE = 8192


class KeptSegment:
    """Rows in the order of their numbers, made once; rows are only marked as gone, so that a search needs no lock.

    Args:
        rows: in any order; one without a key is gone.
        folder: where the templates are kept, encrypted (see ``assent.gallery.originals``); None for memory.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, rows: Rows, folder: Path | None) -> None:
        self._keys = rows.keys.copy()
        self._by_key = np.argsort(self._keys, kind="stable")
        self._filter = KeyFilter(self._keys)
        self._held = self._keys != b""
        self._num_held = int(np.count_nonzero(self._held))
        self._live = LiveRows(np.where(self._held, rows.expires_s, -math.inf))
        templates = np.ascontiguousarray(rows.templates)
        self._originals: Originals = (
            MemoryOriginals(templates) if folder is None else FileOriginals(templates, folder)
        )

    def __len__(self) -> int:
        return self._num_held

    @property
    def memory_bytes(self) -> int:
        """What it takes, without the templates themselves."""
        return int(self._keys.nbytes + self._by_key.nbytes + self._filter.memory_bytes + 9 * len(self._keys))

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        rows = np.full(len(keys), -1, np.int64)
        asked = np.flatnonzero(self._filter.may_hold(prints))
        if len(asked):
            wanted = keys[asked]
            at = np.searchsorted(self._keys, wanted, sorter=self._by_key)
            found = self._by_key[np.minimum(at, len(self._keys) - 1)]
            rows[asked] = np.where((self._keys[found] == wanted) & self._held[found], found, -1)
        return rows

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return self._live.at(now_s)[0]

    def held_rows(self) -> Int64:
        """Which rows are held."""
        return np.flatnonzero(self._held)

    def end(self, rows: Int64) -> None:
        """Drop rows; the templates are overwritten."""
        self._num_held -= int(np.count_nonzero(self._held[rows]))
        self._held[rows] = False
        self._live.end(rows)
        self._originals.erase(rows)

    def live(self, rows: Int64, now_s: float) -> Found:
        """Which of these rows may be returned at that moment, with their templates."""
        rows = rows[rows < len(self._keys)]
        rows = rows[self._live.expires_s[rows] > now_s]
        templates = self._originals.read(rows)
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._held[rows]
        return Found(self._keys[rows[kept]], templates[kept])

    def held(self) -> Rows:
        """What is held, by key."""
        return self._read(self._by_key)

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        wanted = self._by_key[begin_with(self._keys[self._by_key], prefix)]
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            yield self._read(wanted[start : start + _ROWS_AT_ONCE])

    def _read(self, rows: Int64) -> Rows:
        rows = rows[self._held[rows]]
        templates = self._originals.read(rows)
        kept = self._held[rows]
        return Rows(self._keys[rows[kept]], templates[kept], self._live.expires_s[rows[kept]])
