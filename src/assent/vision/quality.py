"""Is this face good enough to make a template from?

Degraded faces are not only missed, they look alike: under a blur of 0.1 eye distances the default recogniser's
score of the top thousandth of strangers' pairs rises from 0.928 to 0.959 (400 portraits), which is more than
any threshold leaves room for. The gate protects against false matches first.

Pitch is not judged: five landmarks cannot tell a lowered head from a short nose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from assent.types import Float32, Quality, QualityReason, UInt8
from assent.vision.align import TEMPLATES, chip_matrices, cut_chip

# Always measured on the same chip, whatever the embedder's own template is, so that limits keep their meaning.
_TEMPLATE: Final = TEMPLATES["dlib-150"]
_FACE = slice(30, 120)  # of the chip: brows to chin, without hair and background
_NOISE_SIGMA_PX: Final = 1.0  # JPEG blocks and sensor noise are not sharpness
# Second differences across the four directions and their medians over 200 portraits, relative to contrast:
# horizontal, vertical, and the two diagonals (equal by symmetry).
_DIRECTIONS: Final = (
    (np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]], np.float32), 0.0473),
    (np.array([[0, 1, 0], [0, -2, 0], [0, 1, 0]], np.float32), 0.0665),
    (np.array([[1, 0, 0], [0, -2, 0], [0, 0, 1]], np.float32), 0.1066),
    (np.array([[0, 0, 1], [0, -2, 0], [1, 0, 0]], np.float32), 0.1066),
)


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Limits beyond which a face is refused. Defaults are for enrolment.

    Figures: the default recogniser's cosine between a degraded portrait and itself (median of 400), beside a
    strangers' mean of 0.838.

    Attributes:
        min_inter_ocular_px: distance of the eyes in the source. 16 px keeps 0.991, 12 px 0.981, 9 px 0.964.
        min_sharpness: see ``sharpness``. Blurred by 0.06 eye distances (0.968), 87 % of portraits fall below
            0.40; as they are, 1.5 %.
        min_brightness: mean luma. Underexposed to 36 keeps 0.993, to 24 0.988, to 12 0.973. The darkest
            hundredth of portraits has 77: the limit is far below what any skin gives in usable light.
        max_brightness: mean luma. Overexposed to 215 keeps 0.989, to 229 0.982, to 242 0.960.
        max_yaw_ratio: absolute value. A head turned to 0.35 scores 0.89 with the same head from the front.
        min_confidence: the detector's score; 1 in 700 portraits is below 0.75.
    """

    min_inter_ocular_px: float = 12.0
    min_sharpness: float = 0.40
    min_brightness: float = 36.0
    max_brightness: float = 222.0
    max_yaw_ratio: float = 0.40
    min_confidence: float = 0.7


ENROLMENT_GATE: Final = QualityGate()
# A probe cannot always be taken again, so a search accepts more, but not what makes strangers alike.
PROBE_GATE: Final = QualityGate(
    min_inter_ocular_px=10.0,
    min_sharpness=0.30,
    min_brightness=20.0,
    max_brightness=236.0,
    max_yaw_ratio=0.6,
    min_confidence=0.55,
)


def inter_ocular_px(landmarks_xy: Float32) -> float:
    """Distance of the eyes of (5, 2) landmarks, pixels."""
    return float(np.hypot(*(landmarks_xy[1] - landmarks_xy[0])))


def yaw_ratio(landmarks_xy: Float32) -> float:
    """Offset of the nose from the middle of the eyes along the eye line, in inter-ocular distances.

    0 is frontal, positive is nose towards the second eye; 0 where the eyes coincide. Far from the front the
    eyes draw together and the ratio grows beyond 1.
    """
    eyes = (landmarks_xy[1] - landmarks_xy[0]).astype(np.float64)
    length_squared = float(eyes @ eyes)
    if length_squared < 1e-12:
        return 0.0
    offset = landmarks_xy[2].astype(np.float64) - landmarks_xy[:2].astype(np.float64).mean(0)
    return float(offset @ eyes) / length_squared


def quality_chip(image_rgb: UInt8, landmarks_xy: Float32) -> UInt8:
    """The chip that quality is measured on: (150, 150, 3) uint8, eyes about 53 px apart."""
    matrix = chip_matrices(landmarks_xy[None], _TEMPLATE.points_xy)[0]
    return cut_chip(image_rgb, matrix, size_px=_TEMPLATE.size_px)


def sharpness(chip_rgb: UInt8) -> float:
    """Focus of a ``quality_chip``: 1 is the median portrait, 0 a flat surface.

    Fine detail (second differences) relative to contrast (standard deviation of luma), in the one of four directions
    that has least of it: shaken pictures are sharp along one direction and blurred across. Relative to contrast
    it does not depend on exposure; on a chip of fixed size a small face enlarged counts as blurred, which
    is what the network sees.
    """
    luma = cv2.GaussianBlur(_luma(chip_rgb)[_FACE, _FACE], (0, 0), _NOISE_SIGMA_PX)
    contrast = float(luma.std())
    if contrast < 1.0:
        return 0.0
    details = (float(np.abs(cv2.filter2D(luma, -1, kernel)).mean()) / usual for kernel, usual in _DIRECTIONS)
    return min(details) / contrast


def measure(image_rgb: UInt8, landmarks_xy: Float32, score: float) -> Quality:
    """What can be measured of one face, without a verdict.

    Args:
        image_rgb: (H, W, 3) uint8, the whole image.
        landmarks_xy: (5, 2) in its pixels.
        score: the detector's confidence, 0 to 1.
    """
    chip = quality_chip(image_rgb, landmarks_xy)
    return Quality(
        inter_ocular_px=inter_ocular_px(landmarks_xy),
        sharpness=sharpness(chip),
        brightness=float(_luma(chip)[_FACE, _FACE].mean()),
        yaw_ratio=yaw_ratio(landmarks_xy),
        confidence=score,
    )


def judge(quality: Quality, gate: QualityGate) -> Quality:
    """The same measurements with the refusals of ``gate``."""
    return replace(quality, reasons=refusals(quality, gate))


def refusals(quality: Quality, gate: QualityGate) -> tuple[QualityReason, ...]:
    """Why the gate refuses a face, in the order of ``QualityReason``; empty when it passes."""
    checks = {
        QualityReason.SMALL: quality.inter_ocular_px < gate.min_inter_ocular_px,
        QualityReason.BLURRED: quality.sharpness < gate.min_sharpness,
        QualityReason.DARK: quality.brightness < gate.min_brightness,
        QualityReason.BRIGHT: quality.brightness > gate.max_brightness,
        QualityReason.TURNED: abs(quality.yaw_ratio) > gate.max_yaw_ratio,
        QualityReason.LOW_CONFIDENCE: quality.confidence < gate.min_confidence,
    }
    return tuple(reason for reason, refused in checks.items() if refused)


def _luma(chip_rgb: UInt8) -> Float32:
    return np.asarray(cv2.cvtColor(chip_rgb, cv2.COLOR_RGB2GRAY), np.float32)
