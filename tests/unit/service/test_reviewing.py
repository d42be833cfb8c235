from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assent import Assent
from assent.errors import (
    NotFound,
    ReviewClosed,
    ReviewError,
    ReviewRequired,
    SameReviewer,
    UsageError,
)
from tests.builders import Clock

from .conftest import PURPOSE

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


def reviewer(assent: Assent, holder: str) -> Assent:
    return assent.acting_as(assent.access.make(holder, ["reviewer"]).key)


def asked(assent: Assent, photos: Path) -> str:
    """The id of a review of one pair."""
    result = assent.search(photos / "obama3.jpg", **HERE)
    assert result.candidates == ()
    assert result.review_id is not None
    return result.review_id


def judge(assent: Assent, holder: str, verdict: str) -> None:
    who = reviewer(assent, holder)
    [pair] = who.reviews.queue()
    who.reviews.judge(pair.id, verdict)


@pytest.mark.parametrize(
    ("first", "second", "confirmed", "num_rejected", "num_inconclusive"),
    [
        ("same", "same", ["ana"], 0, 0),
        ("different", "different", [], 1, 0),
        ("same", "different", [], 0, 1),
        ("different", "same", [], 0, 1),
        ("unsure", "same", [], 0, 1),
        ("unsure", "unsure", [], 0, 1),
    ],
)
def test_only_two_who_agree_name_somebody(
    reviewed: Assent,
    demo_photos: Path,
    first: str,
    second: str,
    confirmed: list[str],
    num_rejected: int,
    num_inconclusive: int,
) -> None:
    review_id = asked(reviewed, demo_photos)
    judge(reviewed, "rev-1", first)
    half = reviewed.reviews.outcome(review_id)
    assert (half.status, half.confirmed, half.num_open) == ("pending", (), 1)
    judge(reviewed, "rev-2", second)
    whole = reviewed.reviews.outcome(review_id)
    assert (whole.status, whole.num_open) == ("decided", 0)
    assert [candidate.person for candidate in whole.confirmed] == confirmed
    assert (whole.num_rejected, whole.num_inconclusive) == (num_rejected, num_inconclusive)
    for candidate in whole.confirmed:
        assert candidate.name == "Ana Test"
        assert 0 < candidate.fmr_at_score <= candidate.expected_false_candidates


def test_one_person_with_two_keys_is_one_reviewer(reviewed: Assent, demo_photos: Path) -> None:
    review_id = asked(reviewed, demo_photos)
    first, second = reviewer(reviewed, "rev-1"), reviewer(reviewed, "rev-1")
    [pair] = first.reviews.queue()
    first.reviews.judge(pair.id, "same")
    for view in (first, second):
        assert view.reviews.queue() == ()
        with pytest.raises(SameReviewer):
            view.reviews.judge(pair.id, "same")
    assert reviewed.reviews.outcome(review_id).confirmed == ()


def test_a_reviewer_sees_two_pictures_and_no_name_or_score(reviewed: Assent, demo_photos: Path) -> None:
    asked(reviewed, demo_photos)
    who = reviewer(reviewed, "rev-1")
    [pair] = who.reviews.queue()
    for hidden in ("ana", "Ana", "bea"):
        assert hidden not in repr(pair)
    pictures = who.reviews.pictures(pair.id)
    assert len(pictures.enrolled_jpegs) == 2
    for jpeg in (pictures.probe_jpeg, *pictures.enrolled_jpegs):
        with Image.open(io.BytesIO(jpeg)) as image:
            assert (image.format, max(image.size) <= 256, dict(image.getexif())) == ("JPEG", True, {})
    [viewed] = reviewed.log(kinds=["review.viewed"])
    assert viewed["actor"].startswith("rev-1/")


