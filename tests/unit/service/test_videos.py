"""One search per track: the typical picture asks, the others may object, and what is undecided is hidden."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assent import Assent
from assent.errors import NoLiveConsent, NotFound, WrongPurpose
from assent.service.probing import Found, Probe
from assent.service.results import Candidate
from assent.service.videos import _answer, check_search, decide, is_sure, search_tracks
from tests.builders import make_profile
from tests.video import clip_of, sample_of

from .conftest import PURPOSE

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


@pytest.fixture(scope="session")
def faces(demo_photos: Path, engine):
    """Samples of ana (who is not enrolled with this photo), of bea, and of a stranger."""
    names = {"ana": "obama3.jpg", "bea": "astronaut.png", "joe": "biden.jpg"}
    return {who: sample_of(engine, Image.open(demo_photos / name)) for who, name in names.items()}


def test_each_track_is_searched_and_strangers_are_nobody(club: Assent, faces) -> None:
    clip = clip_of([faces["joe"]], [faces["bea"]], [faces["ana"]])
    result = search_tracks(club._ctx, clip, **HERE)
    assert [[c.person for c in track.candidates] for track in result.tracks] == [[], ["bea"], ["ana"]]
    [entry] = club.log(kinds=["search"])
    assert (entry["medium"], entry["num_faces"], len(entry["candidates"])) == ("video", 3, 2)
    assert [d.reason for d in decide(result)] == ["nobody", "kept", "kept"]
    assert [d.person for d in decide(result, ["ana"])] == [None, None, "ana"]
    assert decide(result, ["ana"])[1].reason == "not-asked"


def test_a_track_whose_pictures_are_of_two_people_is_undecided(club: Assent, faces) -> None:
    ana, joe = faces["ana"], faces["joe"]
    result = search_tracks(club._ctx, clip_of([ana, ana, joe]), **HERE)
    [track] = result.tracks
    assert (track.candidates, track.num_disputed, track.is_confirmed) == ((), 1, False)
    assert decide(result)[0].reason == "undecided"
    # a mixture that no picture objects to would have been kept
    assert decide(search_tracks(club._ctx, clip_of([ana, ana, ana]), **HERE))[0].is_visible


def test_a_long_track_needs_more_than_one_picture(club: Assent, faces) -> None:
    result = search_tracks(club._ctx, clip_of([faces["ana"]], num_frames=60), **HERE)
    assert (result.tracks[0].refused, result.tracks[0].candidates) == (("too-few-pictures",), ())
    assert not decide(result)[0].is_visible


def test_poor_pictures_are_not_searched_for_and_say_why(club: Assent, faces) -> None:
    ana = faces["ana"]
    poor = dataclasses.replace(ana.face.quality, sharpness=0.1)
    blurred = dataclasses.replace(ana, face=dataclasses.replace(ana.face, quality=poor))
    result = search_tracks(club._ctx, clip_of([blurred], []), **HERE)
    assert [track.refused for track in result.tracks] == [("blurred",), ("no-picture",)]
    assert [d.reason for d in decide(result)] == ["blurred", "no-picture"]


@pytest.mark.parametrize(
    ("num_templates", "similarity", "expected"),
    [(1, 94.9, False), (1, 95.0, True), (2, 89.9, False), (2, 90.0, True), (5, 94.0, True)],
)
def test_with_one_photo_the_evidence_must_be_at_its_end(
    num_templates: int, similarity: float, expected: bool
) -> None:
    """Made-up rates end at a similarity of 95."""
    candidate = Candidate(
        person="ana",
        name=None,
        similarity=similarity,
        score=0.94,
        fmr_at_score=1e-4,
        expected_false_candidates=1e-4,
        num_templates=num_templates,
        consent_id="c",
    )
    assert is_sure(candidate, make_profile("0" * 64)) == expected


@pytest.mark.parametrize("num_disputed", [0, 1])
def test_where_a_picture_denies_one_of_two_the_other_is_not_confirmed(num_disputed: int, faces) -> None:
    """It may be either, as far as the pictures go."""
    sample = faces["ana"]
    ana = Candidate("ana", None, 99.0, 0.99, 1e-6, 1e-6, 3, "consent")
    [track] = clip_of([sample]).tracks
    probe = Probe(sample.face, (), None, bytes)
    profile = make_profile("0" * 64)
    made = _answer(track, probe, [sample], Found((ana,), num_disputed), profile)
    assert (made.num_disputed, made.is_confirmed) == (num_disputed, not num_disputed)


def test_a_withdrawal_is_heeded_at_once(club: Assent, faces) -> None:
    club.consents.withdraw(club.consents.list("ana")[0].id)
    result = search_tracks(club._ctx, clip_of([faces["ana"]]), **HERE)
    assert result.tracks[0].candidates == ()
    with pytest.raises(NoLiveConsent):
        check_search(club._ctx, **HERE, people=["ana"])
    with pytest.raises(NotFound):
        check_search(club._ctx, **HERE, people=["nobody"])
    with pytest.raises(WrongPurpose):
        check_search(club._ctx, collection="club", purpose="other")


def test_under_review_nobody_is_named(reviewed: Assent, faces) -> None:
    result = search_tracks(reviewed._ctx, clip_of([faces["ana"]], [faces["joe"]]), **HERE)
    assert [track.candidates for track in result.tracks] == [(), ()]
    assert not any(d.is_visible for d in decide(result))
    assert result.review_id is not None
    outcome = reviewed.reviews.outcome(result.review_id)
    assert (outcome.num_pairs, outcome.num_open) == (1, 1)
    assert len(reviewed.reviews.pictures(reviewed.reviews.queue()[0].id).probe_jpeg) > 1000


def test_no_template_is_in_the_answer(club: Assent, faces) -> None:
    from tests.promises.builders import num_numbers, walk

    result = search_tracks(club._ctx, clip_of([faces["ana"]], [faces["joe"]]), **HERE)
    assert [path for path, value in walk(result) if num_numbers(value) > 16] == []
