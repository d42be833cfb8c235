"""What is kept here of templates that a server searches: whose they are, until when, and the templates themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from assent.gallery.candidates import Found
from assent.gallery.held_keys import HeldKeys
from assent.gallery.index import Keys, Rows, begin_with
from assent.gallery.live_rows import LiveRows
from assent.gallery.originals import FileOriginals, MemoryOriginals, Originals, RowCipher
from assent.types import Int64, UInt64

_ROWS_AT_ONCE = 8192


class KeptSegment:
    """Rows in the order of their numbers, made once; rows are only marked as gone, so that a search needs no lock.

    Args:
        rows: in any order; one without a key is gone.
        folder: where the templates are kept, encrypted (see ``assent.gallery.originals``); None for memory.

    Attributes:
        may_hold: see ``assent.gallery.segments.Holding``.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, rows: Rows, folder: Path | None) -> None:
        keys = rows.keys.copy()
        self._by_key = np.argsort(keys, kind="stable")
        self._whose = HeldKeys(keys, self._by_key)
        self.may_hold = self._whose.may_hold
        self._live = LiveRows(np.where(self._whose.held, rows.expires_s, -math.inf))
        templates = np.ascontiguousarray(rows.templates)
        self._originals: Originals = (
            MemoryOriginals(templates) if folder is None else FileOriginals(templates, folder, RowCipher())
        )

    def __len__(self) -> int:
        return len(self._whose)

    @property
    def memory_bytes(self) -> int:
        """What it takes, without the templates themselves."""
        return self._whose.memory_bytes + self._live.expires_s.nbytes

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        return self._whose.rows_of(keys, prints)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return self._live.at(now_s)[0]

    def held_rows(self) -> Int64:
        """Which rows are held."""
        return np.flatnonzero(self._whose.held)

    def end(self, rows: Int64) -> None:
        """Drop rows; the templates are overwritten."""
        self._whose.end(rows)
        self._live.end(rows)
        self._originals.erase(rows)

    def live(self, rows: Int64, now_s: float) -> Found:
        """Which of these rows may be returned at that moment, with their templates."""
        rows = rows[rows < len(self._whose.keys)]
        rows = rows[self._live.expires_s[rows] > now_s]
        templates = self._originals.read(rows)
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._whose.held[rows]
        return Found(self._whose.keys[rows[kept]], templates[kept])

    def held(self) -> Rows:
        """What is held, by key."""
        return self._read(self._by_key)

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        wanted = self._by_key[begin_with(self._whose.keys[self._by_key], prefix)]
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            yield self._read(wanted[start : start + _ROWS_AT_ONCE])

    def _read(self, rows: Int64) -> Rows:
        rows = rows[self._whose.held[rows]]
        templates = self._originals.read(rows)
        kept = self._whose.held[rows]
        return Rows(self._whose.keys[rows[kept]], templates[kept], self._live.expires_s[rows[kept]])
