"""Which room a request is for: the wire, REST or the console; and what each accepts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from assent.server.bodies import Message, Receive
from assent.server.refusals import Shape, as_page, in_rest, on_the_wire

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_WIRE_BYTES: Final = 15 * 2**20
"""Two images of 5 MiB each in base64, as CompareFaces sends them, and room for the rest."""

REST_PATH: Final = "/v1"
_TARGET: Final = re.compile(rb"RekognitionService\.([A-Za-z]{1,64})")


@dataclass(frozen=True, slots=True)
class Room:
    """One part of the server.

    Attributes:
        name: for the access log.
        app: answers the requests.
        shape: how the server's own refusals look to this room's clients.
        max_body_bytes: of a request.
        free_paths: what begins so computes nothing and needs no place: style sheets and the like.
        streamed_paths: bodies of ``POST`` to these go to the app as they come, which limits and does not keep them; as
            they take long and little work, they need no place.
    """

    name: str
    app: App
    shape: Shape
    max_body_bytes: int
    free_paths: tuple[str, ...] = ()
    streamed_paths: tuple[str, ...] = ()

    def is_streamed(self, method: str, path: str) -> bool:
        """Whether a request's body is not read before its app is called."""
        return method == "POST" and path in self.streamed_paths

    def is_free(self, path: str) -> bool:
        """Whether a request is answered without waiting for a place."""
        return bool(self.free_paths) and path.startswith(self.free_paths)


@dataclass(frozen=True, slots=True)
class Rooms:
    """All of the server, by method and path."""

    wire: Room
    rest: Room
    console: Room

    @classmethod
    def of(cls, wire: App, rest: App, console: App, *, max_upload_bytes: int) -> Rooms:
        """The three rooms around their apps.

        Args:
            wire: answers ``POST /``.
            rest: answers ``/v1`` and what is below; mounted there.
            console: answers everything else.
            max_upload_bytes: of a request to REST or the console.
        """
        return cls(
            Room("wire", wire, on_the_wire, MAX_WIRE_BYTES),
            Room(
                "rest", _mounted(rest, REST_PATH), in_rest, max_upload_bytes, (f"{REST_PATH}/openapi.json",)
            ),
            Room(
                "console",
                console,
                as_page,
                max_upload_bytes,
                ("/static/", "/favicon.ico"),
                ("/videos",),
            ),
        )

    def room_for(self, method: str, path: str) -> Room:
        """Where a request belongs."""
        if method == "POST" and path == "/":
            return self.wire
        if path == REST_PATH or path.startswith(f"{REST_PATH}/"):
            return self.rest
        return self.console


def _mounted(app: App, path: str) -> App:
    """An app whose own paths begin after ``path``; in the same scope, in which it leaves its route."""

    async def at_path(scope: Scope, receive: Receive, send: Send) -> None:
        scope["root_path"] = scope.get("root_path", "") + path
        await app(scope, receive, send)

    return at_path


def operation_of(scope: Scope, known_operations: frozenset[str]) -> str | None:
    """What a request asked for, in words of ours only: an operation's name or a route's pattern, never what it names.

    Args:
        scope: ASGI's, after the room has answered.
        known_operations: those of the wire; another name in the header may be anything.
    """
    for name, value in scope["headers"]:
        if name == b"x-amz-target":
            found = _TARGET.fullmatch(value)
            operation = found[1].decode() if found else None
            return operation if operation in known_operations else None
    pattern = getattr(scope.get("route"), "path", None)
    return pattern if isinstance(pattern, str) else None
