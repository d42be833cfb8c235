"""The kind of segment that is made once of many templates.

A search takes the nearest by short codes (``assent.gallery.short_codes``) and scores these again by 8 bits an axis,
whose greatest error is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from assent.errors import IndexUnavailable
from assent.gallery.candidates import Found, Near, Wanted, best_of
from assent.gallery.held_keys import HeldKeys
from assent.gallery.index import SCORE_ERROR, Keys, Rows, begin_with, rows_at_once
from assent.gallery.live_rows import LiveRows
from assent.gallery.originals import FileOriginals, MemoryOriginals, Originals, RowCipher
from assent.gallery.short_codes import WHOLE, Share, ShortCodes
from assent.types import Float32, Int64, UInt8, UInt64

_ROWS_AT_ONCE: Final = 8192
_FEW: Final = 1 / 64
"""Where fewer of a segment's rows may be returned, these are looked at one by one instead."""


class CodedSegment:
    """Many templates as short codes (see the module); made once.

    Args:
        rows: at least some thousands.
        folder: where the templates themselves are kept, encrypted; None for memory.
        cipher: for the index's files.

    Attributes:
        may_hold: see ``Holding``.
        originals: the templates themselves.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, rows: Rows, folder: Path | None, cipher: RowCipher) -> None:
        order = np.argsort(rows.keys)
        self._whose = HeldKeys(rows.keys[order])
        self.may_hold = self._whose.may_hold
        templates = np.ascontiguousarray(rows.templates[order])
        self._live = LiveRows(rows.expires_s[order].copy())
        self._short = ShortCodes(templates)
        self._code_bytes(templates)
        self.originals: Originals = (
            MemoryOriginals(templates) if folder is None else FileOriginals(templates, folder, cipher)
        )

    def __len__(self) -> int:
        return len(self._whose)

    @property
    def num_rows(self) -> int:
        """Rows, with those that are gone."""
        return len(self._whose.keys)

    @property
    def memory_bytes(self) -> int:
        """What it takes, without the templates themselves."""
        kept = self._codes.nbytes + self._whose.memory_bytes + self._live.expires_s.nbytes
        return self._short.memory_bytes + kept

    @property
    def bytes_read(self) -> int:
        """Of memory by a search for one probe, about."""
        return self._short.code_bytes

    def shares(self, most: int, wanted: Wanted) -> Sequence[Share]:
        """The parts of a search, at most so many, which may be done beside each other."""
        few = self._are_few(self.num_live(wanted.now_s), wanted)
        count = 1 if few else min(most, self._short.num_cells)
        return [WHOLE] if count == 1 else [Share(number, count) for number in range(count)]

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        return self._whose.rows_of(keys, prints)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return self._live.at(now_s)[0]

    def end(self, rows: Int64) -> None:
        """Drop rows; what was there is overwritten, short codes too."""
        self._whose.end(rows)
        self._live.end(rows)
        self._codes[rows] = 0
        self._short.overwrite(rows)
        self.originals.erase(rows)

    def held(self, part: slice = slice(None)) -> Rows:
        """What is held, by key."""
        at, templates = self._whole(np.flatnonzero(self._whose.held[part]) + (part.start or 0))
        return Rows(self._whose.keys[at], templates, self._live.expires_s[at])

    def _whole(self, rows: Int64) -> tuple[Int64, Float32]:
        """These rows and their templates, but of those that ended while they were read."""
        return self._still(rows, self.originals.read(rows))

    def _still(self, rows: Int64, templates: Float32) -> tuple[Int64, Float32]:
        # ``end`` marks a row before it overwrites it
        kept = self._whose.held[rows]
        return (rows, templates) if kept.all() else (rows[kept], templates[kept])

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        wanted = begin_with(self._whose.keys, prefix)
        for start in range(wanted.start, wanted.stop, _ROWS_AT_ONCE):
            yield self.held(slice(start, min(start + _ROWS_AT_ONCE, wanted.stop)))

    def held_keys(self) -> Keys:
        """The keys of what is held, in order."""
        return self._whose.keys[self._whose.held]

    def near(self, probes: Float32, wanted: Wanted, share: Share) -> list[Near]:
        """What may be a hit, for each probe; all shares together have it all."""
        num_live, bits = self._live.at(wanted.now_s)
        if num_live == 0:
            return [Near(np.zeros(0, np.int64), np.zeros(0, np.float32), 0.0) for _ in probes]
        # in each of several shares, too: that somebody left between them must not take anybody along
        if self._are_few(num_live, wanted):
            live = self._live.rows_at(wanted.now_s)
            return [self._scored(probe, live, wanted) for probe in probes]
        nearest = self._short.nearest(
            probes,
            wanted.effort,
            share,
            limit=wanted.limit,
            min_score=wanted.min_score,
            bits=None if num_live == self.num_rows else bits,
        )
        return [
            self._scored(probe, np.sort(rows[rows >= 0]), wanted)
            for probe, rows in zip(probes, nearest, strict=True)
        ]

    def still(self, rows: Int64, templates: Float32) -> Found:
        """Of rows that were read, those that did not end meanwhile."""
        at, templates = self._still(rows, templates)
        return Found(self._whose.keys[at], templates)

    def short_codes(self, rows: Int64) -> UInt8:
        """(len(rows), B) the short codes of rows, as they are now."""
        return self._short.codes(rows)

    def check(self) -> None:
        """Whether codes and templates agree. Raises ``IndexUnavailable``."""
        for start in range(0, self.num_rows, 65536):
            held = np.flatnonzero(self._whose.held[start : start + 65536]) + start
            codes = self._codes[held]
            at, templates = self._whole(held)
            error = templates - self._short.mean - codes[np.searchsorted(held, at)] * self._step - self._low
            if not np.all(np.linalg.norm(error, axis=1) <= self._max_error * 1.01 + 1e-6):
                raise IndexUnavailable(
                    "codes and templates of an index disagree; make it anew from the records"
                )

    def _are_few(self, num_live: int, wanted: Wanted) -> bool:
        """Whether so many that may be returned are looked at one by one."""
        return num_live <= max(wanted.effort.candidates(self.num_rows, wanted.limit), self.num_rows * _FEW)

    def _code_bytes(self, templates: Float32) -> None:
        """Eight bits an axis, and the most that a score can be off by."""
        centred = templates - self._short.mean
        self._low = centred.min(axis=0)
        self._step = np.maximum((centred.max(axis=0) - self._low) / 255, 1e-9).astype(np.float32)
        self._codes: UInt8 = np.empty(templates.shape, np.uint8)
        self._max_error = 0.0
        for start in range(0, len(templates), 65536):
            part = centred[start : start + 65536] - self._low
            codes = np.rint(part / self._step)
            self._codes[start : start + 65536] = codes
            # the score is off by the product of this error with a probe of unit norm
            self._max_error = max(
                self._max_error, float(np.linalg.norm(part - codes * self._step, axis=1).max())
            )

    def _scored(self, probe: Float32, rows: Int64, wanted: Wanted) -> Near:
        """The rows that may be hits, judged by eight bits an axis."""
        scores, weights = np.empty(len(rows), np.float32), self._step * probe
        at_once = rows_at_once(len(probe))
        for start in range(0, len(rows), at_once):
            part = slice(start, start + at_once)
            # with a mode that checks nothing ``take`` is three times as fast as an index
            scores[part] = np.take(self._codes, rows[part], axis=0, mode="clip") @ weights
        scores += float(probe @ (self._short.mean + self._low))
        off_by = self._max_error + SCORE_ERROR
        enough = np.flatnonzero(scores >= wanted.min_score - off_by)
        # asked after they were read: ``end`` marks a row before it overwrites its codes, which then say anything
        enough = enough[self._whose.held[rows[enough]]]
        return best_of([Near(rows[enough], scores[enough], off_by)], wanted.limit)[0]
