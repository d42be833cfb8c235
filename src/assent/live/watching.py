"""Whether the pictures that come are pictures: not the same one for ever, not noise."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from assent.live.values import PictureState
from assent.types import Float32, UInt8

_SIDE: Final = 96
_NOISE_STD: Final = 20.0
_NOISE_CORRELATION: Final = 0.2  # of neighbouring pixels; of pictures of anything it is above 0.8
_NOISY_FRAMES: Final = 5


class PictureWatch:
    """Told each frame in turn.

    Args:
        frozen_s: pictures that are the same for longer are frozen. Every camera's sensor has noise; encoders may
            hide it for a while.
    """

    def __init__(self, frozen_s: float = 20.0) -> None:
        self._frozen_s = frozen_s
        self._last: Float32 | None = None
        self._changed_s = 0.0
        self._num_noisy = 0

    def add(self, image_rgb: UInt8, at_s: float) -> PictureState:
        """What to think of the picture now.

        Args:
            image_rgb: (H, W, 3) uint8.
            at_s: seconds, by a clock that only goes on.
        """
        points = _points(image_rgb)
        last, self._last = self._last, points
        if last is None or last.shape != points.shape or float(np.abs(last - points).max()) > 0:
            self._changed_s = at_s
        self._num_noisy = self._num_noisy + 1 if _is_noise(points) else 0
        if self._num_noisy >= _NOISY_FRAMES:
            return PictureState.NOISE
        return PictureState.FROZEN if at_s - self._changed_s > self._frozen_s else PictureState.GOOD


def _points(image_rgb: UInt8) -> Float32:
    """Luma of the picture's middle and of points all over it, (2, side, side): the pixels themselves, no means."""
    height, width = image_rgb.shape[:2]
    side = min(_SIDE, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image_rgb[top : top + side, left : left + side]
    spread = image_rgb[
        np.linspace(0, height - 1, side).astype(int)[:, None],
        np.linspace(0, width - 1, side).astype(int)[None],
    ]
    return np.stack(
        [cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) for part in (middle, np.ascontiguousarray(spread))]
    ).astype(np.float32)


def _is_noise(points: Float32) -> bool:
    middle = points[0]
    if middle.shape[1] < 8 or float(middle.std()) < _NOISE_STD:
        return False
    left, right = middle[:, :-2].ravel(), middle[:, 2:].ravel()
    spread = float(left.std() * right.std())
    return (
        spread > 0
        and float(((left - left.mean()) * (right - right.mean())).mean()) / spread < _NOISE_CORRELATION
    )
