"""Promise 7 for live video: who has no name is hidden in the preview, and what was not looked at is not shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assent.live.analysis import LiveAnalysis
from assent.live.preview import Preview
from assent.types import UInt8
from assent.vision.engine import FaceEngine
from tests.unit.live.clips import portrait_frames

FPS = 12.0


@pytest.fixture(scope="module")
def frames(demo_photos: Path) -> list[UInt8]:
    """Somebody who has no name, after an empty room and before one."""
    portrait = portrait_frames(demo_photos / "biden.jpg", 6)
    rng = np.random.default_rng(1)
    empty = [
        np.asarray(np.clip(150 + rng.normal(0, 3, portrait[0].shape), 0, 255), np.uint8) for _ in range(4)
    ]
    return [*empty, *portrait, *empty]


def pictures(analysis: LiveAnalysis, frames: list[UInt8]) -> list[UInt8]:
    """The preview at each frame; where a look can wait, the last one stays."""
    preview = Preview()
    shown: list[UInt8] = []
    for number, frame in enumerate(frames):
        at_s = number / FPS
        if analysis.is_unchanged(frame, at_s):
            shown.append(shown[-1])
            continue
        done = analysis.update(frame, at_s, None)
        shown.append(preview.picture(frame, done.faces, at_s, small_rgb=done.small_rgb))
    return shown


def test_nobody_is_shown_who_has_no_name(engine: FaceEngine, frames: list[UInt8]) -> None:
    [clear] = engine.faces(frames[5])
    [template] = engine.templates(frames[5], [clear])
    x0, y0, x1, y1 = clear.box_xyxy.astype(int)
    for number, picture in enumerate(pictures(LiveAnalysis(engine), frames)):
        assert picture.shape == frames[number].shape
        if 4 <= number < 10:
            there, before = (
                np.diff(p[y0:y1, x0:x1].astype(float), axis=1) for p in (picture, frames[number])
            )
            assert np.abs(there).mean() < 0.25 * np.abs(before).mean()
            [told] = engine.templates(
                picture, [clear]
            )  # whoever knows where the face was still learns nothing
            assert template @ told < 0.9


def test_the_first_frame_that_shows_somebody_is_looked_at(engine: FaceEngine, frames: list[UInt8]) -> None:
    analysis = LiveAnalysis(engine)
    waits = []
    for number, frame in enumerate(frames[:10]):
        waits.append(analysis.is_unchanged(frame, number / FPS))
        if not waits[-1]:
            analysis.update(frame, number / FPS, None)
    assert any(waits[:4])  # nothing moves in an empty room
    assert not any(waits[4:])
