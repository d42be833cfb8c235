"""Bodies: bounded before they are read, and never on a disk.

A photo comes as ``multipart/form-data``: the file as it is, a third smaller than in base64, and what every client can
send. Starlette would put a part above 1 MiB into a temporary file; here it stays in memory, so that a stranger's
photo leaves nothing behind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Set
from contextlib import aclosing
from typing import Any, ClassVar, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response
from starlette.types import Message, Receive

from assent.config import Settings

MAX_JSON_BYTES: Final = 32 * 2**20
"""Room for a notice and for evidence of 16 MiB in base64."""
MAX_FIELDS: Final = 16
_FORM_BYTES: Final = 64 * 2**10
_MAX_DIGITS: Final = 18


class BoundedRoute(APIRoute):
    """An operation whose body is at most ``max_bytes`` long, and that takes nothing it does not know.

    A misspelt parameter that is passed over in silence would be a search under another threshold than was meant.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request that refuses to read more than that."""
        handler = super().get_route_handler()
        queries = {field.alias for field in self.dependant.query_params}
        members = {field.alias for field in self.dependant.body_params}

        async def bounded(request: Request) -> Response:
            _check_query(request, queries)
            limit = self.max_bytes(request.app.state.settings)
            _check_length(request, limit)
            body = _MemoryRequest(request.scope, _bounded(request.receive, limit))
            body.known_fields = members
            return await handler(body)

        return bounded

    def max_bytes(self, _: Settings, /) -> int:
        """The largest body, bytes."""
        return MAX_JSON_BYTES


class PhotoRoute(BoundedRoute):
    """An operation on a photo."""

    num_photos: ClassVar[int] = 1

    def max_bytes(self, settings: Settings, /) -> int:
        """Photos of the largest size that is opened, and what stands around them."""
        return self.num_photos * settings.max_image_bytes + _FORM_BYTES


class TwoPhotosRoute(PhotoRoute):
    """An operation on two photos."""

    num_photos = 2


class _MemoryParser(MultiPartParser):
    spool_max_size = sys.maxsize


class _MemoryRequest(Request):
    """A request whose form stays in memory, with the fields that the operation knows, each once."""

    known_fields: Set[str] = frozenset()

    async def form(self, **_: Any) -> FormData:  # type: ignore[override]
        """The form; anything else than multipart is an empty one."""
        if self._form is None:
            self._form = await self._parsed()
        return self._form

    async def _parsed(self) -> FormData:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            return FormData()
        async with aclosing(self.stream()) as stream:
            parser = _MemoryParser(
                self.headers, stream, max_files=2, max_fields=MAX_FIELDS, max_part_size=_FORM_BYTES
            )
            try:
                found = await parser.parse()
            except MultiPartException as error:
                raise HTTPException(400, f"the form cannot be read: {error.message}") from error
        if not found.keys() <= self.known_fields or len(found.multi_items()) > len(found):
            await found.close()
            known = ", ".join(sorted(self.known_fields))
            raise HTTPException(
                422, f"expected the fields {known}, each at most once; got another, or one twice"
            )
        return found


def _check_query(request: Request, known: Set[str]) -> None:
    if not request.query_params.keys() <= known:
        found = {
            "type": "extra_forbidden",
            "loc": ("query", "(unknown)"),
            "msg": "Extra inputs are not permitted",
        }
        raise RequestValidationError([found])


def _check_length(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > limit):
        raise _too_large(limit)


def _bounded(receive: Receive, limit: int) -> Receive:
    """``receive``, until more than ``limit`` bytes have come, whatever the headers said."""
    num_bytes = 0

    async def bounded() -> Message:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > limit:
            raise _too_large(limit)
        return message

    return bounded


def _too_large(limit: int) -> HTTPException:
    return HTTPException(
        413,
        f"expected a body of at most {limit:,} bytes, got a larger one; send a smaller photo, or raise "
        "ASSENT_MAX_IMAGE_BYTES",
        headers={"Connection": "close"},  # what is still coming is not read
    )
