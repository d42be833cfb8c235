"""Encoded bytes to an upright RGB array, with every limit checked before pixels are allocated.

Pillow reads the pixels after this module has looked: the format is decided by content from a short list, the
header's size is checked against the limit, and Pillow's own process-wide ``MAX_IMAGE_PIXELS`` is not relied on.
ICC profiles are not applied: the networks were trained on pixels as stored, nearly all photographs are sRGB, and
parsing profiles of strangers' files adds a C library for a change that a network does not see.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from assent.errors import ImageTooLarge, UnreadableImage
from assent.types import UInt8

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
DEFAULT_MAX_BYTES: Final = 64 * 2**20
DEFAULT_MAX_PIXELS: Final = 100_000_000
_EXIF_ORIENTATION: Final = 0x0112
# What Pillow's readers raise on bytes that lie; anything else would be a fault of ours and must surface.
_READ_ERRORS: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image ready for a network.

    Attributes:
        image_rgb: (H, W, 3) uint8, turned upright by its EXIF orientation, alpha over white.
        format: one of ``FORMATS``, by content.
        width_px: as stored, before turning.
        height_px: as stored, before turning.
        num_frames: 1, or how many an animation or multi-page file has; only the first is decoded.
        notes: what was changed on the way, for people.
    """

    image_rgb: UInt8
    format: str
    width_px: int
    height_px: int
    num_frames: int = 1
    notes: tuple[str, ...] = ()


def decode_image(
    data: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_pixels: int = DEFAULT_MAX_PIXELS
) -> DecodedImage:
    """Decode the first frame.

    Args:
        data: the encoded file.
        max_bytes: largest ``data`` that is opened.
        max_pixels: largest width times height that is decoded.

    Raises:
        ImageTooLarge: over a limit; nothing was allocated.
        UnreadableImage: empty, truncated, not an image, or a format that is not accepted.
    """
    if not data:
        raise UnreadableImage("expected an image, got an empty file (0 bytes); choose another file")
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"an image may have at most {max_bytes:,} bytes, this one has {len(data):,}; "
            "make it smaller or raise max_image_bytes"
        )
    with _translated_errors(), _opened(data) as image:
        _check_pixels(image, max_pixels)
        return _decode(image)


def _decode(image: Image.Image) -> DecodedImage:
    width, height = image.size
    notes: list[str] = []
    num_frames = int(getattr(image, "n_frames", 1))
    if num_frames > 1:
        notes.append(f"first of {num_frames} frames")
        image.seek(0)
    # No draft mode: a JPEG is decoded at full resolution.
    image.load()
    if image.size != (width, height):
        raise UnreadableImage(
            f"the header promised {width} x {height} pixels, the data hold {image.size[0]} x "
            f"{image.size[1]}; the file is damaged"
        )
    if image.mode not in ("RGB", "L"):
        notes.append(f"converted from {image.mode}")
    orientation = _orientation(image)
    rgb = _to_rgb(image)
    if orientation != 1:
        notes.append(f"turned upright (EXIF orientation {orientation})")
        rgb = _upright(rgb, orientation)
    return DecodedImage(
        image_rgb=np.array(rgb, np.uint8),
        format=str(image.format),
        width_px=width,
        height_px=height,
        num_frames=num_frames,
        notes=tuple(notes),
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Pillow's many exceptions to one, without repeating anything of the file's content."""
    try:
        with warnings.catch_warnings():
            # Metadata that is off is no reason to refuse pixels that are fine.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            "the image declares far more pixels than any photo has; choose another"
        ) from error
    except _READ_ERRORS as error:
        raise UnreadableImage(
            f"expected an image ({', '.join(FORMATS)}), got bytes that cannot be decoded as one "
            f"({type(error).__name__}); the file is damaged, cut short, or of another kind"
        ) from error


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"an image may have at most {max_pixels:,} pixels, this one declares {width} x {height}; "
            "make it smaller or raise max_image_pixels"
        )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; anything unreadable counts as upright."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _READ_ERRORS:
        return 1
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation])


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: 16 bits scaled, transparency over white, CMYK by its inversion."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _from_deep_grey(image)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if mode == "RGB" else image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats to 8 bits by range, not by clipping as Pillow's convert does."""
    values = np.asarray(image, np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    if image.mode.startswith("I;16") or (image.mode == "I" and values.min() >= 0 and values.max() <= 65535):
        low, high = 0.0, 65535.0
    else:
        low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low) if high > low else 1.0)
    grey = Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))
    return grey.convert("RGB")
