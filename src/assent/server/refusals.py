"""What the server itself answers, as each room's clients understand it: busy, too large, too slow, failed."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request gets no answer of its room's.

    Attributes:
        status: HTTP's, for REST and the console.
        rest_code: the error's name in REST.
        aws_code: the error's name on the wire.
        aws_status: HTTP's, on the wire.
        message: for a person; says what to do.
        retry_after_s: when to come back, whole seconds; None where that would change nothing.
    """

    status: int
    rest_code: str
    aws_code: str
    aws_status: int
    message: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


Shape = Callable[[Refusal], Answer]

BUSY: Final = Refusal(
    429,
    "Overloaded",
    "ThrottlingException",
    400,
    "More requests came at once than this server works on; nothing was done. Try again in a second.",
    retry_after_s=1,
)
TOO_SLOW: Final = Refusal(
    408,
    "BodyTooSlow",
    "RequestTimeoutException",
    408,
    "The request's body did not arrive in time; nothing was done. Send it again over a quicker line.",
)
FAILED: Final = Refusal(
    500,
    "InternalError",
    "InternalServerError",
    500,
    "The server failed at this request; its log says where. What was not acknowledged may or may not have been done.",
)


def too_large(max_bytes: int) -> Refusal:
    """The body is larger than the room accepts."""
    return Refusal(
        413,
        "BodyTooLarge",
        "ImageTooLargeException",
        400,
        f"Expected a request of at most {max_bytes:,} bytes, got a larger one; send a smaller image.",
    )


def on_the_wire(refusal: Refusal) -> Answer:
    """As Amazon Rekognition says it: AWS JSON 1.1."""
    request_id = str(uuid.uuid4())
    body = {
        "__type": refusal.aws_code,
        "Code": refusal.aws_code,
        "Logref": request_id,
        "Message": refusal.message,
    }
    return _answer(
        refusal,
        refusal.aws_status,
        "application/x-amz-json-1.1",
        json.dumps(body),
        (b"x-amzn-requestid", request_id.encode()),
        (b"x-amzn-errortype", refusal.aws_code.encode()),
    )


def in_rest(refusal: Refusal) -> Answer:
    """As every error of the REST interface: a name and a message."""
    body = {"error": refusal.rest_code, "message": refusal.message}
    return _answer(refusal, refusal.status, "application/json", json.dumps(body))


def as_page(refusal: Refusal) -> Answer:
    """A page for a person."""
    title = html.escape(HTTPStatus(refusal.status).phrase)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - Assent</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f'<body><main><h1>{title}</h1><p>{html.escape(refusal.message)}</p><p><a href="/">Start page</a></p></main>'
        "</body></html>"
    )
    policy = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
    return _answer(refusal, refusal.status, "text/html; charset=utf-8", text, policy)


def _answer(
    refusal: Refusal, status: int, content_type: str, text: str, *more: tuple[bytes, bytes]
) -> Answer:
    body = text.encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return Answer(status, tuple(headers), body)
