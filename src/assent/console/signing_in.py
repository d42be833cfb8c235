"""Signing in with an access key, and out."""

from __future__ import annotations

import math
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from assent.console.forms import Form, FormMalformed, FormTooLarge, read_form
from assent.console.rendering import Pages
from assent.console.security import (
    PAGE_HEADERS,
    SESSION,
    VISITOR,
    FormTokens,
    drop_cookie,
    is_cross_site,
    read_cookie,
    safe_path,
    set_cookie,
)
from assent.console.sessions import Sessions, new_token
from assent.console.throttle import Throttle
from assent.errors import NotAuthenticated
from assent.service import Assent

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
MAX_SIGN_IN_BYTES = 16 * 1024
_WRONG = "That is not a live access key with its secret. Check both, or ask whoever makes the keys."


class Door:
    """Where sessions begin and end.

    Args:
        assent: the open data folder, whose access keys count.
        sessions: those who are in.
        throttle: those who failed.
        tokens: for the forms.
        pages: the templates.
    """

    def __init__(
        self, assent: Assent, sessions: Sessions, throttle: Throttle, tokens: FormTokens, pages: Pages
    ) -> None:
        self._assent = assent
        self._sessions = sessions
        self._throttle = throttle
        self._tokens = tokens
        self._pages = pages

    def routes(self) -> list[Route]:
        """The door's addresses."""
        return [
            Route(SIGN_IN, self.show, methods=["GET"], name="console:sign-in"),
            Route(SIGN_IN, self.enter, methods=["POST"], name="console:enter"),
            Route(SIGN_OUT, self.leave, methods=["POST"], name="console:leave"),
        ]

    async def show(self, request: Request) -> Response:
        """The form."""
        return self._form(request, target=safe_path(request.query_params.get("next", "/")))

    async def enter(self, request: Request) -> Response:
        """A session for a key with its secret; the same answer for every other."""
        form = await self._read(request, VISITOR)
        if isinstance(form, Response):
            return form
        key_id, target = form.text("key_id"), safe_path(form.text("next"))
        who = f"{request.client.host if request.client else ''} {key_id[:64]}"
        if (wait_s := self._throttle.wait_s(who)) > 0:
            seconds = math.ceil(wait_s)
            message = f"Too many failed attempts in a row; try again in {seconds} s."
            response = self._form(request, HTTPStatus.TOO_MANY_REQUESTS, message, target, key_id)
            response.headers["Retry-After"] = str(seconds)
            return response
        try:
            key = await run_in_threadpool(self._assent.access.authenticate, key_id, form.text("secret"))
        except NotAuthenticated:
            self._throttle.failed(who)
            return self._form(request, HTTPStatus.UNAUTHORIZED, _WRONG, target, key_id)
        self._throttle.succeeded(who)
        self._sessions.end(read_cookie(request, SESSION))
        response = RedirectResponse(target, HTTPStatus.SEE_OTHER, headers=dict(PAGE_HEADERS))
        set_cookie(request, response, SESSION, self._sessions.start(key.id))
        drop_cookie(request, response, VISITOR)
        return response

    async def leave(self, request: Request) -> Response:
        """No session any more."""
        form = await self._read(request, SESSION)
        if isinstance(form, Response):
            return form
        self._sessions.end(read_cookie(request, SESSION))
        response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER, headers=dict(PAGE_HEADERS))
        drop_cookie(request, response, SESSION)
        return response

    async def _read(self, request: Request, cookie: str) -> Form | Response:
        """The form, or the page that refuses it."""
        try:
            form = await read_form(request, max_bytes=MAX_SIGN_IN_BYTES)
        except (FormTooLarge, FormMalformed):
            return self._form(request, HTTPStatus.BAD_REQUEST, "That is not a form of this console.")
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        held = read_cookie(request, cookie)
        if is_cross_site(request) or not held or not self._tokens.is_of(form.text("form_token"), held):
            return self._form(
                request,
                HTTPStatus.FORBIDDEN,
                "This page had grown old, so nothing was done. Sign in here.",
                safe_path(form.text("next") or "/"),
                form.text("key_id"),
            )
        return form

    def _form(
        self, request: Request, status: int = 200, error: str = "", target: str = "/", key_id: str = ""
    ) -> Response:
        visitor = read_cookie(request, VISITOR) or new_token()
        values = {"here": SIGN_IN, "navigation": [], "holder": "", "notes": [], "error": error}
        values |= {"form_token": self._tokens.make(visitor), "target": target, "key_id": key_id}
        response = self._pages.html("sign_in.html", status, values)
        set_cookie(request, response, VISITOR, visitor)
        return response
