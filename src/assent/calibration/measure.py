"""Measuring: from labelled templates to a calibration profile.

Subjects are split in two by a hash of their names. Thresholds chosen on the one half, by the upper bound,
are tried on the other, and the profile reports what came out there; where the second half is sure that the
first half's promise does not hold, there is no profile. The curves that searches use are then made of all
subjects' pairs. ``docs/decisions/0002-score.md`` says why. Needs SciPy (the extra ``calibrate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from assent.calibration.intervals import FalseMatches, RateInterval, fmr_interval, fnmr_interval
from assent.calibration.profile import (
    CONFIDENCE,
    CalibrationProfile,
    Curve,
    Interval,
    Population,
    Recipe,
    ReferenceKind,
    ReportedPoint,
)
from assent.calibration.trials import (
    GRID,
    MatedTrials,
    NonmatedTrials,
    Samples,
    TopPair,
    mated_trials,
    nonmated_trials,
    reference_sizes,
)
from assent.errors import CalibrationContradicted, TooFewTrials
from assent.types import Float64, Int64

MIN_SUBJECTS = 20
"""Fewer people than this show nothing about anybody else."""

MIN_FALSE_PAIRS = 10
"""Pairs of people that must reach a score for a bound there to rest on something seen."""

MAX_SHARE_OF_ONE_SUBJECT = 1 / 3
"""Share of these pairs that one person may be in; else it is that person's face that was measured."""

ROW_STEP = 0.03
"""The table has a row wherever the rate has fallen by another 3 %, or at each step of the grid."""

REPORT_TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)

