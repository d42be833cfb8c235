"""A collection's policy and a calibration, made into thresholds."""

from __future__ import annotations

import pytest

from assent.calibration.profile import ReferenceKind
from assent.errors import GalleryBeyondEvidence, ThresholdBeyondEvidence, UsageError
from assent.service.policy import LiveGallery, policy_for
from tests.builders import make_profile

PROFILE = make_profile("d" * 64)
BOTH = (ReferenceKind.SINGLE, ReferenceKind.MEAN)


@pytest.mark.parametrize(
    ("size", "fpir_target", "max_fmr", "score"),
    [
        pytest.param(1, 0.01, 1e-2, 0.86, id="one person: the target itself"),
        pytest.param(10, 0.01, 1e-3, 0.90, id="ten people: a tenth of it"),
        pytest.param(1000, 0.01, 1e-5, 0.95, id="as many as the evidence supports"),
        pytest.param(100, 0.001, 1e-5, 0.95, id="strict"),
    ],
)
def test_the_floor_keeps_gallery_size_times_fmr_at_the_target(
    size: int, fpir_target: float, max_fmr: float, score: float
) -> None:
    policy = policy_for(PROFILE, LiveGallery(size, BOTH), fpir_target=fpir_target)
    assert policy.max_fmr == pytest.approx(max_fmr)
    for kind in BOTH:
        assert policy.thresholds[kind].value == pytest.approx(score, abs=1e-6)
        assert size * PROFILE.fmr_at_score(policy.thresholds[kind].value, kind) <= fpir_target * (1 + 1e-12)


def test_beyond_the_evidence_nothing_is_answered() -> None:
    with pytest.raises(GalleryBeyondEvidence, match="at most 1,000 people") as refused:
        policy_for(PROFILE, LiveGallery(1001, BOTH), fpir_target=0.01)
    assert (refused.value.gallery_size, refused.value.n_max) == (1001, 1000)


def test_a_caller_may_be_stricter_never_looser() -> None:
    gallery = LiveGallery(10, BOTH)
    floor = policy_for(PROFILE, gallery, fpir_target=0.01)
    stricter = policy_for(PROFILE, gallery, fpir_target=0.01, requested_similarity=90)
    looser = policy_for(PROFILE, gallery, fpir_target=0.01, requested_similarity=10)
    assert stricter.max_fmr == pytest.approx(1e-4)
    assert stricter.thresholds[ReferenceKind.MEAN].value > floor.thresholds[ReferenceKind.MEAN].value
    assert looser.thresholds == floor.thresholds
    assert looser.requested_similarity == 10


@pytest.mark.parametrize("similarity", [-1, 101, float("nan"), float("inf")])
def test_a_threshold_off_the_scale_is_refused(similarity: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 100"):
        policy_for(PROFILE, LiveGallery(1, BOTH), fpir_target=0.01, requested_similarity=similarity)


def test_a_threshold_beyond_the_evidence_is_refused_rather_than_never_met() -> None:
    with pytest.raises(ThresholdBeyondEvidence, match=r"99 was asked for, .* ends at 95\.0"):
        policy_for(PROFILE, LiveGallery(1, BOTH), fpir_target=0.01, requested_similarity=99)
