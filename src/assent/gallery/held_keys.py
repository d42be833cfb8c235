"""Whose the rows of a segment are, and which of them are still held."""

from __future__ import annotations

import numpy as np

from assent.gallery.index import Keys
from assent.gallery.key_filter import KeyFilter
from assent.types import Bool, Int64, UInt64


class HeldKeys:
    """The keys of rows that are made once and only ever marked as gone.

    Only one thread at a time may change it.

    Args:
        keys: (N,) of each row; one without a key is gone.
        order: (N,) the rows by key; None where they are in that order.

    Attributes:
        keys: as given.
        held: (N,) bool, whether each row is held.
        may_hold: of a fingerprint, False where its key is surely not one of them.
    """

    def __init__(self, keys: Keys, order: Int64 | None = None) -> None:
        self.keys = keys
        self.held: Bool = np.asarray(keys != b"", np.bool_)
        self._order = order
        self._filter = KeyFilter(keys)
        self.may_hold = self._filter.may_hold_one
        self._num_held = int(np.count_nonzero(self.held))

    def __len__(self) -> int:
        return self._num_held

    @property
    def memory_bytes(self) -> int:
        """What it takes."""
        order_bytes = 0 if self._order is None else self._order.nbytes
        return int(self.keys.nbytes + self.held.nbytes + self._filter.memory_bytes + order_bytes)

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held; ``prints`` are their ``fingerprints``."""
        rows = np.full(len(keys), -1, np.int64)
        asked = np.flatnonzero(self._filter.may_hold(prints))
        if len(asked):
            wanted = keys[asked]
            at = np.searchsorted(self.keys, wanted, sorter=self._order)
            at = np.minimum(at, len(self.keys) - 1)
            found = at if self._order is None else self._order[at]
            rows[asked] = np.where((self.keys[found] == wanted) & self.held[found], found, -1)
        return rows

    def end(self, rows: Int64) -> None:
        """These are gone."""
        self._num_held -= int(np.count_nonzero(self.held[rows]))
        self.held[rows] = False
