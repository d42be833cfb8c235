"""Values that travel between rooms: arrays with their format in the name, and frozen results.

Only the standard library and NumPy are used here; this module imports nothing else of Assent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]
Bool = npt.NDArray[np.bool_]
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The faces found in one image, as parallel arrays of length N, best score first.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels, end-exclusive; may stick out of the image.
        landmarks_xy: (N, 5, 2) float32, pixels: left eye, right eye, nose, left and right mouth corner,
            where left and right are the image's.
        scores: (N,) float32 in [0, 1].
    """

    boxes_xyxy: Float32
    landmarks_xy: Float32
    scores: Float32

    def __post_init__(self) -> None:
        n = len(self.scores)
        got = (self.boxes_xyxy.shape, self.landmarks_xy.shape, self.scores.shape)
        if got != ((n, 4), (n, 5, 2), (n,)):
            raise ValueError(f"detections must have shapes (N, 4), (N, 5, 2), (N,); got {got}")

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Int64 | Bool | slice) -> Detections:
        """The detections at ``index`` (integers, a mask, or a slice), in that order."""
        return Detections(self.boxes_xyxy[index], self.landmarks_xy[index], self.scores[index])

    @classmethod
    def empty(cls) -> Detections:
        """No face."""
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))


class QualityReason(StrEnum):
    """Why a face is not good enough to make a template from. The values are shown to people."""

    SMALL = "small"
    BLURRED = "blurred"
    DARK = "dark"
    BRIGHT = "bright"
    TURNED = "turned"
    LOW_CONFIDENCE = "low-confidence"


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of one face, and the reasons (empty when good enough) to refuse it.

    Attributes:
        inter_ocular_px: distance of the eyes in the source image, pixels.
        sharpness: focus measure of the aligned chip; higher is sharper (unit documented in
            ``assent.vision.quality``).
        brightness: mean luma of the aligned chip, 0 to 255.
        yaw_ratio: horizontal offset of the nose from the middle of the eyes, in inter-ocular distances;
            0 is frontal, sign as in the image (positive: nose to the image's right).
        confidence: the detector's score, 0 to 1.
        reasons: refusals, in the order of ``QualityReason``.
    """

    inter_ocular_px: float
    sharpness: float
    brightness: float
    yaw_ratio: float
    confidence: float
    reasons: tuple[QualityReason, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether a template may be made from this face."""
        return not self.reasons


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face with its quality; pixels only, nothing that identifies.

    Attributes:
        box_xyxy: (4,) float32, pixels, end-exclusive.
        landmarks_xy: (5, 2) float32, pixels, order as in ``Detections``.
        score: the detector's confidence, 0 to 1.
        quality: measurements and refusals.
    """

    box_xyxy: Float32
    landmarks_xy: Float32
    score: float
    quality: Quality
