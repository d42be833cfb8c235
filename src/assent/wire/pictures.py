"""The picture of a request: sent along, or named by bucket and key; PNG or JPEG, of a size that AWS takes."""

from __future__ import annotations

import io
from typing import Any, Final

from PIL import Image

from assent.wire.call import Call
from assent.wire.errors import WireError, invalid

MAX_OBJECT_BYTES: Final = 15 * 2**20
MIN_SIDE_PX: Final = 80
_SIGNATURES: Final = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}


def picture(call: Call, member: str = "Image") -> bytes:
    """The encoded picture of one member.

    Raises:
        WireError: neither or both of ``Bytes`` and ``S3Object``, another format, or a side below ``MIN_SIDE_PX``.
        ObjectError: the object cannot be had.
    """
    image: dict[str, Any] = call.params[member]
    data, named = image.get("Bytes"), image.get("S3Object")
    if (data is None) == (named is None):
        raise invalid(f"{member} needs either Bytes or S3Object, got both or neither.")
    encoded = data if data is not None else _object(call, member, named or {})
    _check(encoded)
    return encoded


def _object(call: Call, member: str, named: dict[str, str]) -> bytes:
    if not (named.get("Bucket") and named.get("Name")):
        raise invalid(f"{member}.S3Object needs both Bucket and Name.")
    return call.objects.read(
        named["Bucket"], named["Name"], version=named.get("Version"), max_bytes=MAX_OBJECT_BYTES
    )


def _check(encoded: bytes) -> None:
    format_ = next((name for name, start in _SIGNATURES.items() if encoded.startswith(start)), None)
    size = _size(encoded, format_) if format_ is not None else None
    if size is None:
        raise WireError(
            "InvalidImageFormatException", "Request has invalid image format: expected a PNG or JPEG."
        )
    if min(size) < MIN_SIDE_PX:
        raise invalid(
            f"An image must have at least {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels, this one has {size[0]} x {size[1]}."
        )


def _size(encoded: bytes, format_: str) -> tuple[int, int] | None:
    """Width and height as the header says; nothing is decoded. None where there is no header."""
    try:
        with Image.open(io.BytesIO(encoded), formats=(format_, "MPO")) as image:
            return image.size
    except Exception:  # noqa: BLE001  whatever Pillow raises on bytes that lie: they are no picture
        return None
