"""The ASGI application at ``POST /``: read, authenticate, check, answer.

Reading is bounded, and what computes runs in a worker thread. How many requests at once are taken on is the concern
of the server that mounts this; it answers ``throttled_response`` for the rest.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import anyio.to_thread

from assent.errors import AssentError
from assent.faults import kind_and_place
from assent.objects import ObjectStore, open_objects
from assent.service import Assent
from assent.wire.authentication import Signer
from assent.wire.call import Answer, Call
from assent.wire.constraints import validated
from assent.wire.errors import WireError, internal_error, throttled, wire_error
from assent.wire.jsonbody import read_body
from assent.wire.model import TARGET_PREFIX, declared_errors, input_shape, operation_names
from assent.wire.operations import HANDLERS
from assent.wire.refusals import refusal_of
from assent.wire.sigv4 import Request

log = logging.getLogger("assent.wire")

Clock = Callable[[], datetime]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
MAX_BODY_BYTES: Final = 15 * 2**20
"""Two pictures of 5 MB in base64 and some more."""
_MAX_DISCARDED_BYTES: Final = 64 * 2**20


def utc_now() -> datetime:
    """The present moment, which signatures are held to."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer ready to be sent.

    Attributes:
        status: of HTTP.
        headers: of HTTP, lower-case names.
        body: JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def wire_app(assent: Assent, *, clock: Clock = utc_now, objects: ObjectStore | None = None) -> AsgiApp:
    """The application that answers Rekognition's clients.

    Args:
        assent: the service; each request acts as the holder of the key that signed it.
        clock: gives the moment that signatures are held to, with a time zone.
        objects: where an ``S3Object`` lies; as the settings say when None.
    """
    return WireApp(assent, clock, objects or open_objects(assent.settings))


def throttled_response(request_id: str | None = None) -> Response:
    """What a client is answered when there is more to do than the server takes on; it waits and tries again."""
    return _error_response(throttled(), request_id or str(uuid.uuid4()))


class WireApp:
    """See ``wire_app``."""

    def __init__(self, assent: Assent, clock: Clock, objects: ObjectStore) -> None:
        self._assent = assent
        self._clock = clock
        self._objects = objects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request_id = str(uuid.uuid4())
        operation = "-"
        try:
            request = _request(scope)
            operation = _operation(request)
            signer = await anyio.to_thread.run_sync(partial(Signer, self._assent, request))
            body = await _read(receive, operation)
            work = partial(self._answer, operation, signer, body)
            response = _response(await anyio.to_thread.run_sync(work), request_id)
            log.info("%s %s ok", request_id, operation)
        except WireError as error:
            response = _error_response(error, request_id)
            log.info("%s %s %s", request_id, operation, error.code)
        except AssentError as error:
            # Before an operation was reached: the records cannot be read, say.
            log.error("%s %s %s", request_id, operation, kind_and_place(error))
            response = _error_response(internal_error(), request_id)
        except Exception as error:  # noqa: BLE001  the last resort: an answer without a trace, a log line without content
            log.error("%s %s %s", request_id, operation, kind_and_place(error))
            response = _error_response(internal_error(), request_id)
        await response(scope, receive, send)

    def _answer(self, operation: str, signer: Signer, body: bytes) -> Answer:
        """The blocking part; the body is looked into only once it is known who sent it."""
        key = signer.proven(body, self._clock())
        refused = refusal_of(operation)
        params = validated(input_shape(operation), read_body(body))
        if refused is not None:
            raise refused
        call = Call(operation, self._assent.acting_as(key), self._objects, params)
        try:
            return HANDLERS[operation](call)
        except AssentError as error:
            answer = wire_error(error, operation)
            if answer.status >= 500:
                log.error("%s %s", operation, kind_and_place(error))
            raise answer from error


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"].decode("latin-1")
    return Request(scope["method"], path.decode("latin-1"), query, headers)


def _operation(request: Request) -> str:
    """The operation that the target names.

    Raises:
        WireError: ``UnknownOperationException``.
    """
    prefix, _, operation = request.headers.get("x-amz-target", "").partition(".")
    if request.method != "POST":
        raise WireError("UnknownOperationException", "Operations are asked for with POST.", status=405)
    if prefix != TARGET_PREFIX or operation not in operation_names():
        raise WireError(
            "UnknownOperationException",
            f"Expected the header X-Amz-Target: {TARGET_PREFIX}.OPERATION with an operation of Amazon Rekognition.",
        )
    return operation


async def _read(receive: Receive, operation: str) -> bytes:
    """The body; what is over the limit is thrown away as it comes, so that the client gets to read the answer.

    Raises:
        WireError: over ``MAX_BODY_BYTES``, or the client went away.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise WireError("RequestAbortedException", "The request was not sent to its end.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif chunks:
            chunks.clear()
        if not message.get("more_body", False) or size > _MAX_DISCARDED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise _too_large(operation)
    return b"".join(chunks)


def _too_large(operation: str) -> WireError:
    name = "ImageTooLargeException"
    declared = name if name in declared_errors(operation) else "InvalidParameterException"
    return WireError(declared, f"A request may have at most {MAX_BODY_BYTES:,} bytes.")


def _response(answer: Answer, request_id: str) -> Response:
    body = json.dumps(answer.body, allow_nan=False, separators=(",", ":")).encode()
    return Response(200, {**_headers(request_id, len(body)), **answer.headers}, body)


def _error_response(error: WireError, request_id: str) -> Response:
    content = {
        "__type": error.code,
        "Code": error.code,
        "Logref": request_id,
        "Message": error.message,
    }
    body = json.dumps(content).encode()
    headers = {**_headers(request_id, len(body)), "x-amzn-errortype": error.code}
    if error.status == 405:
        headers["allow"] = "POST"
    return Response(error.status, headers, body)


def _headers(request_id: str, length: int) -> dict[str, str]:
    return {
        "content-type": CONTENT_TYPE,
        "content-length": str(length),
        "x-amzn-requestid": request_id,
        "cache-control": "no-store",
    }
