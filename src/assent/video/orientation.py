"""How a stored picture is turned and mirrored to be shown: a container's display matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from assent.types import UInt8

_MAX_SLANT_DEG = 1.0
"""A picture that is turned by anything but quarters is shown as it is stored."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a picture.

    Attributes:
        swaps: rows become columns, first.
        flips_x: then left and right change places.
        flips_y: and top and bottom.
    """

    swaps: bool = False
    flips_x: bool = False
    flips_y: bool = False

    @property
    def is_upright(self) -> bool:
        """Whether nothing is to do."""
        return not (self.swaps or self.flips_x or self.flips_y)

    @property
    def rotation_deg(self) -> int:
        """How far it is turned clockwise, leaving a mirror image aside: 0, 90, 180 or 270."""
        if self.swaps:
            return 270 if self.flips_y else 90
        return 180 if self.flips_x else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown."""
        return (height, width) if self.swaps else (width, height)

    def apply(self, pixels: UInt8) -> UInt8:
        """The picture (H, W) or (H, W, C) as shown; shares memory where it can."""
        if self.swaps:
            pixels = pixels.swapaxes(0, 1)
        if self.flips_x:
            pixels = pixels[:, ::-1]
        return pixels[::-1] if self.flips_y else pixels


UPRIGHT = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """How a decoded frame is to be laid, by its display matrix."""
    if not frame.rotation and not len(frame.side_data):
        return UPRIGHT
    side_data: Any = frame.side_data
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return UPRIGHT
    numbers = np.frombuffer(bytes(matrix), np.int32)
    return from_matrix([int(value) for value in numbers[:9]]) if numbers.size >= 9 else UPRIGHT


def from_matrix(numbers: list[int]) -> Orientation:
    """The orientation of FFmpeg's 3 x 3 display matrix, row by row, 16.16 fixed point.

    A stored point (x, y) is shown at (a x + c y, b x + d y); the numbers are a, b, u, c, d, v, ...
    """
    a, b, _, c, d = numbers[:5]
    slant = math.degrees(math.atan2(b, a)) % 90 if a or b else 0.0
    if min(slant, 90 - slant) > _MAX_SLANT_DEG or a * d - b * c == 0:
        return UPRIGHT
    if abs(a) >= abs(b):
        return Orientation(swaps=False, flips_x=a < 0, flips_y=d < 0)
    return Orientation(swaps=True, flips_x=c < 0, flips_y=b < 0)
