"""A frame made ready for looking and following: reduced once, used by all."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assent.types import Float32, UInt8
from assent.video.following import Luma
from assent.video.shots import thumbnail


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One sound frame.

    Attributes:
        index: of the frame.
        time_s: of the frame.
        image_rgb: (H, W, 3) uint8, the frame.
        small_rgb: (h, w, 3) uint8, reduced to the working size.
        luma: its brightness.
        thumb_rgb: what cuts are looked for in.
    """

    index: int
    time_s: float
    image_rgb: UInt8
    small_rgb: UInt8
    luma: Luma
    thumb_rgb: UInt8

    @property
    def gray(self) -> UInt8:
        """(h, w) uint8, the luma of ``small_rgb``."""
        return self.luma.full

    @property
    def to_gray(self) -> Float32:
        """Factors (4,) from the frame's pixels to the working picture's, for boxes."""
        height, width = self.image_rgb.shape[:2]
        small_height, small_width = self.gray.shape
        x, y = small_width / width, small_height / height
        return np.array([x, y, x, y], np.float32)

    def without_frame(self) -> Picture:
        """The working picture alone, for following backwards: a frame takes many times its memory."""
        empty = np.zeros((0, 0, 3), np.uint8)
        return Picture(self.index, self.time_s, empty, empty, self.luma, self.thumb_rgb)


def picture_of(image_rgb: UInt8, *, index: int, time_s: float, work_px: int) -> Picture:
    """A frame (H, W, 3) uint8, reduced so that its longer side is at most ``work_px``."""
    height, width = image_rgb.shape[:2]
    ratio = min(1.0, work_px / max(height, width))
    small = image_rgb
    if ratio < 1:
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        small = np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return Picture(index, time_s, image_rgb, small, Luma.of(gray), thumbnail(small))