def test_what_the_first_said_is_nowhere_for_the_second(reviewed: Assent, demo_photos: Path) -> None:
    answers = []
    for verdict in ("same", "different"):
        review_id = asked(reviewed, demo_photos)
        first, second = reviewer(reviewed, f"a-{verdict}"), reviewer(reviewed, f"b-{verdict}")
        [pair] = [item for item in first.reviews.queue() if item.review_id == review_id]
        first.reviews.judge(pair.id, verdict)
        [seen] = [item for item in second.reviews.queue() if item.review_id == review_id]
        outcome = reviewed.reviews.outcome(review_id)
        log = [sorted(e) for e in reviewed.log(kinds=["review.judged"]) if e["review_id"] == review_id]
        told = (outcome.status, outcome.num_open, outcome.num_rejected, outcome.confirmed)
        answers.append((seen == pair, told, log))
    assert answers[0] == answers[1]


def test_a_decided_review_keeps_no_picture(reviewed: Assent, demo_photos: Path) -> None:
    asked(reviewed, demo_photos)
    third = reviewer(reviewed, "rev-3")
    [pair] = third.reviews.queue()
    judge(reviewed, "rev-1", "same")
    judge(reviewed, "rev-2", "same")
    with pytest.raises(ReviewClosed):
        third.reviews.pictures(pair.id)
    with pytest.raises(ReviewClosed):
        third.reviews.judge(pair.id, "different")
    assert third.reviews.queue() == ()


def test_a_review_lapses(reviewed: Assent, demo_photos: Path, clock: Clock) -> None:
    review_id = asked(reviewed, demo_photos)
    who = reviewer(reviewed, "rev-1")
    [pair] = who.reviews.queue()
    clock.advance(days=7)
    assert who.reviews.queue() == ()
    assert reviewed.reviews.outcome(review_id).status == "lapsed"
    with pytest.raises(ReviewClosed):
        who.reviews.pictures(pair.id)
    with pytest.raises(ReviewClosed):
        who.reviews.judge(pair.id, "same")
    assert reviewed.reviews.sweep() == 1
    assert reviewed.reviews.sweep() == 0
    assert reviewed.log(kinds=["review.lapsed"])[0]["review_id"] == review_id


def test_whoever_withdraws_is_out_of_every_review(reviewed: Assent, demo_photos: Path) -> None:
    open_id, decided_id = asked(reviewed, demo_photos), asked(reviewed, demo_photos)
    for holder in ("rev-1", "rev-2"):
        who = reviewer(reviewed, holder)
        [pair] = [item for item in who.reviews.queue() if item.review_id == decided_id]
        who.reviews.judge(pair.id, "same")
    assert len(reviewed.reviews.outcome(decided_id).confirmed) == 1
    reviewed.consents.withdraw(reviewed.consents.list("ana")[0].id)
    for review_id in (open_id, decided_id):
        outcome = reviewed.reviews.outcome(review_id)
        assert (outcome.status, outcome.num_pairs, outcome.confirmed) == ("decided", 0, ())
    assert reviewer(reviewed, "rev-3").reviews.queue() == ()


def test_a_confirmation_ends_with_the_consents_term(
    reviewed: Assent, demo_photos: Path, clock: Clock
) -> None:
    clock.advance(days=29)
    review_id = asked(reviewed, demo_photos)
    judge(reviewed, "rev-1", "same")
    judge(reviewed, "rev-2", "same")
    assert len(reviewed.reviews.outcome(review_id).confirmed) == 1
    clock.advance(days=1)
    assert reviewed.reviews.outcome(review_id).confirmed == ()


def test_a_search_that_finds_nobody_has_a_review_like_any_other(reviewed: Assent, demo_photos: Path) -> None:
    result = reviewed.search(demo_photos / "biden.jpg", **HERE)
    assert result.review_id is not None
    assert reviewed.reviews.outcome(result.review_id).num_pairs == 0
    assert reviewer(reviewed, "rev-1").reviews.queue() == ()


