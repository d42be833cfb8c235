"""When a clip's frames are looked at by the detector, and at what scale."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from assent.types import Detections, Float32, JsonObject, UInt8
from assent.video.pictures import Picture
from assent.video.settings import AnalysisSettings

_CROP_PX = 160  # a face of a third of it: a look takes a tenth of the quick look's time at the whole frame
_CROP_AROUND = 1.0  # box sides kept on each side


class Looks(Protocol):
    """The part of ``FaceEngine`` that is used here."""

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        """Upright faces at one scale, best score first."""
        ...


class Schedule:
    """Says of each frame in turn how closely to look at it."""

    def __init__(self, settings: AnalysisSettings) -> None:
        self._settings = settings
        self._next_s = {"quick": 0.0, "full": 0.0, "fine": 0.0}

    def state(self) -> JsonObject:
        """When each look is due, for JSON."""
        return dict(self._next_s)

    def restore(self, state: JsonObject) -> None:
        """Goes on from a ``state``."""
        self._next_s = {name: float(state[name]) for name in self._next_s}

    def due_px(self, time_s: float, *, long_side_px: int, is_cut: bool, change: float = 0.0) -> int | None:
        """The longer side for a look at the frame at ``time_s``; None for no look.

        Args:
            time_s: later than the last one's.
            long_side_px: the frame's.
            is_cut: whether a shot begins here: then a full look is due.
            change: how much changed since the last frame, see ``AnalysisSettings.busy_change``.
        """
        settings = self._settings
        every_s = {
            "fine": (settings.fine_every_s, settings.fine_px),
            "full": (settings.full_every_s, settings.full_px),
            "quick": (settings.quick_every_s, settings.quick_px),
        }
        if long_side_px <= settings.full_px:
            del every_s["fine"]
        # Half a millisecond: times of frames are rounded to the container's ticks.
        due = [name for name in every_s if time_s >= self._next_s[name] - 0.0005]
        if is_cut and not set(due) & {"full", "fine"}:
            due.insert(0, "full")
        if not due and change >= settings.busy_change:
            due.append("quick")
        if not due:
            return None
        look = due[0]
        reached = list(every_s)[list(every_s).index(look) :]
        for name in reached:  # a closer look is worth a quicker one
            self._next_s[name] = time_s + every_s[name][0]
        return min(every_s[look][1], long_side_px)


def look_at_frame(engine: Looks, picture: Picture, *, long_side_px: int, min_score: float) -> Detections:
    """Faces of the whole frame, in its pixels."""
    height, width = picture.image_rgb.shape[:2]
    small_height, small_width = picture.gray.shape
    if long_side_px > max(small_height, small_width):
        return engine.look(picture.image_rgb, long_side_px=long_side_px, min_score=min_score)
    found = engine.look(picture.small_rgb, long_side_px=long_side_px, min_score=min_score)
    scale = np.array([width / small_width, height / small_height], np.float32)
    return Detections(found.boxes_xyxy * np.tile(scale, 2), found.landmarks_xy * scale, found.scores)


def look_near(engine: Looks, image_rgb: UInt8, box_xyxy: Float32, *, min_score: float) -> Detections:
    """Faces in and around a box (4,), in the frame's pixels: a cut-out scaled so that the box is easy to see."""
    height, width = image_rgb.shape[:2]
    sides = np.maximum(box_xyxy[2:] - box_xyxy[:2], 4)
    low = np.floor(np.clip(box_xyxy[:2] - sides * _CROP_AROUND, 0, (width, height))).astype(int)
    high = np.ceil(np.clip(box_xyxy[2:] + sides * _CROP_AROUND, 0, (width, height))).astype(int)
    if (high - low).min() < 8:
        return Detections.empty()
    crop = image_rgb[low[1] : high[1], low[0] : high[0]]
    found = engine.look(crop, long_side_px=_CROP_PX, min_score=min_score)
    shift = low.astype(np.float32)
    return Detections(found.boxes_xyxy + np.tile(shift, 2), found.landmarks_xy + shift, found.scores)
