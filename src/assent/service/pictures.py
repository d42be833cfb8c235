"""Pictures at the rim: pixels out, as files that carry nothing but pixels."""

from __future__ import annotations

import io

from PIL import Image

from assent.types import UInt8


def encode_png(image_rgb: UInt8) -> bytes:
    """A PNG without any metadata: no place, no camera, no time.

    Args:
        image_rgb: (H, W, 3) uint8.
    """
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()
