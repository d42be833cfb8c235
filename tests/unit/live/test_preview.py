"""The picture for people: only who was recognised is seen in it."""

from __future__ import annotations

import cv2
import numpy as np

from assent.live.preview import HOLD_S, Preview, as_jpeg
from assent.live.values import SeenFace
from assent.types import Float32, UInt8


def checks(width: int = 640, height: int = 360) -> UInt8:
    """A picture full of detail: what is hidden loses it."""
    rng = np.random.default_rng(3)
    return np.asarray(rng.integers(0, 256, (height, width, 3)), np.uint8)


def box(x: float, y: float, side: float = 40) -> Float32:
    return np.array([x, y, x + side, y + side], np.float32)


def is_hidden(picture: UInt8, source: UInt8, at: Float32) -> bool:
    """Whether nothing of the source is left in a box."""
    x0, y0, x1, y1 = at.astype(int)
    there, before = picture[y0:y1, x0:x1].astype(float), source[y0:y1, x0:x1].astype(float)
    return bool(there.std() < before.std() / 3)


def test_only_the_recognised_are_seen() -> None:
    image = checks()
    faces = [SeenFace(box(100, 100), "ana"), SeenFace(box(400, 100), None)]
    shown = Preview().picture(image, faces, 0.0)
    assert not is_hidden(shown, image, faces[0].box_xyxy)
    assert is_hidden(shown, image, faces[1].box_xyxy)


def test_an_unknown_face_over_a_known_one_hides_both() -> None:
    image = checks()
    shown = Preview().picture(image, [SeenFace(box(100, 100), "ana"), SeenFace(box(110, 100), None)], 0.0)
    assert is_hidden(shown, image, box(110, 100, 30))


def test_where_a_face_was_lost_is_hidden_for_a_while() -> None:
    preview, image = Preview(), checks()
    preview.picture(image, [SeenFace(box(400, 100), None)], 0.0)
    for at_s, hidden in ((0.1, True), (HOLD_S, True), (HOLD_S + 0.2, False)):
        assert is_hidden(preview.picture(image, [], at_s), image, box(400, 100)) is hidden, at_s


def test_a_moving_face_is_hidden_where_it_is_and_where_it_was() -> None:
    preview, image = Preview(), checks()
    preview.picture(image, [SeenFace(box(200, 100), None)], 0.0)
    shown = preview.picture(image, [SeenFace(box(230, 100), None)], 0.1)
    assert is_hidden(shown, image, box(200, 100))
    assert is_hidden(shown, image, box(230, 100))


def test_it_is_no_larger_than_what_was_looked_at() -> None:
    image = checks(1280, 720)
    shown = Preview(640).picture(image, [SeenFace(box(800, 200, 80), None)], 0.0)
    assert shown.shape == (360, 640, 3)
    assert is_hidden(shown, np.asarray(cv2.resize(image, (640, 360)), np.uint8), box(400, 100))


def test_a_picture_of_nothing_shows_nothing() -> None:
    empty = Preview().nothing(1280, 720)
    assert empty.shape == (360, 640, 3)
    assert empty.std() == 0
    assert as_jpeg(empty)[:2] == b"\xff\xd8"
