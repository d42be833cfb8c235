"""A few pictures of one track side by side, for whoever decides about it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from assent.types import UInt8
from assent.video.types import Sample

SIDE_PX: Final = 112
MOST: Final = 5
_ROOM: Final = 0.3  # of the face's longer side, on each of its sides


def strip_jpeg(samples: Sequence[Sample]) -> bytes | None:
    """At most ``MOST`` pictures of a track in the order of time, as one JPEG without metadata; None without samples."""
    chosen = sorted(samples[:MOST], key=lambda sample: sample.time_s)
    if not chosen:
        return None
    strip = Image.new("RGB", (SIDE_PX * len(chosen), SIDE_PX))
    for at, sample in enumerate(chosen):
        strip.paste(Image.fromarray(_square(sample)).resize((SIDE_PX, SIDE_PX)), (at * SIDE_PX, 0))
    buffer = io.BytesIO()
    strip.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _square(sample: Sample) -> UInt8:
    """(S, S, 3) uint8, the face in the middle; black where its crop ends."""
    x0, y0, x1, y1 = (float(value) for value in sample.face.box_xyxy)
    left, top = sample.crop_xy
    side = max(int((1 + 2 * _ROOM) * max(x1 - x0, y1 - y0)), 2)
    x = int((x0 + x1) / 2 - side / 2) - left
    y = int((y0 + y1) / 2 - side / 2) - top
    height, width = sample.crop_rgb.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    part = sample.crop_rgb[max(y, 0) : min(y + side, height), max(x, 0) : min(x + side, width)]
    if part.size:
        at_x, at_y = max(-x, 0), max(-y, 0)
        square[at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]] = part
    return square
