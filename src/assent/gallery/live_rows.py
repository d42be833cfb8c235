"""Which rows of a segment may be returned at a moment."""

from __future__ import annotations

import math

import numpy as np

from assent.types import Float64, Int64, UInt8


class LiveRows:
    """Which rows may be returned, remembered until the next consent ends."""

    def __init__(self, expires_s: Float64) -> None:
        self.expires_s = expires_s
        self._num_ended = 0
        self._known: tuple[float, float, int, UInt8, int] | None = None
        self._rows: tuple[UInt8, int, Int64] | None = None

    def rows_at(self, now_s: float) -> Int64:
        """Their numbers, in order; for where they are few."""
        num_live, bits = self.at(now_s)
        made = self._rows
        # bits of who goes are changed in place, and fewer are counted then
        if made is None or made[0] is not bits or made[1] != num_live:
            rows = np.flatnonzero(
                np.unpackbits(bits, count=len(self.expires_s), bitorder="little").view(np.bool_)
            )
            made = (bits, num_live, rows)
            self._rows = made
        return made[2]

    def at(self, now_s: float) -> tuple[int, UInt8]:
        """How many, and a bit for each row, least significant first."""
        # Read before what it counts: who ends meanwhile makes what is remembered here old at once.
        num_ended, known = self._num_ended, self._known
        if known is None or known[4] != num_ended or not known[0] <= now_s < known[1]:
            live = self.expires_s > now_s
            until_s = float(np.where(live, self.expires_s, math.inf).min(initial=math.inf))
            bits = np.packbits(live, bitorder="little")
            known = (now_s, until_s, int(np.count_nonzero(live)), bits, num_ended)
            self._known = known
        return known[2], known[3]

    def end(self, rows: Int64) -> None:
        """These are gone; one thread at a time may say so."""
        self.expires_s[rows] = -math.inf
        known, self._num_ended = self._known, self._num_ended + 1
        if known is None or known[4] != self._num_ended - 1 or not len(rows):
            return
        # the bits of these only, in place: a search that reads them now may miss who has just gone
        from_s, until_s, num_live, bits, _ = known
        rows = np.unique(rows)
        places, masks = rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8)
        num_live -= int(np.count_nonzero(bits[places] & masks))
        np.bitwise_and.at(bits, places, ~masks)
        self._known = (from_s, until_s, num_live, bits, self._num_ended)
