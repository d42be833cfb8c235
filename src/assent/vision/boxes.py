"""Small pure functions over boxes: overlap, suppression, clipping.

Boxes are ``boxes_xyxy``: (N, 4) float32, pixels, end-exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assent.types import Detections, Face, Float32, Int64


def box_areas(boxes_xyxy: Float32) -> Float32:
    """Areas (N,) of boxes (N, 4), square pixels; an inverted box has area 0."""
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def box_iou(boxes_a_xyxy: Float32, boxes_b_xyxy: Float32) -> Float32:
    """Intersection over union of every pair: (N, 4) and (M, 4) give (N, M) in [0, 1].

    Two boxes without area have overlap 0.
    """
    top_left = np.maximum(boxes_a_xyxy[:, None, :2], boxes_b_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_a_xyxy[:, None, 2:], boxes_b_xyxy[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = box_areas(boxes_a_xyxy)[:, None] + box_areas(boxes_b_xyxy)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def non_maximum_suppression(boxes_xyxy: Float32, scores: Float32, *, max_iou: float) -> Int64:
    """Indices (K,) to keep, best score first: greedy, a box goes when it overlaps a better one by more.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,); ties keep the earlier box.
        max_iou: the largest overlap that two kept boxes may have, in [0, 1].
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        overlap = box_iou(boxes_xyxy[best : best + 1], boxes_xyxy[waiting])[0]
        waiting = waiting[overlap <= max_iou]
    return np.asarray(kept, np.int64)


def merge_detections(parts: list[Detections], *, max_iou: float) -> Detections:
    """The faces of several looks at one image, doubles removed, best score first."""
    if not parts:
        return Detections.empty()
    joined = Detections(
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.landmarks_xy for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
    return joined.take(non_maximum_suppression(joined.boxes_xyxy, joined.scores, max_iou=max_iou))


def clip_boxes(boxes_xyxy: Float32, *, width_px: int, height_px: int) -> Float32:
    """Boxes (N, 4) cut at the image's edges; a box wholly outside collapses to zero area."""
    limits = np.array([width_px, height_px, width_px, height_px], np.float32)
    return np.clip(boxes_xyxy, 0, limits).astype(np.float32)


def grow_boxes(boxes_xyxy: Float32, *, margin: float) -> Float32:
    """Boxes (N, 4) with ``margin`` times their width (height) added on each side."""
    pad = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * np.float32(margin)
    return np.concatenate([boxes_xyxy[:, :2] - pad, boxes_xyxy[:, 2:] + pad], axis=1)


def largest_first(faces: Sequence[Face]) -> list[Face]:
    """The faces by the area of their boxes, the better scored one first on a tie."""

    def size(face: Face) -> tuple[float, float]:
        width, height = face.box_xyxy[2:] - face.box_xyxy[:2]
        return float(width * height), face.score

    return sorted(faces, key=size, reverse=True)
