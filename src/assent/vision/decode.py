"""Encoded bytes to an upright RGB array, with every limit checked before pixels are allocated.

Pillow reads the pixels after this module has looked: the format is decided by content from a short list, the
header's size is checked against the limit, and Pillow's own process-wide ``MAX_IMAGE_PIXELS`` is not relied on.
ICC profiles are not applied: the networks were trained on pixels as stored, nearly all photographs are sRGB, and
parsing profiles of strangers' files adds a C library for a change that a network does not see.

Nothing global is set or read, so that threads do not meet: where Pillow warns about odd metadata it may; where the
host has made warnings errors, such an image counts as unreadable.
"""

from __future__ import annotations

import io
import struct
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
MIN_SIDE_PX: Final = 16  # smaller than any face that could be told from another
_EXIF_ORIENTATION: Final = 0x0112
_TIFF_WIDTH: Final = 256
_TIFF_LENGTH: Final = 257
_TIFF_TILE_WIDTH: Final = 322
_TIFF_TILE_LENGTH: Final = 323
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
    Warning,
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
        max_pixels: largest width times height that is decoded. Pillow's own ceiling of 178,956,970 stays above it.

    Raises:
        ImageTooLarge: over a limit; no pixels were allocated.
        UnreadableImage: empty, truncated, not an image, a format that is not accepted, or a side below
            ``MIN_SIDE_PX``.
    """
    if not data:
        raise UnreadableImage("expected an image, got an empty file (0 bytes); choose another file")
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"an image may have at most {max_bytes:,} bytes, this one has {len(data):,}; "
            "make it smaller or raise max_image_bytes"
        )
    with _translated_errors(max_pixels):
        webp_size = _webp_size(data)
        if webp_size is not None:
            _check_pixels(webp_size, max_pixels)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            for size in (image.size, _tile_size(image)):
                _check_pixels(size, max_pixels)
            _check_not_tiny(image.size)
            return _decode(image)


def _decode(image: Image.Image) -> DecodedImage:
    size = image.size
    orientation = _orientation(image)
    stored_width, stored_height = _stored_size(image)
    notes: list[str] = []
    num_frames = int(getattr(image, "n_frames", 1))
    if num_frames > 1:
        notes.append(f"first of {num_frames} frames")
        image.seek(0)
    # No draft mode: a JPEG is decoded at full resolution.
    image.load()
    if image.size != size:
        raise UnreadableImage(
            f"the header promised {size[0]} x {size[1]} pixels, the data hold {image.size[0]} x {image.size[1]}; "
            "the file is damaged"
        )
    if image.mode not in ("RGB", "L"):
        notes.append(f"converted from {image.mode}")
    if orientation != 1:
        notes.append(f"turned upright (EXIF orientation {orientation})")
    # Pillow turns a TIFF while loading it; what is left to turn is asked again.
    rgb = _upright(_to_rgb(image), _orientation(image))
    return DecodedImage(
        image_rgb=np.array(rgb, np.uint8),
        # A camera's JPEG with a second picture inside is called MPO by Pillow; its first is a JPEG.
        format="JPEG" if image.format == "MPO" else str(image.format),
        width_px=stored_width,
        height_px=stored_height,
        num_frames=num_frames,
        notes=tuple(notes),
    )


@contextmanager
def _translated_errors(max_pixels: int) -> Iterator[None]:
    """Pillow's many exceptions to one, without repeating anything of the file's content."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"an image may have at most {max_pixels:,} pixels, this one declares far more than any photo has; "
            "choose another"
        ) from error
    except _READ_ERRORS as error:
        raise UnreadableImage(
            f"expected an image ({', '.join(FORMATS)}), got bytes that cannot be decoded as one "
            f"({type(error).__name__}); the file is damaged, cut short, or of another kind"
        ) from error


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"an image may have at most {max_pixels:,} pixels, this one declares {width} x {height}; "
            "make it smaller or raise max_image_pixels"
        )


def _check_not_tiny(size: tuple[int, int]) -> None:
    if min(size) < MIN_SIDE_PX:
        raise UnreadableImage(
            f"expected an image of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels, got {size[0]} x {size[1]}; "
            "no face can be recognised in it, choose another"
        )


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Canvas of a WebP file from its first chunk (RFC 9649), None for other files.

    Pillow's reader allocates the whole canvas on opening, so the size is read before it is asked.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind, body = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _tile_size(image: Image.Image) -> tuple[int, int]:
    """Tile of a tiled TIFF, which is allocated whole and may be larger than the image; else (0, 0)."""
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None:
        return 0, 0
    return int(tags.get(_TIFF_TILE_WIDTH, 0)), int(tags.get(_TIFF_TILE_LENGTH, 0))


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before turning; Pillow declares a TIFF's after."""
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None:
        return image.size
    return int(tags.get(_TIFF_WIDTH, image.size[0])), int(tags.get(_TIFF_LENGTH, image.size[1]))


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
    return image if orientation == 1 else image.transpose(_TURNS[orientation])


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
    values = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if image.mode.startswith("I;16") or (image.mode == "I" and values.min() >= 0 and values.max() <= 65535):
        low, high = 0.0, 65535.0
    else:
        low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low) if high > low else 1.0)
    grey = Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))
    return grey.convert("RGB")
