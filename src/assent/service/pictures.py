"""Pictures at the rim: pixels out, as files that carry nothing but pixels."""

from __future__ import annotations

import io

from PIL import Image

from assent.types import Float32, UInt8

FACE_PX = 256
"""Longer side of the small pictures that people compare."""
_FACE_MARGIN = 0.35


def face_jpeg(image_rgb: UInt8, box_xyxy: Float32) -> bytes:
    """One face with some room around it, small enough to look at and no larger, without any metadata.

    Args:
        image_rgb: (H, W, 3) uint8.
        box_xyxy: (4,) pixels, end-exclusive; may stick out of the image.
    """
    height, width = image_rgb.shape[:2]
    left, top, right, bottom = (float(value) for value in box_xyxy)
    room = _FACE_MARGIN * max(right - left, bottom - top)
    x0, y0 = max(int(left - room), 0), max(int(top - room), 0)
    x1, y1 = min(int(right + room) + 1, width), min(int(bottom + room) + 1, height)
    picture = Image.fromarray(image_rgb[y0:y1, x0:x1])
    picture.thumbnail((FACE_PX, FACE_PX))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()


def encode_png(image_rgb: UInt8) -> bytes:
    """A PNG without any metadata: no place, no camera, no time.

    Args:
        image_rgb: (H, W, 3) uint8.
    """
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()