def test_the_log_names_a_candidate_only_once_two_confirmed(reviewed: Assent, demo_photos: Path) -> None:
    person_id = reviewed.people.get("ana").id
    review_id = asked(reviewed, demo_photos)
    [search] = reviewed.log(kinds=["search"])
    assert (search["review_id"], search["num_under_review"], search["candidates"]) == (review_id, 1, [])
    judge(reviewed, "rev-1", "same")
    about = [entry for entry in reviewed.log() if entry["kind"].startswith(("review", "search"))]
    assert person_id not in repr(about)
    judge(reviewed, "rev-2", "same")
    [decided] = reviewed.log(kinds=["review.decided"])
    assert (decided["person_id"], decided["outcome"]) == (person_id, "confirmed")


def test_verification_would_say_at_once_who_it_is(reviewed: Assent, demo_photos: Path) -> None:
    with pytest.raises(ReviewRequired):
        reviewed.verify(demo_photos / "obama3.jpg", person="ana", **HERE)


def test_pictures_are_kept_only_where_people_look(club: Assent, demo_photos: Path) -> None:
    first = club.collections.templates("club", "ana")[0].id
    with club._ctx.records.reading() as tx:
        assert tx.thumbnails("club", "ana") == []
    club.collections.set_policy("club", review="two-person")
    with pytest.raises(ReviewError, match="no picture"):
        club.search_template(first, **HERE)
    review_id = asked(club, demo_photos)
    who = reviewer(club, "rev-1")
    [pair] = who.reviews.queue()
    assert who.reviews.pictures(pair.id).enrolled_jpegs == ()
    assert pair.review_id == review_id
    made = club.index(demo_photos / "obama3.jpg", person="ana", collection="club").enrolled
    assert made is not None
    with club._ctx.records.reading() as tx:
        assert len(tx.thumbnails("club", "ana")) == 1
    result = club.search_template(made.id, **HERE)
    assert result.review_id is not None
    club.collections.set_policy("club", review="none")
    with club._ctx.records.reading() as tx:
        assert tx.thumbnails("club", "ana") == []


def test_an_export_says_how_alike_only_once_two_have_judged(reviewed: Assent, demo_photos: Path) -> None:
    review_id = asked(reviewed, demo_photos)
    judge(reviewed, "rev-1", "same")
    [pending] = reviewed.people.export("ana")["reviews"]
    assert pending == {"review_id": review_id, "similarity": None, "fmr_at_score": None, "outcome": None}
    judge(reviewed, "rev-2", "same")
    [decided] = reviewed.people.export("ana")["reviews"]
    assert decided["outcome"] == "confirmed"
    assert decided["similarity"] > 80


def test_a_verdict_is_one_of_three(reviewed: Assent, demo_photos: Path) -> None:
    asked(reviewed, demo_photos)
    who = reviewer(reviewed, "rev-1")
    [pair] = who.reviews.queue()
    with pytest.raises(UsageError, match="same, different, unsure"):
        who.reviews.judge(pair.id, "yes")
    with pytest.raises(NotFound):
        who.reviews.judge("00000000-0000-4000-8000-000000000000", "same")


def test_the_queue_and_the_list_say_what_is_there(reviewed: Assent, demo_photos: Path, clock: Clock) -> None:
    first = asked(reviewed, demo_photos)
    clock.advance(hours=1)
    second = asked(reviewed, demo_photos)
    assert [item.review_id for item in reviewer(reviewed, "rev-1").reviews.queue()] == [first, second]
    assert [item.id for item in reviewed.reviews.list()] == [second, first]


def test_a_deleted_collection_takes_its_reviews_along(reviewed: Assent, demo_photos: Path) -> None:
    review_id = asked(reviewed, demo_photos)
    reviewed.collections.delete("club")
    with pytest.raises(NotFound):
        reviewed.reviews.outcome(review_id)


def test_after_new_keys_a_review_goes_on(reviewed: Assent, demo_photos: Path) -> None:
    asked(reviewed, demo_photos)
    made = reviewed.access.make("rev-9", ["reviewer"])
    reviewed.rotate_master_key()
    assert reviewed.access.authenticate(made.key.id, made.secret) == made.key
    who = reviewed.acting_as(made.key)
    [pair] = who.reviews.queue()
    assert len(who.reviews.pictures(pair.id).enrolled_jpegs) == 2
