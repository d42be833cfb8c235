"""Assent's values as Rekognition writes them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from assent.types import Face, Quality, QualityReason
from assent.wire.model import service_model
from assent.wire.shapes import (
    LANDMARKS,
    REASONS,
    bounding_box,
    face_detail,
    image_quality,
    model_version,
    percent,
    reasons,
)


def quality(*, sharpness: float = 1.0, brightness: float = 127.5) -> Quality:
    return Quality(40.0, sharpness, brightness, 0.0, 0.9)


def test_boxes_are_ratios_and_may_stick_out() -> None:
    box = bounding_box(np.array([-10, 20, 50, 110], np.float32), 200, 100)
    assert box == pytest.approx({"Left": -0.05, "Top": 0.2, "Width": 0.3, "Height": 0.9})


@pytest.mark.parametrize(
    ("sharpness", "brightness", "expected"),
    [(0.0, 0.0, (0, 0)), (1.0, 127.5, (50, 50)), (0.4, 255.0, (28.57, 100)), (1e9, 1.0, (100, 0.392))],
)
def test_quality_is_of_0_to_100(sharpness: float, brightness: float, expected: tuple[float, float]) -> None:
    shown = image_quality(quality(sharpness=sharpness, brightness=brightness))
    assert (shown["Sharpness"], shown["Brightness"]) == pytest.approx(expected, rel=1e-3)
    assert all(0 <= value <= 100 for value in shown.values())


def test_a_faces_detail_is_what_is_measured_and_nothing_else() -> None:
    points = np.array([[80, 40], [120, 40], [100, 60], [85, 80], [115, 80]], np.float32)
    face = Face(np.array([60, 20, 140, 100], np.float32), points, 0.875, quality())
    detail = face_detail(face, 200, 100)
    assert set(detail) == {"BoundingBox", "Landmarks", "Pose", "Quality", "Confidence"}
    assert detail["Confidence"] == 87.5
    assert detail["Landmarks"][2] == {"Type": "nose", "X": 0.5, "Y": pytest.approx(0.6)}
    assert [detail["Pose"][name] for name in ("Roll", "Yaw")] == pytest.approx([0, 0], abs=1e-6)


def test_words_are_the_models() -> None:
    model = service_model()
    assert set(LANDMARKS) <= set(model.shape_for("LandmarkType").enum)
    assert set(REASONS.values()) <= set(model.shape_for("UnsearchedFaceReason").enum)
    assert set(REASONS) >= set(QualityReason)
    assert reasons(["blurred", "not-largest", "something new"]) == [
        "LOW_SHARPNESS",
        "FACE_NOT_LARGEST",
        "LOW_FACE_QUALITY",
    ]


def test_versions_differ_where_models_do() -> None:
    assert re.fullmatch(r"[0-9.]+", model_version("0123456789abcdef"))
    assert model_version("a" * 64) != model_version("b" * 64)


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.5, 50), (1.0000001, 100), (-0.1, 0)])
def test_percent_stays_in_its_range(share: float, expected: float) -> None:
    assert percent(share) == expected
