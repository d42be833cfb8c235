"""Pose from landmarks: exact on turned points, sensible on real faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.types import Float32
from assent.vision.decode import decode_image
from assent.vision.pose import MEAN_FACE_XYZ, Pose, pose_of, rotation

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine


def seen(pose: Pose, *, scale: float = 60.0) -> Float32:
    """The landmarks of the mean face in that pose."""
    turned = MEAN_FACE_XYZ @ rotation(pose).T
    return np.asarray(turned[:, :2] * scale + [200.0, 150.0], np.float32)


@pytest.mark.parametrize(
    "pose",
    [
        Pose(0, 0, 0),
        Pose(20, 0, 0),
        Pose(0, 35, 0),
        Pose(0, -35, 0),
        Pose(0, 0, 25),
        Pose(0, 0, -25),
        Pose(-170, 0, 0),
        Pose(10, -30, 15),
    ],
    ids=str,
)
def test_the_pose_of_turned_points_is_found_again(pose: Pose) -> None:
    found = pose_of(seen(pose))
    assert (found.roll_deg, found.yaw_deg, found.pitch_deg) == pytest.approx(
        (pose.roll_deg, pose.yaw_deg, pose.pitch_deg), abs=0.05
    )


@given(roll=st.floats(-179, 179), yaw=st.floats(-75, 75), pitch=st.floats(-75, 75), scale=st.floats(10, 2000))
def test_any_pose_size_and_place(roll: float, yaw: float, pitch: float, scale: float) -> None:
    found = pose_of(seen(Pose(roll, yaw, pitch), scale=scale))
    assert (found.roll_deg, found.yaw_deg, found.pitch_deg) == pytest.approx((roll, yaw, pitch), abs=0.2)


def test_signs_are_rekognitions() -> None:
    upright = seen(Pose(0, 0, 0))
    nose_right, nose_down, clockwise = upright.copy(), upright.copy(), upright.copy()
    nose_right[2, 0] += 12
    nose_down[2, 1] += 12
    clockwise[1, 1] += 12  # the eye on the image's right lies lower
    assert pose_of(nose_right).yaw_deg > 5
    assert pose_of(nose_down).pitch_deg < -5
    assert pose_of(clockwise).roll_deg > 2


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf])
def test_points_that_say_nothing_give_no_pose(value: float) -> None:
    assert pose_of(np.full((5, 2), value, np.float32)) == Pose(0, 0, 0)


def test_mirrored_is_turned_the_other_way(engine: FaceEngine, demo_photos: Path) -> None:
    image = decode_image((demo_photos / "biden.jpg").read_bytes()).image_rgb
    [face] = engine.faces(image)
    [mirrored] = engine.faces(np.ascontiguousarray(image[:, ::-1]))
    one, other = pose_of(face.landmarks_xy), pose_of(mirrored.landmarks_xy)
    assert (one.yaw_deg, one.roll_deg) == pytest.approx((-other.yaw_deg, -other.roll_deg), abs=4)
    assert one.pitch_deg == pytest.approx(other.pitch_deg, abs=6)
    assert max(abs(one.yaw_deg), abs(one.roll_deg), abs(one.pitch_deg)) < 25  # a portrait from the front


def test_turning_the_picture_turns_the_roll(engine: FaceEngine, demo_photos: Path) -> None:
    image = decode_image((demo_photos / "biden.jpg").read_bytes()).image_rgb
    turned = np.ascontiguousarray(np.rot90(image, -1))  # clockwise by a quarter
    [face], [other] = engine.faces(image), engine.faces(turned)
    difference = pose_of(other.landmarks_xy).roll_deg - pose_of(face.landmarks_xy).roll_deg
    assert difference == pytest.approx(90, abs=6)
