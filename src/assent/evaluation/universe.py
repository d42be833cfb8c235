"""What was compared, as a bootstrap over people needs it: the weight of all comparisons under drawn people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assent.types import Float64, Int64

MAX_LISTED_PAIRS = 500_000
"""Different pairs of people that are listed one by one; more are summed up per person."""


@dataclass(frozen=True, slots=True, eq=False)
class ListedPairs:
    """Pairs of people one by one, as parallel arrays of length P.

    Attributes:
        first: (P,) int64, one of the two.
        second: (P,) int64, the other.
        counts: (P,) float64, comparisons between them.
        num_subjects: people.
    """

    first: Int64
    second: Int64
    counts: Float64
    num_subjects: int

    @property
    def num_references(self) -> int:
        """People in a pair."""
        return len(np.unique(np.concatenate([self.first, self.second])))

    def weight(self, subject_weights: Float64) -> float:
        """Sum of ``w_i w_j`` over all comparisons.

        Args:
            subject_weights: (S,) float64.
        """
        # A sum, not a dot product: threads of BLAS cost more than they bring when the machine is busy.
        return float((subject_weights[self.first] * subject_weights[self.second] * self.counts).sum())


@dataclass(frozen=True, slots=True, eq=False)
class SummedPairs:
    """Comparisons of each person, summed over the others.

    ``w_i w_j = w_i + w_j - 1 + (w_i - 1)(w_j - 1)``, and over many pairs the last product averages out: the
    weight is off by about one part in the square root of the number of pairs, here below 0.2 %.

    Attributes:
        counts: (S,) float64, comparisons that each person takes part in.
    """

    counts: Float64

    @property
    def num_subjects(self) -> int:
        """People, whether compared or not."""
        return len(self.counts)

    @property
    def num_references(self) -> int:
        """People in a comparison."""
        return int(np.count_nonzero(self.counts))

    def weight(self, subject_weights: Float64) -> float:
        """Sum of ``w_i w_j`` over all comparisons, very nearly.

        Args:
            subject_weights: (S,) float64.
        """
        return float((subject_weights * self.counts).sum() - self.counts.sum() / 2)
