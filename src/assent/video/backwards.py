"""Follows a face back from where it was first detected to where it came into view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from assent.types import Float32
from assent.video.following import follow, likeness, patch
from assent.video.pictures import Picture
from assent.video.settings import AnalysisSettings
from assent.video.trails import Trail, widened
from assent.video.types import Seen
from assent.vision.boxes import box_iou

_STEP_LIKENESS: Final = 0.6
_MODEL_LIKENESS: Final = 0.1
_OTHER: Final = 0.3  # overlap with another track: there it is covered already, or it is not clear whose it is


def lead_of(
    picture: Picture,
    box_xyxy: Float32,
    history: Sequence[Picture],
    others: Sequence[Trail],
    settings: AnalysisSettings,
) -> tuple[list[Float32], list[Seen]]:
    """Boxes of the frames before ``picture``, nearest first, as far as the face can be followed, and a little more.

    Args:
        picture: where it was detected.
        box_xyxy: (4,) in pixels of the frame.
        history: the frames before, in order, of the same shot.
        others: trails that it must not run into.
        settings: ``back_s``, ``lead_s``.
    """
    to_gray = picture.to_gray
    box = np.asarray(box_xyxy * to_gray, np.float32)
    model = before = patch(picture.gray, box)
    boxes: list[Float32] = []
    seen: list[Seen] = []
    later, held_from_s = picture, None
    expected = picture.index
    for earlier in reversed(history):
        while expected - 1 > earlier.index:  # a frame that could not be read lies between
            boxes.append(np.asarray(box / to_gray, np.float32))
            seen.append(Seen.BRIDGED)
            expected -= 1
        if held_from_s is None:
            step = follow(later.luma, earlier.luma, box)
            if (
                step is not None
                and likeness(step.patch, before) >= _STEP_LIKENESS
                and likeness(step.patch, model) > _MODEL_LIKENESS
            ):
                box, before = step.box_xyxy, step.patch
            else:
                held_from_s = later.time_s
        if held_from_s is not None and held_from_s - earlier.time_s > settings.lead_s:
            break
        in_frame = np.asarray(box / to_gray, np.float32)
        if _meets_another(in_frame, earlier.index, others):
            break
        boxes.append(in_frame if held_from_s is None else widened(in_frame, 0.1))
        seen.append(Seen.FOLLOWED if held_from_s is None else Seen.BRIDGED)
        later, expected = earlier, earlier.index
    return boxes, seen


def _meets_another(box_xyxy: Float32, frame: int, others: Sequence[Trail]) -> bool:
    there = [trail.box_at(frame) for trail in others if trail.covers(frame)]
    if not there:
        return False
    return bool(box_iou(box_xyxy[None], np.array(there, np.float32)).max() > _OTHER)
