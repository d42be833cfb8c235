"""Made-up people: templates whose error rates are known by construction."""

from __future__ import annotations

from datetime import date

import numpy as np

from assent.calibration.intervals import FalseMatches, PairUniverse
from assent.calibration.measure import Measurement, measure
from assent.calibration.profile import (
    CalibrationProfile,
    Curve,
    Interval,
    Population,
    Recipe,
    ReferenceKind,
)
from assent.calibration.samples import Samples
from assent.calibration.table import MeasureOptions
from assent.calibration.trials import MatedTrials, NonmatedTrials, mated_trials, nonmated_trials

DIGEST = "d" * 64


def make_samples(seed=0, *, num_subjects=80, max_images=4, dim=16, noise=0.5, groups=1, missing=0.0):
    """Subjects as directions, pictures as these with noise; some pictures without a template."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(num_subjects, dim))
    owner = np.repeat(np.arange(num_subjects), rng.integers(1, max_images + 1, num_subjects))
    templates = base[owner] + noise * rng.normal(size=(len(owner), dim))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    acquired = rng.random(len(owner)) >= missing
    templates[~acquired] = 0
    return Samples(
        templates=templates.astype(np.float32),
        subjects=np.array([f"subject{i}" for i in owner]),
        groups=np.array([f"set{i % groups}" for i in owner]),
        image_ids=np.array([f"image{i}" for i in range(len(owner))]),
        acquired=acquired,
    )


def make_matches(pairs, *, num_subjects, groups=None, is_reference=None):
    """False matches from (first, second, score, share) rows in any order."""
    rows = sorted(pairs, key=lambda row: -row[2])
    first, second, scores, shares = (
        (np.array(x) for x in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 4
    )
    return FalseMatches(
        first.astype(np.int64),
        second.astype(np.int64),
        scores.astype(float),
        shares.astype(float),
        PairUniverse(
            np.zeros(num_subjects, np.int64) if groups is None else np.array(groups),
            np.ones(num_subjects, bool) if is_reference is None else np.array(is_reference),
        ),
    )


def make_measurement(samples, *, replicates=50, seed=0, min_false_pairs=10) -> Measurement:
    return measure(
        samples,
        model_digest=DIGEST,
        recipe=Recipe(name="synthetic", version=1),
        population=make_population(len(samples)),
        created=date(2026, 1, 2),
        options=MeasureOptions(num_replicates=replicates, seed=seed, min_false_pairs=min_false_pairs),
    )


def make_population(num_images=100) -> Population:
    return Population(
        description="directions in space", sources=("synthetic",), num_subjects=0, num_images=num_images
    )


def make_curve(kind=ReferenceKind.SINGLE, *, end=1e-5, num_pairs=1_000_000, **changes) -> Curve:
    """A table that falls a decade per 0.1 of score from 0 up to ``end``."""
    decades = np.arange(0, round(-np.log10(end)) + 1)
    upper = [1.0, *(10.0 ** -decades[1:])]
    values = {
        "kind": kind,
        "scores": (-1.0, *(round(0.1 * d, 6) for d in decades[1:])),
        "fmr": tuple(u / 2 for u in upper),
        "fmr_upper": tuple(upper),
        "fnmr": tuple(np.linspace(0, 0.2, len(upper)).tolist()),
        "fnmr_lower": (0.0,) * len(upper),
        "fnmr_upper": (1.0,) * len(upper),
        "num_subjects": 1500,
        "num_subject_pairs": num_pairs,
        "num_nonmated_trials": 4 * num_pairs,
        "num_mated_subjects": 400,
        "num_mated_trials": 900,
        "top_scores": (0.71, 0.62, 0.62),
    }
    return Curve(**{**values, **changes})


def make_profile(*curves: Curve) -> CalibrationProfile:
    return CalibrationProfile(
        model_digest=DIGEST,
        recipe=Recipe(name="synthetic", version=1),
        created=date(2026, 1, 2),
        population=Population(description="made up", sources=("none",), num_subjects=1500, num_images=3000),
        interval=Interval(
            method="made up",
            confidence=0.95,
            num_replicates=10,
            seed=0,
            min_false_pairs=10,
            max_share_of_one_subject=0.5,
        ),
        curves=curves or (make_curve(), make_curve(ReferenceKind.MEAN, end=1e-4)),
    )


def nonmated(samples, kind, **options) -> NonmatedTrials:
    """The trials of samples that have some."""
    found = nonmated_trials(samples, kind, **options)
    assert found is not None
    return found


def mated(samples, kind) -> MatedTrials:
    """The trials of samples that have some."""
    found = mated_trials(samples, kind)
    assert found is not None
    return found
