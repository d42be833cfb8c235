"""Nothing answers without an access key: HTTP Basic, checked before a byte of the body is read or a path looked at."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBasic
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from assent.errors import AssentError, NotAuthenticated
from assent.rest.errors import of_assent_error
from assent.service import Assent

_KEY_ID: Final = re.compile(r"[A-Z0-9]{20}")

scheme = HTTPBasic(
    auto_error=False,
    description="The access key's id and its secret. `assent keys make` prints both; the secret only once.",
)
"""Only what OpenAPI says of it; ``Authentication`` has done the work by then."""


class Authentication:
    """ASGI middleware: who asks is known, or there is no answer.

    Args:
        app: what is served to those who have a key.
        assent: whose keys these are; every operation acts as the caller's key.
    """

    def __init__(self, app: ASGIApp, assent: Assent) -> None:
        self._app = app
        self._assent = assent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})  # nothing here speaks it
            return
        try:
            acting = await run_in_threadpool(self._acting, Headers(scope=scope).get("authorization"))
        except AssentError as error:
            await of_assent_error(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["acting"] = acting
        await self._app(scope, receive, send)

    def _acting(self, header: str | None) -> Assent:
        key_id, secret = credentials(header)
        return self._assent.acting_as(self._assent.access.authenticate(key_id, secret))


def credentials(header: str | None) -> tuple[str, str]:
    """Key id and secret of an ``Authorization`` header (RFC 7617).

    Raises:
        NotAuthenticated: there is none, or it is of another kind or damaged.
    """
    scheme_name, _, encoded = (header or "").strip().partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        decoded = ""
    key_id, colon, secret = decoded.partition(":")
    if scheme_name.lower() != "basic" or not colon or not _KEY_ID.fullmatch(key_id):
        raise NotAuthenticated(
            "expected an access key's id and secret by HTTP Basic authentication, got none or a damaged one; ask "
            "whoever runs this server (assent keys make)"
        )
    return key_id, secret


async def _acting(request: Request) -> Assent:
    acting: Assent = request.state.acting
    return acting


Acting = Annotated[Assent, Depends(_acting)]
"""The service, acting as the caller's key: every call is held to its roles and logged under its name."""
