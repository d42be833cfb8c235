"""Exact search in a few readable lines of NumPy; every other index is tested against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from assent.errors import IndexUnavailable, UsageError
from assent.gallery.index import (
    SCORE_ERROR,
    Hit,
    Keys,
    Rows,
    begin_with,
    check_limit,
    checked_rows,
    checked_templates,
    compared,
    encoded_keys,
    held_twice,
    not_held,
    ranked,
)
from assent.gallery.saving import load_rows, save_rows
from assent.gallery.snapshot import Saved, Seal
from assent.types import Bool, Float32, Float64

_ROWS_AT_ONCE = 8192


class ExactIndex:
    """All templates in one matrix, every one compared (see ``assent.gallery.index.Index``).

    The rows are never changed, only replaced all three together, so that a search needs no lock: it goes on with the
    rows that it began with.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise UsageError(f"dim must be at least 1, got {dim}")
        self._dim = dim
        self._rows = Rows(np.zeros(0, "S1"), np.zeros((0, dim), np.float32), np.zeros(0, np.float64))

    @property
    def dim(self) -> int:
        """Length of a template."""
        return self._dim

    @property
    def is_lost(self) -> bool:
        """Never: it is in this process's memory (see ``Index.is_lost``)."""
        return False

    def __len__(self) -> int:
        return len(self._rows.keys)

    def __contains__(self, key: str) -> bool:
        keys, wanted = self._rows.keys, encoded_keys([key])
        at = int(np.searchsorted(keys, wanted[0]))
        return at < len(keys) and bool(keys[at] == wanted[0])

    def num_live(self, now_s: float) -> int:
        """How many may be returned (see ``Index.num_live``)."""
        return int(np.count_nonzero(self._rows.expires_s > now_s))

    def add(self, keys: Sequence[str] | Keys, templates: Float32, *, expires_s: Float64) -> None:
        """Add templates (see ``Index.add``)."""
        held, new = self._rows, checked_rows(keys, templates, expires_s, dim=self._dim)
        merged = np.concatenate([held.keys, new.keys])
        order = np.argsort(merged, kind="stable")
        ordered = merged[order]
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            raise held_twice(repeated[0].decode())
        self._rows = Rows(
            ordered,
            np.concatenate([held.templates, new.templates])[order],
            np.concatenate([held.expires_s, new.expires_s])[order],
        )

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates (see ``Index.remove``)."""
        held = self._rows
        gone = np.isin(held.keys, encoded_keys(keys))
        if gone.sum() != len(set(keys)):
            raise not_held(sorted(key for key in set(keys) if key not in self))
        self._rows = Rows(held.keys[~gone], held.templates[~gone], held.expires_s[~gone])

    def search(self, probes: Float32, *, limit: int, min_score: float, now_s: float) -> list[tuple[Hit, ...]]:
        """Compare every probe with every template (see ``Index.search``)."""
        array = checked_templates(probes, dim=self._dim, what="probes")
        check_limit(limit)
        rows = self._rows
        live = rows.expires_s > now_s
        return [_best(rows, probe, live, limit, min_score) for probe in array]

    def batches(self, prefix: str = "") -> Iterator[Rows]:
        """What is held (see ``Index.batches``)."""
        rows = self._rows
        wanted = begin_with(rows.keys, prefix)
        for start in range(wanted.start, wanted.stop, _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, wanted.stop))
            yield Rows(rows.keys[part], rows.templates[part], rows.expires_s[part])

    def save(self, path: Path, seal: Seal, *, prefix: str = "") -> Saved:
        """Write what is held to a file (see ``Index.save``)."""
        return save_rows(self, path, seal, prefix=prefix)

    def load(self, path: Path, seal: Seal, saved: Saved) -> None:
        """Add what a file holds (see ``Index.load``)."""
        load_rows(self, path, seal, saved)

    def close(self) -> None:
        """Nothing is held outside of this process's memory, which goes with it (see ``Index.close``)."""

    def verify(self) -> None:
        """Whether the keys are in order and the templates whole (see ``Index.verify``)."""
        rows = self._rows
        in_order = bool(np.all(rows.keys[1:] > rows.keys[:-1]))
        if not in_order or not np.allclose(np.linalg.norm(rows.templates, axis=1), 1.0, atol=1e-3):
            raise IndexUnavailable("the index in memory is damaged; make it anew from the records")


def _best(rows: Rows, probe: Float32, live: Bool, limit: int, min_score: float) -> tuple[Hit, ...]:
    scores = compared(rows.templates, probe)
    allowed = np.flatnonzero(live & (scores >= min_score - SCORE_ERROR))
    if len(allowed) > limit:
        kth = np.partition(scores[allowed], -limit)[-limit]
        allowed = allowed[scores[allowed] >= kth - 2 * SCORE_ERROR]
    return ranked(rows.keys[allowed], rows.templates[allowed], probe, limit=limit, min_score=min_score)
