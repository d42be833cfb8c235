"""How often each score occurs: exact while there are not too many, in bounded memory always."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from assent.errors import UsageError
from assent.types import Float64, Int64

MAX_DISTINCT = 8_000_000
"""Different scores told apart; beyond, those below the highest million are rounded up to steps."""

NUM_EXACT = 1_000_000
_PENDING = 16_000_000
_NUM_STEPS = 2**21


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCounts:
    """Different scores and how often each occurs.

    Attributes:
        values: (K,) float64, ascending strictly; may begin or end with an infinite one.
        counts: (K,) int64, above 0.
        exact_from: scores above are as they came; others were rounded up to steps, to this at most. Minus infinity
            where all are exact.
    """

    values: Float64
    counts: Int64
    exact_from: float = -np.inf

    @classmethod
    def of(cls, scores: npt.ArrayLike) -> Self:
        """Count scores.

        Args:
            scores: any shape.

        Raises:
            UsageError: a score is NaN.
        """
        flat = np.asarray(scores, np.float64).ravel()
        if np.isnan(flat).any():
            raise UsageError("expected scores; got NaN. A comparison without a template is counted apart.")
        return cls(*np.unique(flat, return_counts=True))

    def flipped(self) -> Self:
        """Of the same scores with the other sign; those at most minus ``exact_from`` are then as they came."""
        values = 0.0 - self.values[::-1]
        return replace(self, values=values, counts=self.counts[::-1])

    @property
    def total(self) -> int:
        """Scores."""
        return int(self.counts.sum())

    @property
    def middle(self) -> float:
        """The median; of two, the lower. There must be a score."""
        return float(self.values[np.searchsorted(np.cumsum(self.counts), self.total / 2)])

    def num_at_least(self, thresholds: npt.ArrayLike) -> Int64:
        """How many scores are at or above each threshold; any shape."""
        from_top = np.concatenate([np.cumsum(self.counts[::-1])[::-1], [0]])
        return np.asarray(from_top[np.searchsorted(self.values, thresholds, side="left")], np.int64)

    def num_below(self, thresholds: npt.ArrayLike) -> Int64:
        """How many scores are below each threshold; any shape."""
        return self.total - self.num_at_least(thresholds)


@dataclass(slots=True)
class ScoreCounter:
    """Counts scores that arrive in parts."""

    max_distinct: int = MAX_DISTINCT
    _pending: list[Float64] = field(default_factory=list)
    _num_pending: int = 0
    _values: Float64 = field(default_factory=lambda: np.zeros(0))
    _counts: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    _exact_from: float = -np.inf
    _step: float = 0.0

    def add(self, scores: Float64) -> None:
        """Count some scores, none NaN."""
        self._pending.append(scores)
        self._num_pending += len(scores)
        if self._num_pending >= min(_PENDING, 2 * self.max_distinct):
            self._compact()

    def result(self) -> ScoreCounts:
        """The scores counted until now."""
        self._compact()
        return ScoreCounts(self._values, self._counts, self._exact_from)

    def _compact(self) -> None:
        if self._pending:
            values, counts = np.unique(np.concatenate(self._pending), return_counts=True)
            if self._step:
                values, counts = self._stepped(values, counts)
            self._pending, self._num_pending = [], 0
            self._values, self._counts = _merged(
                np.concatenate([self._values, values]), np.concatenate([self._counts, counts])
            )
        while len(self._values) > self.max_distinct:
            self._coarsen()

    def _coarsen(self) -> None:
        """Fewer different values: a higher cut, or steps twice as wide."""
        above = np.cumsum(self._counts[::-1])[::-1]
        exact = min(NUM_EXACT, self.max_distinct // 2)
        cut = self._values[max(int(np.searchsorted(-above, -exact)) - 1, 0)]
        finite = self._values[np.isfinite(self._values)]
        width = max(float(min(cut, finite[-1]) - finite[0]), np.finfo(np.float64).tiny)
        steps = min(_NUM_STEPS, self.max_distinct // 4)
        self._step = max(2 * self._step, 2.0 ** np.ceil(np.log2(width / steps)))
        self._exact_from = max(self._exact_from, float(cut))
        self._values, self._counts = _merged(*self._stepped(self._values, self._counts))

    def _stepped(self, values: Float64, counts: Int64) -> tuple[Float64, Int64]:
        """Upwards, so that a false match rate read from the result is not too low; never above the cut."""
        rounded = np.minimum(np.ceil(values / self._step) * self._step, self._exact_from)
        return _merged(np.where(values < self._exact_from, rounded, values), counts)


def _merged(values: Float64, counts: Int64) -> tuple[Float64, Int64]:
    """Ascending, each value once."""
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])
    return values[starts], np.add.reduceat(counts, starts) if len(starts) else counts
