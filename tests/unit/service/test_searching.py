"""Searches whose probe is an enrolled photo or a user, and comparison of two photos."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assent import Assent
from assent.errors import (
    GalleryBeyondEvidence,
    NoFace,
    NoLiveConsent,
    NotFound,
    ThresholdBeyondEvidence,
    UsageError,
)
from tests.builders import Clock, agree
from tests.promises.builders import side_by_side

from .conftest import PURPOSE

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


def ids(assent: Assent, person: str) -> list[str]:
    return [record.id for record in assent.collections.templates("club", person)]


def test_an_enrolled_photo_finds_its_person_by_the_others(club: Assent) -> None:
    first, second = ids(club, "ana")
    result = club.search_template(first, **HERE)
    [candidate] = result.candidates
    assert (candidate.person, candidate.num_templates) == ("ana", 1)
    # Not compared with itself, nor with a mean it is part of: that would be far closer.
    assert 0.5 < candidate.score < 0.999
    assert [photo.id for photo in candidate.photos] == [first, second]
    assert result.faces[0].face is None


def test_a_persons_only_photo_finds_nobody(club: Assent) -> None:
    [only] = ids(club, "bea")
    assert club.search_template(only, **HERE).candidates == ()
    [entry] = club.log(kinds=["search"])
    assert (entry["gallery_size"], entry["candidates"]) == (2, [])


def test_an_enrolled_photo_finds_a_look_alike(club: Assent, demo_photos: Path) -> None:
    agree(club, "cid", purpose=PURPOSE)
    club.enrol(demo_photos / "obama3.jpg", person="cid", collection="club")
    result = club.search_template(ids(club, "cid")[0], **HERE)
    assert [candidate.person for candidate in result.candidates] == ["ana"]


def test_a_photo_of_elsewhere_is_no_probe(club: Assent, demo_photos: Path) -> None:
    club.collections.create("other", purpose=PURPOSE)
    made = club.enrol(demo_photos / "obama3.jpg", person="ana", collection="other")
    for template_id in (made.template_id, "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            club.search_template(template_id, **HERE)


def test_a_photo_whose_consent_expired_is_no_probe(club: Assent, clock: Clock) -> None:
    first = ids(club, "ana")[0]
    clock.advance(days=31)
    with pytest.raises(NoLiveConsent):
        club.search_template(first, **HERE)


def test_users_are_found_by_a_user(club: Assent, demo_photos: Path) -> None:
    agree(club, "cid", purpose=PURPOSE)
    club.enrol(demo_photos / "obama3.jpg", person="cid", collection="club")
    for person in ("ana", "bea", "cid"):
        club.users.create("club", person)
    assert club.search_person("ana", **HERE).faces == ()
    for person in ("ana", "bea", "cid"):
        club.users.associate("club", person, ids(club, person))
    assert [c.person for c in club.search_person("ana", **HERE).candidates] == ["cid"]
    assert [c.person for c in club.search_person("cid", **HERE).candidates] == ["ana"]
    assert club.search_person("bea", **HERE).candidates == ()
    with pytest.raises(NotFound):
        club.search_person("nobody", **HERE)


def test_only_the_largest_face_is_searched_where_that_is_asked(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "two.png"
    side_by_side(demo_photos / "biden.jpg", demo_photos / "obama3.jpg").save(photo)
    everybody = club.search(photo, **HERE)
    largest = club.search(photo, faces="largest", **HERE)
    assert len(largest.faces) == len(everybody.faces) == 2
    assert largest.faces[1].refused == ("not-largest",)
    assert largest.faces[1].candidates == ()
    assert not largest.faces[0].refused


def test_beyond_the_evidence_a_search_is_refused_or_reviewed(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    club.collections.set_policy("club", fpir_target=1e-5)
    assert club.collections.get("club").n_max == 1
    with pytest.raises(GalleryBeyondEvidence):
        club.search(photo, **HERE)
    assert not club.collections.get("club").is_searchable
    club.collections.set_policy("club", beyond_evidence="review")
    assert club.collections.get("club").is_searchable
    result = club.search(photo, **HERE)
    assert result.review_id is not None
    assert result.candidates == ()
    assert result.policy is not None
    assert result.policy.gallery_size > result.policy.n_max
    assert club.reviews.outcome(result.review_id).num_pairs == 1
    with pytest.raises(ThresholdBeyondEvidence):
        club.search(photo, threshold=99, **HERE)


def test_within_the_evidence_a_search_is_answered_at_once(club: Assent, demo_photos: Path) -> None:
    club.collections.set_policy("club", beyond_evidence="review")
    result = club.search(demo_photos / "obama3.jpg", **HERE)
    assert result.review_id is None
    assert [candidate.person for candidate in result.candidates] == ["ana"]


def test_the_largest_face_is_indexed_and_a_poor_one_is_an_answer(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    photo = demo_photos / "obama3.jpg"
    made = club.index(photo, person="ana", collection="club")
    assert made.is_new
    assert made.enrolled is not None
    assert made.enrolled.box is not None
    assert made.face is not None
    left, top, width, height = made.enrolled.box
    x0, _, x1, y1 = made.face.box_xyxy
    assert math.isclose(left * made.image_width, x0, abs_tol=0.01)
    assert math.isclose((left + width) * made.image_width, x1, abs_tol=0.01)
    assert math.isclose((top + height) * made.image_height, y1, abs_tol=0.01)
    again = club.index(photo, person="ana", collection="club")
    assert (again.is_new, again.enrolled) == (False, made.enrolled)
    tiny = tmp_path / "tiny.png"
    with Image.open(photo) as image:
        image.resize((60, 60 * image.height // image.width)).save(tiny)
    poor = club.index(tiny, person="ana", collection="club")
    assert poor.enrolled is None
    assert poor.face is None or "small" in poor.reasons
    empty = tmp_path / "empty.png"
    Image.new("RGB", (200, 200), "white").save(empty)
    none = club.index(empty, person="ana", collection="club")
    assert (none.enrolled, none.face, none.reasons, none.others) == (None, None, (), ())


def test_one_picture_has_one_image_id_in_one_collection(club: Assent, demo_photos: Path) -> None:
    club.collections.create("other", purpose=PURPOSE)
    photo = demo_photos / "obama3.jpg"
    here = club.index(photo, person="ana", collection="club").enrolled
    there = club.index(photo, person="ana", collection="other").enrolled
    assert here is not None
    assert there is not None
    assert here.image_id != there.image_id


def test_two_photos_of_one_person_match_and_of_two_do_not(assent: Assent, demo_photos: Path) -> None:
    same = assent.compare(demo_photos / "obama.jpg", demo_photos / "obama3.jpg")
    [match] = same.matches
    assert match.similarity is not None
    assert match.similarity >= 80 == same.threshold_similarity
    assert match.fmr_at_score is not None
    assert match.fmr_at_score <= same.threshold_fmr
    other = assent.compare(demo_photos / "obama.jpg", demo_photos / "biden.jpg")
    assert (other.matches, len(other.unmatched)) == ((), 1)
    low = assent.compare(demo_photos / "obama.jpg", demo_photos / "biden.jpg", threshold=0)
    assert len(low.matches) == 1
    entries = assent.log(kinds=["compare"])
    assert [entry["num_matches"] for entry in entries] == [1, 0, 1]
    assert assent.people.list() == ()


def test_a_comparison_needs_a_face_on_each_side(assent: Assent, demo_photos: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    Image.new("RGB", (200, 200), "white").save(empty)
    for source, target in ((empty, demo_photos / "obama.jpg"), (demo_photos / "obama.jpg", empty)):
        with pytest.raises(NoFace):
            assent.compare(source, target)
    with pytest.raises(ThresholdBeyondEvidence):
        assent.compare(demo_photos / "obama.jpg", demo_photos / "obama3.jpg", threshold=99)
    with pytest.raises(UsageError):
        assent.compare(demo_photos / "obama.jpg", demo_photos / "obama3.jpg", threshold=101)
