"""Which frames of a camera are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from assent.live.analysis import LiveAnalysis
from assent.types import Detections, Face, Float32, UInt8

NOISE = np.random.default_rng(1)


class Networks:
    """Finds one face around what is white, and counts how often it is asked."""

    def __init__(self) -> None:
        self.num_looks = 0

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        self.num_looks += 1
        rows, columns = np.nonzero(image_rgb[..., 0] > 200)
        if not len(rows):
            return Detections.empty()
        box = np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], np.float32)
        points = np.repeat(((box[:, :2] + box[:, 2:]) / 2)[:, None], 5, axis=1).astype(np.float32)
        return Detections(box, points, np.array([0.9], np.float32))

    def templates(self, image_rgb: UInt8, faces: list[Face]) -> Float32:
        raise AssertionError("nobody may be named here")


FACE = np.kron(np.random.default_rng(2).choice([30, 255], (8, 8)), np.ones((5, 5)))
FACE[[0, -1]] = 255


def room(*, face_at: int | None = None, light: int = 90) -> UInt8:
    """A room with a camera's noise, and a face that nothing else looks like."""
    image = np.full((360, 640, 3), light, np.float64) + NOISE.normal(0, 3, (360, 640, 1))
    if face_at is not None:
        image[100:140, face_at : face_at + 40] = FACE[..., None]
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def watch(
    analysis: LiveAnalysis, frames: list[UInt8], *, first_s: float = 0.0, fps: float = 12.0
) -> list[bool]:
    """Whether each frame was looked at."""
    looked = []
    for number, frame in enumerate(frames):
        at_s = first_s + number / fps
        looked.append(not analysis.is_unchanged(frame, at_s))
        if looked[-1]:
            analysis.update(frame, at_s, None)
    return looked


def test_an_empty_room_in_which_nothing_moves_is_looked_at_now_and_then() -> None:
    analysis = LiveAnalysis(Networks())
    looked = watch(analysis, [room() for _ in range(25)])
    assert looked[0]
    gaps = np.diff(np.flatnonzero(looked)) / 12
    assert 3 <= sum(looked) <= 6
    assert gaps.max() <= 0.6


@pytest.mark.parametrize("light", [90, 30])
def test_whoever_comes_is_seen_in_their_first_frame(light: int) -> None:
    analysis = LiveAnalysis(Networks())
    watch(analysis, [room(light=light) for _ in range(3)])
    came = room(face_at=300, light=light)
    assert not analysis.is_unchanged(came, 0.25)
    assert len(analysis.update(came, 0.25, None).faces) == 1


def test_while_somebody_is_there_every_frame_is_looked_at() -> None:
    analysis = LiveAnalysis(Networks())
    assert all(watch(analysis, [room(face_at=300)] * 10))


def test_a_small_change_that_adds_up_is_noticed() -> None:
    analysis = LiveAnalysis(Networks())
    looked = watch(analysis, [room(light=90 + 3 * number) for number in range(6)])
    assert sum(looked) >= 2


def test_after_a_picture_that_was_not_shown_the_next_is_looked_at() -> None:
    analysis = LiveAnalysis(Networks())
    still = room()
    watch(analysis, [still] * 2)
    assert analysis.is_unchanged(still, 0.2)
    analysis.look_anew()
    assert not analysis.is_unchanged(still, 0.2)
    analysis.update(still, 0.2, None)
    analysis.update(None, 0.3, None)
    assert not analysis.is_unchanged(still, 0.4)


def test_another_size_is_another_picture() -> None:
    analysis = LiveAnalysis(Networks())
    watch(analysis, [room()])
    assert analysis.update(np.zeros((8, 8, 3), np.uint8), 0.1, None).small_rgb is None
    assert not analysis.is_unchanged(room(), 0.15)


def test_a_place_where_somebody_was_seen_last_is_nobodys() -> None:
    """Promise 7: whoever stands there now may be another, and is hidden."""
    analysis = LiveAnalysis(Networks())
    analysis.update(room(face_at=300), 0.0, None)
    analysis.naming.confirm(0, "ana", 0.0)
    [seen] = analysis.update(room(face_at=300), 0.1, None).faces
    assert seen.person == "ana"
    [held] = analysis.update(room(), 0.2, None).faces
    assert held.person is None
    assert held.box_xyxy[0] <= 310
    assert held.box_xyxy[2] >= 330
