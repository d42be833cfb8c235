"""Streams: started by one process, watched by a worker in another, given back when told or when the worker dies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from assent import Assent
from assent.errors import AlreadyExists, NotFound, StoreUnavailable, UsageError
from assent.live.pauses import Pauses
from assent.live.values import SourceSettings
from assent.service import liveworking
from assent.service.livedoor import LiveDoor, asked
from assent.service.liveoptions import LiveOptions
from assent.service.liveworking import LiveWorker
from assent.store import Records, Transaction
from assent.store.streams import StreamState
from tests.builders import Clock
from tests.unit.live.clips import http_server

from .test_living import live_clips, ready  # noqa: F401 - fixtures
from .test_places import agree_to, door  # noqa: F401 - fixtures

LOOPED = LiveOptions(max_fps=20, has_preview=True, source=SourceSettings(is_looped=True, first_pause_s=0.05))


@pytest.fixture
def streaming(ready: Assent, live_clips: Path) -> Assent:  # noqa: F811
    ready.places.set_camera("door", "front", str(live_clips / "ana.mkv"))
    ready.streams.add("front-door", place="door", camera="front", facts={"a": "b"})
    return ready


@contextmanager
def working(assent: Assent) -> Iterator[LiveWorker]:
    worker, stop = LiveWorker(assent._ctx, options=LOOPED), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 15
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_what_was_started_is_watched_until_it_is_stopped(streaming: Assent) -> None:
    assert streaming.streams.get("front-door").state is StreamState.STOPPED
    started = streaming.streams.start("front-door")
    assert (started.state, started.is_wanted) == (StreamState.STARTING, True)
    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        until(lambda: bool(streaming.places.events("door")))
        until(lambda: (streaming.streams.picture("front-door") or b"")[:2] == b"\xff\xd8")
        until(lambda: bool((streaming.streams.health("front-door") or {}).get("here")))
        health = streaming.streams.health("front-door") or {}
        assert (health["place"], health["here"][0]["person"]) == ("door", "ana")
        assert streaming.streams.start("front-door").session_id == started.session_id
        streaming.streams.stop("front-door")
        until(lambda: streaming.streams.get("front-door").state is StreamState.STOPPED)
        assert streaming.streams.picture("front-door") is None
        assert streaming.streams.health("front-door") is None
    assert streaming.places.events("door")[-1].kind == "left"
    assert [entry["kind"] for entry in streaming.log() if entry["kind"].startswith("stream.")] == [
        "stream.added",
        "stream.started",
        "stream.stopped",
    ]


def test_a_worker_that_ends_gives_its_streams_to_the_next(streaming: Assent) -> None:
    streaming.streams.start("front-door")
    with working(streaming) as first:
        until(lambda: streaming.streams.get("front-door").worker == first.name)
    left = streaming.streams.get("front-door")
    assert (left.worker, left.state, left.is_wanted) == (None, StreamState.STARTING, True)
    with working(streaming) as second:
        until(lambda: streaming.streams.get("front-door").worker == second.name)


def test_what_cannot_run_says_why_and_is_tried_again(streaming: Assent) -> None:
    [consent] = [item for item in streaming.consents.list("ana") if item.places]
    streaming.consents.withdraw(consent.id)
    streaming.streams.start("front-door")
    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.FAILED)
        assert "nobody agreed" in streaming.streams.get("front-door").message
        agree_to(streaming, "ana", "door")
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        streaming.streams.remove("front-door")
        until(lambda: streaming.places.events("door") != () or True)
    with pytest.raises(NotFound):
        streaming.streams.get("front-door")


def test_a_dead_workers_lease_runs_out(streaming: Assent, clock: Clock) -> None:
    streaming.streams.start("front-door")
    records: Records = streaming._ctx.records
    lease = timedelta(seconds=10)
    with records.transaction() as tx:
        first = tx.claim_stream("w1", lease=lease)
        assert first is not None
        assert tx.claim_stream("w2", lease=lease) is None
    clock.advance(seconds=11)
    with records.transaction() as tx:
        second = tx.claim_stream("w2", lease=lease)
        assert second is not None
        assert second.worker == "w2"
        said = {"lease": lease, "state": StreamState.RUNNING, "message": "", "address": None}
        assert not tx.renew_stream(first, "w1", **said)  # type: ignore[arg-type]
        assert not tx.is_stream_of(first, "w1")
        assert tx.renew_stream(second, "w2", **said)  # type: ignore[arg-type]
        assert tx.is_stream_of(second, "w2")
        tx.release_stream(second.id, "w1")
        assert tx.stream("front-door").worker == "w2"


def test_what_is_started_anew_is_claimed_anew(streaming: Assent) -> None:
    """Between two looks at the records somebody else may have started it: it is theirs then."""
    streaming.streams.start("front-door")
    lease = timedelta(seconds=10)
    with streaming._ctx.records.transaction() as tx:
        claimed = tx.claim_stream("w1", lease=lease)
        assert claimed is not None
        tx.want_stream("front-door", is_wanted=False)
        tx.want_stream("front-door", is_wanted=True)
        assert not tx.is_stream_of(claimed, "w1")
        tx.refuse_stream(claimed, "w1", "no more")
        assert tx.stream("front-door").is_wanted
        tx.release_stream(claimed.id, "w1")
        assert tx.claim_stream("w2", lease=lease) is not None


def test_a_search_is_whoever_started_the_stream_and_ends_when_their_key_does(streaming: Assent) -> None:
    key = streaming.access.make("desk", ["searcher"]).key
    streaming.acting_as(key).streams.start("front-door")
    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        until(lambda: bool(streaming.log(kinds=["search"])))
        [entry, *_] = streaming.log(kinds=["search"])
        assert (entry["actor"], entry["worker"]) == (key.actor, "tester")
        assert entry["stream"] == streaming.streams.get("front-door").id
        streaming.access.revoke(key.id)
        revoked_s = time.monotonic()
        until(lambda: streaming.streams.get("front-door").worker is None)
        assert time.monotonic() - revoked_s < 2.0
        ended = streaming.streams.get("front-door")
        assert (ended.state, ended.is_wanted) == (StreamState.FAILED, False)
        assert "revoked" in ended.message
        [logged] = streaming.log(kinds=["stream.refused"])
        assert (logged["stream_id"], logged["actor"]) == (ended.id, "tester")
        num_searches = len(streaming.log(kinds=["search"]))
        time.sleep(0.7)
        assert len(streaming.log(kinds=["search"])) == num_searches
        streaming.streams.start("front-door")  # by somebody else
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        until(lambda: len(streaming.log(kinds=["search"])) > num_searches)
        assert streaming.log(kinds=["search"])[-1]["actor"] == "tester"


@pytest.mark.parametrize("why", ["revoked", "no searcher"])
def test_a_stream_whose_starter_may_not_search_never_begins(streaming: Assent, why: str) -> None:
    key = streaming.access.make("desk", ["searcher" if why == "revoked" else "enroller"]).key
    with streaming._ctx.records.transaction(actor=key.actor) as tx:
        tx.want_stream("front-door", is_wanted=True, key_id=key.id)
    if why == "revoked":
        streaming.access.revoke(key.id)
    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.FAILED)
        until(lambda: streaming.streams.get("front-door").worker is None)
    assert streaming.log(kinds=["search"]) == []
    stopped = streaming.streams.stop("front-door")
    assert (stopped.state, stopped.message) == (StreamState.STOPPED, "")


def test_a_worker_writes_only_where_there_is_something_to_write(
    streaming: Assent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write is a flush to the disk, and other writers wait for it."""
    begun: list[str] = []
    transaction = Records.transaction

    def counted(self: Records, **options: str) -> AbstractContextManager[Transaction]:
        begun.append(threading.current_thread().name)
        return transaction(self, **options)

    monkeypatch.setattr(Records, "transaction", counted)
    monkeypatch.setattr(liveworking, "_LOOK_S", 0.02)
    with working(streaming):
        time.sleep(0.3)
        assert begun == []
        with monkeypatch.context() as patch:
            patch.setattr(liveworking, "_RENEW_S", 0.3)
            streaming.streams.start("front-door")
            until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
            begun.clear()
            until(lambda: begun.count("live-lease") >= 3)
        begun.clear()
        time.sleep(0.5)
        assert begun.count("live-lease") <= 1  # of 25 looks


