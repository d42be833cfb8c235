"""Is this the same face? Asked of pixels alone, when a face that was lost is found again.

It need not be right about a person, only doubt enough: a face wrongly taken for another begins a new track, which
costs a little; one wrongly taken for the same would let a stranger inherit what was decided of somebody else. Of
signers' faces at most 0.6 s apart 97.7 % pass, of different signers' in the same room 1.2 %, so whoever decides asks
several samples of a track.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from assent.types import Float32, UInt8
from assent.video.following import likeness, patch
from assent.video.trails import widened

OTHER_LIKENESS: Final = 0.3  # below both of these it is another face, however smoothly it was followed
OTHER_COLOURS: Final = 0.65
_NEIGHBOURS: Final = np.asarray(np.roll(np.eye(8), 1, 0) + np.roll(np.eye(8), -1, 0), np.float32)
"""Adds up, along an axis of eight, what lies beside each, the last being beside the first."""
_SHIFTS: Final = (-0.12, 0.0, 0.12)
LEAST_LIKENESS: Final = 0.6  # of the patch, at the best of nine places
LEAST_COLOURS: Final = 0.84  # share of colours in common


def colours(small_rgb: UInt8, box_xyxy: Float32) -> Float32:
    """Colours in and around a face: histogram (512,) float32 of sum 1; zeros for a box outside the picture.

    Args:
        small_rgb: (h, w, 3) uint8.
        box_xyxy: (4,) in its pixels.
    """
    height, width = small_rgb.shape[:2]
    x0, y0, x1, y1 = np.clip(np.round(widened(box_xyxy, 0.15)), 0, (width, height, width, height)).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros(512, np.float32)
    part = cv2.resize(small_rgb[y0:y1, x0:x1], (24, 24), interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([part], [0, 1, 2], None, [8, 8, 8], [0, 256, 0, 256, 0, 256])
    blended = counts + 0.5 * (
        _NEIGHBOURS @ counts + counts @ _NEIGHBOURS + (_NEIGHBOURS @ counts.reshape(8, 64)).reshape(8, 8, 8)
    )
    return np.asarray(blended.ravel() / blended.sum(), np.float32)


def is_same(model: Float32, model_colours: Float32, gray: UInt8, small_rgb: UInt8, box_xyxy: Float32) -> bool:
    """Whether the face in a box (4,) of a picture may be the one remembered."""
    best, shared = _compared(model, model_colours, gray, small_rgb, box_xyxy)
    return best >= LEAST_LIKENESS and shared >= LEAST_COLOURS


def is_other(
    model: Float32, model_colours: Float32, gray: UInt8, small_rgb: UInt8, box_xyxy: Float32
) -> bool:
    """Whether the face in a box (4,) of a picture cannot be the one remembered."""
    best, shared = _compared(model, model_colours, gray, small_rgb, box_xyxy)
    return best < OTHER_LIKENESS and shared < OTHER_COLOURS


def _compared(
    model: Float32, model_colours: Float32, gray: UInt8, small_rgb: UInt8, box_xyxy: Float32
) -> tuple[float, float]:
    """Likeness of the patch at the best of nine places, and the share of colours in common."""
    sides = box_xyxy[2:] - box_xyxy[:2]
    best = max(
        likeness(patch(gray, np.asarray(box_xyxy + np.tile(sides * (dx, dy), 2), np.float32)), model)
        for dx in _SHIFTS
        for dy in _SHIFTS
    )
    return best, float(np.minimum(colours(small_rgb, box_xyxy), model_colours).sum())
