"""Hides regions of an image, so that neither people nor networks can tell who was there.

What is left of a face is at most a few mean colours (``FACE_CELLS`` across it), whichever method: a blur made by
convolving can be undone in part, averages cannot. Regions have hard edges, since a feathered edge shows what it
fades into.

Measured with the default recogniser on 150 people (another photo of each as reference, true place of the face
given to it): chance that a hidden face scores higher with its own person than with another. Clear 0.999; 3.5 cells
across the face 0.526 (blur), 0.503 (mosaic); 7 cells 0.71, 9.4 cells 0.86 (blur); solid 0.500.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from assent.types import Float32, Int64, UInt8
from assent.vision.boxes import grow_boxes

FACE_CELLS: Final = 3.5
DEFAULT_MARGIN: Final = 0.35  # of the box's width and height, on each side: hair, ears and chin
_SOLID_RGB: Final = (64, 64, 64)


class RedactMethod(StrEnum):
    """What is put where a face was."""

    BLUR = "blur"
    MOSAIC = "mosaic"
    SOLID = "solid"


def redact(
    image_rgb: UInt8,
    boxes_xyxy: Float32,
    *,
    method: RedactMethod = RedactMethod.BLUR,
    margin: float = DEFAULT_MARGIN,
) -> UInt8:
    """A copy of the image with every box and its margin hidden.

    Args:
        image_rgb: (H, W, 3) uint8; not changed.
        boxes_xyxy: (N, 4) pixels, end-exclusive; may stick out of the image.
        method: blur and mosaic keep mean colours of cells, ``FACE_CELLS`` across the box; solid keeps nothing.
        margin: added on each side, in widths and heights of the box; not negative.

    Raises:
        ValueError: boxes of another shape, not finite, or inverted, or a negative margin. Nothing is returned
            then, rather than an image with a face left open.
    """
    regions = covered_pixels(
        boxes_xyxy, margin=margin, width_px=image_rgb.shape[1], height_px=image_rgb.shape[0]
    )
    cells_px = cell_sizes(boxes_xyxy)
    hidden = image_rgb.copy()
    for (x0, y0, x1, y1), cell_px in zip(regions.tolist(), cells_px, strict=True):
        if x0 < x1 and y0 < y1:
            # From the source, not from what is already hidden: what an overlap shows is one box's veil or the
            # other's, whichever comes last, and never less than a veil.
            hidden[y0:y1, x0:x1] = _veil(image_rgb[y0:y1, x0:x1], cell_px, method)
    return hidden


def cell_sizes(boxes_xyxy: Float32) -> Float32:
    """Width and height (N, 2) of a cell for each box, pixels: so large that ``FACE_CELLS`` lie across the box."""
    return np.asarray(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1) / FACE_CELLS, np.float32)


def covered_pixels(boxes_xyxy: Float32, *, margin: float, width_px: int, height_px: int) -> Int64:
    """The whole pixels (N, 4) that ``redact`` overwrites: x0, y0, x1, y1, end-exclusive, inside the image.

    Every pixel touched by a grown box is covered; a box without area still covers the pixel it lies in.

    Raises:
        ValueError: see ``redact``.
    """
    boxes = np.asarray(boxes_xyxy, np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(f"boxes_xyxy must be (N, 4) and finite, got shape {boxes.shape}")
    if (boxes[:, 2:] < boxes[:, :2]).any() or margin < 0:
        raise ValueError("boxes_xyxy must have x0 <= x1 and y0 <= y1, and margin must be 0 or more")
    grown = np.asarray(grow_boxes(boxes, margin=margin), np.float64)
    low = np.floor(grown[:, :2])
    high = np.maximum(np.ceil(grown[:, 2:]), low + 1)
    limits = np.array([width_px, height_px, width_px, height_px], np.float64)
    # ``np.clip`` takes twice as long as both of these, for the one or two boxes of a frame
    inside = np.minimum(np.maximum(np.concatenate([low, high], axis=1), 0), limits)
    return np.asarray(inside, np.int64)


def veil_cells(width: int, height: int, cell_px: Float32) -> tuple[int, int]:
    """How many mean colours across and down are left of a region, given the width and height of a cell, pixels."""
    return max(1, round(width / float(cell_px[0]))), max(1, round(height / float(cell_px[1])))


def veil(pixels: UInt8, cells: tuple[int, int], *, smooth: bool) -> UInt8:
    """A region's mean colours, drawn over the whole of it.

    Args:
        pixels: (h, w) or (h, w, C) uint8, both sides at least 1.
        cells: mean colours across and down, from ``veil_cells``; a cell has at least two pixels each way.
        smooth: blend from one mean to the next, or leave blocks.
    """
    height, width = pixels.shape[:2]
    cells = (min(cells[0], max(1, width // 2)), min(cells[1], max(1, height // 2)))
    means = cv2.resize(pixels, cells, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(means, (width, height), interpolation=how), np.uint8)


def _veil(region_rgb: UInt8, cell_px: Float32, method: RedactMethod) -> UInt8:
    """What replaces a region (h, w, 3), both at least 1, given the width and height of a cell."""
    if method is RedactMethod.SOLID:
        return np.broadcast_to(np.array(_SOLID_RGB, np.uint8), region_rgb.shape)
    height, width = region_rgb.shape[:2]
    cells = veil_cells(width, height, cell_px)
    return veil(region_rgb, cells, smooth=method is RedactMethod.BLUR)
