"""The console's addresses: who asks is settled here, then one view answers.

For every request: the session, the access key behind it (revoked keys end it at once), for forms the token, then the
view on a worker thread, since the service blocks. What goes wrong on purpose becomes a page that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from assent.console.forms import Form, FormMalformed, FormTooLarge, read_form
from assent.console.receiving import NoFormToken, ReceivedVideo, receive_video
from assent.console.rendering import STATIC_PATH, ConsoleFiles, Pages
from assent.console.security import PAGE_HEADERS, SESSION, FormTokens, is_cross_site, read_cookie
from assent.console.sessions import Session, Sessions
from assent.console.signing_in import SIGN_IN, Door
from assent.console.throttle import Throttle
from assent.console.views import PAGES
from assent.console.visit import Page, Shared, Visit, address, num_looks, title_of
from assent.errors import AssentError
from assent.faults import kind_and_place
from assent.service import Assent
from assent.store.access import AccessKey

MAX_FORM_BYTES = 4 * 2**20
"""Largest form without a picture: a notice of 1 MiB in base64, and then some."""
MAX_RECEIVING = 4
"""Videos that come in at once."""
_OVERHEAD_BYTES = MAX_FORM_BYTES
_log = logging.getLogger("assent.console")

Endpoint = Callable[[Request], Awaitable[Response]]


def console_routes(
    assent: Assent, *, sessions: Sessions | None = None, throttle: Throttle | None = None
) -> list[BaseRoute]:
    """The console as routes for a Starlette application.

    They answer ``GET`` for every path, the last of them with a page that says there is none, and ``POST`` for their
    own; never ``POST /``. What belongs to the wire and to REST is to be looked for before.

    Args:
        assent: the open data folder; each visitor acts through ``assent.acting_as`` their key.
        sessions: who is signed in; a new, empty one by default.
        throttle: failed sign-ins; a new, empty one by default.
    """
    console = Console(assent, sessions or Sessions(), throttle or Throttle())
    return [
        *console.door.routes(),
        *(console.route(page) for page in PAGES),
        Mount(STATIC_PATH, ConsoleFiles(), name="console-static"),
        Route("/{path:path}", console.nothing, methods=["GET"], name="console:nothing"),
    ]


class Console:
    """One open data folder seen through browsers."""

    def __init__(self, assent: Assent, sessions: Sessions, throttle: Throttle) -> None:
        self._assent = assent
        self._sessions = sessions
        self._tokens = FormTokens()
        self._shared = Shared(Pages())
        self._num_receiving = 0
        self.door = Door(assent, sessions, throttle, self._tokens, self._shared.pages)

    def route(self, page: Page) -> Route:
        """The route of one address."""
        if page.method == "GET":
            endpoint = self._looking(page)
        else:
            endpoint = self._receiving(page) if page.takes_video else self._doing(page)
        return Route(page.path, endpoint, methods=[page.method], name=f"console:{page.method}:{page.path}")

    async def nothing(self, _: Request) -> Response:
        """The page for addresses that there are none of; the same for everybody."""
        return self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _looking(self, page: Page) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            is_click = page.is_click and not num_looks(request)
            found = await run_in_threadpool(self._who, request, is_click=is_click)
            if found is None:
                return _to_sign_in(request)
            return await run_in_threadpool(self._answer, page, request, *found, Form())

        return endpoint

    def _doing(self, page: Page) -> Endpoint:
        max_bytes = self._assent.settings.max_image_bytes + _OVERHEAD_BYTES
        limit = max_bytes if page.takes_files else MAX_FORM_BYTES

        async def endpoint(request: Request) -> Response:
            # Nothing of the body is read for somebody who is not signed in.
            if is_cross_site(request):
                return self._refuse(HTTPStatus.FORBIDDEN, _FROM_ELSEWHERE)
            found = await run_in_threadpool(self._who, request)
            if found is None:
                return _to_sign_in(request)
            try:
                form = await read_form(request, max_bytes=limit)
            except FormTooLarge as error:
                text = f"The files have more than the {error.max_bytes:,} bytes that are read at once."
                return self._refuse(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{text} Send fewer or smaller ones."
                )
            except FormMalformed:
                return self._refuse(HTTPStatus.BAD_REQUEST, "That is not a form of this console.")
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)
            if not self._tokens.is_of(form.text("form_token"), read_cookie(request, SESSION)):
                return self._refuse(HTTPStatus.FORBIDDEN, _FROM_ELSEWHERE)
            return await run_in_threadpool(self._answer, page, request, *found, form)

        return endpoint

    def _receiving(self, page: Page) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            # The same questions as for every form, asked before the first byte of the video is taken.
            if is_cross_site(request):
                return self._refuse(HTTPStatus.FORBIDDEN, _FROM_ELSEWHERE)
            found = await run_in_threadpool(self._who, request)
            if found is None:
                return _to_sign_in(request)
            if self._num_receiving >= MAX_RECEIVING:
                return self._refuse(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Other videos are being sent; try again in a minute."
                )
            self._num_receiving += 1
            cookie = read_cookie(request, SESSION)
            try:
                received = await receive_video(
                    request,
                    begin=self._assent.acting_as(found[1]).videos.receive,
                    is_token=lambda token: self._tokens.is_of(token, cookie),
                    max_bytes=self._assent.settings.max_video_bytes,
                )
            except NoFormToken:
                return self._refuse(HTTPStatus.FORBIDDEN, _FROM_ELSEWHERE)
            except FormMalformed:
                return self._refuse(HTTPStatus.BAD_REQUEST, "That is not a form of this console.")
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)
            finally:
                self._num_receiving -= 1
            return await run_in_threadpool(self._answer, page, request, *found, received.form, received)

        return endpoint

    def _who(self, request: Request, *, is_click: bool = True) -> tuple[Session, AccessKey] | None:
        """The session of a request and its key, as the key is now; None for nobody."""
        token = read_cookie(request, SESSION)
        session = self._sessions.find(token, is_click=is_click) if token else None
        if session is None:
            return None
        found = self._assent.access.with_secret(session.key_id)
        if found is None:  # revoked
            self._sessions.end(token)
            return None
        return session, found[0]

    def _answer(
        self,
        page: Page,
        request: Request,
        session: Session,
        key: AccessKey,
        form: Form,
        received: ReceivedVideo | None = None,
    ) -> Response:
        visit = Visit(
            request=request,
            assent=self._assent.acting_as(key),
            key=key,
            session=session,
            form=form,
            form_token=self._tokens.make(read_cookie(request, SESSION)),
            shared=self._shared,
            upload=None if received is None else received.upload,
            upload_error=None if received is None else received.error,
        )
        try:
            return page.view(visit)
        except AssentError as error:
            return visit.trouble(error)
        except Exception as error:  # noqa: BLE001
            # Whatever it is, the visitor gets a page, and the log the kind and place, not what it was about.
            _log.error("Error: %s, %s %s", kind_and_place(error), page.method, page.path)
            return self._refuse(
                HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke in the server; it is in its log."
            )

    def _refuse(self, status: int, message: str) -> Response:
        values = {"title": title_of(status), "message": message, "here": "", "navigation": [], "holder": ""}
        return self._shared.pages.html(
            "error.html", status, values | {"notes": [], "form_token": "", "error": ""}
        )


_FROM_ELSEWHERE = (
    "This form did not come from a page of this session, so nothing was done. Go back, load the page again, and send "
    "the form once more."
)


def _to_sign_in(request: Request) -> Response:
    # Only pages are gone back to: what a form was about to do is done again by hand, or not.
    path = request.url.path if request.method in ("GET", "HEAD") else "/"
    query = f"?{request.url.query}" if request.url.query and path != "/" else ""
    target = address(SIGN_IN, next=path + query) if path != "/" else SIGN_IN
    return RedirectResponse(target, HTTPStatus.SEE_OTHER, headers=dict(PAGE_HEADERS))
