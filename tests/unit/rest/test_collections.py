from __future__ import annotations

import pytest

from tests.unit.rest.builders import NOBODY, PURPOSE, Api


def test_a_collection(api: Api) -> None:
    made = api.ok("POST", "/collections", status=201, json={"name": "club", "purpose": PURPOSE})
    assert (made["policy"], made["fpir_target"], made["review"], made["beyond_evidence"]) == (
        "default",
        0.01,
        "none",
        "refuse",
    )
    assert (made["num_people"], made["num_templates"], made["n_max"]) == (0, 0, 1000)
    assert api.ok("GET", "/collections/club") == made
    assert api.ok("GET", "/collections") == {"items": [made]}
    api.error("POST", "/collections", 409, "AlreadyExists", json={"name": "club", "purpose": PURPOSE})
    api.ok("DELETE", "/collections/club", status=204)
    api.error("GET", "/collections/club", 404, "NotFound")
    api.error("DELETE", "/collections/club", 404, "NotFound")


def test_policies(api: Api) -> None:
    assert api.ok("GET", "/policies")["items"] == [
        {"name": "default", "fpir_target": 0.01},
        {"name": "strict", "fpir_target": 0.001},
    ]
    api.club()
    changes: list[tuple[dict[str, object], str, float]] = [
        ({"policy": "strict"}, "strict", 0.001),
        ({"fpir_target": 0.005}, "custom", 0.005),
        ({}, "custom", 0.005),
        ({"policy": "default"}, "default", 0.01),
    ]
    for new, policy, target in changes:
        changed = api.ok("PUT", "/collections/club/policy", json=new)
        assert (changed["policy"], changed["fpir_target"]) == (policy, target)
    wrong: list[dict[str, object]] = [{"policy": "lax"}, {"fpir_target": 0}, {"fpir_target": 1}, {"x": 1}]
    for bad in wrong:
        api.error("PUT", "/collections/club/policy", 422, "InvalidRequest", json=bad)
    api.error("PUT", "/collections/none/policy", 404, "NotFound", json={})


def test_review_and_what_happens_beyond_the_evidence_are_policy(api: Api) -> None:
    api.club(review="two-person", beyond_evidence="review", policy="strict")
    made = api.ok("GET", "/collections/club")
    assert (made["review"], made["beyond_evidence"]) == ("two-person", "review")
    kept = api.ok("PUT", "/collections/club/policy", json={"policy": "default"})
    assert (kept["review"], kept["beyond_evidence"]) == ("two-person", "review")
    changed = api.ok("PUT", "/collections/club/policy", json={"review": "none", "beyond_evidence": "refuse"})
    assert (changed["review"], changed["beyond_evidence"]) == ("none", "refuse")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "a\n", "é", "x" * 256, None, ["a", "b"]])
def test_a_name_has_no_way_out(api: Api, name: object) -> None:
    api.error("POST", "/collections", 422, "InvalidRequest", json={"name": name, "purpose": PURPOSE})


def test_tags(api: Api) -> None:
    api.club(tags={"team": "a"})
    assert api.ok("GET", "/collections/club/tags") == {"tags": {"team": "a"}}
    both = {"tags": {"team": "b", "year": "2026"}}
    assert api.ok("POST", "/collections/club/tags", json=both) == both
    left = api.ok("DELETE", "/collections/club/tags", params={"key": ["team", "not there"]})
    assert left == {"tags": {"year": "2026"}}
    api.error("DELETE", "/collections/club/tags", 422, "InvalidRequest")
    api.error("GET", "/collections/none/tags", 404, "NotFound")


def test_templates_are_listed_without_their_numbers(club: Api) -> None:
    listed = club.ok("GET", "/collections/club/templates")["items"]
    assert sorted(template["person"] for template in listed) == ["ana", "ana", "bea"]
    assert len({template["image_id"] for template in listed}) == 3
    box = listed[0]["box"]
    assert 0 <= box["left"] < box["left"] + box["width"] <= 1
    assert 0 < listed[0]["quality"]["confidence"] <= 1
    of_bea = club.ok("GET", "/collections/club/templates", params={"person": "bea"})["items"]
    assert of_bea == [template for template in listed if template["person"] == "bea"]
    page = club.ok("GET", "/collections/club/templates", params={"limit": 2})
    rest = club.ok("GET", "/collections/club/templates", params={"cursor": page["next_cursor"]})
    assert page["items"] + rest["items"] == listed


def test_a_template_is_removed_from_its_own_collection_only(club: Api) -> None:
    first = club.ok("GET", "/collections/club/templates")["items"][0]["id"]
    club.ok("POST", "/collections", status=201, json={"name": "other", "purpose": PURPOSE})
    club.error("DELETE", f"/collections/other/templates/{first}", 404, "NotFound")
    club.error("DELETE", f"/collections/club/templates/{NOBODY}", 404, "NotFound")
    club.ok("DELETE", f"/collections/club/templates/{first}", status=204)
    club.error("DELETE", f"/collections/club/templates/{first}", 404, "NotFound")
    assert len(club.ok("GET", "/collections/club/templates")["items"]) == 2


def test_users(club: Api) -> None:
    mine, [other] = club.template_ids("ana"), club.template_ids("bea")
    made = club.ok("POST", "/collections/club/users", status=201, json={"person": "ana"})
    assert (made["person"], made["num_templates"]) == ("ana", 0)
    club.error("POST", "/collections/club/users", 409, "AlreadyExists", json={"person": "ana"})
    club.error("POST", "/collections/club/users", 404, "NotFound", json={"person": "nobody"})
    done = club.ok(
        "POST", "/collections/club/users/ana/associate", json={"template_ids": [*mine, other, NOBODY]}
    )
    assert sorted(done["done"]) == sorted(mine)
    assert {(item["template_id"], item["reason"]) for item in done["failed"]} == {
        (other, "of-another-person"),
        (NOBODY, "face-not-found"),
    }
    assert club.ok("GET", "/collections/club/users")["items"][0]["num_templates"] == 2
    out = club.ok("POST", "/collections/club/users/ana/disassociate", json={"template_ids": mine[:1]})
    assert (out["done"], out["num_templates"]) == (mine[:1], 1)
    club.ok("DELETE", "/collections/club/users/ana", status=204)
    assert club.ok("GET", "/collections/club/users")["items"] == []
    assert len(club.ok("GET", "/collections/club/templates")["items"]) == 3
