"""Which detection is which face's."""

from __future__ import annotations

from typing import Final

import numpy as np

from assent.types import Float32

LEAST_OVERLAP: Final = 0.3
_LEAST_LOST: Final = 0.35
_MAX_GROWTH: Final = 2.0


def nearness(boxes_a_xyxy: Float32, boxes_b_xyxy: Float32) -> Float32:
    """How well boxes fit each other, (N, 4) and (M, 4) give (N, M): 1 in the same place, 0 a side's length apart.

    Unlike overlap it does not mind that one was drawn larger; boxes of more than twice another's size have 0.
    """
    centres_a = (boxes_a_xyxy[:, :2] + boxes_a_xyxy[:, 2:]) / 2
    centres_b = (boxes_b_xyxy[:, :2] + boxes_b_xyxy[:, 2:]) / 2
    size_a = np.sqrt(np.maximum(np.prod(boxes_a_xyxy[:, 2:] - boxes_a_xyxy[:, :2], axis=1), 1e-6))
    size_b = np.sqrt(np.maximum(np.prod(boxes_b_xyxy[:, 2:] - boxes_b_xyxy[:, :2], axis=1), 1e-6))
    apart = np.linalg.norm(centres_a[:, None] - centres_b[None], axis=2)
    larger = np.maximum(size_a[:, None], size_b[None])
    growth = larger / np.minimum(size_a[:, None], size_b[None])
    near = np.clip(1 - apart / larger, 0, 1)
    return np.asarray(np.where(growth <= _MAX_GROWTH, near, 0), np.float32)


def pairs(near: Float32, is_lost: list[bool]) -> list[tuple[int, int]]:
    """Trails and detections that belong together, best first; each at most once.

    Args:
        near: (T, D), ``nearness`` of trails and detections.
        is_lost: for each trail; a lost one has moved unseen, yet it gets only what no other fits nearly as well.
    """
    chosen: list[tuple[int, int]] = []
    left = near.copy()
    while left.size and float(left.max()) >= _LEAST_LOST:
        trail, found = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        best = float(left[trail, found])
        if is_lost[trail] and _has_rival(left, trail, found, best):
            left[trail] = 0
            continue
        chosen.append((trail, found))
        left[trail], left[:, found] = 0, 0
    return chosen


def _has_rival(left: Float32, trail: int, found: int, best: float) -> bool:
    """Whether another detection fits this trail, or another trail this detection, nearly as well."""
    others = np.concatenate([np.delete(left[trail], found), np.delete(left[:, found], trail)])
    return bool(len(others)) and float(others.max()) > 0.6 * best
