"""Draws of people, and what rates come out under each: the intervals of everything that is built from pairs.

One draw gives every person a weight, as if as many people as there are were drawn with replacement; a
nonmated comparison weighs the product of its two people's weights, a mated one its person's. All draws of
one seed are of the same people in the same order, so that rates, ratios and differences are paired.

The chance part of a single comparison comes out up to three times too large in such a draw (A. B. Owen,
Annals of Applied Statistics 1, 2007): intervals of rates so low that only chance shows are wider than they
need be, up to 1.7 times, never narrower. What people have in common, which is what pair counting forgets, is
right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assent.calibration.comparisons import Block
from assent.calibration.draws import DrawOptions, Universe, pair_draws, sums_at, weights
from assent.evaluation.evidence import Evidence, pairs_of_people
from assent.types import Bool, Float64, Int64

MAX_ROWS = 300_000
"""Comparisons weighed in each draw; beyond, the lower scores are thinned and stand for those left out."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightedRows:
    """Comparisons with what each counts, highest score first (lowest first for mated ones); arrays of length M.

    Attributes:
        first: (M,) int64, a person.
        second: (M,) int64, the other person; the same one for mated comparisons.
        scores: (M,) float64.
        shares: (M,) float64, how many comparisons the row stands for.
    """

    first: Int64
    second: Int64
    scores: Float64
    shares: Float64

    def take(self, rows: Int64 | Bool) -> WeightedRows:
        """The rows at ``rows``, in that order."""
        return WeightedRows(self.first[rows], self.second[rows], self.scores[rows], self.shares[rows])

    def num_at_least(self, thresholds: Float64) -> Int64:
        """Of rows in falling order: how many score at least each threshold."""
        return np.searchsorted(-self.scores, -thresholds, side="right")

    def num_below(self, thresholds: Float64) -> Int64:
        """Of rows in rising order: how many score less than each threshold."""
        return np.searchsorted(self.scores, thresholds, side="left")


def nonmated_rows(evidence: Evidence) -> WeightedRows:
    """The nonmated comparisons to weigh, highest first: the highest one by one, the rest as samples."""
    block = Block.joined([evidence.tail, evidence.rest])
    first, second = pairs_of_people(evidence.samples, block.probes, block.references)
    rows = WeightedRows(first, second, np.asarray(block.scores, np.float64), block.shares)
    return thinned(rows)


def mated_rows(evidence: Evidence) -> WeightedRows:
    """Mated comparisons to weigh, lowest first; a failure is lower than any score."""
    block = Block.joined([evidence.low_mated, evidence.other_mated])
    people = evidence.samples.subjects[block.probes]
    return thinned(WeightedRows(people, people, np.asarray(block.scores, np.float64), block.shares))


def thinned(rows: WeightedRows, limit: int = MAX_ROWS) -> WeightedRows:
    """At most about ``limit`` rows: the first two thirds as they are, of the rest every k-th for k."""
    if len(rows.scores) <= limit:
        return rows
    whole = limit * 2 // 3
    stride = -(-(len(rows.scores) - whole) // (limit - whole))
    kept = np.concatenate([np.arange(whole), np.arange(whole + stride // 2, len(rows.scores), stride)])
    shares = rows.shares.copy()
    shares[whole:] *= stride
    return WeightedRows(rows.first[kept], rows.second[kept], rows.scores[kept], shares[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Rates at K thresholds under B draws.

    Attributes:
        rates: (B, K) float64.
        point: (K,) float64, with everybody weighing 1.
    """

    rates: Float64
    point: Float64

    def about(self, value: Float64) -> Float64:
        """(B, K): the draws scaled so that they are about ``value``, (K,): exact where rows were thinned."""
        return np.asarray(self.rates * (value / np.where(self.point > 0, self.point, 1.0)), np.float64)


def false_match_draws(
    rows: WeightedRows, universe: Universe, thresholds: Float64, options: DrawOptions
) -> Draws:
    """False match rates at thresholds under draws of people on both sides.

    Args:
        rows: nonmated comparisons, highest first, all that reach the lowest threshold.
        universe: all that were compared.
        thresholds: (K,).
        options: the draws.
    """
    num_at = rows.num_at_least(thresholds)
    rows = rows.take(np.arange(int(num_at.max(initial=0))))
    total = universe.weight(np.ones(universe.num_subjects))
    rates = pair_draws(rows.first, rows.second, rows.shares, universe, num_at, options)
    point = sums_at(rows.shares, num_at) / max(total, 1.0)
    return Draws(rates, point)


def miss_draws(rows: WeightedRows, num_subjects: int, thresholds: Float64, options: DrawOptions) -> Draws:
    """Miss rates at thresholds under the same draws of people.

    Args:
        rows: all mated comparisons, lowest first.
        num_subjects: people, numbered as in ``false_match_draws``.
        thresholds: (K,).
        options: the draws.
    """
    num_below = rows.num_below(thresholds)
    rates = np.empty((options.num_replicates, len(thresholds)))
    for draw, own in zip(rates, weights(num_subjects, options), strict=True):
        of_row = own[rows.first] * rows.shares
        draw[:] = sums_at(of_row, num_below) / max(float(of_row.sum()), 1.0)
    point = sums_at(rows.shares, num_below) / max(float(rows.shares.sum()), 1.0)
    return Draws(rates, point)
