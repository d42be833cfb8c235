from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from assent.types import Face, Quality, QualityReason, UInt8
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine, largest_face
from assent.vision.quality import (
    ENROLMENT_GATE,
    PROBE_GATE,
    QualityGate,
    inter_ocular_px,
    judge,
    measure,
    refusals,
    sharpness,
    yaw_ratio,
)

GOOD = Quality(inter_ocular_px=60, sharpness=0.9, brightness=120, yaw_ratio=0.05, confidence=0.9)
FRONTAL = np.array([[30, 30], [70, 30], [50, 52], [34, 72], [66, 72]], np.float32)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ()),
        ({"inter_ocular_px": 5.0}, (QualityReason.SMALL,)),
        ({"sharpness": 0.1}, (QualityReason.BLURRED,)),
        ({"brightness": 5.0}, (QualityReason.DARK,)),
        ({"brightness": 250.0}, (QualityReason.BRIGHT,)),
        ({"yaw_ratio": 0.9}, (QualityReason.TURNED,)),
        ({"yaw_ratio": -0.9}, (QualityReason.TURNED,)),
        ({"confidence": 0.3}, (QualityReason.LOW_CONFIDENCE,)),
        (
            {"confidence": 0.3, "sharpness": 0.0, "inter_ocular_px": 1.0},
            (QualityReason.SMALL, QualityReason.BLURRED, QualityReason.LOW_CONFIDENCE),
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else None,
)
@pytest.mark.parametrize("gate", [ENROLMENT_GATE, PROBE_GATE], ids=["enrolment", "probe"])
def test_refusals(changes: dict[str, float], wanted: tuple[QualityReason, ...], gate: QualityGate) -> None:
    quality = dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]
    assert refusals(quality, gate) == wanted
    judged = judge(quality, gate)
    assert judged.reasons == wanted
    assert judged.is_good == (not wanted)


def test_a_face_on_the_limit_passes() -> None:
    gate = ENROLMENT_GATE
    edge = Quality(
        gate.min_inter_ocular_px,
        gate.min_sharpness,
        gate.min_brightness,
        gate.max_yaw_ratio,
        gate.min_confidence,
    )
    assert refusals(edge, gate) == ()
    assert refusals(dataclasses.replace(edge, brightness=gate.max_brightness), gate) == ()


def test_a_probe_is_never_judged_harder_than_an_enrolment() -> None:
    for limit in dataclasses.fields(QualityGate):
        lenient, strict = getattr(PROBE_GATE, limit.name), getattr(ENROLMENT_GATE, limit.name)
        assert lenient <= strict if limit.name.startswith("min") else lenient >= strict


def test_eye_distance_and_yaw() -> None:
    assert inter_ocular_px(FRONTAL) == 40
    assert yaw_ratio(FRONTAL) == 0
    turned = FRONTAL.copy()
    turned[2, 0] += 10
    assert yaw_ratio(turned) == pytest.approx(0.25)
    spin = np.array([[0, -1], [1, 0]], np.float32)
    assert yaw_ratio(turned @ spin.T) == pytest.approx(0.25)
    assert yaw_ratio(np.zeros((5, 2), np.float32)) == 0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_chip_is_not_sharp(value: int) -> None:
    assert sharpness(np.full((150, 150, 3), value, np.uint8)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (40, 40), (5, 900)])
def test_odd_images(shape: tuple[int, int]) -> None:
    got = measure(np.full((*shape, 3), 90, np.uint8), FRONTAL, 0.5)
    assert np.isfinite([got.sharpness, got.brightness, got.yaw_ratio]).all()


@pytest.fixture(scope="module")
def portrait(engine: FaceEngine, demo_photos: Path) -> tuple[UInt8, Face]:
    image = decode_image((demo_photos / "biden.jpg").read_bytes()).image_rgb
    face = largest_face(engine.faces(image))
    assert face is not None
    return image, face


def shaken(image: UInt8, length_px: int, degrees: float) -> UInt8:
    kernel = np.zeros((length_px, length_px), np.float32)
    kernel[length_px // 2] = 1
    centre = (length_px // 2, length_px // 2)
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(centre, degrees, 1), (length_px, length_px))
    return np.asarray(cv2.filter2D(image, -1, turned / turned.sum()), np.uint8)


# The portrait's eyes are about 133 px apart.
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: cv2.GaussianBlur(image, (0, 0), 15), QualityReason.BLURRED),
        (lambda image: shaken(image, 71, 0), QualityReason.BLURRED),
        (lambda image: shaken(image, 71, 40), QualityReason.BLURRED),
        (lambda image: shaken(image, 71, 90), QualityReason.BLURRED),
        (lambda image: (image * 0.1).astype(np.uint8), QualityReason.DARK),
        (lambda image: (255 - (255 - image) * 0.08).astype(np.uint8), QualityReason.BRIGHT),
    ],
    ids=["blurred", "shaken-0", "shaken-40", "shaken-90", "dark", "bright"],
)
def test_a_spoiled_portrait_is_refused_by_both_gates(
    spoil: Callable[[UInt8], UInt8], reason: QualityReason, portrait: tuple[UInt8, Face]
) -> None:
    image, face = portrait
    assert refusals(measure(image, face.landmarks_xy, face.score), ENROLMENT_GATE) == ()
    spoiled = measure(np.asarray(spoil(image), np.uint8), face.landmarks_xy, face.score)
    assert reason in refusals(spoiled, ENROLMENT_GATE)
    assert reason in refusals(spoiled, PROBE_GATE)


def test_more_blur_is_less_sharp(portrait: tuple[UInt8, Face]) -> None:
    image, face = portrait
    got = [measure(image, face.landmarks_xy, 0.9).sharpness] + [
        measure(np.asarray(cv2.GaussianBlur(image, (0, 0), s), np.uint8), face.landmarks_xy, 0.9).sharpness
        for s in (3, 6, 10, 15)
    ]
    assert got == sorted(got, reverse=True)


def test_sharpness_does_not_depend_on_exposure(portrait: tuple[UInt8, Face]) -> None:
    image, face = portrait
    as_is = measure(image, face.landmarks_xy, 0.9).sharpness
    half = measure((image * 0.5).astype(np.uint8), face.landmarks_xy, 0.9).sharpness
    assert half == pytest.approx(as_is, rel=0.05)


@pytest.mark.slow
def test_few_portraits_are_refused(engine: FaceEngine, shared_data: Path) -> None:
    paths = sorted((shared_data / "lfw").glob("*/*.jpg"))[::7] + sorted(
        (shared_data / "congress/probes").iterdir()
    )
    refused = {ENROLMENT_GATE: 0, PROBE_GATE: 0}
    for path in paths:
        image = decode_image(path.read_bytes()).image_rgb
        face = largest_face(engine.faces(image))
        for gate in refused:
            refused[gate] += face is None or bool(refusals(face.quality, gate))
    assert refused[ENROLMENT_GATE] / len(paths) < 0.03
    assert refused[PROBE_GATE] / len(paths) < 0.01
