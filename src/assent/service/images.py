"""Photos at the rim: a path or bytes in, an upright RGB image out, within the limits of the settings."""

from __future__ import annotations

from pathlib import Path

from assent.config import Settings
from assent.errors import ImageTooLarge, NotFound, UnreadableImage
from assent.vision.decode import DecodedImage, decode_image

ImageSource = str | Path | bytes
"""A file's path, or the encoded bytes of an image (never pixels, never a URL)."""


def read_bytes(source: ImageSource, *, max_bytes: int) -> bytes:
    """The encoded image, its size checked before it is read.

    Raises:
        NotFound: no such file.
        ImageTooLarge: over ``max_bytes``.
        UnreadableImage: a folder, or a file that may not be read.
    """
    if isinstance(source, bytes):
        return source
    path = Path(source)
    try:
        num_bytes = path.stat().st_size
        if num_bytes > max_bytes:
            raise ImageTooLarge(
                f"{path} has {num_bytes:,} bytes, at most {max_bytes:,} are read; "
                f"shrink it or raise ASSENT_MAX_IMAGE_BYTES"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise UnreadableImage(
            f"{path} cannot be read: {error.strerror}; expected a readable image file"
        ) from error


def load_image(source: ImageSource, settings: Settings) -> DecodedImage:
    """Read and decode an image.

    Raises:
        NotFound: no such file.
        UnreadableImage: not an image, truncated, or a format that is not accepted.
        ImageTooLarge: over the limit on bytes or pixels.
    """
    data = read_bytes(source, max_bytes=settings.max_image_bytes)
    return decode_image(data, max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)
