"""Which rows of a segment may be returned at a moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assent.types import Float64, Int64, UInt8


@dataclass(slots=True, eq=False)
class _Known:
    """What was found from one moment on.

    Attributes:
        from_s: the moment.
        until_s: when the next consent ends.
        num_live: how many may be returned.
        bits: a bit for each row, least significant first.
        num_ended: how often rows had been dropped before.
        rows: the numbers of those that may be returned, once somebody has asked.
    """

    from_s: float
    until_s: float
    num_live: int
    bits: UInt8
    num_ended: int
    rows: Int64 | None = None


class LiveRows:
    """Which rows may be returned, remembered until the next consent ends."""

    def __init__(self, expires_s: Float64) -> None:
        self.expires_s = expires_s
        self._num_ended = 0
        self._known: _Known | None = None

    def at(self, now_s: float) -> tuple[int, UInt8]:
        """How many, and a bit for each row, least significant first."""
        known = self._at(now_s)
        return known.num_live, known.bits

    def rows_at(self, now_s: float) -> Int64:
        """Their numbers, in order; for where they are few."""
        known = self._at(now_s)
        if known.rows is None:
            live = np.unpackbits(known.bits, count=len(self.expires_s), bitorder="little")
            known.rows = np.flatnonzero(live.view(np.bool_))
        return known.rows

    def _at(self, now_s: float) -> _Known:
        # Read before what it counts: who ends meanwhile makes what is remembered here old at once.
        num_ended, known = self._num_ended, self._known
        if known is None or known.num_ended != num_ended or not known.from_s <= now_s < known.until_s:
            live = self.expires_s > now_s
            until_s = float(np.where(live, self.expires_s, math.inf).min(initial=math.inf))
            bits = np.packbits(live, bitorder="little")
            known = _Known(now_s, until_s, int(np.count_nonzero(live)), bits, num_ended)
            self._known = known
        return known

    def end(self, rows: Int64) -> None:
        """These are gone; one thread at a time may say so."""
        self.expires_s[rows] = -math.inf
        known, self._num_ended = self._known, self._num_ended + 1
        if known is None or known.num_ended != self._num_ended - 1 or not len(rows):
            return
        # the bits of these only, in place: a search that reads them now may miss who has just gone
        bits = known.bits
        rows = np.unique(rows)
        places, masks = rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8)
        num_live = known.num_live - int(np.count_nonzero(bits[places] & masks))
        np.bitwise_and.at(bits, places, ~masks)
        self._known = _Known(known.from_s, known.until_s, num_live, bits, self._num_ended)
