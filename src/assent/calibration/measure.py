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

from assent.calibration.curve import Curve, Interval, Population, Recipe, ReferenceKind, ReportedPoint
from assent.calibration.intervals import fmr_interval, zero_error_bounds
from assent.calibration.profile import CONFIDENCE, CalibrationProfile
from assent.calibration.samples import Samples
from assent.calibration.table import (
    MAX_SHARE_OF_ONE_SUBJECT,
    MIN_SUBJECTS,
    MeasureOptions,
    fnmr_at,
    measure_curve,
    rounded,
)
from assent.calibration.trials import MatedTrials, NonmatedTrials, TopPair, mated_trials, nonmated_trials
from assent.errors import CalibrationContradicted, TooFewTrials

REPORT_TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)

METHOD = (
    "Pairs of people count alike; a bound is the larger of the one-sided percentile of a bootstrap that "
    "resamples people on both sides of the comparison and Clopper-Pearson on pairs of people, made monotone "
    "and moved up by one row of the table; it ends where fewer than min_false_pairs pairs reach the score"
)


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What measuring gives.

    Attributes:
        profile: to be believed once somebody has looked at ``top_pairs``.
        top_pairs: at most 50, highest score first; label errors gather here.
    """

    profile: CalibrationProfile
    top_pairs: tuple[TopPair, ...]


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
    measured = [measure_curve(samples, kind, options) for kind in ReferenceKind]
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


def _report(
    samples: Samples, kinds: tuple[ReferenceKind, ...], options: MeasureOptions
) -> tuple[ReportedPoint, ...]:
    """Thresholds chosen on one half of the subjects, and what they do on the other."""
    is_first = samples.in_first_half(options.seed)
    choosing, reporting = samples.take(is_first), samples.take(~is_first)
    points: list[ReportedPoint] = []
    for kind in kinds:
        chosen = measure_curve(choosing, kind, options)
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
    fnmr = fnmr_at(mated, thresholds, options)
    is_new, num_at = nonmated.matches.is_new_pair(), nonmated.matches.num_at(thresholds)
    unseen = zero_error_bounds(nonmated.num_subject_pairs, nonmated.num_subjects)
    points = []
    for k, (target, score) in enumerate(pairs):
        check_promise(chosen.kind, target, score, float(fmr.lower[k]))
        rates = np.array(
            [fmr.rate[k], fmr.lower[k], fmr.upper[k], fnmr.rate[k], fnmr.lower[k], fnmr.upper[k]]
        )
        rate, lower, upper, miss, miss_lower, miss_upper = rounded(rates)
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
                fmr_pessimistic=None if num_at[k] else unseen.pessimistic,
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
