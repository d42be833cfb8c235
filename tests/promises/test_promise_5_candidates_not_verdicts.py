"""Promise 5: candidates, not verdicts. A search never says that somebody is somebody.

A collection under two-person review names nobody before two different people, the second blind to the first, have
confirmed it. That the database itself holds this: ``tests/conformance/test_records_reviews.py``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from assent import Assent
from assent.cli.output import to_json
from assent.errors import ReviewError, SameReviewer
from assent.service.results import Candidate, FaceAnswer, SearchResult
from tests.promises.builders import PURPOSE

VERDICT = re.compile(r"\b(is_?match|matched|match|verdict|identity|identified|is_person|confirmed)\b")


@pytest.mark.parametrize("kind", [SearchResult, FaceAnswer, Candidate])
def test_no_field_of_a_search_is_a_verdict(kind: type) -> None:
    assert [f.name for f in dataclasses.fields(kind) if VERDICT.search(f.name)] == []


def test_every_name_comes_with_how_often_it_is_wrong(club: Assent, demo_photos: Path) -> None:
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    text = json.dumps(to_json(result))
    assert not VERDICT.search(text)
    assert result.candidates
    for candidate in result.candidates:
        assert 0 < candidate.fmr_at_score <= 1
        assert candidate.expected_false_candidates >= candidate.fmr_at_score


def test_several_people_may_be_candidates_of_one_face(club: Assent, demo_photos: Path) -> None:
    """The list is not cut to its first: a look-alike who reaches the threshold is shown beside the best."""
    [astronaut] = club.collections.templates("club", "bea")
    club.enrol(demo_photos / "obama_partial_face.jpg", person="bea", collection="club", allow_mismatch=True)
    club.collections.remove_template(astronaut.id)
    result = club.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
    [answer] = result.faces
    assert {candidate.person for candidate in answer.candidates} == {"ana", "bea"}


# --- two people


@pytest.fixture
def under_review(club: Assent) -> Assent:
    club.collections.set_policy("club", review="two-person")
    return club


def said(value: Any) -> str:
    return json.dumps(to_json(value), default=str)


def names_somebody(text: str) -> bool:
    # whole words: an id or a digest may well have "bea" in it
    return re.search(r"\b(ana|bea)\b", text, re.IGNORECASE) is not None


def test_no_answer_names_anybody_before_two_have_confirmed(under_review: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    result = under_review.search(photo, collection="club", purpose=PURPOSE)
    assert result.review_id is not None
    assert not names_somebody(said(result))
    reviewers = [
        under_review.acting_as(under_review.access.make(f"rev-{n}", ["reviewer"]).key) for n in (1, 2)
    ]
    for number, reviewer in enumerate(reviewers):
        [pair] = reviewer.reviews.queue()
        assert not names_somebody(said(pair))
        assert not names_somebody(said(under_review.reviews.outcome(result.review_id)))
        assert not names_somebody(said(under_review.log(kinds=["search", "review.judged", "review.viewed"])))
        reviewer.reviews.pictures(pair.id)
        reviewer.reviews.judge(pair.id, "same")
        with pytest.raises(SameReviewer):
            reviewer.reviews.judge(pair.id, "same")
        assert len(under_review.reviews.outcome(result.review_id).confirmed) == number
    assert [c.person for c in under_review.reviews.outcome(result.review_id).confirmed] == ["ana"]


def test_every_way_to_ask_who_somebody_is_waits_for_two(under_review: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    for person in ("ana", "bea"):
        under_review.users.create("club", person)
        ids = [record.id for record in under_review.collections.templates("club", person)]
        under_review.users.associate("club", person, ids)
    added = under_review.enrol(photo, person="ana", collection="club").template_id
    here: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}
    for result in (
        under_review.search(demo_photos / "obama_partial_face.jpg", **here),
        under_review.search(demo_photos / "obama_partial_face.jpg", among="users", **here),
        under_review.search_template(added, **here),
        under_review.search_template(added, among="users", **here),
        under_review.search_person("bea", **here),
    ):
        assert result.review_id is not None
        assert result.candidates == ()
        assert not names_somebody(said(result))
    with pytest.raises(ReviewError):
        under_review.verify(photo, person="ana", **here)
    picture = under_review.annotate(photo, under_review.search(photo, thorough=True, **here))
    assert picture.num_shown == 0
    assert picture.num_hidden >= 1
