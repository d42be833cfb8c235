"""A webhook is told in order, again and again while it is down, and never of somebody who withdrew."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from assent import Assent
from assent.errors import UsageError
from assent.live.pauses import Pauses
from assent.notifications import NotDelivered
from assent.service import telling
from assent.service.liveoptions import LiveOptions
from assent.service.livetelling import WebhookTeller
from assent.store import LiveEventKind, NewLiveEvent
from tests.builders import Clock

from .test_places import agree_to, door  # noqa: F401 - a fixture


class Post:
    """The network's edge: up or down."""

    def __init__(self) -> None:
        self.is_up = True
        self.got: list[tuple[str, dict[str, object]]] = []
        self.num_tries = 0

    def send(self, notice_id: str, body: str) -> None:
        self.num_tries += 1
        if not self.is_up:
            raise NotDelivered("the webhook answered 503")
        self.got.append((notice_id, json.loads(body)))


def happen(assent: Assent, ref: str, kind: str, camera: str = "front") -> None:
    with assent._ctx.records.transaction() as tx:
        new = NewLiveEvent(
            person_id=tx.person(ref).id,
            camera=camera,
            kind=LiveEventKind(kind),
            at=tx.now,
            similarity=95.0,
            fmr_at_score=1e-5,
            expected_false_candidates=1e-5,
            is_owed=True,
        )
        tx.add_live_event("door", new)


def until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_what_happened_while_it_was_down_is_told_in_order_and_only_of_those_who_still_agree(
    door: Assent,  # noqa: F811
) -> None:
    agree_to(door, "ana", "door")
    consent = agree_to(door, "bea", "door")
    post = Post()
    with WebhookTeller(door._ctx, "door", "front", post, Pauses(0.02, 0.05)) as teller:
        happen(door, "ana", "arrived")
        teller.wake()
        until(lambda: len(post.got) == 1)
        post.is_up = False
        happen(door, "bea", "arrived")
        happen(door, "ana", "left")
        happen(door, "ana", "arrived", camera="back")
        teller.wake()
        until(lambda: post.num_tries >= 4)
        door.consents.withdraw(consent.id)
        post.is_up = True
        until(lambda: len(post.got) == 2)
    assert [(notice, body["event"], body["person"]) for notice, body in post.got] == [
        ("door-1", "arrived", "ana"),
        ("door-3", "left", "ana"),
    ]
    assert set(post.got[0][1]) == {
        "event", "seq", "place", "camera", "person", "name", "at", "similarity", "fmr_at_score",
        "expected_false_candidates",
    }  # fmt: skip


def test_a_fault_in_telling_is_tried_again(door: Assent, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    agree_to(door, "ana", "door")
    faults = [RuntimeError("secret-of-somebody")]

    class Faulty(Post):
        def send(self, notice_id: str, body: str) -> None:
            if faults:
                raise faults.pop()
            super().send(notice_id, body)

    post = Faulty()
    with WebhookTeller(door._ctx, "door", "front", post, Pauses(0.01, 0.05)) as teller:
        happen(door, "ana", "arrived")
        teller.wake()
        until(lambda: len(post.got) == 1)
    assert "a live event was not delivered: RuntimeError at " in caplog.text
    assert "secret-of-somebody" not in caplog.text


def test_what_one_run_owes_the_next_tells(door: Assent) -> None:  # noqa: F811
    agree_to(door, "ana", "door")
    post = Post()
    post.is_up = False
    with WebhookTeller(door._ctx, "door", "front", post, Pauses(0.01, 60.0)) as teller:
        happen(door, "ana", "arrived")
        teller.wake()
        until(lambda: post.num_tries >= 2)
    post.is_up = True
    with WebhookTeller(door._ctx, "door", "front", post):
        until(lambda: len(post.got) == 1)


def test_an_hour_without_the_webhook_costs_a_few_attempts_and_no_event_that_is_still_kept(
    door: Assent,  # noqa: F811
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock of its own: each pause passes at once, as long as it would have been."""
    agree_to(door, "ana", "door")
    door.places.change("door", keep_hours=0.5)
    post, began = Post(), clock.at
    teller = WebhookTeller(door._ctx, "door", "front", post)
    post.is_up = False
    problems: set[str] = set()
    later = [(1500, "left"), (3000, "arrived")]

    def pass_at_once(wake: threading.Event, pause_s: float, *, is_over: Callable[[], bool]) -> None:
        problems.add(teller.problem)
        clock.advance(seconds=pause_s)
        passed_s = (clock.at - began).total_seconds()
        while later and passed_s >= later[0][0]:
            happen(door, "ana", later.pop(0)[1])
        post.is_up = passed_s >= 3600

    monkeypatch.setattr(telling, "wait_out", pass_at_once)
    happen(door, "ana", "arrived")
    with teller:
        until(lambda: len(post.got) == 1 and not teller.problem)
    assert post.num_tries <= 25  # 1, 2, 4 ... 256 seconds, then every 5 minutes
    [(notice, body)] = post.got  # what was older than half an hour is told to nobody
    assert (notice, body["event"]) == ("door-3", "arrived")
    [problem] = problems
    assert "answered 503" in problem


@pytest.mark.parametrize("url", ["https://example.org/hook", "ftp://example.org"])
def test_a_webhook_needs_a_secret_and_an_address(door: Assent, url: str) -> None:  # noqa: F811
    agree_to(door, "ana", "door")
    with pytest.raises(UsageError, match="webhook"):
        door.live("door", source="x.mkv", options=LiveOptions(webhook=url))
