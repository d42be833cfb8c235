from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from assent.types import Detections, UInt8
from assent.vision.chips import roll_deg
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine
from assent.vision.finder import FaceFinder, LookSettings, _spans
from tests.unit.vision.builders import FakeDetector, noise_image

UPRIGHT = np.array([[30, 30], [70, 30], [50, 52], [34, 72], [66, 72]], np.float32)


def one_face(*, width_px: float = 80, score: float = 0.9) -> Detections:
    k = width_px / 80
    return Detections(
        np.array([[10, 5, 90, 100]], np.float32) * k, UPRIGHT[None] * k, np.array([score], np.float32)
    )


def turned(image: UInt8, degrees: float) -> tuple[UInt8, np.ndarray]:
    height, width = image.shape[:2]
    side = int(np.hypot(height, width)) + 1
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += [side / 2 - width / 2, side / 2 - height / 2]
    return np.asarray(cv2.warpAffine(image, matrix, (side, side)), np.uint8), matrix


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 0, 3)])
def test_an_image_without_pixels_has_no_face(shape: tuple[int, ...]) -> None:
    assert len(FaceFinder(FakeDetector()).find(np.zeros(shape, np.uint8))) == 0


@pytest.mark.parametrize(
    ("size", "answer", "looks"),
    [
        ((480, 640), one_face(), [640]),
        ((200, 300), one_face(), [300]),
        ((40, 60), one_face(width_px=30), [240]),
        ((960, 1280), one_face(), [640]),
        ((2000, 3000), one_face(width_px=400), [640]),
        ((480, 640), Detections.empty(), [640, 640, 640, 640]),
        ((480, 700), Detections.empty(), [640, 640, 640, 640]),
    ],
    ids=["vga", "small", "tiny", "photo", "large", "none", "none-larger"],
)
def test_how_often_is_looked(size: tuple[int, int], answer: Detections, looks: list[int]) -> None:
    detector = FakeDetector(answer)
    FaceFinder(detector).find(noise_image(*size))
    assert detector.looks == looks


def test_thorough_turns_the_image_though_a_face_was_found() -> None:
    detector = FakeDetector(one_face())
    FaceFinder(detector).find(noise_image(480, 640), thorough=True)
    assert detector.looks[:4] == [640, 640, 640, 640]


def test_tiny_faces_call_for_a_closer_look() -> None:
    detector = FakeDetector(one_face(width_px=20))
    FaceFinder(detector).find(noise_image(960, 1280))
    assert detector.looks[0] == 640
    assert len(detector.looks) > 1


@pytest.mark.parametrize("length", [1, 959, 960, 961, 1280, 1920, 5000])
def test_tiles_cover_a_side_and_overlap(length: int) -> None:
    spans = _spans(length)
    covered = np.zeros(length, int)
    for start, end in spans:
        assert 0 <= start < end <= length
        assert end - start <= 960
        covered[start:end] += 1
    assert covered.min() >= 1
    for (_, end), (start, _) in pairwise(spans):
        assert end - start >= 126


@pytest.mark.parametrize("degrees", [0, 25, -40, 65, 90, -90, 120, 180])
def test_a_rolled_face_is_found_with_its_own_left_and_right(
    degrees: int, engine: FaceEngine, demo_photos: Path
) -> None:
    image = decode_image((demo_photos / "biden.jpg").read_bytes()).image_rgb[:900]
    image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    upright = engine.detect(image)
    rolled_image, matrix = turned(image, degrees)
    found = engine.detect(rolled_image)
    wanted = upright.landmarks_xy[0] @ matrix[:, :2].T + matrix[:, 2]
    eyes = np.linalg.norm(wanted[1] - wanted[0])
    off = np.linalg.norm(found.landmarks_xy - wanted, axis=2).mean(1) / eyes
    assert off.min() < 0.12
    best = found.take(np.array([off.argmin()]))
    turn = float(roll_deg(best.landmarks_xy)[0] + degrees - roll_deg(upright.landmarks_xy[:1])[0])
    assert abs((turn + 180) % 360 - 180) < 12
    centre = wanted.mean(0)
    assert (best.boxes_xyxy[0, :2] < centre).all()
    assert (best.boxes_xyxy[0, 2:] > centre).all()


def test_a_rolled_face_is_recognised(engine: FaceEngine, demo_photos: Path) -> None:
    image = decode_image((demo_photos / "obama.jpg").read_bytes()).image_rgb
    upright = engine.templates(image, engine.faces(image)[:1])[0]
    for degrees in (45, 90, 180, -120):
        rolled, _ = turned(image, degrees)
        faces = engine.faces(rolled)
        assert max(engine.templates(rolled, faces) @ upright) > 0.97


def test_small_faces_of_a_large_picture(engine: FaceEngine, demo_photos: Path) -> None:
    image = decode_image((demo_photos / "obama.jpg").read_bytes()).image_rgb
    small = np.asarray(cv2.resize(image, None, fx=0.13, fy=0.13, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((1200, 1600, 3), 120, np.uint8)
    places = [(x, y) for y in (30, 400, 900) for x in (40, 500, 1000, 1450)]
    for x, y in places:
        canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    assert len(engine.detect(canvas)) == len(places)
    assert len(engine.detect(canvas, thorough=True)) == len(places)


def test_settings_are_used() -> None:
    detector = FakeDetector(one_face())
    FaceFinder(detector, LookSettings(first_px=320)).find(noise_image(480, 640))
    assert detector.looks == [320]


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (3, 3), (2000, 20)])
@pytest.mark.parametrize("thorough", [False, True])
def test_odd_shapes(shape: tuple[int, int], thorough: bool, engine: FaceEngine) -> None:
    found = engine.detect(noise_image(*shape), thorough=thorough)
    assert found.boxes_xyxy.shape == (len(found), 4)
