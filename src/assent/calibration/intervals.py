"""Intervals for error rates that count people, not pictures.

Two comparisons that share a person are not independent trials, so an interval that treats every pair of
pictures as one is far too narrow. Here a *pair of people* is the trial, and people are what is resampled:

- nonmated: people get weights w as if drawn with replacement, and
  ``fmr* = sum(w_i w_j f_ij over pairs with a false match) / sum(w_i w_j over all pairs compared)``,
  where ``f_ij`` is the share of the comparisons between i and j that reach the threshold. Only the sparse
  list of false matches is needed. (Pigeonhole bootstrap: A. B. Owen, Annals of Applied Statistics 1, 2007.)
- mated: people get weights; ``fnmr* = sum(w_i f_i) / sum(w_i)``.

With few errors a bootstrap is blind to what it has not drawn, so each end is the wider of the bootstrap
percentile and Clopper-Pearson on people or pairs of people. Needs SciPy (the extra ``calibrate``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from assent.calibration.draws import DrawOptions, Universe, is_first_of_pair, pair_draws, share_draws, sums_at
from assent.errors import UsageError
from assent.types import Bool, Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class RateInterval:
    """Rates with a two-sided interval and a one-sided upper bound; all (K,) float64 in [0, 1].

    Attributes:
        rate: the point estimate.
        lower: lower end of the two-sided interval.
        upper: upper end of the two-sided interval.
        bound: one-sided upper bound at the same confidence; what thresholds are held to.
    """

    rate: Float64
    lower: Float64
    upper: Float64
    bound: Float64


@dataclass(frozen=True, slots=True)
class ZeroErrorBounds:
    """Upper 95 % bounds when nothing was seen to go wrong, by the rule of three.

    Attributes:
        optimistic: 3 / pairs, as if every pair of people were an independent trial.
        pessimistic: 3 / (people // 2), from disjoint pairs alone.
    """

    optimistic: float
    pessimistic: float


@dataclass(frozen=True, slots=True, eq=False)
class PairUniverse:
    """Which pairs of people were compared; never listed, only counted.

    Two people were compared when they are of the same group (data set) and at least one of them is a
    reference (always so for single templates; for means, those with several pictures).

    Attributes:
        groups: (S,) int64, each subject's group.
        is_reference: (S,) bool.
    """

    groups: Int64
    is_reference: Bool

    @property
    def num_subjects(self) -> int:
        """People in at least one pair are at most this many."""
        return len(self.groups)

    @property
    def num_references(self) -> int:
        """People that others were compared with."""
        return int(np.count_nonzero(self.is_reference))

    def weight(self, subject_weights: Float64) -> float:
        """Sum of ``w_i w_j`` over the pairs compared; with weights of 1, their number.

        Args:
            subject_weights: (S,) float64.
        """
        return self._all_pairs(subject_weights) - self._all_pairs(subject_weights * ~self.is_reference)

    def _all_pairs(self, weights: Float64) -> float:
        sums = np.bincount(self.groups, weights)
        squares = np.bincount(self.groups, weights**2)
        return float((sums**2 - squares).sum() / 2)


@dataclass(frozen=True, slots=True, eq=False)
class FalseMatches:
    """The comparisons of different people above some score, as parallel arrays, highest score first.

    Attributes:
        first: (M,) int64, index of one subject; less than ``second``.
        second: (M,) int64, index of the other subject.
        scores: (M,) float64, descending.
        shares: (M,) float64, what a row counts: one over the number of comparisons between the two subjects
            where pairs of people count alike, one where comparisons do.
        universe: all pairs compared, with or without a false match.
    """

    first: Int64
    second: Int64
    scores: Float64
    shares: Float64
    universe: Universe

    def num_at(self, thresholds: npt.ArrayLike) -> Int64:
        """How many rows have a score at or above each threshold; thresholds any 1-D array."""
        return np.searchsorted(-self.scores, -np.asarray(thresholds, np.float64), side="right")

    def is_new_pair(self) -> Bool:
        """(M,) bool: whether the row is its pair of subjects' highest score."""
        return is_first_of_pair(self.first, self.second, self.universe.num_subjects)


def clopper_pearson_lower(num_errors: npt.ArrayLike, num_trials: npt.ArrayLike, confidence: float) -> Float64:
    """One-sided lower bound of a rate; 0 where there is no error.

    Clopper and Pearson, Biometrika 26 (1934). ``num_errors`` may be fractional (shares of a pair's
    comparisons): for trials in [0, 1] of a given mean, all-or-nothing ones vary most.

    Args:
        num_errors: any shape, from 0 to ``num_trials``.
        num_trials: broadcastable, above 0.
        confidence: above 0, below 1.
    """
    errors, trials = _counts(num_errors, num_trials)
    bound = special.betaincinv(np.maximum(errors, 1e-300), trials - errors + 1, 1 - confidence)
    return np.where(errors > 0, bound, 0.0)


def clopper_pearson_upper(num_errors: npt.ArrayLike, num_trials: npt.ArrayLike, confidence: float) -> Float64:
    """One-sided upper bound of a rate; 1 where every trial is an error. See ``clopper_pearson_lower``."""
    errors, trials = _counts(num_errors, num_trials)
    bound = special.betaincinv(errors + 1, np.maximum(trials - errors, 1e-300), confidence)
    return np.where(errors < trials, bound, 1.0)


def wilson(num_errors: float, num_trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided score interval (lower, upper), for display; Wilson, JASA 22 (1927).

    Raises:
        UsageError: errors outside 0 to trials, or no trial.
    """
    errors, trials = (float(x) for x in _counts(num_errors, num_trials))
    z = float(special.ndtri(0.5 + confidence / 2))
    rate, scale = errors / trials, 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / scale
    half = z / scale * float(np.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2))
    return max(0.0, middle - half), min(1.0, middle + half)


def zero_error_bounds(num_pairs: int, num_subjects: int) -> ZeroErrorBounds:
    """The range of upper 95 % bounds where no error was seen; the truth of dependence lies between.

    Raises:
        UsageError: fewer than one pair or two subjects.
    """
    if num_pairs < 1 or num_subjects < 2:
        raise UsageError(f"expected at least 1 pair of 2 subjects; got {num_pairs} and {num_subjects}.")
    return ZeroErrorBounds(min(1.0, 3 / num_pairs), min(1.0, 3 / (num_subjects // 2)))


def fmr_interval(
    matches: FalseMatches,
    thresholds: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    num_replicates: int = 1000,
    seed: int = 0,
) -> RateInterval:
    """False match rates at thresholds, resampling people on both sides of a comparison.

    Args:
        matches: every comparison at or above the lowest threshold.
        thresholds: (K,) cosine similarities; a match is ``score >= threshold``.
        confidence: of the two-sided interval, and of the one-sided bound.
        num_replicates: bootstrap draws.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        (K,) rates; ``bound`` is the larger of the bootstrap's percentile and Clopper-Pearson on pairs of
        people.
    """
    universe = matches.universe
    num_at = matches.num_at(thresholds)
    num_pairs = universe.weight(np.ones(universe.num_subjects))
    options = DrawOptions(num_replicates, seed)
    draws = pair_draws(matches.first, matches.second, matches.shares, universe, num_at, options)
    return widest(draws, sums_at(matches.shares, num_at), num_pairs, confidence)


def fnmr_interval(
    failed_shares: Float64, *, confidence: float = 0.95, num_replicates: int = 1000, seed: int = 0
) -> RateInterval:
    """False nonmatch rates, resampling people.

    Args:
        failed_shares: (S, K) share of each subject's mated comparisons that fail at each threshold.
        confidence: of the two-sided interval, and of the one-sided bound.
        num_replicates: bootstrap draws.
        seed: of the draws.

    Returns:
        (K,) rates; every subject counts the same, however many pictures there are.
    """
    num_subjects = len(failed_shares)
    draws = share_draws(failed_shares, np.ones(num_subjects), DrawOptions(num_replicates, seed))
    return widest(draws, failed_shares.sum(axis=0), float(num_subjects), confidence)


def widest(draws: Float64, errors: Float64, num_trials: float, confidence: float) -> RateInterval:
    """At each end the wider of the draws' percentile and Clopper-Pearson."""
    tail = (1 - confidence) / 2
    low, high, bound = np.quantile(draws, [tail, 1 - tail, confidence], axis=0)
    errors = np.clip(errors, 0.0, num_trials)
    return RateInterval(
        rate=errors / num_trials,
        lower=np.minimum(low, clopper_pearson_lower(errors, num_trials, 1 - tail)),
        upper=np.maximum(high, clopper_pearson_upper(errors, num_trials, 1 - tail)),
        bound=np.maximum(bound, clopper_pearson_upper(errors, num_trials, confidence)),
    )


def _counts(num_errors: npt.ArrayLike, num_trials: npt.ArrayLike) -> tuple[Float64, Float64]:
    errors, trials = np.asarray(num_errors, np.float64), np.asarray(num_trials, np.float64)
    if (trials <= 0).any() or (errors < 0).any() or (errors > trials).any():
        raise UsageError("expected at least one trial and from 0 to all of them in error.")
    return errors, trials
