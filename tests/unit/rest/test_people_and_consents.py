from __future__ import annotations

import hashlib

import pytest

from tests.builders import Clock
from tests.unit.rest.builders import CONSENT, NOBODY, NOTICE, PURPOSE, Api


def test_a_person(api: Api) -> None:
    made = api.ok("POST", "/people", status=201, json={"ref": "ana", "name": "Ana Lovelace"})
    assert made["created_at"] == "2026-01-15T12:00:00Z"
    assert api.ok("GET", "/people/ana") == made
    assert api.ok("GET", "/people") == {"items": [made], "next_cursor": None}
    assert api.ok("POST", "/people", status=201, json={"ref": "bea"})["name"] is None
    api.error("POST", "/people", 409, "AlreadyExists", json={"ref": "ana"})
    api.error("GET", "/people/cid", 404, "NotFound")


def test_people_page_by_page(api: Api) -> None:
    for number in range(7):
        api.ok("POST", "/people", status=201, json={"ref": f"p{number}"})
    seen, cursor = [], None
    while True:
        page = api.ok("GET", "/people", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen.append([person["ref"] for person in page["items"]])
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p6"]]


def test_a_consent_with_its_exact_notice(api: Api) -> None:
    consent_id = api.agree("ana")
    detail = api.ok("GET", f"/consents/{consent_id}")
    assert detail["notice_text"] == NOTICE
    assert detail["notice_sha256"] == hashlib.sha256(NOTICE.encode()).hexdigest()
    assert detail["evidence_sha256"] == hashlib.sha256(b"a signed release").hexdigest()
    assert (detail["person"], detail["state"], detail["purpose"]) == ("ana", "live", PURPOSE)
    assert detail["expires_at"] == "2026-02-14T12:00:00Z"
    del detail["notice_text"]
    assert api.ok("GET", "/people/ana/consents")["items"] == [detail]
    assert api.ok("GET", "/consents")["items"] == [detail]


def test_evidence_may_be_its_hash_and_the_term_a_day(api: Api) -> None:
    members = {**CONSENT, "evidence_sha256": "AB" * 32, "expires_at": "2026-03-01T00:00:00+01:00"}
    del members["evidence_base64"], members["days"]
    api.ok("POST", "/people", status=201, json={"ref": "ana"})
    made = api.ok("POST", "/people/ana/consents", status=201, json=members)
    assert made["evidence_sha256"] == "ab" * 32
    assert made["expires_at"] == "2026-02-28T23:00:00Z"


@pytest.mark.parametrize(
    "change",
    [
        {"evidence_sha256": "ab" * 32},
        {"evidence_base64": None},
        {"evidence_base64": "!"},
        {"evidence_base64": ""},
        {"evidence_sha256": "/etc/passwd", "evidence_base64": None},
        {"expires_at": "2027-01-01T00:00:00Z"},
        {"days": None},
        {"days": 0},
        {"days": None, "expires_at": "2027-01-01T00:00:00"},
        {"given_at": "yesterday"},
        {"purpose": "Club Photos"},
        {"purpose": None},
        {"controller": ""},
        {"notice_text": ""},
        {"notice_version": "a b"},
        {"language": "e"},
        {"method": "nod"},
        {"legal_basis": ""},
        {"race": "x"},
    ],
    ids=str,
)
def test_a_consent_lacks_nothing(still: Api, change: dict[str, object]) -> None:
    still.error("POST", "/people/joe/consents", 422, "InvalidRequest", json={**CONSENT, **change})
    assert still.ok("GET", "/people/joe/consents")["items"] == []


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"given_at": "2027-01-01T00:00:00Z"}, 422, "IncompleteConsent"),
        ({"notice_text": " \n "}, 422, "IncompleteConsent"),
        ({"controller": "two\nlines"}, 422, "IncompleteConsent"),
        ({"days": None, "expires_at": "2026-01-01T00:00:00Z"}, 422, "IncompleteConsent"),
        ({"given_at": "0001-01-01T00:00:00+14:00"}, 422, "IncompleteConsent"),
    ],
    ids=str,
)
def test_what_the_service_refuses(still: Api, change: dict[str, object], status: int, name: str) -> None:
    still.error("POST", "/people/joe/consents", status, name, json={**CONSENT, **change})


def test_a_notice_never_changes_its_text(api: Api) -> None:
    api.agree("ana")
    changed = {**CONSENT, "notice_text": "Another text."}
    api.error("POST", "/people/ana/consents", 409, "AlreadyExists", json=changed)


def test_a_no_is_final_and_has_a_receipt(api: Api) -> None:
    consent_id = api.agree("ana")
    api.error("GET", f"/consents/{consent_id}/receipt", 404, "NotFound")
    receipt = api.ok("POST", f"/consents/{consent_id}/withdraw", json={"reason": "I changed my mind"})
    assert (receipt["cause"], receipt["consent_id"], receipt["destroyed"]) == ("withdrawn", consent_id, [])
    assert "Ana" not in str(receipt)
    assert api.ok("GET", f"/consents/{consent_id}/receipt") == receipt
    assert api.ok("POST", f"/consents/{consent_id}/withdraw") == receipt
    detail = api.ok("GET", f"/consents/{consent_id}")
    assert (detail["state"], detail["withdrawal_reason"]) == ("withdrawn", "I changed my mind")
    proof = api.ok("GET", f"/log/entries/{receipt['log_seq']}/proof")
    assert consent_id in proof["entry"]
    api.error("POST", f"/consents/{NOBODY}/withdraw", 404, "NotFound")


def test_a_term_that_is_over_is_swept(api: Api, clock: Clock) -> None:
    consent_id = api.agree("ana")
    assert api.ok("POST", "/consents/sweep") == {"receipts": []}
    clock.advance(days=31)
    assert api.ok("GET", f"/consents/{consent_id}")["state"] == "expired"
    [receipt] = api.ok("POST", "/consents/sweep")["receipts"]
    assert (receipt["cause"], receipt["consent_id"]) == ("expired", consent_id)


def test_export_and_erasure(api: Api) -> None:
    consent_id = api.agree("ana")
    held = api.ok("GET", "/people/ana/export")
    assert held["person"]["name"] == "Ana Test"
    assert held["consents"][0]["notice_text"] == NOTICE
    assert {entry["kind"] for entry in held["log_entries"]} >= {"person.added", "consent.recorded"}
    [receipt] = api.ok("DELETE", "/people/ana")["receipts"]
    assert (receipt["cause"], receipt["consent_id"]) == ("erased", consent_id)
    api.error("GET", "/people/ana", 404, "NotFound")
    assert api.ok("GET", "/people")["items"] == []
    assert api.ok("GET", f"/consents/{consent_id}")["person"].startswith("erased:")
