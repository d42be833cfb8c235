"""Something to play: any part of it that the browser asks for, read and unsealed as it goes out, stored nowhere."""

from __future__ import annotations

import itertools
import re
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from assent.console.security import PAGE_HEADERS
from assent.service.videolibrary import SealedMedia

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def media_response(request: Request, media: SealedMedia, *, download: bool = False) -> Response:
    """All of it, or the part that the request's ``Range`` names.

    Raises:
        StoreUnavailable: it is gone or damaged where it is first read.
    """
    found = part_of(request.headers.get("range", ""), media.num_bytes)
    headers = dict(PAGE_HEADERS) | {"Accept-Ranges": "bytes"}
    if found is None:
        headers |= {"Content-Range": f"bytes */{media.num_bytes}"}
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    start, stop, is_part = found
    headers["Content-Length"] = str(stop - start)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{media.num_bytes}"
    if download:
        headers["Content-Disposition"] = f'attachment; filename="{media.name}"'
    chunks = media.part(start, stop)
    first = next(chunks, b"")  # what is gone is a page that says so, rather than half an answer
    return StreamingResponse(
        itertools.chain([first], chunks),
        status_code=HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK,
        headers=headers,
        media_type=media.media_type,
    )


def part_of(text: str, num_bytes: int) -> tuple[int, int, bool] | None:
    """First byte, the byte after the last, and whether it is a part; None for a part that is not there.

    What is not one range of bytes is taken for no range at all, as RFC 9110, section 14.2 allows.

    Example:
        >>> part_of("bytes=5-", 10), part_of("bytes=-3", 10), part_of("", 10), part_of("bytes=10-", 10)
        ((5, 10, True), (7, 10, True), (0, 10, False), None)
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return 0, num_bytes, False
    first, last = found.groups()
    if not first:
        return None if int(last) == 0 else (max(num_bytes - int(last), 0), num_bytes, True)
    start = int(first)
    stop = min(int(last) + 1, num_bytes) if last else num_bytes
    if last and int(last) < start:
        return 0, num_bytes, False
    return None if start >= num_bytes else (start, stop, True)
