"""Places and their events over REST: no password, nothing across places, nothing of whoever withdrew."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from assent import Assent
from assent.store import LiveEventKind, NewLiveEvent

from .builders import Api


@pytest.fixture
def door(assent: Assent) -> Assent:
    assent.collections.create("club", purpose="club-photos")
    assent.places.add("door", collection="club", responsible="Club", notice="Members are recognised here.")
    assent.places.set_camera("door", "front", "rtsp://admin:hush@10.0.0.7/stream?token=hush")
    for ref in ("ana", "bea"):
        if ref not in {person.ref for person in assent.people.list()}:
            assent.people.add(ref)
        consent = assent.consents.record(
            ref, purpose="club-photos", controller="Club", notice_text="Door.", notice_version="door", language="en",
            method="online-form", evidence=b"x", term=timedelta(days=9), places=["door"],
        )  # fmt: skip
        with assent._ctx.records.transaction() as tx:
            tx.add_live_event(
                "door",
                NewLiveEvent(
                    person_id=consent.person_id, camera="front", kind=LiveEventKind.ARRIVED, at=tx.now,
                    similarity=93.0, fmr_at_score=1e-4, expected_false_candidates=1e-4,
                ),
            )  # fmt: skip
    return assent


def test_places_are_told_without_passwords(api: Api, door: Assent) -> None:
    [place] = api.ok("GET", "/places")["items"]
    assert place == api.ok("GET", "/places/door")
    assert (place["num_agreed"], place["cameras"][0]["source"]) == (2, "rtsp://10.0.0.7/stream")
    assert "hush" not in json.dumps(place)
    assert place["problem"]


def test_events_are_of_one_place_and_of_those_who_agree(api: Api, door: Assent) -> None:
    items = api.ok("GET", "/places/door/events")["items"]
    assert [(item["seq"], item["event"], item["person"]) for item in items] == [
        (1, "arrived", "ana"),
        (2, "arrived", "bea"),
    ]
    assert [item["seq"] for item in api.ok("GET", "/places/door/events?after=1")["items"]] == [2]
    door.consents.withdraw(items[0]["consent_id"])
    assert [item["person"] for item in api.ok("GET", "/places/door/events")["items"]] == ["bea"]
    assert api.ok("GET", "/people/bea/export")["live_events"][0]["person"] == "bea"


def test_server_sent_events_go_on_where_the_browser_was(api: Api, door: Assent) -> None:
    answer = api.send("GET", "/places/door/events/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.strip().split("\n\n")
    assert blocks[0].startswith("retry:")
    assert [block.splitlines()[0] for block in blocks[1:]] == ["id: 1", "id: 2"]
    assert json.loads(blocks[1].splitlines()[2].removeprefix("data: "))["person"] == "ana"
    later = api.send("GET", "/places/door/events/stream", headers={"Last-Event-ID": "2"})
    assert "data:" not in later.text
