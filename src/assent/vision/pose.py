"""How a head is turned, from the five landmarks of a face; nothing else can be read from them.

A head far from the camera is seen in parallel projection: five points of a mean face, turned and scaled, lie where the
landmarks are. The turn is fitted by least squares and made a rotation by its singular values (the closed form
of Horn, Hilden and Negahdaripour, J. Opt. Soc. Am. A 5(7), 1988, for two of its three rows).

Half of these portraits come out within 11 degrees of yaw and 2.5 of pitch. Pitch is the least certain: a long nose
looks like a lowered head, so it tells pictures of one person apart rather than people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.types import Float32, Float64

# Eyes, nose tip and mouth corners of a mean face: x to the image's right, y down, z away from the camera, in distances
# of the eyes. Factored out of the default detector's landmarks on 1,155 portraits and their mirror images (Tomasi and
# Kanade, Int. J. Computer Vision 9(2), 1992), then turned so that the median portrait has a pitch of 0.
MEAN_FACE_XYZ: Final[Float64] = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.565, -0.391], [-0.421, 1.001, 0.105], [0.421, 1.001, 0.105]]
)
_MIN_SPREAD_PX: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees, each -180 to 180; 0 is upright and facing the camera.

    Attributes:
        roll_deg: positive where the head is turned clockwise in the image.
        yaw_deg: positive where the nose points to the image's right.
        pitch_deg: positive where the face looks up.
    """

    roll_deg: float
    yaw_deg: float
    pitch_deg: float


def pose_of(landmarks_xy: Float32) -> Pose:
    """The pose of one face.

    Args:
        landmarks_xy: (5, 2), pixels, order as in ``assent.types.Detections``; where all coincide the pose is 0.
    """
    if not np.isfinite(landmarks_xy).all() or float(np.ptp(landmarks_xy, axis=0).max()) < _MIN_SPREAD_PX:
        return Pose(0.0, 0.0, 0.0)
    seen = landmarks_xy.astype(np.float64)
    seen = seen - seen.mean(0)
    face = MEAN_FACE_XYZ - MEAN_FACE_XYZ.mean(0)
    projection = np.linalg.lstsq(face, seen, rcond=None)[0].T
    left, _, right = np.linalg.svd(projection, full_matrices=False)
    rows = left @ right
    return _angles(np.vstack([rows, np.cross(rows[0], rows[1])]))


def rotation(pose: Pose) -> Float64:
    """The (3, 3) turn of ``MEAN_FACE_XYZ`` for a pose: pitch first, then yaw, then roll."""
    roll, yaw, pitch = (math.radians(angle) for angle in (pose.roll_deg, pose.yaw_deg, pose.pitch_deg))
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    about_y = [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
    about_x = [[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]]
    return np.asarray(np.array(about_z) @ np.array(about_y) @ np.array(about_x), np.float64)


def _angles(turn: Float64) -> Pose:
    """The pose whose ``rotation`` is ``turn``."""
    yaw = math.asin(max(-1.0, min(1.0, float(turn[2, 0]))))
    roll = math.atan2(float(turn[1, 0]), float(turn[0, 0]))
    pitch = math.atan2(-float(turn[2, 1]), float(turn[2, 2]))
    return Pose(math.degrees(roll), math.degrees(yaw), math.degrees(pitch))
