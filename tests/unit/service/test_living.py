"""Live video: who agreed is named and nobody else, at once no longer after a no, and nothing is shown in a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from assent import Assent
from assent.errors import GalleryBeyondEvidence, NotFound, PlaceNotReady, SourceUnavailable, StoreUnavailable
from assent.live.naming import Round
from assent.live.values import Hit, SourceSettings
from assent.service.liveoptions import LiveOptions
from assent.service.liverecords import LiveRecords
from assent.service.living import LiveRun
from assent.service.placegallery import gallery_of
from assent.types import JsonObject, UInt8
from assent.vision.engine import FaceEngine
from tests.unit.live.clips import portrait_frames, write_clip

from .test_places import agree_to, door  # noqa: F401 - a fixture

LOOPED = SourceSettings(is_looped=True, first_pause_s=0.05)


@pytest.fixture(scope="session")
def live_clips(tmp_path_factory: pytest.TempPathFactory, demo_photos: Path) -> Path:
    """Ana before a wall, and a stranger before the same one, one and a half seconds each."""
    folder = tmp_path_factory.mktemp("live")
    write_clip(folder / "ana.mkv", portrait_frames(demo_photos / "obama3.jpg", 30), fps=20)
    write_clip(folder / "stranger.mkv", portrait_frames(demo_photos / "biden.jpg", 30), fps=20)
    return folder


@pytest.fixture
def ready(door: Assent, engine: FaceEngine) -> Assent:  # noqa: F811
    """Ana agreed to the door; bea is enrolled and did not."""
    agree_to(door, "ana", "door")
    engine.warm_up()
    return door


class Watched:
    """A run in a thread of its own, and what it told."""

    def __init__(self, assent: Assent, clip: Path, **options: Any) -> None:
        self.told: list[JsonObject] = []
        chosen = LiveOptions(**{"max_fps": 20.0, "has_preview": True, "look_px": 640} | options)
        self.run: LiveRun = assent.live("door", source=str(clip), options=chosen, tell=self.told.append)
        self.thread = threading.Thread(target=self._run)
        self.error: Exception | None = None

    def _run(self) -> None:
        try:
            self.run.run()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def __enter__(self) -> Watched:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run.stop()
        self.thread.join(15)
        assert not self.thread.is_alive()

    def events(self, *kinds: str) -> list[JsonObject]:
        return [item for item in list(self.told) if item["event"] in (kinds or ("arrived", "left"))]

    def until(self, done: Callable[[], bool], within_s: float = 15.0) -> None:
        end_s = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < end_s, (self.told, self.run.status())
            time.sleep(0.01)


def finished(assent: Assent, clip: Path, **options: Any) -> list[JsonObject]:
    with Watched(assent, clip, **options) as watched:
        watched.thread.join(30)
    assert watched.error is None
    return watched.events()


def searches(assent: Assent) -> list[JsonObject]:
    return assent.log(kinds=["search"])


def test_who_agreed_comes_and_goes_and_each_search_is_recorded(ready: Assent, live_clips: Path) -> None:
    came, went = finished(ready, live_clips / "ana.mkv")
    assert [came["event"], went["event"]] == ["arrived", "left"]
    assert (came["person"], came["name"], came["place"]) == ("ana", "Ana Test", "door")
    assert came["similarity"] >= 90
    assert 0 < came["fmr_at_score"] <= 1e-4
    kept = ready.places.events("door")
    assert [(item.kind.value, item.person, item.seq) for item in kept] == [
        ("arrived", "ana", 1),
        ("left", "ana", 2),
    ]
    named = [entry for entry in searches(ready) if entry["candidates"]]
    [entry] = named
    assert (entry["medium"], entry["num_pictures"], entry["gallery_size"]) == ("live", 3, 1)
    assert entry["candidates"][0]["consent"] == kept[0].consent_id
    assert "Ana" not in str(ready.log())


def test_a_stranger_leaves_a_count_of_searches_and_nothing_else(ready: Assent, live_clips: Path) -> None:
    assert finished(ready, live_clips / "stranger.mkv") == []
    assert ready.places.events("door") == ()
    made = searches(ready)
    assert 1 <= len(made) <= 4
    assert all(entry["candidates"] == [] for entry in made)


def test_who_did_not_agree_to_the_place_is_a_stranger_there(door: Assent, live_clips: Path) -> None:  # noqa: F811
    agree_to(door, "bea", "door")  # ana is enrolled, and agreed to photos only
    assert finished(door, live_clips / "ana.mkv") == []


def test_the_last_picture_of_who_says_no_goes_with_them(
    ready: Assent, live_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the picture hangs, so that no other takes its place."""
    agree_to(ready, "bea", "door")  # the place has somebody still
    consent = next(item for item in ready.consents.list("ana") if item.places)
    with Watched(ready, live_clips / "ana.mkv", source=LOOPED) as watched:
        watched.until(lambda: len(watched.run.status().here) == 1)
        monkeypatch.setattr(watched.run, "_look", lambda _captured: None)
        assert watched.run.preview() is not None
        ready.consents.withdraw(consent.id)
        watched.until(lambda: watched.run.preview() is None, within_s=1.0)


def test_a_no_takes_effect_within_a_second(ready: Assent, live_clips: Path) -> None:
    consent = next(item for item in ready.consents.list("ana") if item.places)
    with Watched(ready, live_clips / "ana.mkv", source=LOOPED) as watched:
        watched.until(lambda: bool(watched.events("arrived")))
        watched.until(lambda: len(watched.run.status().here) == 1)
        ready.consents.withdraw(consent.id)
        began_s = time.monotonic()
        watched.until(lambda: not watched.run.status().here)
        assert time.monotonic() - began_s < 1.0
        time.sleep(1.0)
        assert watched.events("left") == []
        [*_, state] = watched.events("state")
        assert state["state"] == "not-ready"
    assert ready.places.events("door") == ()
    agree_to(ready, "ana", "door")


