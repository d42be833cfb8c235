"""The outermost layer: an id for each request, headers for each answer, and no fault that gets out.

What fails unexpectedly is written to the server's log by class and place only: an exception's text may hold what
somebody sent.
"""

from __future__ import annotations

import logging
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assent.faults import kind_and_place
from assent.rest.errors import OWN_ERRORS, ErrorAnswer, error_response

_faults = logging.getLogger("assent.rest")


class Guard:
    """ASGI middleware around everything else.

    Args:
        app: what it stands around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        has_begun = False

        async def send_marked(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and no trace
            _faults.error("%s, request %s", kind_and_place(error), request_id)
            if not has_begun:
                await _internal_error(request_id)(scope, receive, send_marked)


def _internal_error(request_id: str) -> ASGIApp:
    answer = ErrorAnswer(error="InternalError", message=OWN_ERRORS["InternalError"][1], request_id=request_id)
    return error_response(500, answer)
