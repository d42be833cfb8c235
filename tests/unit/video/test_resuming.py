"""An analysis that is broken off and goes on gives what one that was not gives, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from assent.types import Float32, JsonObject, UInt8
from assent.video.analysis import analyse
from assent.video.resuming import Begun, StateUnusable
from assent.video.settings import AnalysisSettings
from assent.video.types import Analysis
from assent.vision.engine import FaceEngine
from tests.unit.video.scenes import RATE, Head, scene, video_frames
from tests.video import FACTS


class Kept:
    """Every state at frames of a given distance, as it comes out of a file."""

    def __init__(self, every: int) -> None:
        self.every, self.asked = every, 0
        self.states: list[JsonObject] = []

    def is_due(self) -> bool:
        self.asked += 1
        return self.asked % self.every == 0

    def keep(self, state: JsonObject) -> None:
        self.states.append(json.loads(json.dumps(state, allow_nan=False)))


def eventful(first: Head, second: Head) -> list[UInt8 | None]:
    """Two faces cross, one goes behind a board, two frames are damaged, and then a cut."""

    def board(i: int) -> Float32 | None:
        return np.array([40, 100, 230, 330], np.float32) if 46 <= i < 56 else None

    ways: list[Callable[[int], tuple[float, float]]] = [
        lambda i: (60.0 + 8 * i, 150.0),
        lambda i: (480.0 - 8 * i, 160.0),
    ]
    images: list[UInt8 | None] = list(scene(62, (first, ways[0]), (second, ways[1]), covered=board))
    images += scene(20, (second, lambda i: (250.0 + i, 150.0)), seed=3)
    images[12] = images[13] = None
    return images


def assert_same(a: Analysis, b: Analysis) -> None:
    assert (a.shots, a.damages, a.black_spans) == (b.shots, b.damages, b.black_spans)
    np.testing.assert_array_equal(a.times_s, b.times_s)
    assert len(a.tracks) == len(b.tracks)
    for one, other in zip(a.tracks, b.tracks, strict=True):
        assert (one.index, one.first_frame) == (other.index, other.first_frame)
        for name in ("boxes_xyxy", "seen", "scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert [s.frame_index for s in one.samples] == [s.frame_index for s in other.samples]
        for x, y in zip(one.samples, other.samples, strict=True):
            assert (x.time_s, x.crop_xy, x.face.score, x.face.quality) == (
                y.time_s,
                y.crop_xy,
                y.face.score,
                y.face.quality,
            )
            np.testing.assert_array_equal(x.crop_rgb, y.crop_rgb)
            np.testing.assert_array_equal(x.face.landmarks_xy, y.face.landmarks_xy)


@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_broken_off_anywhere_it_comes_to_the_same(
    engine: FaceEngine, first_head: Head, second_head: Head, every: int
) -> None:
    images = eventful(first_head, second_head)
    # Few bytes, so that the samples of ended tracks are thinned out too.
    settings = AnalysisSettings(sample_bytes=600_000)
    whole = analyse(video_frames(images), FACTS, engine, settings=settings)
    kept = Kept(every)
    assert_same(whole, analyse(video_frames(images), FACTS, engine, settings=settings, keeper=kept))
    assert len(kept.states) == len(images) // every
    told: list[float] = []
    for state in kept.states:
        begun = Begun(state)
        told.clear()
        rest = (frame for frame in video_frames(images) if frame.index in begun)
        again = analyse(
            rest, FACTS, engine, settings=settings, begun=begun, progress=lambda s, _: told.append(s)
        )
        assert_same(whole, again)
        assert told[0] == pytest.approx((begun.num_frames - 1) / RATE)


def test_no_pixel_is_kept_and_no_template(engine: FaceEngine, first_head: Head) -> None:
    kept = Kept(29)
    analyse(video_frames(scene(30, (first_head, lambda i: (200.0 + i, 150.0)))), FACTS, engine, keeper=kept)
    [state] = kept.states
    [trail] = state["tracker"]["trails"]
    assert trail["bins"]["held"]
    assert set(trail) == {
        "number", "first_frame", "anchor", "sure_at", "began_s", "seen_s", "is_lost", "misses", "crossing", "look",
        "boxes", "seen", "scores", "bins",
    }  # fmt: skip
    for item in trail["bins"]["held"]:
        key, worth, frame, box = item
        assert (type(key), type(worth), type(frame), len(box)) == (int, float, int, 4)
    # A box, a score and a mark for each frame, as base64: the crop of one face alone would be more than all of it.
    assert len(json.dumps(state)) < 29 * (21 + 8) * 4 / 3 + 3000


def test_a_state_of_another_clip_is_refused(engine: FaceEngine, first_head: Head) -> None:
    images = scene(20, (first_head, lambda i: (200.0 + i, 150.0)))
    kept = Kept(15)
    analyse(video_frames(images), FACTS, engine, keeper=kept)
    begun = Begun(kept.states[0])
    with pytest.raises(StateUnusable):
        analyse(iter([]), FACTS, engine, begun=begun)
    with pytest.raises(StateUnusable):
        Begun({"times_s": "", "tracker": {"history": [5], "last": 5, "trails": [], "ended": []}})
    with pytest.raises(StateUnusable):
        Begun({})
