"""Promise 3: no score without an error rate."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent import Assent
from assent.calibration.profile import ReferenceKind
from assent.calibration.similarity import similarity_at_fmr
from assent.errors import GalleryBeyondEvidence, NoCalibration, ThresholdBeyondEvidence, UsageError
from assent.service import enrolling
from assent.service.policy import LiveGallery, policy_for
from assent.service.results import Candidate, Verification
from tests.builders import add_profile, agree, make_profile, unit_templates
from tests.promises.builders import PURPOSE

PROFILE = make_profile("0" * 64)
EVIDENCE_ENDS_AT = 1e-5


@pytest.fixture
def uncalibrated(club: Assent, open_assent: Callable[..., Assent], monkeypatch: pytest.MonkeyPatch) -> Assent:
    """The club as another handle sees it whose model has no calibration at all."""
    monkeypatch.setattr("assent.service.profiles.builtin_profile", lambda _digest: None)
    shutil.rmtree(club.settings.data_dir / "calibrations")
    return open_assent(calibrated=False)


def test_without_a_calibration_there_is_no_score(uncalibrated: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    with pytest.raises(NoCalibration, match="no score without an error rate"):
        uncalibrated.search(photo, collection="club", purpose=PURPOSE)
    with pytest.raises(NoCalibration, match="no score without an error rate"):
        uncalibrated.verify(photo, person="ana", collection="club", purpose=PURPOSE)
    assert uncalibrated.enrol(photo, person="ana", collection="club").similarity_to_earlier is None
    summary = uncalibrated.collections.get("club")
    assert (summary.n_max, summary.is_searchable) == (None, False)
    assert [entry["refusal"] for entry in uncalibrated.log(kinds=("refused",))] == ["NoCalibration"] * 2


def test_a_calibration_of_another_model_is_not_used(uncalibrated: Assent, demo_photos: Path) -> None:
    add_profile(uncalibrated.settings, "another-model")
    with pytest.raises(NoCalibration):
        uncalibrated.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)


def test_templates_of_another_model_are_not_compared(
    club: Assent, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with club._ctx.records.transaction() as tx:
        tx.create_collection("old", purpose=PURPOSE, model_digest="another-model", dim=128)
    add_profile(club.settings, "another-model")
    for act in (
        lambda: club.search(demo_photos / "obama3.jpg", collection="old", purpose=PURPOSE),
        lambda: club.verify(demo_photos / "obama3.jpg", person="ana", collection="old", purpose=PURPOSE),
        lambda: club.enrol(demo_photos / "obama3.jpg", person="ana", collection="old"),
    ):
        with pytest.raises(UsageError, match="templates of two models cannot be compared"):
            act()


def test_every_answer_carries_its_error_rate(club: Assent, demo_photos: Path) -> None:
    for kind, needed in ((Candidate, "expected_false_candidates"), (Verification, "threshold_fmr")):
        hints = get_type_hints(kind)
        assert hints["fmr_at_score"] is hints[needed] is hints["similarity"] is float  # never None
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    [candidate] = result.candidates
    assert result.policy is not None
    assert 0 < candidate.fmr_at_score <= result.policy.max_fmr
    assert candidate.expected_false_candidates == pytest.approx(result.gallery_size * candidate.fmr_at_score)
    assert candidate.expected_false_candidates <= result.policy.fpir_target
    answer = club.verify(demo_photos / "biden.jpg", person="ana", collection="club", purpose=PURPOSE)
    assert not answer.is_match
    assert answer.fmr_at_score > answer.threshold_fmr


def test_nobody_can_ask_for_a_bare_score() -> None:
    for function in (Assent.search, Assent.verify):
        names = set(inspect.signature(function).parameters)
        assert not names & {"score", "min_score", "max_distance", "distance", "tolerance", "cosine"}
    assert {field.name for field in dataclasses.fields(Candidate)} >= {
        "fmr_at_score",
        "expected_false_candidates",
    }


@pytest.mark.parametrize("threshold", [0, 1, 50, 60])
def test_a_caller_does_not_loosen_the_floor(club: Assent, demo_photos: Path, threshold: float) -> None:
    floor = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE).policy
    asked = club.search(
        demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE, threshold=threshold
    ).policy
    assert floor is not None
    assert asked is not None
    assert (asked.max_fmr, asked.thresholds) == (floor.max_fmr, floor.thresholds)
    assert asked.requested_similarity == threshold


KINDS = st.sampled_from([("single",), ("mean",), ("single", "mean")])


@given(
    size=st.integers(1, 5000),
    kinds=KINDS,
    fpir_target=st.floats(1e-6, 0.5),
    threshold=st.none() | st.floats(0, 100),
)
def test_the_expected_false_candidates_are_within_the_policy(
    size: int, kinds: tuple[str, ...], fpir_target: float, threshold: float | None
) -> None:
    gallery = LiveGallery(size, tuple(ReferenceKind(kind) for kind in kinds))
    try:
        floor = policy_for(PROFILE, gallery, fpir_target=fpir_target)
        policy = policy_for(PROFILE, gallery, fpir_target=fpir_target, requested_similarity=threshold)
    except GalleryBeyondEvidence:
        assert size * EVIDENCE_ENDS_AT > fpir_target * (1 - 1e-9)
        return
    except ThresholdBeyondEvidence:
        assert threshold is not None
        assert threshold > similarity_at_fmr(EVIDENCE_ENDS_AT)
        return
    assert size <= policy.n_max
    assert policy.max_fmr <= floor.max_fmr
    assert size * policy.max_fmr <= fpir_target
    for kind, limit in policy.thresholds.items():
        assert limit.value >= floor.thresholds[kind].value
        # whoever reaches the threshold is, at the upper bound, rare enough; and so is whoever scores higher
        for score in (limit.value, 1.0):
            assert size * float(PROFILE.fmr_at_score(score, kind)) <= fpir_target * (1 + 1e-9)
        assert float(PROFILE.similarity(limit.value, kind)) >= policy.similarity - 1e-6


def test_beyond_the_evidence_a_collection_is_not_searched(club: Assent, demo_photos: Path) -> None:
    club.collections.set_policy("club", policy="strict")
    assert club.collections.get("club").n_max == 100
    consent = agree(club, "p-0", purpose=PURPOSE)
    notice = consent.notice_id
    with club._ctx.records.transaction() as tx:
        for number, template in enumerate(unit_templates(99, seed=3)):
            ref = f"q-{number}"
            tx.add_person(ref)
            own = tx.record_consent(
                ref,
                controller="Test Club",
                purpose=PURPOSE,
                notice_id=notice,
                method="online-form",
                evidence_sha256="0" * 64,
                legal_basis="consent",
                given_at=consent.given_at,
                expires_at=consent.expires_at,
            )
            tx.add_template(
                "club", ref, own.id, template, image_sha256=number.to_bytes(32, "big"), quality={}
            )
    assert club.collections.get("club").num_people == 101
    for threshold in (None, 0.0, 94.0):
        with pytest.raises(GalleryBeyondEvidence, match="at most 100 people") as refused:
            club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE, threshold=threshold)
        assert (refused.value.gallery_size, refused.value.n_max) == (101, 100)
    assert not club.collections.get("club").is_searchable
    club.people.erase("q-0")
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    assert [c.person for c in result.candidates] == ["ana"]


def test_similarity_ends_where_the_evidence_ends(club: Assent, demo_photos: Path) -> None:
    highest = float(similarity_at_fmr(EVIDENCE_ENDS_AT))
    for kind in ReferenceKind:
        scores = np.linspace(-1, 1, 2001)
        assert PROFILE.similarity(scores, kind).max() == pytest.approx(highest)
        assert PROFILE.fmr_at_score(scores, kind).min() == pytest.approx(EVIDENCE_ENDS_AT)
        assert (np.diff(PROFILE.similarity(scores, kind)) >= 0).all()
    own = club.verify(demo_photos / "obama.jpg", person="ana", collection="club", purpose=PURPOSE)
    assert own.similarity <= highest  # a photo that was enrolled itself is not 100 % certain either
    with pytest.raises(ThresholdBeyondEvidence, match="evidence ends"):
        club.search(demo_photos / "obama.jpg", collection="club", purpose=PURPOSE, threshold=highest + 0.1)
    with pytest.raises(ThresholdBeyondEvidence, match="evidence ends"):
        club.verify(
            demo_photos / "obama.jpg",
            person="ana",
            collection="club",
            purpose=PURPOSE,
            threshold=highest + 0.1,
        )


def test_the_only_bare_threshold_guards_against_mistakes_and_is_a_similarity() -> None:
    assert 0 < enrolling.MIN_SIMILARITY_TO_EARLIER < 100
