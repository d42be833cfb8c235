"""Photos at the rim: a path or bytes in, an upright RGB image out, within the limits of the settings."""

from __future__ import annotations

import re
from pathlib import Path

from assent.config import Settings
from assent.errors import ImageTooLarge, IncompleteConsent, NotFound, UnreadableImage, UsageError
from assent.vision.decode import DecodedImage, decode_image

ImageSource = str | Path | bytes
"""A file's path, or the encoded bytes of an image (never pixels, never a URL)."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def require_file(path: Path) -> None:
    """Refuse what is not there before anything is done.

    Raises:
        NotFound: no such file.
        UsageError: an address: pictures are never fetched.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        if _URL.match(str(path)):
            raise UsageError(
                "expected a file, got an address; pictures are never fetched, so that nobody is enrolled or searched "
                "for by crawling: save the picture to a file first"
            ) from error
        raise NotFound(f"there is no file {path}; check the path") from error
    except OSError:
        return  # it is there, or cannot be looked for: reading says what is wrong


def read_bytes(source: ImageSource, *, max_bytes: int) -> bytes:
    """The encoded image; never more than ``max_bytes`` of a file are read, whatever its size is said to be.

    Raises:
        NotFound: no such file.
        ImageTooLarge: over ``max_bytes``.
        UnreadableImage: a folder, or a file that may not be read.
        UsageError: an address, or neither path nor bytes.
    """
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str | Path):
        raise UsageError(f"expected a file's path or the bytes of an image, got {type(source).__name__}")
    path = Path(source)
    require_file(path)
    try:
        data = _read_limited(path, max_bytes)
    except OSError as error:
        raise UnreadableImage(
            f"{path} cannot be read: {error.strerror}; expected a readable image file"
        ) from error
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"{path} has more than the {max_bytes:,} bytes that are read of an image; shrink it or raise "
            f"ASSENT_MAX_IMAGE_BYTES"
        )
    return data


def read_document(path: Path, *, what: str, max_bytes: int) -> bytes:
    """A file that goes with a consent.

    Args:
        path: where.
        what: how the error calls it: "notice", "evidence".
        max_bytes: largest file that is read.

    Raises:
        NotFound: no such file.
        IncompleteConsent: empty, over ``max_bytes``, a folder, or a file that may not be read.
        UsageError: an address.
    """
    require_file(path)
    try:
        data = _read_limited(path, max_bytes)
    except OSError as error:
        raise IncompleteConsent(
            f"the {what} {path} cannot be read: {error.strerror}; expected a readable file"
        ) from error
    if not 0 < len(data) <= max_bytes:
        got = "an empty one" if not data else "a larger one"
        raise IncompleteConsent(
            f"expected the {what} {path} to be a file of 1 to {max_bytes:,} bytes, got {got}; give the right file"
        )
    return data


def load_image(source: ImageSource, settings: Settings) -> DecodedImage:
    """Read and decode an image.

    Raises:
        NotFound: no such file.
        UnreadableImage: not an image, truncated, or a format that is not accepted.
        ImageTooLarge: over the limit on bytes or pixels.
    """
    data = read_bytes(source, max_bytes=settings.max_image_bytes)
    return decode_image(data, max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)


def _read_limited(path: Path, max_bytes: int) -> bytes:
    """At most one byte more than ``max_bytes``: a device or pipe has no size, and never ends."""
    with path.open("rb") as file:
        return file.read(max_bytes + 1)
