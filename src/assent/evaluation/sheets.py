"""Contact sheets: pairs of pictures side by side, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from assent.types import UInt8

_COLUMNS = 5
_BAR_PX = 24
"""Height of the line of text above a pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One pair: two pictures of the same height, and a line of text above.

    Attributes:
        left: (S, S, 3) uint8 RGB.
        right: (S, S, 3) uint8 RGB.
        label: plain ASCII, short.
    """

    left: UInt8
    right: UInt8
    label: str


def draw_pair(tile: Tile) -> UInt8:
    """(S + 30, 2 S + 6, 3) uint8: the pair on white, its label above."""
    chips = np.concatenate([tile.left, tile.right], axis=1)
    drawn = np.pad(chips, ((_BAR_PX, 6), (3, 3), (0, 0)), constant_values=255)
    cv2.putText(drawn, tile.label, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return drawn


def draw_sheet(tiles: Sequence[Tile]) -> UInt8:
    """All pairs, five in a row.

    Args:
        tiles: at least one, all of one size.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = [draw_pair(tile) for tile in tiles]
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % _COLUMNS)
    rows = [np.concatenate(drawn[k : k + _COLUMNS], axis=1) for k in range(0, len(drawn), _COLUMNS)]
    return np.concatenate(rows)


def png_of(image_rgb: UInt8) -> bytes:
    """A PNG file of (H, W, 3) uint8 RGB, pixels only."""
    return cv2.imencode(".png", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def jpeg_of(image_rgb: UInt8, quality: int = 85) -> bytes:
    """A JPEG file of (H, W, 3) uint8 RGB, pixels only."""
    bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
