"""Every error in one shape, and the one table from the service's errors to HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from assent import errors

STATUSES: Final[Mapping[type[errors.AssentError], int]] = {
    errors.UsageError: 422,
    errors.QuotaExceeded: 409,
    errors.TooManyJobs: 429,
    errors.JobError: 409,
    errors.ImageError: 422,
    errors.ImageTooLarge: 413,
    errors.FaceError: 422,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.ConsentError: 403,
    errors.IncompleteConsent: 422,
    errors.CalibrationError: 503,
    errors.NoCalibration: 409,
    errors.GalleryBeyondEvidence: 409,
    errors.ThresholdBeyondEvidence: 422,
    errors.ModelError: 503,
    errors.StoreError: 503,
    errors.LogTampered: 409,
    errors.AccessError: 403,
    errors.NotAuthenticated: 401,
    errors.ReviewError: 409,
    # The server's own, the wire's and the audit's; no operation here raises them.
    errors.ObjectError: 503,
    errors.ObjectTooLarge: 413,
    errors.AddressUnavailable: 503,
    errors.EndpointError: 503,
    errors.VideoError: 422,
    errors.VideoTooLarge: 413,
    errors.LiveError: 409,
    errors.SourceUnavailable: 503,
    errors.AssentError: 500,
}
"""By error class; an error has the status of its nearest ancestor here."""

OWN_ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "MalformedBody": (400, "The body is not JSON, or not the form that the operation takes."),
    "NoSuchPath": (404, "No operation has this path."),
    "MethodNotAllowed": (405, "The path has operations, but none of this method; `Allow` lists them."),
    "BodyTooSlow": (408, "The body did not arrive in time; nothing was done."),
    "BodyTooLarge": (413, "The body is larger than the operation takes; it was not read to its end."),
    "InvalidRequest": (
        422,
        "A parameter or member is missing, unknown, or out of range; `problems` says which.",
    ),
    "Overloaded": (
        429,
        "More requests at once than the server works on; nothing was done, try again in a second.",
    ),
    "InternalError": (500, "A fault in Assent; report it with the `request_id`. Nothing was half done."),
}
"""Errors of this layer itself, and of the server around it, by the name in ``error``: status and meaning."""

_BY_STATUS: Final = {
    400: "MalformedBody",
    404: "NoSuchPath",
    405: "MethodNotAllowed",
    413: "BodyTooLarge",
    422: "InvalidRequest",
}
_DETAILS: Final = ("reasons", "num_faces", "similarity", "gallery_size", "n_max", "seq")
_MAX_NAME_CHARS: Final = 32


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The part: `body.purpose`, `query.limit`.", examples=["body.purpose"])
    what: str = Field(description="What is wrong with it; never what was sent.", examples=["Field required"])


class ErrorAnswer(BaseModel):
    """What every error looks like. Members that do not belong to an error are left out."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="The error's name, stable.", examples=["NoLiveConsent"])
    message: str = Field(
        description="One line for a person: what was expected, what came, what to do next. No image, template, name or "
        "secret is in it.",
        examples=["expected a live consent to the purpose 'club-photos'; this person has none"],
    )
    problems: list[Problem] | None = Field(default=None, description="`InvalidRequest`: all that is wrong.")
    reasons: list[str] | None = Field(default=None, description="`PoorQuality`: why the face is refused.")
    num_faces: int | None = Field(default=None, description="`SeveralFaces`: how many were found.")
    similarity: float | None = Field(
        default=None, description="`FaceMismatch`: to the person's earlier photos, 0 to 100."
    )
    gallery_size: int | None = Field(default=None, description="`GalleryBeyondEvidence`: people enrolled.")
    n_max: int | None = Field(
        default=None, description="`GalleryBeyondEvidence`: people that the evidence supports."
    )
    seq: int | None = Field(
        default=None, description="`LogTampered`: the first entry that is wrong, where it can be told."
    )
    request_id: str | None = Field(
        default=None, description="`InternalError`: stands in the server's log, too."
    )


def status_of(kind: type[errors.AssentError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUSES[ancestor] for ancestor in kind.__mro__ if ancestor in STATUSES)


def documented(*statuses: int, media_type: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """OpenAPI's ``responses`` of an operation: what it may answer besides success.

    Args:
        statuses: beyond those that every operation may answer (401, 403, 422, 429, 500, 503); 413, of those that
            take a body, brings 408 along.
        media_type: of the answer, where that is no JSON; errors always are.
    """
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": _meaning(status)}
        for status in sorted({401, 403, 422, 429, 500, 503, *statuses, *((408,) if 413 in statuses else ())})
    }
    if media_type == "application/json":
        return found
    reference = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    plain = {"schema": {"type": "string", "contentMediaType": media_type}}
    return {
        200: {"content": {media_type: plain}, "description": "The file."},
        **{
            status: {"content": reference, "description": item["description"]}
            for status, item in found.items()
        },
    }


def error_response(status: int, answer: ErrorAnswer, headers: Mapping[str, str] | None = None) -> Response:
    """An error as it is sent."""
    return Response(
        answer.model_dump_json(exclude_none=True),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )


def of_assent_error(error: errors.AssentError) -> Response:
    """The answer for an error that the service raised on purpose."""
    found = {name: getattr(error, name) for name in _DETAILS if getattr(error, name, None) is not None}
    answer = ErrorAnswer(error=type(error).__name__, message=error.message, **found)
    status = status_of(type(error))
    return error_response(status, answer, CHALLENGE if status == 401 else None)


CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="assent", charset="UTF-8"'}


def add_handlers(app: FastAPI) -> None:
    """Answer everything that can go wrong in an operation in the one shape."""

    async def assent_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.AssentError)
        return of_assent_error(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _of_validation(error.errors())

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        name = _BY_STATUS.get(error.status_code, "MalformedBody")
        message = error.detail if error.status_code in (400, 413, 422) else OWN_ERRORS[name][1]
        return error_response(
            error.status_code, ErrorAnswer(error=name, message=message), error.headers or {}
        )

    app.add_exception_handler(errors.AssentError, assent_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _of_validation(found: Sequence[Any]) -> Response:
    problems = [Problem(where=_where(item), what=str(item["msg"])) for item in found]
    first = problems[0]
    message = f"{first.where}: {first.what}; the operation's parameters are in /v1/openapi.json"
    return error_response(422, ErrorAnswer(error="InvalidRequest", message=message, problems=problems))


def _where(item: Any) -> str:
    """The place of a problem, without any word that the caller made up: it might be a secret in the wrong place."""
    parts = list(item["loc"])
    if item["type"] == "extra_forbidden":
        parts[-1] = "(unknown)"
    return ".".join(part if _is_ours(part) else "(name)" for part in map(str, parts))


def _is_ours(part: str) -> bool:
    return part == "(unknown)" or (len(part) <= _MAX_NAME_CHARS and part.replace("_", "").isalnum())


def _meaning(status: int) -> str:
    """The errors of one status, for the documentation."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AssentError) and status_of(kind) == status
    ]
    names = sorted(
        {kind.__name__ for kind in kinds} | {name for name, (code, _) in OWN_ERRORS.items() if code == status}
    )
    return ", ".join(names)
