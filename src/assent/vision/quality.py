"""Is this face good enough to make a template from?

Degraded faces are not only missed, they look alike: the gate protects against false matches too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assent.types import Float32, Quality, QualityReason, UInt8


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Limits beyond which a face is refused.

    Attributes:
        min_inter_ocular_px: distance of the eyes in the source.
        min_sharpness: of the aligned chip, see ``sharpness``.
        min_brightness: mean luma.
        max_brightness: mean luma.
        max_yaw_ratio: absolute value.
        min_confidence: the detector's score.
    """

    min_inter_ocular_px: float = 24.0
    min_sharpness: float = 0.02
    min_brightness: float = 35.0
    max_brightness: float = 235.0
    max_yaw_ratio: float = 0.45
    min_confidence: float = 0.6


ENROLMENT_GATE = QualityGate()
PROBE_GATE = QualityGate(
    min_inter_ocular_px=16.0,
    min_sharpness=0.01,
    min_brightness=20.0,
    max_brightness=245.0,
    max_yaw_ratio=0.6,
    min_confidence=0.5,
)


def inter_ocular_px(landmarks_xy: Float32) -> float:
    """Distance of the eyes of (5, 2) landmarks, pixels."""
    return float(np.hypot(*(landmarks_xy[1] - landmarks_xy[0])))


def yaw_ratio(landmarks_xy: Float32) -> float:
    """Offset of the nose from the middle of the eyes along the eye line, in inter-ocular distances.

    0 is frontal, positive is nose towards the second eye; 0 where the eyes coincide.
    """
    eyes = (landmarks_xy[1] - landmarks_xy[0]).astype(np.float64)
    length_squared = float(eyes @ eyes)
    if length_squared < 1e-12:
        return 0.0
    offset = landmarks_xy[2].astype(np.float64) - landmarks_xy[:2].astype(np.float64).mean(0)
    return float(offset @ eyes) / length_squared


def _luma(chip_rgb: UInt8) -> Float32:
    return np.asarray(cv2.cvtColor(chip_rgb, cv2.COLOR_RGB2GRAY), np.float32)


def sharpness(chip_rgb: UInt8) -> float:
    """Focus of an aligned chip: mean absolute Laplacian over contrast, without unit.

    Dividing by the standard deviation of luma makes it independent of exposure. Since the chip has a fixed
    size for the face, a small face enlarged counts as blurred, which is what the network sees.
    """
    size = chip_rgb.shape[0]
    edge = size // 5
    luma = _luma(chip_rgb)[edge : size - edge, edge : size - edge]
    contrast = float(luma.std())
    if contrast < 1.0:
        return 0.0
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F)).mean()) / contrast


def measure(chip_rgb: UInt8, landmarks_xy: Float32, score: float) -> Quality:
    """What can be measured of one face, without a verdict.

    Args:
        chip_rgb: (S, S, 3) uint8 aligned chip.
        landmarks_xy: (5, 2) in source pixels.
        score: the detector's confidence, 0 to 1.
    """
    return Quality(
        inter_ocular_px=inter_ocular_px(landmarks_xy),
        sharpness=sharpness(chip_rgb),
        brightness=float(_luma(chip_rgb).mean()),
        yaw_ratio=yaw_ratio(landmarks_xy),
        confidence=score,
    )


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
