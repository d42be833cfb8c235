"""Every metric once: what it means, how it is computed of plain comparisons, and what must not change it.

Tests hold each to its invariants, and fail where a metric claims none; a new one cannot dodge them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from assent.evaluation import measures
from assent.evaluation.curves import ScoreSet, equal_error, threshold_at_fmr
from assent.evaluation.searches import NonmatedSearches, nonmated_searches, ranks_of
from assent.evaluation.trials import Trials
from assent.types import Float64


class Invariant(StrEnum):
    """What may be done to the data without changing the metric."""

    ORDER = "order of rows, or of groups"
    MONOTONE = "a strictly rising transform of scores and threshold"
    DUPLICATION = "every comparison (or every probe's search, or every group) twice"
    TIES = "equal scores in any order, all in or all out"
    SCALE = "all groups' rates times a number"


@dataclass(frozen=True, slots=True)
class TrialMetric:
    """A number of comparisons at a threshold.

    Attributes:
        name: as in the result.
        text: what it is, for people.
        compute: from comparisons and a threshold.
        is_of_searches: a probe's comparisons are one search; duplication then repeats probes.
        invariants: what does not change it.
    """

    name: str
    text: str
    compute: Callable[[Trials, float], float]
    is_of_searches: bool = False
    invariants: frozenset[Invariant] = frozenset(
        {Invariant.ORDER, Invariant.MONOTONE, Invariant.DUPLICATION, Invariant.TIES}
    )


@dataclass(frozen=True, slots=True)
class InequalityMetric:
    """A number of the error rates of groups.

    Attributes:
        name: as in the result.
        text: what it is, for people.
        compute: from fmr and fnmr of each group; those of one rate take the first.
        is_of_both: whether it uses both rates.
        equal_value: what it is where all groups are equal.
        invariants: what does not change it.
    """

    name: str
    text: str
    compute: Callable[[Float64, Float64], Float64]
    is_of_both: bool
    equal_value: float
    invariants: frozenset[Invariant]


def score_set(trials: Trials) -> ScoreSet:
    """Comparisons as counted scores; a mated one without a score is a failure."""
    scored = ~np.isnan(trials.scores)
    return ScoreSet.of(
        trials.scores[trials.mated & scored],
        trials.scores[~trials.mated & scored],
        int((trials.mated & ~scored).sum()),
    )


def searches(trials: Trials, threshold: float) -> NonmatedSearches | None:
    """Each probe's nonmated comparisons as a search."""
    size = int(trials.probes.max(initial=-1)) + 1
    others = ~trials.mated & ~np.isnan(trials.scores)
    num_false = np.bincount(trials.probes[others & (trials.scores >= threshold)], minlength=size)
    return nonmated_searches(num_false, np.bincount(trials.probes[others], minlength=size))


def _eer(trials: Trials, _threshold: float) -> float:
    return equal_error(score_set(trials)).value


def _fnmr_at_fmr(trials: Trials, _threshold: float) -> float:
    scores = score_set(trials)
    return float(scores.fnmr(threshold_at_fmr(scores.nonmated, 0.1)))


def _fpir(trials: Trials, threshold: float) -> float:
    found = searches(trials, threshold)
    return float("nan") if found is None else float(found.false_share(found.gallery_size).mean())


def _selectivity(trials: Trials, threshold: float) -> float:
    found = searches(trials, threshold)
    if found is None:
        return float("nan")
    return float((found.num_false * found.gallery_size / found.num_others).mean())


def _found(trials: Trials, threshold: float) -> float:
    ranks = ranks_of(trials)
    hit = np.isfinite(ranks.mate_scores) & (ranks.mate_scores >= threshold) & (ranks.num_better == 0)
    return float(hit.mean()) if len(hit) else float("nan")


_RATIOS = frozenset({Invariant.ORDER, Invariant.SCALE, Invariant.DUPLICATION})
_GINIS = frozenset({Invariant.ORDER, Invariant.SCALE})

TRIAL_METRICS = (
    TrialMetric("fmr", "nonmated comparisons at or above the threshold", lambda t, x: float(score_set(t).fmr(x))),
    TrialMetric("fnmr", "mated comparisons below it or without a score", lambda t, x: float(score_set(t).fnmr(x))),
    TrialMetric("eer", "mean of fmr and fnmr where they are closest", _eer),
    TrialMetric("fnmr at fmr", "fnmr at the lowest threshold with fmr at most a target", _fnmr_at_fmr),
    TrialMetric("fpir", "searches with the mates left out that return anybody", _fpir, is_of_searches=True),
    TrialMetric("selectivity", "candidates of such a search, on average", _selectivity, is_of_searches=True),
    TrialMetric(
        "fnir", "searches that do not return the mate first, at the threshold", lambda t, x: 1 - _found(t, x),
        is_of_searches=True,
    ),
    TrialMetric(
        "cmc", "searches that return the mate first, at no threshold", lambda t, _x: _found(t, -np.inf),
        is_of_searches=True,
    ),
)  # fmt: skip

INEQUALITY_METRICS = (
    InequalityMetric(
        "max/min", "the highest group's rate over the lowest's",
        lambda x, _: measures.max_over_min(x), False, 1.0, _RATIOS,
    ),
    InequalityMetric(
        "max/geomean", "the highest group's rate over the geometric mean of all groups'",
        lambda x, _: measures.max_over_geomean(x), False, 1.0, _RATIOS,
    ),
    InequalityMetric(
        "gini", "n/(n-1) × Σ|x_i - x_j| / (2 n² mean); 0 is equal, and chance alone makes it more than 0",
        lambda x, _: measures.gini(x), False, 0.0, _GINIS,
    ),
    InequalityMetric(
        "fdr",
        "1 - (½ max|fmr difference| + ½ max|fnmr difference|); near 1 whatever happens where fmr is small",
        measures.fdr, True, 1.0, frozenset({Invariant.ORDER, Invariant.DUPLICATION}),
    ),
    InequalityMetric(
        "inequity-rate", "square root of max/min of fmr times max/min of fnmr",
        measures.inequity_rate, True, 1.0, _RATIOS,
    ),
    InequalityMetric("garbe", "mean of the ginis of fmr and fnmr", measures.garbe, True, 0.0, _GINIS),
    InequalityMetric(
        "werm", "square root of max/geomean of fmr times max/geomean of fnmr",
        measures.werm, True, 1.0, _RATIOS,
    ),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in INEQUALITY_METRICS}
