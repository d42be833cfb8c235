"""The picture for people: everybody hidden but those who were recognised, and nothing at all where that is not sure.

It is no larger than what the detector looked at: a face too small to be found is too small to be told there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from assent.live.values import SeenFace, blank_picture
from assent.types import Float32, UInt8
from assent.vision.boxes import box_iou, grow_boxes
from assent.vision.redact import redact

HIDE_MARGIN: Final = 0.6  # of the box's sides, on each side: a head moves on between two looks
HOLD_S: Final = 1.0
_JPEG_QUALITY: Final = 80


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    box_xyxy: Float32
    until_s: float


class Preview:
    """Makes the pictures of one run.

    Args:
        max_px: longer side at most.
    """

    def __init__(self, max_px: int = 640) -> None:
        self._max_px = max_px
        self._held: list[_Held] = []
        self._hidden: list[Float32] = []

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height of the preview of such a frame."""
        ratio = min(1.0, self._max_px / max(width_px, height_px, 1))
        return max(1, round(width_px * ratio)), max(1, round(height_px * ratio))

    def picture(
        self, image_rgb: UInt8, faces: Sequence[SeenFace], now_s: float, *, small_rgb: UInt8 | None = None
    ) -> UInt8:
        """The preview (h, w, 3) uint8 of one analysed frame.

        Hidden are: faces without a name, where each was in the last frame too, and where one was lost, for a while.

        Args:
            image_rgb: (H, W, 3) uint8, the very frame that was looked at.
            faces: all that were found in it or are held.
            now_s: seconds, by a clock that only goes on.
            small_rgb: the frame reduced already; taken where it has the preview's size.
        """
        height, width = image_rgb.shape[:2]
        hidden = [face.box_xyxy for face in faces if face.person is None]
        boxes = self._boxes_to_hide(hidden, now_s)
        small_wh = self.size(width, height)
        if small_rgb is not None and small_rgb.shape[1::-1] == small_wh:
            small = small_rgb
        else:
            small = np.asarray(cv2.resize(image_rgb, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
        scale = np.array([small_wh[0] / width, small_wh[1] / height] * 2, np.float32)
        return redact(small, np.asarray(boxes * scale, np.float32), margin=HIDE_MARGIN)

    def nothing(self, width_px: int, height_px: int) -> UInt8:
        """A picture that shows nothing, of the size it would have."""
        return blank_picture(*self.size(width_px or self._max_px, height_px or self._max_px * 9 // 16))

    def reset(self) -> None:
        """Another kind of picture comes: where faces were held means nothing there."""
        self._held, self._hidden = [], []

    def _boxes_to_hide(self, hidden: list[Float32], now_s: float) -> Float32:
        """Boxes (N, 4): those now, those of the last frame, and those lost lately."""
        now = _stacked(hidden)
        last = _stacked(self._hidden)
        gone = [
            box
            for box in last
            if not len(now) or float(box_iou(grow_boxes(box[None], margin=0.5), now).max()) <= 0
        ]
        self._held = [held for held in self._held if held.until_s > now_s]
        self._held += [_Held(box, now_s + HOLD_S) for box in gone]
        self._hidden = hidden
        return np.concatenate([now, last, _stacked([held.box_xyxy for held in self._held])])


def as_jpeg(image_rgb: UInt8) -> bytes:
    """(h, w, 3) uint8 as a JPEG."""
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not ok:
        raise ValueError("the preview cannot be encoded")
    return bytes(data)


def _stacked(boxes: Sequence[Float32]) -> Float32:
    return np.stack(boxes).astype(np.float32) if len(boxes) else np.zeros((0, 4), np.float32)
