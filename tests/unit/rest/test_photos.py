from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.rest.builders import NOBODY, PURPOSE, Api


def photo(folder: Path, name: str) -> dict[str, bytes]:
    return {"image": (folder / name).read_bytes()}


def people(answer: dict[str, Any]) -> list[str]:
    return [candidate["person"] for face in answer["faces"] for candidate in face["candidates"]]


def test_enrol(club: Api, demo_photos: Path) -> None:
    made = club.ok(
        "POST",
        "/collections/club/templates",
        status=201,
        files=photo(demo_photos, "obama3.jpg"),
        data={"person": "ana"},
    )
    assert (made["person"], made["collection"], made["num_templates"]) == ("ana", "club", 3)
    assert made["similarity_to_earlier"] > 60
    assert made["quality"]["reasons"] == []


@pytest.mark.parametrize(
    ("name", "person", "status", "error"),
    [
        ("obama.jpg", "ana", 409, "AlreadyExists"),
        ("biden.jpg", "ana", 422, "FaceMismatch"),
        ("biden.jpg", "nobody", 404, "NotFound"),
        ("biden.jpg", "joe", 403, "NoLiveConsent"),
        ("biden.jpg", "kim", 403, "WrongPurpose"),
    ],
)
def test_who_is_not_enrolled(
    still_club: Api, demo_photos: Path, name: str, person: str, status: int, error: str
) -> None:
    still_club.error(
        "POST",
        "/collections/club/templates",
        status,
        error,
        files=photo(demo_photos, name),
        data={"person": person},
    )


def test_a_search_answers_with_error_rates(club: Api, demo_photos: Path) -> None:
    answer = club.ok(
        "POST",
        "/collections/club/search",
        by="searcher",
        files=photo(demo_photos, "obama3.jpg"),
        data={"purpose": PURPOSE},
    )
    [face] = answer["faces"]
    [candidate] = face["candidates"]
    assert (candidate["person"], candidate["name"]) == ("ana", "Ana Test")
    assert candidate["similarity"] > answer["policy"]["similarity"]
    assert 0 < candidate["fmr_at_score"] <= answer["policy"]["max_fmr"]
    assert candidate["expected_false_candidates"] == pytest.approx(2 * candidate["fmr_at_score"])
    assert len(candidate["photos"]) == 2
    assert answer["policy"]["gallery_size"] == answer["gallery_size"] == 2
    assert set(answer["policy"]["threshold_scores"]) == {"single", "mean"}
    assert answer["review_id"] is None
    assert face["face"]["right"] > face["face"]["left"] >= 0
    entry = club.ok("GET", "/log/entries", params={"kind": "search"})["items"][-1]
    assert entry["leaf_sha256"] == answer["log_leaf"]
    assert entry["body"]["purpose"] == PURPOSE


def test_a_stranger_is_nobody(club: Api, demo_photos: Path) -> None:
    files = photo(demo_photos, "biden.jpg")
    answer = club.ok("POST", "/collections/club/search", files=files, data={"purpose": PURPOSE})
    assert len(answer["faces"]) == 1
    assert people(answer) == []


def test_a_threshold_may_be_stricter_never_looser(club: Api, demo_photos: Path) -> None:
    floor = club.ok("GET", "/collections/club")["floor_similarity"]
    for asked, applied in ((0, floor), (95, 95)):
        answer = club.ok(
            "POST",
            "/collections/club/search",
            files=photo(demo_photos, "obama3.jpg"),
            data={"purpose": PURPOSE, "threshold": asked},
        )
        assert answer["policy"]["similarity"] == pytest.approx(applied)
        assert answer["policy"]["requested_similarity"] == asked


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        ({}, 422, "InvalidRequest"),
        ({"purpose": "door"}, 403, "WrongPurpose"),
        ({"purpose": "Club Photos"}, 422, "InvalidRequest"),
        ({"purpose": PURPOSE, "threshold": "101"}, 422, "InvalidRequest"),
        ({"purpose": PURPOSE, "threshold": "nan"}, 422, "InvalidRequest"),
        ({"purpose": PURPOSE, "threshold": "99.9"}, 422, "ThresholdBeyondEvidence"),
        ({"purpose": PURPOSE, "max_candidates": "0"}, 422, "InvalidRequest"),
        ({"purpose": PURPOSE, "faces": "some"}, 422, "InvalidRequest"),
        ({"purpose": PURPOSE, "among": "strangers"}, 422, "InvalidRequest"),
    ],
    ids=str,
)
def test_what_a_search_is_held_to(
    still_club: Api, demo_photos: Path, data: dict[str, str], status: int, error: str
) -> None:
    still_club.error(
        "POST",
        "/collections/club/search",
        status,
        error,
        files=photo(demo_photos, "obama3.jpg"),
        data=data,
    )


