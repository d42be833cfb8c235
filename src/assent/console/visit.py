"""One request of somebody who is signed in, and the answers it can get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assent.console.forms import Form
from assent.console.rendering import Pages
from assent.console.security import PAGE_HEADERS
from assent.console.sessions import Session
from assent.errors import (
    AccessError,
    AlreadyExists,
    AssentError,
    CalibrationError,
    ConsentError,
    FaceError,
    Forbidden,
    ImageError,
    ImageTooLarge,
    JobError,
    LiveError,
    NotFound,
    ReviewError,
    TooManyJobs,
    UsageError,
    VideoError,
    VideoTooLarge,
)
from assent.service import Assent
from assent.service.videolibrary import VideoUpload
from assent.store.access import AccessKey, Role

# The first that fits counts; what is in none of these is the server's own trouble.
_STATUS: tuple[tuple[type[AssentError], HTTPStatus], ...] = (
    (Forbidden, HTTPStatus.FORBIDDEN),
    (AccessError, HTTPStatus.UNAUTHORIZED),
    (NotFound, HTTPStatus.NOT_FOUND),
    (AlreadyExists, HTTPStatus.CONFLICT),
    (ReviewError, HTTPStatus.CONFLICT),
    (ImageTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (VideoTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (JobError, HTTPStatus.CONFLICT),
    (TooManyJobs, HTTPStatus.CONFLICT),
    (VideoError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (ImageError, HTTPStatus.BAD_REQUEST),
    (FaceError, HTTPStatus.BAD_REQUEST),
    (ConsentError, HTTPStatus.BAD_REQUEST),
    (CalibrationError, HTTPStatus.CONFLICT),
    (LiveError, HTTPStatus.CONFLICT),
)

NAVIGATION = (
    ("/search", "Search", (Role.SEARCHER,)),
    ("/videos", "Videos", (Role.SEARCHER, Role.ENROLLER)),
    ("/people", "People", (Role.ENROLLER,)),
    ("/reviews", "Reviews", (Role.REVIEWER, Role.SEARCHER)),
    ("/live", "Live", (Role.SEARCHER,)),
    ("/collections", "Collections", (Role.ENROLLER, Role.SEARCHER)),
    ("/log", "Log", (Role.ADMIN,)),
    ("/keys", "Keys", (Role.ADMIN,)),
)


@dataclass(slots=True)
class LogCheck:
    """What the last verification of the log found, for as long as the server runs.

    Attributes:
        at: when.
        num_entries: entries looked at.
        num_signed: entries that a checkpoint covers.
        problem: what is wrong; empty where the log holds together.
    """

    at: datetime
    num_entries: int = 0
    num_signed: int = 0
    problem: str = ""


@dataclass(slots=True)
class Shared:
    """What all visits have in common.

    Attributes:
        pages: the templates.
        log_check: the last verification of the log; None before the first.
    """

    pages: Pages
    log_check: LogCheck | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one session.

    Attributes:
        request: as it came; its body is in ``form``.
        assent: the service, acting as ``key``: every call is held to its roles and logged as its holder's.
        key: whose session it is.
        session: what this browser is told next.
        form: what was submitted; empty for a page that is only looked at.
        form_token: for the forms of the page that answers.
        shared: what all visits have in common.
        upload: a video that came with the form, sealed already.
        upload_error: why it was not taken.
    """

    request: Request
    assent: Assent
    key: AccessKey
    session: Session
    form: Form
    form_token: str
    shared: Shared
    upload: VideoUpload | None = None
    upload_error: AssentError | None = None

    def query(self, name: str) -> str:
        """A value of the address after the question mark; empty where it is absent."""
        return self.request.query_params.get(name, "")

    def may(self, *roles: str) -> bool:
        """Whether the key has one of these roles, for what is shown; the service decides what is done."""
        return self.key.has(*(Role(role) for role in roles))

    def part(self, name: str) -> str:
        """A part of the address that varies."""
        return str(self.request.path_params[name])

    def require(self, *roles: Role) -> None:
        """Refuse a page that would only lead to a refusal.

        Raises:
            Forbidden: the key has none of these roles.
        """
        if not self.may(*roles):
            raise Forbidden(
                f"this needs a key with the role {' or '.join(roles)}; ask whoever runs this server"
            )

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page made of a template."""
        shown = {
            "here": self.request.url.path,
            "navigation": [(path, text) for path, text, roles in NAVIGATION if self.may(*roles)],
            "holder": self.key.holder,
            "form_token": self.form_token,
            "notes": self.session.take_notes(),
            "now": self.assent.now(),
            "may": self.may,
            "error": "",
        }
        return self.shared.pages.html(template, status, shown | values)

    def go(self, path: str, *, note: str = "", **query: str) -> Response:
        """On to another page after something was done, so that loading it again does nothing twice.

        Args:
            path: of this console.
            note: said at its top, once.
            query: after the question mark.
        """
        if note:
            self.session.note(note)
        return RedirectResponse(address(path, **query), HTTPStatus.SEE_OTHER, headers=dict(PAGE_HEADERS))

    def download(self, data: str, *, filename: str, media_type: str) -> Response:
        """A file to keep.

        Args:
            data: its text.
            filename: ASCII letters, digits, ``.`` and ``-``.
            media_type: of the text.
        """
        disposition = {"Content-Disposition": f'attachment; filename="{filename}"'}
        return Response(data, media_type=media_type, headers=dict(PAGE_HEADERS) | disposition)

    def trouble(self, error: AssentError) -> Response:
        """The page that says what went wrong."""
        status = status_of(error)
        return self.page("error.html", status=status, title=title_of(status), message=sentence(error))


View = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """One address of the console.

    Attributes:
        method: ``GET`` to look, ``POST`` to do.
        path: with ``{name}`` for what varies.
        view: what answers.
        takes_files: whether its form may be as large as a picture.
        takes_video: whether its form brings a video, which is sealed as it comes.
        is_click: whether somebody asks for it, rather than a page by itself.
    """

    method: str
    path: str
    view: View
    takes_files: bool = False
    takes_video: bool = False
    is_click: bool = True


def num_looks(request: Request) -> int:
    """How often a page has looked again by itself, as its address says; 0 where somebody asked for it."""
    return number_in(request.query_params.get("again", ""))


def number_in(text: str) -> int:
    """A number of an address; 0 for anything else."""
    return int(text) if text.isdecimal() and len(text) < 8 else 0


def address(path: str, **query: str) -> str:
    """A path with a query."""
    return f"{path}?{urlencode(query)}" if query else path


def status_of(error: AssentError) -> int:
    """The HTTP status that an error is answered with."""
    return next((int(status) for kind, status in _STATUS if isinstance(error, kind)), 503)


def title_of(status: int) -> str:
    """What the page of a status is called."""
    titles = {
        400: "That cannot be used",
        401: "Sign in again",
        403: "Not with this key",
        404: "Not here",
        409: "Not as things are",
        413: "Too large",
    }
    return titles.get(status, "That did not work")


def sentence(error: AssentError) -> str:
    """An error's message as a sentence."""
    text = error.message.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")", "!", "?")) else ".")
