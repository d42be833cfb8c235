"""Pictures inside a page: as large as a screen, without metadata, and gone with the page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from assent.types import UInt8

MAX_SIDE_PX = 1600


def as_data_uri(image_rgb: UInt8, *, max_side_px: int = MAX_SIDE_PX) -> str:
    """A JPEG in a ``data:`` address; nothing of it is kept on the server.

    Args:
        image_rgb: (H, W, 3) uint8.
        max_side_px: larger ones are made smaller.
    """
    picture = Image.fromarray(image_rgb)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=88)
    return jpeg_data_uri(buffer.getvalue())


def jpeg_data_uri(jpeg: bytes) -> str:
    """An encoded JPEG as a ``data:`` address."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