def test_searches_with_what_is_enrolled(club: Api) -> None:
    mine, [other] = club.template_ids("ana"), club.template_ids("bea")
    path = "/collections/club/search/template"
    answer = club.ok("POST", path, json={"template_id": mine[0], "purpose": PURPOSE})
    assert people(answer) == ["ana"]  # by the other photo
    assert answer["faces"][0]["face"] is None
    assert people(club.ok("POST", path, json={"template_id": other, "purpose": PURPOSE})) == []
    club.error("POST", path, 404, "NotFound", json={"template_id": NOBODY, "purpose": PURPOSE})
    for person, template_id in (("ana", mine[0]), ("bea", other)):
        club.ok("POST", "/collections/club/users", status=201, json={"person": person})
        club.ok(
            "POST",
            f"/collections/club/users/{person}/associate",
            json={"template_ids": [template_id]},
        )
    answer = club.ok("POST", "/collections/club/search/person", json={"person": "ana", "purpose": PURPOSE})
    assert people(answer) == []


def test_verify(club: Api, demo_photos: Path) -> None:
    data = {"person": "ana", "purpose": PURPOSE}
    answer = club.ok("POST", "/collections/club/verify", files=photo(demo_photos, "obama3.jpg"), data=data)
    assert answer["is_match"] is True
    assert answer["score"] >= answer["threshold_score"]
    assert (answer["threshold_similarity"], answer["threshold_fmr"]) == pytest.approx((80, 0.001))
    answer = club.ok("POST", "/collections/club/verify", files=photo(demo_photos, "biden.jpg"), data=data)
    assert answer["is_match"] is False


def test_compare(club: Api, demo_photos: Path) -> None:
    def compared(target: str) -> Any:
        files = {
            "source": (demo_photos / "obama.jpg").read_bytes(),
            "target": (demo_photos / target).read_bytes(),
        }
        return club.ok("POST", "/compare", by="searcher", files=files)

    [match] = compared("obama3.jpg")["matches"]
    assert match["similarity"] >= 80
    assert match["fmr_at_score"] <= 0.001
    answer = compared("biden.jpg")
    assert (answer["matches"], len(answer["unmatched"])) == ([], 1)


def test_detect_says_nothing_of_who(club: Api, demo_photos: Path) -> None:
    answer = club.ok("POST", "/detect", by="searcher", files=photo(demo_photos, "obama3.jpg"))
    [face] = answer["faces"]
    assert set(face) == {"left", "top", "right", "bottom", "landmarks", "confidence", "quality"}
    assert len(face["landmarks"]) == 5


@pytest.mark.parametrize("address", ["https://example.org/a.jpg", "file:///etc/passwd", "/etc/passwd"])
def test_an_address_is_no_photo(still_club: Api, address: str) -> None:
    for path, data in (
        ("/detect", {}),
        ("/collections/club/search", {"purpose": PURPOSE}),
        ("/collections/club/templates", {"person": "ana"}),
    ):
        sent: list[dict[str, Any]] = [
            {"data": {**data, "image": address}, "files": {"x": b""}},
            {"data": data, "files": {"image": address.encode()}},
        ]
        for options in sent:
            response = still_club.send("POST", path, **options)
            assert response.status_code == 422
            assert response.json()["error"] in {"UnreadableImage", "InvalidRequest"}
            assert address not in response.text
