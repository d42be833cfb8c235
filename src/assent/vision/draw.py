"""Boxes and labels on a copy of an image, readable at any size and for any eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np

from assent.types import Float32, UInt8

Rgb = tuple[int, int, int]
_LINE_PER_SIDE: Final = 1 / 300
_TEXT_PER_SIDE: Final = 1 / 36
_MIN_TEXT_PX: Final = 11
_MAX_TEXT_PX: Final = 72
_ELLIPSIS: Final = "…"


class Mark(StrEnum):
    """What a box means; each has a colour that is told apart with any colour vision (Okabe and Ito, 2008)."""

    MATCH = "match"
    CANDIDATE = "candidate"
    HIDDEN = "hidden"
    FACE = "face"


COLOURS: Final = MappingProxyType(
    {
        Mark.MATCH: (0, 114, 178),  # blue
        Mark.CANDIDATE: (230, 159, 0),  # orange
        Mark.HIDDEN: (90, 90, 90),  # grey
        Mark.FACE: (0, 158, 115),  # bluish green
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One box to draw.

    Attributes:
        box_xyxy: (4,) pixels, end-exclusive; may stick out of the image.
        mark: decides the colour.
        text: one line in any script; empty draws no label.
    """

    box_xyxy: Float32
    mark: Mark = Mark.FACE
    text: str = ""


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """A label's rectangle in whole pixels, end-exclusive, inside the image, and the text that fits in it."""

    x0: int
    y0: int
    x1: int
    y1: int
    text: str


def annotate(image_rgb: UInt8, annotations: Sequence[Annotation]) -> UInt8:
    """A copy of (H, W, 3) uint8 with boxes and labels; all boxes first, so that no line crosses a label."""
    drawn = np.ascontiguousarray(image_rgb).copy()
    if not drawn.size:
        return drawn
    height, width = drawn.shape[:2]
    line_px = max(1, round(max(height, width) * _LINE_PER_SIDE))
    for item in annotations:
        x0, y0, x1, y1 = _inside(item.box_xyxy, width, height)
        cv2.rectangle(drawn, (x0, y0), (x1 - 1, y1 - 1), COLOURS[item.mark], line_px, cv2.LINE_AA)
    for item in annotations:
        if item.text:
            _draw_label(drawn, item)
    return drawn


def text_size_px(width_px: int, height_px: int) -> int:
    """Height of label text for an image of this size, pixels."""
    return int(np.clip(round(max(width_px, height_px) * _TEXT_PER_SIDE), _MIN_TEXT_PX, _MAX_TEXT_PX))


def place_label(text: str, box_xyxy: Float32, *, width_px: int, height_px: int) -> LabelPlace:
    """Where a label goes: above its box, else below, else inside its top; shortened to the image's width."""
    size_px = text_size_px(width_px, height_px)
    pad = max(1, size_px // 4)
    font = _font()
    text = _shortened(" ".join(text.split()), font, size_px, width_px - 2 * pad)
    label_w = min(_text_width(text, font, size_px) + 2 * pad, width_px)
    label_h = min(size_px + 2 * pad, height_px)
    x0, y0, _, y1 = _inside(box_xyxy, width_px, height_px)
    x = min(x0, width_px - label_w)
    above, below = y0 - label_h, y1
    y = above if above >= 0 else below if below + label_h <= height_px else min(y0, height_px - label_h)
    return LabelPlace(x, y, x + label_w, y + label_h, text)


def _draw_label(drawn: UInt8, item: Annotation) -> None:
    height, width = drawn.shape[:2]
    place = place_label(item.text, item.box_xyxy, width_px=width, height_px=height)
    colour = COLOURS[item.mark]
    # Drawn on its own patch: a glyph that overhangs cannot leave its label.
    patch = np.full((place.y1 - place.y0, place.x1 - place.x0, 3), colour, np.uint8)
    size_px = text_size_px(width, height)
    baseline = round(patch.shape[0] / 2 + size_px * 0.36)
    cv2.putText(patch, place.text, (max(1, size_px // 4), baseline), _ink(colour), _font(), size_px)
    drawn[place.y0 : place.y1, place.x0 : place.x1] = patch


def _font() -> cv2.FontFace:
    """OpenCV's own Unicode font: Latin, Greek, Cyrillic, Arabic, Hebrew, Chinese, Japanese, Korean.

    Pillow's built-in font has ASCII only, and names are not ASCII. Made anew each time, since it has caches
    that threads must not share.
    """
    return cv2.FontFace("uni")


def _text_width(text: str, font: cv2.FontFace, size_px: int) -> int:
    if not text:
        return 0
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size_px)
    return int(x + width) + 1


def _shortened(text: str, font: cv2.FontFace, size_px: int, limit_px: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    if _text_width(text, font, size_px) <= limit_px:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = _text_width(text[:middle].rstrip() + _ELLIPSIS, font, size_px) <= limit_px
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + _ELLIPSIS if low else ""


def _ink(background: Rgb) -> Rgb:
    """Black or white, whichever contrasts more by the relative luminance of WCAG 2.1."""
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in background]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return (0, 0, 0) if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else (255, 255, 255)


def _inside(box_xyxy: Float32, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """The box in whole pixels inside the image, at least one pixel each way."""
    x0, y0, x1, y1 = np.nan_to_num(np.asarray(box_xyxy, np.float64), posinf=1e9, neginf=-1e9)
    left, top = int(np.clip(np.floor(x0), 0, width_px - 1)), int(np.clip(np.floor(y0), 0, height_px - 1))
    right, bottom = (
        int(np.clip(np.ceil(x1), left + 1, width_px)),
        int(np.clip(np.ceil(y1), top + 1, height_px)),
    )
    return left, top, right, bottom
