"""Trials to a table of rates over scores: where it ends, which rows it has, and that no row is too low."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assent.calibration.curve import Curve, ReferenceKind
from assent.calibration.intervals import FalseMatches, RateInterval, fmr_interval, fnmr_interval
from assent.calibration.profile import CONFIDENCE
from assent.calibration.samples import Samples, reference_sizes
from assent.calibration.trials import GRID, MatedTrials, NonmatedTrials, mated_trials, nonmated_trials
from assent.types import Float64, Int64

MIN_SUBJECTS = 20
"""Fewer people than this show nothing about anybody else."""

MIN_FALSE_PAIRS = 10
"""Pairs of people that must reach a score for a bound there to rest on something seen."""

MAX_SHARE_OF_ONE_SUBJECT = 1 / 3
"""Share of these pairs that one person may be in; else it is that person's face that was measured."""

ROW_STEP = 0.03
"""The table has a row wherever the rate has fallen by another 3 %, or at each step of the grid."""


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How intervals are computed and subjects split.

    Attributes:
        num_replicates: bootstrap draws.
        seed: of the draws and of the split.
        min_false_pairs: see ``MIN_FALSE_PAIRS``.
    """

    num_replicates: int = 1000
    seed: int = 0
    min_false_pairs: int = MIN_FALSE_PAIRS


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCurve:
    """A curve and the comparisons that it was made of."""

    curve: Curve
    nonmated: NonmatedTrials


def measure_curve(samples: Samples, kind: ReferenceKind, options: MeasureOptions) -> MeasuredCurve | None:
    """The curve of one kind, or None where there are too few people for any."""
    nonmated = nonmated_trials(samples, kind)
    if nonmated is None or nonmated.matches.universe.num_references < MIN_SUBJECTS:
        return None
    end = evidence_end(nonmated.matches, GRID[:-1], min_pairs=options.min_false_pairs)
    if end is None:
        return None
    rows, bounds = _table(nonmated, end, options)
    mated = mated_trials(samples, kind)
    fnmr = fnmr_at(mated, GRID[rows], options)
    curve = Curve(
        kind=kind,
        scores=rounded(GRID[rows], 6),
        fmr=rounded(nonmated.fmr_on_grid[rows]),
        fmr_upper=rounded_up(bounds),
        fnmr=rounded(fnmr.rate),
        fnmr_lower=rounded(fnmr.lower),
        fnmr_upper=rounded(fnmr.upper),
        num_subjects=nonmated.num_subjects,
        num_subject_pairs=nonmated.num_subject_pairs,
        num_nonmated_trials=nonmated.num_trials,
        num_mated_subjects=mated.num_subjects if mated else 0,
        num_mated_trials=len(mated.scores) if mated else 0,
        num_reference_templates=reference_sizes(samples) if kind == ReferenceKind.MEAN else {},
        top_scores=rounded([pair.score for pair in nonmated.top_pairs]),
    )
    return MeasuredCurve(curve, nonmated)


def evidence_end(
    matches: FalseMatches,
    grid: Float64,
    *,
    min_pairs: int = MIN_FALSE_PAIRS,
    max_share: float = MAX_SHARE_OF_ONE_SUBJECT,
) -> int | None:
    """Where the evidence ends: the highest score that pairs enough of people enough still reach.

    Args:
        matches: the highest nonmated scores.
        grid: (K,) ascending scores to choose from.
        min_pairs: different pairs of people that must reach the score.
        max_share: largest share of these pairs that one person may be in.

    Returns:
        The index into ``grid``, or None where no score qualifies.
    """
    is_new = matches.is_new_pair()
    first, second, scores = matches.first[is_new], matches.second[is_new], matches.scores[is_new]
    num_at = np.searchsorted(-scores, -grid, side="right")
    for k in np.flatnonzero(num_at >= min_pairs)[::-1]:
        involved = np.bincount(np.concatenate([first[: num_at[k]], second[: num_at[k]]]))
        if involved.max() <= max_share * num_at[k]:
            return int(k)
    return None


def _table(nonmated: NonmatedTrials, end: int, options: MeasureOptions) -> tuple[Int64, Float64]:
    """Rows (indices into GRID, from 0 to ``end`` + 1) and upper bounds to interpolate between.

    Each row carries its left neighbour's bound, so that a line between two rows is never below the bound
    of a score between them. Below the kept tail, where rates are high and better known than at its edge,
    the edge's ratio of bound to rate is used.
    """
    knots = _knots(nonmated.fmr_on_grid, end)
    begin = int(np.searchsorted(GRID[knots], nonmated.complete_above, side="right"))
    begin = min(begin, len(knots) - 1)
    exact = fmr_interval(
        nonmated.matches,
        GRID[knots[begin:]],
        confidence=CONFIDENCE,
        num_replicates=options.num_replicates,
        seed=options.seed,
    )
    ratio = exact.bound[0] / exact.rate[0]
    bounds = np.concatenate([nonmated.fmr_on_grid[knots[:begin]] * ratio, exact.bound])
    bounds = np.minimum(np.maximum.accumulate(bounds[::-1])[::-1], 1.0)
    rows = np.concatenate([[0], knots, [end + 1]])
    shifted = np.concatenate([[1.0, 1.0], bounds])
    keep = _last_of_each_plateau(shifted)
    return rows[keep], shifted[keep]


def _knots(fmr_on_grid: Float64, end: int) -> Int64:
    """Indices into GRID, above 0 up to ``end``, between which the rate falls by about ``ROW_STEP``."""
    levels = np.floor(-np.log(np.maximum(fmr_on_grid[: end + 1], 1e-300)) / ROW_STEP)
    knots = np.append(np.flatnonzero(levels[1:] > levels[:-1]), end)
    return np.unique(knots[knots > 0])


def _last_of_each_plateau(bounds: Float64) -> Int64:
    """Rows to keep so that bounds fall strictly once below 1, and lines between them stay above all rows."""
    rounded = np.array(rounded_up(bounds))
    is_last = np.append(rounded[1:] < rounded[:-1], True)
    is_last[0] = True
    return np.flatnonzero(is_last)


def fnmr_at(mated: MatedTrials | None, thresholds: Float64, options: MeasureOptions) -> RateInterval:
    """The misses at thresholds; where nobody has pictures enough, nothing is known: 0 in [0, 1]."""
    if mated is None:
        zeros, ones = np.zeros(len(thresholds)), np.ones(len(thresholds))
        return RateInterval(zeros, zeros, ones, ones)
    return fnmr_interval(
        mated.failed_shares(thresholds),
        confidence=CONFIDENCE,
        num_replicates=options.num_replicates,
        seed=options.seed,
    )


def rounded(values: Float64 | list[float], digits: int = 9) -> tuple[float, ...]:
    """Numbers for the file, to so many digits after the point."""
    return tuple(round(float(value), digits) for value in values)


def rounded_up(bounds: Float64) -> tuple[float, ...]:
    """To four significant digits, upwards: a bound must not be rounded down."""
    scale = 10.0 ** (np.floor(np.log10(bounds)) - 3)
    return tuple(float(f"{value:.4g}") for value in np.minimum(np.ceil(bounds / scale) * scale, 1.0))
