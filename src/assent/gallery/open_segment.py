"""The kind of segment that takes new templates as they are and compares every one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from assent.gallery.candidates import Found, Near, Wanted, best_of
from assent.gallery.index import SCORE_ERROR, Keys, Rows, compared
from assent.gallery.short_codes import WHOLE, Share
from assent.types import Float32, Int64, UInt64

_FEW_PROBES: Final = 8
"""One by one they take no longer than together, and no threads of BLAS's, which may be waited for."""


class OpenSegment:
    """Room for some thousands of templates, each compared as it is.

    Only one thread at a time may change it; ``size`` is raised last, so that searches see whole rows.
    """

    def __init__(self, dim: int, capacity: int) -> None:
        self.size = 0
        self._templates = np.zeros((capacity, dim), np.float32)
        self._expires_s = np.full(capacity, -math.inf)
        self._keys: list[bytes] = []
        self._row_of: dict[bytes, int] = {}

    @property
    def room(self) -> int:
        """How many more fit."""
        return len(self._templates) - self.size

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def num_rows(self) -> int:
        """Rows, with those that are gone."""
        return self.size

    @property
    def memory_bytes(self) -> int:
        """What it takes, about."""
        return self._templates.nbytes + self._expires_s.nbytes + 200 * self.size

    @property
    def bytes_read(self) -> int:
        """Of memory by a search for one probe, about."""
        return self.size * self._templates.shape[1] * 4

    def shares(self, _most: int, _wanted: Wanted) -> Sequence[Share]:
        """The parts of a search: it is in one, since two threads take as long with what the processor has at hand."""
        return [WHOLE]

    def may_hold(self, _print: int) -> bool:
        """Whether it does is asked as fast as it could be guessed."""
        return True

    def rows_of(self, keys: Keys, _prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        return np.array([self._row_of.get(bytes(key), -1) for key in keys], np.int64)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return int(np.count_nonzero(self._expires_s[: self.size] > now_s))

    def append(self, rows: Rows) -> None:
        """Take rows, for which there is room."""
        end = self.size + len(rows.keys)
        self._templates[self.size : end] = rows.templates
        self._expires_s[self.size : end] = rows.expires_s
        keys = rows.keys.tolist()
        self._keys.extend(keys)
        self._row_of.update(zip(keys, range(self.size, end), strict=True))
        self.size = end

    def skip(self, count: int) -> None:
        """Leave rows out for good."""
        self._keys.extend([b""] * count)
        self.size += count

    def end(self, rows: Int64) -> None:
        """Drop rows."""
        self._expires_s[rows] = -math.inf
        self._templates[rows] = 0
        for row in rows:
            del self._row_of[self._keys[row]]

    def held(self) -> Rows:
        """What is held, by key."""
        pairs = sorted(self._row_of.items())
        at = np.array([row for _, row in pairs], np.int64)
        keys = np.array([key for key, _ in pairs], np.bytes_) if pairs else np.zeros(0, "S1")
        return Rows(keys, self._templates[at], self._expires_s[at])

    def near(self, probes: Float32, wanted: Wanted, _share: Share) -> list[Near]:
        """Everything that may be a hit, for each probe; always all of it, in one share."""
        templates, found = self._templates[: self.size], []
        if len(probes) < _FEW_PROBES:
            all_scores = np.stack([compared(templates, probe) for probe in probes])
        else:
            all_scores = probes @ templates.T
        # asked after they were read: ``end`` marks a row before it overwrites it
        live = self._expires_s[: len(templates)] > wanted.now_s
        for scores in all_scores:
            rows = np.flatnonzero(live & (scores >= wanted.min_score - SCORE_ERROR))
            found.append(best_of([Near(rows, scores[rows], SCORE_ERROR)], wanted.limit)[0])
        return found

    def found(self, rows: Int64) -> Found:
        """The templates of rows, but of those that ended meanwhile."""
        return self.live(rows, -math.inf)

    def live(self, rows: Int64, now_s: float) -> Found:
        """Which of these rows may be returned at that moment, with their templates."""
        rows = rows[rows < self.size]
        templates = self._templates[rows]
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._expires_s[rows] > now_s
        rows, templates = rows[kept], templates[kept]
        keys = np.array([self._keys[row] for row in rows], np.bytes_) if len(rows) else np.zeros(0, "S1")
        return Found(keys, templates)

    def held_rows(self) -> Int64:
        """Which rows are held."""
        return np.array(sorted(self._row_of.values()), np.int64)

    def in_order(self) -> Rows:
        """Every row by its number; one that is gone has no key."""
        held = self._expires_s[: self.size] > -math.inf
        keys = [key if kept else b"" for key, kept in zip(self._keys, held.tolist(), strict=True)]
        return Rows(np.array(keys, np.bytes_), self._templates[: self.size], self._expires_s[: self.size])