def middle_of_face(engine: FaceEngine, photo: Path) -> tuple[slice, slice]:
    """Where the portrait's face is in every frame, however it sways."""
    [image] = portrait_frames(photo, 1)
    x0, y0, x1, y1 = engine.detect(image).boxes_xyxy[0].astype(int)
    return slice(y0, y1), slice(x0 + 6, x1)


def detail(picture: UInt8, where: tuple[slice, slice] = (slice(None), slice(None))) -> float:
    gray = cv2.cvtColor(np.ascontiguousarray(picture[where]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(gray, cv2.CV_32F)).mean())


def shown_by(watched: Watched) -> UInt8:
    """The preview; a flat picture where there is none."""
    jpeg = watched.run.preview()
    if jpeg is None:
        return np.zeros((360, 640, 3), np.uint8)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def test_the_preview_shows_the_named_and_hides_everybody_else(
    ready: Assent, live_clips: Path, engine: FaceEngine, demo_photos: Path
) -> None:
    for who, photo in (("ana", "obama3.jpg"), ("stranger", "biden.jpg")):
        where = middle_of_face(engine, demo_photos / photo)
        clear = detail(portrait_frames(demo_photos / photo, 1)[0], where)
        with Watched(ready, live_clips / f"{who}.mkv", source=LOOPED) as watched:
            if who == "ana":
                watched.until(lambda: detail(shown_by(watched), where) > 0.6 * clear)  # noqa: B023
            watched.until(lambda: watched.run.status().num_analysed > 10)
            for _ in range(15 if who == "stranger" else 0):
                assert detail(shown_by(watched), where) < 0.3 * clear
                time.sleep(0.05)
        assert detail(shown_by(watched)) < 0.01  # it has ended: nothing


def test_a_fault_shows_nothing_and_the_stream_goes_on(
    ready: Assent, live_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Watched(ready, live_clips / "ana.mkv", source=LOOPED) as watched:
        watched.until(lambda: bool(watched.events("arrived")))

        def broken(*_: object, **__: object) -> None:
            raise ValueError("a network that fails")

        with monkeypatch.context() as patch:
            patch.setattr(watched.run._analysis._networks, "look", broken)
            time.sleep(0.3)
            for _ in range(5):
                assert detail(shown_by(watched)) < 0.01
                time.sleep(0.05)
        watched.until(lambda: detail(shown_by(watched)) > 0.1)


def test_without_the_records_nobody_is_named_and_it_recovers(
    ready: Assent, live_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Watched(ready, live_clips / "ana.mkv", source=LOOPED) as watched:
        watched.until(lambda: len(watched.run.status().here) == 1)

        def full(*_: object, **__: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(ready._ctx.records, "reading", full)
            patch.setattr(ready._ctx.records, "transaction", full)
            watched.until(lambda: not watched.run.status().here, within_s=3.0)
            assert watched.run.status().problem == "the disk is full"
        watched.until(lambda: len(watched.run.status().here) == 1)
    assert watched.error is None


def test_what_cannot_start_says_why(door: Assent, live_clips: Path) -> None:  # noqa: F811
    clip = str(live_clips / "ana.mkv")
    with pytest.raises(PlaceNotReady):
        door.live("door", source=clip)
    [refused] = door.log(kinds=["refused"])
    assert (refused["act"], refused["refusal"]) == ("live", "PlaceNotReady")
    agree_to(door, "ana", "door")
    with pytest.raises(NotFound, match="no camera"):
        door.live("door")
    with pytest.raises(NotFound):
        door.live("attic", source=clip)
    with pytest.raises(SourceUnavailable):
        door.live("door", source="ftp://x/y")
    door.places.set_camera("door", "entrance", str(live_clips / "none.mkv"))
    with pytest.raises(SourceUnavailable, match="no such file"):
        door.live("door").run()
    door.collections.set_policy("club", fpir_target=1e-6)
    with pytest.raises(GalleryBeyondEvidence):
        door.live("door")


def test_strangers_are_a_number_and_only_when_asked_for(ready: Assent, live_clips: Path) -> None:
    with Watched(ready, live_clips / "stranger.mkv", counts_strangers=True) as watched:
        watched.thread.join(30)
    counts = watched.events("strangers")
    assert counts[0] == {"event": "strangers", "place": "door", "camera": "camera", "count": 1}
    with Watched(ready, live_clips / "stranger.mkv") as watched:
        watched.thread.join(30)
    assert watched.events("strangers") == []
    assert watched.run.status().num_strangers is None


@pytest.mark.parametrize("which", ["to the place", "to photos"])
def test_a_no_that_came_after_the_gallery_was_read_is_seen_when_a_name_would_be_said(
    ready: Assent, which: str
) -> None:
    """Not only at the next look at the records: in the very transaction that would say the name."""
    ctx = ready._ctx
    with ctx.records.reading() as tx:
        gallery = gallery_of(ctx, tx, "door")
        person = tx.person("ana").id
    records = LiveRecords(ctx, gallery, "front", LiveOptions())
    hit = Hit(person, 95.0, 1e-5, 1e-5)
    [consent] = [
        item for item in ready.consents.list("ana") if bool(item.places) == (which == "to the place")
    ]
    ready.consents.withdraw(consent.id)
    settled = records.settle(Round(1, hit, 3), time.monotonic(), is_here=False)
    assert (settled.hit, settled.event) == (None, None)
    assert searches(ready)[-1]["candidates"] == []
    assert ready.places.events("door") == ()
