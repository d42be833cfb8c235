"""Small builders that tests share."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from assent import Assent, Settings
from assent.calibration.profile import (
    CalibrationProfile,
    Curve,
    Interval,
    Population,
    Recipe,
    ReferenceKind,
)
from assent.store.values import ConsentRecord
from assent.types import Float32


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **amount: float) -> None:
        """Move on by ``timedelta(**amount)``."""
        self.at += timedelta(**amount)


def unit_templates(n: int, dim: int = 128, *, seed: int = 0) -> Float32:
    """(n, dim) float32 random directions, unit norm."""
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def near(template: Float32, *, cosine: float, seed: int = 0) -> Float32:
    """A unit template whose cosine with ``template`` is ``cosine``."""
    other = unit_templates(1, len(template), seed=seed)[0]
    across = other - (other @ template) * template
    across /= np.linalg.norm(across)
    return np.asarray(cosine * template + np.sqrt(1 - cosine**2) * across, np.float32)


def make_profile(model_digest: str) -> CalibrationProfile:
    """Made-up error rates, near the default model's, that stay put when that is calibrated anew.

    The bound falls a decade at 0.86, 0.90, 0.93 and 0.95, where the evidence ends: 1,000 people at the default
    policy, 100 at the strict one.
    """
    scores = (-1.0, 0.80, 0.86, 0.90, 0.93, 0.95)
    upper = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    fmr = tuple(value / 2 for value in upper)
    fnmr = (0.0, 0.0, 0.01, 0.02, 0.05, 0.1)
    curves = tuple(
        Curve(
            kind=kind,
            scores=scores,
            fmr=fmr,
            fmr_upper=upper,
            fnmr=fnmr,
            fnmr_lower=tuple(value / 2 for value in fnmr),
            fnmr_upper=tuple(value * 2 for value in fnmr),
            num_subjects=2000,
            num_subject_pairs=1_999_000,
            num_nonmated_trials=1_999_000,
            num_mated_subjects=1000,
            num_mated_trials=1000,
        )
        for kind in ReferenceKind
    )
    return CalibrationProfile(
        model_digest=model_digest,
        recipe=Recipe(name="made-up", version=1),
        created=date(2026, 1, 2),
        population=Population(
            description="made up for tests", sources=("none",), num_subjects=2000, num_images=4000
        ),
        interval=Interval(
            method="made up",
            confidence=0.95,
            num_replicates=0,
            seed=0,
            min_false_pairs=10,
            max_share_of_one_subject=0.5,
        ),
        curves=curves,
    )


def make_settings(folder: Path, models_dir: Path) -> Settings:
    """Settings of a data folder under ``folder``."""
    return Settings(data_dir=folder / "data", models_dir=models_dir)


def add_profile(settings: Settings, model_digest: str) -> None:
    """Put ``make_profile`` where the service finds it."""
    folder = settings.data_dir / "calibrations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made-up.json").write_text(make_profile(model_digest).to_json())


def agree(
    assent: Assent,
    ref: str,
    *,
    purpose: str = "club-photos",
    days: float = 30,
    given_at: datetime | None = None,
) -> ConsentRecord:
    """Record a complete consent of somebody, adding the person if need be."""
    if ref not in {person.ref for person in assent.people.list()}:
        assent.people.add(ref, name=f"{ref.title()} Test")
    return assent.consents.record(
        ref,
        purpose=purpose,
        controller="Test Club",
        notice_text="We keep a template of your face to find you in the club's photos.",
        notice_version="1",
        language="en",
        method="written-signature",
        evidence=b"a signed release",
        term=timedelta(days=days),
        given_at=given_at,
    )
