"""Promise 5 over REST: two different people, the second blind to the first."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assent.store.access import Role
from tests.builders import Clock
from tests.unit.rest.builders import NOBODY, PURPOSE, Api


@pytest.fixture
def asked(api: Api, demo_photos: Path) -> Api:
    """A collection under review with ana in it, and one search for her; two reviewers."""
    api.club(review="two-person")
    api.agree("ana")
    for name in ("obama.jpg", "obama2.jpg"):
        files = {"image": (demo_photos / name).read_bytes()}
        api.ok("POST", "/collections/club/templates", status=201, files=files, data={"person": "ana"})
    api.keys["second"] = api.new_key("second-desk", Role.REVIEWER)
    return api


def search(api: Api, demo_photos: Path, name: str = "obama3.jpg") -> dict[str, Any]:
    files = {"image": (demo_photos / name).read_bytes()}
    answer = api.ok("POST", "/collections/club/search", by="searcher", files=files, data={"purpose": PURPOSE})
    assert isinstance(answer, dict)
    return answer


def pair_of(api: Api, by: str) -> dict[str, Any]:
    [pair] = api.ok("GET", "/review-queue", by=by)["items"]
    assert isinstance(pair, dict)
    return pair


def judge(api: Api, by: str, verdict: str) -> None:
    api.ok(
        "POST",
        f"/review-queue/{pair_of(api, by)['id']}/judgement",
        status=204,
        by=by,
        json={"verdict": verdict},
    )


def test_a_search_under_review_names_nobody(asked: Api, demo_photos: Path) -> None:
    answer = search(asked, demo_photos)
    assert answer["review_id"]
    assert [face["candidates"] for face in answer["faces"]] == [[]]
    assert "ana" not in str(answer).lower().replace("'expired'", "")


def test_two_who_agree_confirm(asked: Api, demo_photos: Path) -> None:
    review = f"/reviews/{search(asked, demo_photos)['review_id']}"
    judge(asked, "reviewer", "same")
    assert asked.ok("GET", review)["status"] == "pending"
    judge(asked, "second", "same")
    outcome = asked.ok("GET", review, by="searcher")
    assert (outcome["status"], outcome["num_pairs"]) == ("decided", 1)
    [confirmed] = outcome["confirmed"]
    assert (confirmed["person"], confirmed["name"]) == ("ana", "Ana Test")
    assert 0 < confirmed["fmr_at_score"] < 0.01
    assert asked.ok("GET", "/reviews", by="reviewer")["items"] == [outcome]


@pytest.mark.parametrize(
    ("first", "second", "rejected", "inconclusive"),
    [("different", "different", 1, 0), ("same", "different", 0, 1), ("unsure", "same", 0, 1)],
)
def test_without_two_who_agree_nobody_is_named(
    asked: Api, demo_photos: Path, first: str, second: str, rejected: int, inconclusive: int
) -> None:
    review = f"/reviews/{search(asked, demo_photos)['review_id']}"
    judge(asked, "reviewer", first)
    judge(asked, "second", second)
    outcome = asked.ok("GET", review)
    assert (outcome["confirmed"], outcome["num_rejected"], outcome["num_inconclusive"]) == (
        [],
        rejected,
        inconclusive,
    )


def test_the_second_is_blind_to_the_first(asked: Api, demo_photos: Path) -> None:
    """Whatever the first said, every answer that the second can have is the same, byte for byte."""
    seen = []
    review = f"/reviews/{search(asked, demo_photos)['review_id']}"
    pair = pair_of(asked, "second")
    base = f"/review-queue/{pair['id']}"
    paths = ("/review-queue", "/reviews", review, f"{base}/pictures")
    for by in ("second", "searcher"):
        before = [asked.send("GET", path, by=by).content for path in paths]
        seen.append((by, before))
    judge(asked, "reviewer", "same")
    for by, before in seen:
        assert [asked.send("GET", path, by=by).content for path in paths] == before
    assert set(pair) == {"id", "review_id", "collection", "asked_at", "expires_at"}
    words = b"".join(seen[0][1][:3]).lower()
    for word in (b"similar", b"score", b"fmr", b"verdict", b"judge", b"ana test"):
        assert word not in words.replace(b"expected_", b"")
    for path in ("/log/entries", "/people/ana/export"):
        asked.error("GET", path, 403, "Forbidden", by="second")


def test_judging_answers_the_same_whatever_the_first_said(asked: Api, demo_photos: Path) -> None:
    answers = []
    for verdict in ("same", "different"):
        search(asked, demo_photos)
        judge(asked, "reviewer", verdict)
        pair = pair_of(asked, "second")["id"]
        response = asked.send(
            "POST", f"/review-queue/{pair}/judgement", by="second", json={"verdict": "same"}
        )
        answers.append((response.status_code, response.content))
    assert answers[0] == answers[1] == (204, b"")


def test_the_pictures_are_pictures_of_a_face(asked: Api, demo_photos: Path) -> None:
    search(asked, demo_photos)
    pair = pair_of(asked, "reviewer")
    pictures = asked.ok("GET", f"/review-queue/{pair['id']}/pictures", by="reviewer")
    assert len(pictures["enrolled_jpegs"]) == 2
    for encoded in (pictures["probe_jpeg"], *pictures["enrolled_jpegs"]):
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as image:
            assert image.format == "JPEG"
            assert min(image.size) >= 32
            assert not image.getexif()
    viewed = asked.ok("GET", "/log/entries", params={"kind": "review.viewed"})["items"]
    assert [entry["body"]["pair_id"] for entry in viewed] == [pair["id"]]
    asked.error("GET", f"/review-queue/{NOBODY}/pictures", 404, "NotFound", by="reviewer")
    asked.error("GET", f"/review-queue/{pair['id']}/pictures", 403, "Forbidden", by="searcher")


def test_one_person_judges_once_whatever_their_key(asked: Api, demo_photos: Path) -> None:
    search(asked, demo_photos)
    pair = pair_of(asked, "reviewer")["id"]
    judge(asked, "reviewer", "same")
    assert asked.ok("GET", "/review-queue", by="reviewer")["items"] == []
    asked.keys["again"] = asked.new_key("reviewer-desk", Role.REVIEWER)
    for by in ("reviewer", "again"):
        path = f"/review-queue/{pair}/judgement"
        asked.error("POST", path, 409, "SameReviewer", by=by, json={"verdict": "same"})
    path = f"/review-queue/{pair}/judgement"
    asked.error("POST", path, 422, "InvalidRequest", by="second", json={"verdict": "maybe"})
    asked.error("POST", path, 403, "Forbidden", by="searcher", json={"verdict": "same"})


def test_what_is_over_is_over(asked: Api, demo_photos: Path, clock: Clock) -> None:
    review = f"/reviews/{search(asked, demo_photos)['review_id']}"
    pair = pair_of(asked, "reviewer")["id"]
    clock.advance(days=8)
    assert asked.ok("GET", review)["status"] == "lapsed"
    path = f"/review-queue/{pair}/judgement"
    asked.error("POST", path, 409, "ReviewClosed", by="reviewer", json={"verdict": "same"})
    asked.error("GET", f"/review-queue/{pair}/pictures", 409, "ReviewClosed", by="reviewer")


def test_who_withdraws_is_gone_from_the_queue(asked: Api, demo_photos: Path) -> None:
    search(asked, demo_photos)
    pair = pair_of(asked, "reviewer")["id"]
    [consent] = asked.ok("GET", "/people/ana/consents")["items"]
    asked.ok("POST", f"/consents/{consent['id']}/withdraw")
    assert asked.ok("GET", "/review-queue", by="reviewer")["items"] == []
    asked.error("GET", f"/review-queue/{pair}/pictures", 404, "NotFound", by="reviewer")