def test_a_refused_password_is_said_and_never_told(streaming: Assent) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()

    with http_server(answer) as url:
        streaming.places.set_camera("door", "front", url)
        streaming.streams.start("front-door")
        with working(streaming):
            until(lambda: "password" in streaming.streams.get("front-door").message)
            found = streaming.streams.get("front-door")
    assert found.state is StreamState.FAILED
    assert "refuses the user or password" in found.message
    assert "hush" not in str(found)


def test_a_full_disk_ends_no_stream(streaming: Assent, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the lease lasts it is watched on, naming nobody; then it is given up, and taken up again with room."""
    monkeypatch.setattr(liveworking, "_LOOK_S", 0.05)
    monkeypatch.setattr(liveworking, "_RENEW_S", 0.1)
    monkeypatch.setattr(liveworking, "_LEASE", timedelta(seconds=0.5))
    streaming.streams.start("front-door")

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full; free some space and try again")

    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        before = streaming.streams.get("front-door").address
        [thread] = [item for item in threading.enumerate() if item.name == "live-stream"]
        with monkeypatch.context() as patch:
            patch.setattr(Records, "transaction", full)
            until(lambda: not thread.is_alive())
        clock.advance(seconds=1)
        until(lambda: streaming.streams.get("front-door").address not in (before, None))
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        assert streaming.streams.health("front-door") is not None


def test_a_fault_of_one_stream_is_logged_by_class_and_place(
    streaming: Assent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(*_: object, **__: object) -> None:
        raise RuntimeError("rtsp://user:hush@camera")

    monkeypatch.setattr(liveworking, "open_live", faulty)
    streaming.streams.start("front-door")
    with working(streaming):
        until(lambda: "a fault in Assent" in streaming.streams.get("front-door").message)
    assert "a stream failed: RuntimeError at assent.service.liveworking:" in caplog.text
    assert "hush" not in caplog.text


def test_a_stream_that_was_watched_for_long_is_tried_again_at_once(
    streaming: Assent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses grow while nothing helps; a camera that was there for an hour begins with the first pause again."""
    waited_s: list[float] = []
    lasting_s = iter([0.0, 0.0, 0.3, 0.0])

    class Noted(Pauses):
        def next_s(self) -> float:
            waited_s.append(super().next_s())
            return waited_s[-1]

    def lost(*_: object, **__: object) -> None:
        time.sleep(next(lasting_s, 0.0))
        raise StoreUnavailable("lost")

    monkeypatch.setattr(liveworking, "Pauses", lambda *_: Noted(0.01, 0.2))
    monkeypatch.setattr(liveworking, "open_live", lost)
    streaming.streams.start("front-door")
    with working(streaming):
        until(lambda: len(waited_s) >= 4)
    assert waited_s[:4] == [0.01, 0.02, 0.01, 0.02]


def test_a_stream_whose_lease_cannot_be_looked_after_is_watched_no_more(
    streaming: Assent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether whoever started it still may is asked there; then it is taken up again."""
    streaming.streams.start("front-door")
    with working(streaming):
        until(lambda: streaming.streams.get("front-door").state is StreamState.RUNNING)
        [thread] = [item for item in threading.enumerate() if item.name == "live-stream"]
        with monkeypatch.context() as patch:
            patch.setattr(Records, "reading", lambda *_, **__: 1 / 0)
            until(lambda: not thread.is_alive())
        until(lambda: any(item.name == "live-stream" for item in threading.enumerate()))
    assert "a stream's lease failed: ZeroDivisionError at assent.service.liveworking:" in caplog.text


def test_a_malformed_stream_is_refused(streaming: Assent) -> None:
    add = streaming.streams.add
    with pytest.raises(AlreadyExists):
        add("front-door", place="door", camera="front")
    with pytest.raises(NotFound):
        add("x", place="attic", camera="front")
    with pytest.raises(NotFound):
        add("x", place="door", camera="back")
    for wrong in ({"name": "a b"}, {"threshold": 101.0}, {"threshold": -1.0}):
        with pytest.raises(UsageError):
            add(**{"name": "x", "place": "door", "camera": "front"} | wrong)
    streaming.places.remove("door")
    assert streaming.streams.list() == ()


def test_a_question_that_cannot_be_answered_keeps_the_door_open(caplog: pytest.LogCaptureFixture) -> None:
    with LiveDoor({b"picture": lambda: bytes(1 // 0), b"health": lambda: b"well"}) as opened:
        assert asked(opened.address, b"picture") is None
        assert asked(opened.address, b"health") == b"well"
    assert "ZeroDivisionError" in caplog.text


def test_the_door_is_this_users_alone_and_answers_only_its_questions() -> None:
    with LiveDoor({b"picture": lambda: b"x" * 100_000}) as opened:
        assert Path(opened.address).parent.stat().st_mode & 0o077 == 0
        assert asked(opened.address, b"picture") == b"x" * 100_000
        assert asked(opened.address, b"anything") == b""
    assert asked(opened.address, b"picture") is None
    assert not Path(opened.address).exists()
