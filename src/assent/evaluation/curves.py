"""Error rates over thresholds, of scores as they are counted: a match is ``score >= threshold``.

A mated comparison without a score (a failure) is missed at every threshold. Every function here depends on
the order of scores only, so that a strictly rising transform of scores changes thresholds and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assent.errors import TooFewTrials, UsageError
from assent.evaluation.counts import ScoreCounts
from assent.types import Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSet:
    """Both kinds of comparisons of one system.

    Attributes:
        mated: scores of mated comparisons that have one.
        nonmated: scores of nonmated comparisons that have one.
        num_failures: mated comparisons without a score.
    """

    mated: ScoreCounts
    nonmated: ScoreCounts
    num_failures: int = 0

    @classmethod
    def of(cls, mated: npt.ArrayLike, nonmated: npt.ArrayLike, num_failures: int = 0) -> ScoreSet:
        """From plain scores, none NaN."""
        return cls(ScoreCounts.of(mated), ScoreCounts.of(nonmated), num_failures)

    @property
    def num_mated(self) -> int:
        """Mated comparisons, failures included."""
        return self.mated.total + self.num_failures

    def fmr(self, thresholds: npt.ArrayLike) -> Float64:
        """Share of nonmated comparisons at or above each threshold; nan where there is no comparison."""
        return _share(self.nonmated.num_at_least(thresholds), self.nonmated.total)

    def fnmr(self, thresholds: npt.ArrayLike) -> Float64:
        """Share of mated comparisons below each threshold or without a score; nan where there is none."""
        return _share(self.mated.num_below(thresholds) + self.num_failures, self.num_mated)


@dataclass(frozen=True, slots=True)
class EqualError:
    """Where both error rates are as close as they come.

    Attributes:
        value: the mean of the two there.
        threshold: the score there.
        fmr: false match rate there.
        fnmr: false nonmatch rate there.
    """

    value: float
    threshold: float
    fmr: float
    fnmr: float


def all_thresholds(scores: ScoreSet) -> Float64:
    """Every different score, ascending, and the next number above the highest: nothing matches there."""
    values = np.union1d(scores.mated.values, scores.nonmated.values)
    return np.append(values, np.nextafter(values[-1], np.inf)) if len(values) else values


def equal_error(scores: ScoreSet) -> EqualError:
    """The equal error rate: mean of fmr and fnmr at the threshold where they differ least; of two, the lower.

    Raises:
        TooFewTrials: there are no mated or no nonmated comparisons.
    """
    if not scores.num_mated or not scores.nonmated.total:
        raise TooFewTrials(
            "expected mated and nonmated comparisons; there is one kind only, so no equal error rate."
        )
    thresholds = all_thresholds(scores)
    fmr, fnmr = scores.fmr(thresholds), scores.fnmr(thresholds)
    at = _closest(scores, thresholds)
    return EqualError(float((fmr[at] + fnmr[at]) / 2), float(thresholds[at]), float(fmr[at]), float(fnmr[at]))


def threshold_at_fmr(nonmated: ScoreCounts, target_fmr: float) -> float:
    """The lowest threshold whose false match rate is at most ``target_fmr``.

    The next number above the highest score that would be one false match too many; minus infinity for a
    target of 1.

    Raises:
        UsageError: the target is not in [0, 1].
        TooFewTrials: there is no nonmated comparison.
    """
    if not 0.0 <= target_fmr <= 1.0:
        raise UsageError(f"target_fmr must be from 0 to 1; got {target_fmr}.")
    if not nonmated.total:
        raise TooFewTrials("expected nonmated comparisons to find a threshold on; there are none.")
    allowed = int(np.floor(target_fmr * nonmated.total * (1 + 1e-12)))
    at_least = np.cumsum(nonmated.counts[::-1])[::-1]
    too_many = np.flatnonzero(at_least > allowed)
    return float(np.nextafter(nonmated.values[too_many[-1]], np.inf)) if len(too_many) else -np.inf


def det_thresholds(scores: ScoreSet, num_points: int = 200) -> Float64:
    """Thresholds to draw the trade-off at: even steps of the logarithm of either rate, and the ends.

    Returns:
        (K,) ascending, at most about ``2 * num_points``.
    """
    near = [np.array([equal_error(scores).threshold])]
    for counts, is_low in ((scores.nonmated, False), (scores.mated, True)):
        if counts.total:
            ranks = np.unique(np.geomspace(1, counts.total, num_points).round().astype(np.int64))
            cumulated = np.cumsum(counts.counts if is_low else counts.counts[::-1])
            at = np.searchsorted(cumulated, ranks)
            near.append(counts.values[at] if is_low else counts.values[::-1][at])
    every = np.unique(np.concatenate(near))
    return np.append(every, np.nextafter(every[-1], np.inf))


def _closest(scores: ScoreSet, thresholds: Float64) -> int:
    """The index of the threshold with the smallest difference; of equal ones that with the lower mean."""
    matches = scores.nonmated.num_at_least(thresholds)
    misses = scores.mated.num_below(thresholds) + scores.num_failures
    total, mated = scores.nonmated.total, scores.num_mated
    # The difference falls as thresholds rise: only the two about its change of sign can be the closest.
    first = int(np.argmax(matches / total <= misses / mated))
    candidates = range(max(first - 2, 0), min(first + 2, len(thresholds)))
    return min(
        candidates,
        key=lambda k: (  # whole numbers, so that a tie is a tie
            abs(int(matches[k]) * mated - int(misses[k]) * total),
            int(matches[k]) * mated + int(misses[k]) * total,
        ),
    )


def _share(errors: Int64, trials: int) -> Float64:
    return np.asarray(errors / trials if trials else np.full(np.shape(errors), np.nan), np.float64)
