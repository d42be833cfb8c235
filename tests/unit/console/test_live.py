"""The live pages: streams are made, started and stopped; pictures and who is here come from the worker alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from assent import Assent
from assent.console.sessions import Sessions
from assent.service.livedoor import LiveDoor
from assent.store.streams import StreamState
from tests.unit.console.builders import Consoles, Time, text_of


@pytest.fixture
def door(consoles: Consoles) -> Consoles:
    assent = consoles.assent
    assent.collections.create("club", purpose="club-photos")
    assent.places.add(
        "door", collection="club", responsible="Chess Club", notice="Members are recognised here."
    )
    assent.places.set_camera("door", "front", "rtsp://admin:hush@10.0.0.7/stream")
    return consoles


def test_a_stream_is_made_started_stopped_and_removed(door: Consoles) -> None:
    visitor = door.signed_in("searcher")
    visitor.get("/live")
    assert "nobody agreed" in visitor.page
    assert "hush" not in visitor.page
    wrong = visitor.post("/live", {"name": "a b", "camera": "door/front"})
    assert wrong.status_code == 400
    visitor.post("/live", {"name": "front-door", "camera": "door/front"})
    assert "Members are recognised here." in visitor.page
    assert "<img" not in visitor.page
    visitor.post("/live/start", {"name": "front-door"})
    assert door.assent.streams.get("front-door").is_wanted
    assert 'data-live="/live/picture?name=front-door"' in visitor.page
    visitor.post("/live/stop", {"name": "front-door"})
    visitor.post("/live/remove", {"name": "front-door"})
    assert door.assent.streams.list() == ()
    assert "No stream yet" in text_of(visitor.page)
    assert visitor.get("/live/stream?name=front-door").status_code == 404


def test_the_picture_and_the_facts_are_the_workers(door: Consoles) -> None:
    door.assent.streams.add("front-door", place="door", camera="front")
    door.assent.streams.start("front-door")
    visitor = door.signed_in("searcher")
    assert visitor.get("/live/picture?name=front-door").status_code == 204
    health = {
        "source": {"num_dropped": 3, "num_frames": 90, "num_lost": 1},
        "here": [{"person": "ana", "name": "Ana <b>", "for_s": 3.0}],
        "analysed_fps": 11.5,
        "preview_fps": 11.5,
        "latency_p95_ms": 81.2,
    }
    with LiveDoor(
        {b"picture": lambda: b"\xff\xd8 a picture", b"health": lambda: json.dumps(health).encode()}
    ) as made:
        with door.assent._ctx.records.transaction() as tx:
            stream = tx.claim_stream("w1", lease=timedelta(hours=1))
            assert stream is not None
            tx.renew_stream(
                stream,
                "w1",
                lease=timedelta(hours=1),
                state=StreamState.RUNNING,
                message="",
                address=made.address,
            )
        answer = visitor.get("/live/picture?name=front-door")
        assert (answer.content, answer.headers["content-type"]) == (b"\xff\xd8 a picture", "image/jpeg")
        assert answer.headers["cache-control"] == "no-store"
        told = visitor.get("/live/now?name=front-door")
        facts = json.loads(told.text.split("data: ")[1])
        assert (facts["here"], facts["dropped"]) == ("Ana <b>", "3 of 90 frames")
        page = visitor.get("/live/stream?name=front-door").text
        assert "Ana &lt;b&gt;" in page
        assert "95 % within 81 ms" in page


def test_only_a_searcher_sees_any_of_it(door: Consoles) -> None:
    door.assent.streams.add("front-door", place="door", camera="front")
    for role in ("enroller", "reviewer"):
        visitor = door.signed_in(role)
        for path in (
            "/live",
            "/live/stream?name=front-door",
            "/live/picture?name=front-door",
            "/live/now?name=front-door",
        ):
            assert visitor.get(path).status_code == 403, path
    assert door.visitor().get("/live/picture?name=front-door").status_code in (200, 303)


def test_a_page_that_asks_by_itself_keeps_no_session_alive(assent: Assent) -> None:
    passed = Time()
    consoles = Consoles.of(assent, sessions=Sessions(clock=passed, idle_s=100))
    visitor = consoles.signed_in("searcher")
    passed.now_s += 60
    assert visitor.get("/live/now?name=none").status_code == 404
    passed.now_s += 60
    assert visitor.get("/live").url.path == "/sign-in"