METHOD = (
    "Pairs of people count alike; a bound is the larger of the one-sided percentile of a bootstrap that "
    "resamples people on both sides of the comparison and Clopper-Pearson on pairs of people, made monotone "
    "and moved up by one row of the table; it ends where fewer than min_false_pairs pairs reach the score"
)


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
class Measurement:
    """What measuring gives.

    Attributes:
        profile: to be believed once somebody has looked at ``top_pairs``.
        top_pairs: at most 50, highest score first; label errors gather here.
    """

    profile: CalibrationProfile
    top_pairs: tuple[TopPair, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _MeasuredCurve:
    curve: Curve
    nonmated: NonmatedTrials


def measure(
    samples: Samples,
    *,
    model_digest: str,
    recipe: Recipe,
    population: Population,
    created: date,
    options: MeasureOptions | None = None,
) -> Measurement:
    """Make a calibration profile.

    Args:
        samples: labelled templates; a subject's pictures that gave none count as not matched.
        model_digest: of the model files and recipe that made the templates.
        recipe: how faces became templates.
        population: whose faces; the number of subjects is set here.
        created: the day to write into the profile.
        options: intervals and split; None for the defaults.

    Raises:
        TooFewTrials: fewer than 20 people with a template, or too few similar pairs to bound anything.
        CalibrationContradicted: at a threshold chosen on one half of the subjects, the other half's
            false match rate is surely (97.5 %) above the promise.
    """
    options = options or MeasureOptions()
    num_subjects = _num_subjects(samples)
    if num_subjects < MIN_SUBJECTS:
        raise TooFewTrials(
            f"expected templates of at least {MIN_SUBJECTS} people; got {num_subjects}. Add people: their "
            "number, not the number of photos, is what bounds an error rate."
        )
    measured = [_measure_curve(samples, kind, options) for kind in ReferenceKind]
    found = [item for item in measured if item is not None]
    if not found or found[0].curve.kind != ReferenceKind.SINGLE:
        raise TooFewTrials(
            f"{num_subjects} people have fewer than {options.min_false_pairs} similar pairs; add people."
        )
    profile = CalibrationProfile(
        model_digest=model_digest,
        recipe=recipe,
        created=created,
        population=population.model_copy(update={"num_subjects": num_subjects}),
        interval=Interval(
            method=METHOD,
            confidence=CONFIDENCE,
            num_replicates=options.num_replicates,
            seed=options.seed,
            min_false_pairs=options.min_false_pairs,
            max_share_of_one_subject=MAX_SHARE_OF_ONE_SUBJECT,
        ),
        curves=tuple(item.curve for item in found),
        report=_report(samples, tuple(item.curve.kind for item in found), options),
    )
    return Measurement(profile, found[0].nonmated.top_pairs)


def _num_subjects(samples: Samples) -> int:
    acquired = samples.acquired
    return len(set(zip(samples.groups[acquired], samples.subjects[acquired], strict=True)))


def _measure_curve(samples: Samples, kind: ReferenceKind, options: MeasureOptions) -> _MeasuredCurve | None:
    """The curve of one kind, or None where there are too few people for any."""
    nonmated = nonmated_trials(samples, kind)
    if nonmated is None or np.count_nonzero(nonmated.matches.universe.is_reference) < MIN_SUBJECTS:
        return None
    end = evidence_end(nonmated.matches, GRID[:-1], min_pairs=options.min_false_pairs)
    if end is None:
        return None
    rows, bounds = _table(nonmated, end, options)
    mated = mated_trials(samples, kind)
    fnmr = _fnmr(mated, GRID[rows], options)
    curve = Curve(
        kind=kind,
        scores=_rounded(GRID[rows], 6),
        fmr=_rounded(nonmated.fmr_on_grid[rows]),
        fmr_upper=_rounded_up(bounds),
        fnmr=_rounded(fnmr.rate),
        fnmr_lower=_rounded(fnmr.lower),
        fnmr_upper=_rounded(fnmr.upper),
        num_subjects=nonmated.num_subjects,
        num_subject_pairs=nonmated.num_subject_pairs,
        num_nonmated_trials=nonmated.num_trials,
        num_mated_subjects=mated.num_subjects if mated else 0,
        num_mated_trials=len(mated.scores) if mated else 0,
        num_reference_templates=reference_sizes(samples) if kind == ReferenceKind.MEAN else {},
        top_scores=_rounded([pair.score for pair in nonmated.top_pairs]),
    )
    return _MeasuredCurve(curve, nonmated)


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
    rounded = np.array(_rounded_up(bounds))
    is_last = np.append(rounded[1:] < rounded[:-1], True)
    is_last[0] = True
    return np.flatnonzero(is_last)


def _fnmr(mated: MatedTrials | None, thresholds: Float64, options: MeasureOptions) -> RateInterval:
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


def _report(
    samples: Samples, kinds: tuple[ReferenceKind, ...], options: MeasureOptions
) -> tuple[ReportedPoint, ...]:
    """Thresholds chosen on one half of the subjects, and what they do on the other."""
    is_first = samples.in_first_half(options.seed)
    choosing, reporting = samples.take(is_first), samples.take(~is_first)
    points: list[ReportedPoint] = []
    for kind in kinds:
        chosen = _measure_curve(choosing, kind, options)
        nonmated = nonmated_trials(reporting, kind)
        if chosen is not None and nonmated is not None:
            targets = [t for t in REPORT_TARGETS if t >= chosen.curve.fmr_upper_at_end]
            points += _report_points(chosen.curve, targets, nonmated, mated_trials(reporting, kind), options)
    return tuple(points)


def _report_points(
    chosen: Curve,
    targets: list[float],
    nonmated: NonmatedTrials,
    mated: MatedTrials | None,
    options: MeasureOptions,
) -> list[ReportedPoint]:
    pairs = [(target, chosen.lowest_score(target)) for target in targets]
    pairs = [(target, score) for target, score in pairs if score > nonmated.complete_above]
    thresholds = np.array([score for _, score in pairs], np.float64)
    fmr = fmr_interval(nonmated.matches, thresholds, num_replicates=options.num_replicates, seed=options.seed)
    fnmr = _fnmr(mated, thresholds, options)
    is_new, num_at = nonmated.matches.is_new_pair(), nonmated.matches.num_at(thresholds)
    points = []
    for k, (target, score) in enumerate(pairs):
        check_promise(chosen.kind, target, score, float(fmr.lower[k]))
        rates = np.array(
            [fmr.rate[k], fmr.lower[k], fmr.upper[k], fnmr.rate[k], fnmr.lower[k], fnmr.upper[k]]
        )
        rate, lower, upper, miss, miss_lower, miss_upper = _rounded(rates)
        points.append(
            ReportedPoint(
                kind=chosen.kind,
                target_fmr=target,
                threshold=round(score, 6),
                fmr=rate,
                fmr_lower=lower,
                fmr_upper=upper,
                fnmr=miss,
                fnmr_lower=miss_lower,
                fnmr_upper=miss_upper,
                num_false_pairs=int(is_new[: num_at[k]].sum()),
                num_subject_pairs=nonmated.num_subject_pairs,
                num_subjects=nonmated.num_subjects,
                num_mated_trials=len(mated.scores) if mated else 0,
            )
        )
    return points


def check_promise(kind: ReferenceKind, target_fmr: float, threshold: float, realised_lower: float) -> None:
    """Refuse a threshold that the reporting half is sure to be too loose.

    Raises:
        CalibrationContradicted: ``realised_lower``, the lower end of the realised rate's interval, is
            above ``target_fmr``.
    """
    if realised_lower > target_fmr:
        raise CalibrationContradicted(
            f"at {threshold:.4f} ({kind} references), chosen for a false match rate of {target_fmr:g}, the "
            f"subjects held back have at least {realised_lower:.2g}. Look for label errors among the top "
            "nonmated pairs, and for relatives or one kind of face in one half."
        )


def _rounded(values: Float64 | list[float], digits: int = 9) -> tuple[float, ...]:
    return tuple(round(float(value), digits) for value in values)


def _rounded_up(bounds: Float64) -> tuple[float, ...]:
    """To four significant digits, upwards: a bound must not be rounded down."""
    scale = 10.0 ** (np.floor(np.log10(bounds)) - 3)
    return tuple(float(f"{value:.4g}") for value in np.minimum(np.ceil(bounds / scale) * scale, 1.0))
