"""Closes short gaps between tracks of one place, so that nothing shows for a few frames only.

Covering goes on; identity does not: the tracks stay two.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import Final

import numpy as np

from assent.video.matching import nearness
from assent.video.trails import Trail, widened
from assent.video.types import Seen, Shot

MAX_GAP_FRAMES: Final = 15
_LEAST_NEAR: Final = 0.2


def closed_gaps(trails: Sequence[Trail], shots: Sequence[Shot]) -> list[Trail]:
    """The trails, each drawn on to the next one in its place and shot that begins within ``MAX_GAP_FRAMES``."""
    cuts = [shot.first_frame for shot in shots[1:]]
    by_start = sorted(trails, key=lambda trail: (trail.first_frame, trail.number))
    starts = [trail.first_frame for trail in by_start]
    for trail in trails:
        end = trail.last_frame
        soon = by_start[bisect(starts, end + 1) : bisect(starts, end + 1 + MAX_GAP_FRAMES)]
        for other in soon:
            if bisect(cuts, end) != bisect(cuts, other.first_frame):
                break
            there = other.box_at(other.first_frame)
            if nearness(trail.box_xyxy[None], there[None])[0, 0] > _LEAST_NEAR:
                _draw_on(trail, other)
                break
    return list(trails)


def _draw_on(trail: Trail, other: Trail) -> None:
    start, end = trail.box_xyxy, other.box_at(other.first_frame)
    steps = other.first_frame - trail.last_frame
    for step in range(1, steps):
        between = np.asarray(start + (end - start) * np.float32(step / steps), np.float32)
        trail.append(widened(between, 0.1), Seen.BRIDGED)
