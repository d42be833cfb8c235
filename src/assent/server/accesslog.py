"""The server's log: one JSON object a line, and nothing personal in it.

A request leaves its method, room, operation, status, times, and the last four characters of its key's id. Paths and
queries name people, bodies hold pictures, and an exception's text may quote either; none is ever written. That a
search took place, and who is answerable for it, is the tamper-evident log's matter (docs/log.md), not this one's.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

from assent.server.rooms import Room, Scope, operation_of

access = logging.getLogger("assent.access")
_SIGV4: Final = re.compile(rb"Credential=([A-Z0-9]{20})/")
_ID: Final = re.compile(rb"([A-Z0-9]{20})")
_CLIENT_GONE: Final = 499
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class LineFormatter(logging.Formatter):
    """A record as one line of JSON; of an exception its type and where it was raised, not its text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        if fields is None:
            line |= {"from": record.name, "message": _message(record)}
        else:
            line |= fields
        if record.exc_info and record.exc_info[1] is not None:
            line |= described(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def _message(record: logging.LogRecord) -> str:
    """Our own messages whole; of others only what is constant in the source."""
    is_ours = record.name == "assent" or record.name.startswith("assent.")
    return record.getMessage() if is_ours else str(record.msg)


def described(error: BaseException) -> dict[str, Any]:
    """An exception without its text, which may quote what was sent: its type and the calls that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    calls = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "calls": calls[-12:]}


def log_to_stderr(*, requests: bool = True) -> None:
    """Send everything that is logged to standard error, in lines.

    Args:
        requests: whether each request leaves a line too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    access.setLevel(logging.INFO if requests else logging.WARNING)
    # what uvicorn has to say of each broken request is in the access log, or of no use
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def log_request(
    scope: Scope,
    room: Room,
    *,
    status: int | None,
    elapsed_s: float,
    waited_s: float,
    known_operations: frozenset[str],
) -> None:
    """One request's line.

    Args:
        scope: ASGI's, after the room has answered.
        room: whose it was.
        status: what was sent; None where the client had gone.
        elapsed_s: from the request's head to the answer's end, seconds.
        waited_s: of that, in the waiting room.
        known_operations: names that may be written.
    """
    if not access.isEnabledFor(logging.INFO):
        return
    method = scope["method"]
    fields = {
        "method": method if method in METHODS else "other",
        "room": room.name,
        "operation": operation_of(scope, known_operations),
        "status": _CLIENT_GONE if status is None else status,
        "ms": round(elapsed_s * 1000, 1),
        "waited_ms": round(waited_s * 1000, 1),
        "key": key_tail(scope),
    }
    access.info("request", extra={"fields": fields})


def key_tail(scope: Scope) -> str | None:
    """The last four characters of the id of the key that a request named; the key need not exist."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            found = _SIGV4.search(value) or _ID.fullmatch(_basic_user(value))
            return found[1][-4:].decode() if found else None
    return None


def _basic_user(value: bytes) -> bytes:
    """The user of HTTP Basic authentication; nothing where it is something else."""
    kind, _, encoded = value.partition(b" ")
    if kind.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[0]
    except binascii.Error:
        return b""
