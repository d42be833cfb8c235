"""The way in: every request's body is read, its turn awaited, its room's answer sent, and a line logged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from assent.server.accesslog import log_request
from assent.server.admission import Admission, Overloaded
from assent.server.bodies import BodyReader, BodyTooLarge, BodyTooSlow, Budget, ClientGone, Message, Receive
from assent.server.refusals import BUSY, FAILED, TOO_SLOW, Refusal, too_large
from assent.server.rooms import Room, Rooms, Scope, Send

_errors = logging.getLogger("assent.server")
MAX_HELD_BYTES = 2**20
"""An answer up to this size is whole before it is sent, and its place is free while the client reads it."""


class Gate:
    """The server's ASGI app for HTTP.

    Args:
        rooms: what is behind it.
        admission: places to work in.
        budget: memory for bodies.
        known_operations: the wire's names that may appear in the access log.
    """

    def __init__(
        self, rooms: Rooms, admission: Admission, budget: Budget, *, known_operations: frozenset[str]
    ) -> None:
        self._rooms = rooms
        self._admission = admission
        self._budget = budget
        self._known_operations = known_operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started_s = time.perf_counter()
        visit = _Visit(self._rooms.room_for(scope["method"], scope["path"]), scope, receive, send)
        try:
            await self._answer(visit)
        finally:
            log_request(
                scope,
                visit.room,
                status=visit.status,
                elapsed_s=time.perf_counter() - started_s,
                waited_s=visit.waited_s,
                known_operations=self._known_operations,
            )

    async def _answer(self, visit: _Visit) -> None:
        reader = _reader(visit, self._budget)
        try:
            await self._serve(visit, reader)
        except ClientGone:
            return
        except Overloaded:
            await visit.refuse(BUSY, can_go_on=reader.is_at_end)
        except BodyTooLarge:
            await visit.refuse(too_large(visit.room.max_body_bytes), can_go_on=reader.is_at_end)
        except BodyTooSlow:
            await visit.refuse(TOO_SLOW, can_go_on=False)
        except Exception as error:
            # A fault of ours; nothing of it may reach the client, and nothing of the request the log.
            _errors.error("a request failed", exc_info=error)
            if visit.is_sending:
                raise
            await visit.refuse(FAILED, can_go_on=reader.is_at_end)
        finally:
            reader.release()

    async def _serve(self, visit: _Visit, reader: BodyReader) -> None:
        if visit.room.is_streamed(visit.scope["method"], visit.scope["path"]):
            await visit.room.app(visit.scope, reader.streaming(), visit.send)
            return
        body = await reader.read(visit.room.max_body_bytes)
        if visit.room.is_free(visit.scope["path"]):
            await visit.room.app(visit.scope, visit.replaying(body), visit.send)
            return
        await self._take_place(visit)
        place = _Place(self._admission.leave)
        try:
            await visit.room.app(visit.scope, visit.replaying(body), visit.holding(place.leave))
        finally:
            place.leave()

    async def _take_place(self, visit: _Visit) -> None:
        """Wait in turn, unless the client goes away meanwhile."""
        if self._admission.try_enter():
            return
        waiting_since_s = time.perf_counter()
        turn = asyncio.ensure_future(self._admission.enter())
        gone = asyncio.ensure_future(visit.receive())  # the body is read: nothing else can come
        has_place = False
        try:
            await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                raise ClientGone
            turn.result()
            has_place = True
        finally:
            visit.waited_s = time.perf_counter() - waiting_since_s
            gone.cancel()
            if not turn.done():
                turn.cancel()
            elif not has_place and not turn.cancelled() and turn.exception() is None:
                self._admission.leave()  # it was handed over while this request was being given up


class _Place:
    """A place in the admission, given back once."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave

    def leave(self) -> None:
        if self._leave is not None:
            leave, self._leave = self._leave, None
            leave()


class _Visit:
    """One request on its way through."""

    def __init__(self, room: Room, scope: Scope, receive: Receive, send: Send) -> None:
        self.room = room
        self.scope = scope
        self.receive = receive
        self.status: int | None = None
        self.waited_s = 0.0
        self._send = send

    @property
    def is_sending(self) -> bool:
        """Whether some of an answer is out."""
        return self.status is not None

    async def send(self, message: Message) -> None:
        """ASGI's; notes the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    def replaying(self, body: bytes) -> Receive:
        """ASGI's receive for a body that was read already; after it, what really comes."""
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return parts.pop() if parts else await self.receive()

        return receive

    def holding(self, leave: Callable[[], None]) -> Send:
        """ASGI's send that keeps an answer until it is whole or large, calls ``leave``, and sends it.

        So a client that reads slowly keeps nobody waiting for a place, and an app that fails halfway can still be
        answered for.
        """
        held: list[Message] = []
        num_bytes = 0

        async def send(message: Message) -> None:
            nonlocal num_bytes
            if self.is_sending:
                await self.send(message)
                return
            held.append(message)
            num_bytes += len(message.get("body", b""))
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_whole or num_bytes > MAX_HELD_BYTES:
                leave()
                for part in held:
                    await self.send(part)
                held.clear()

        return send

    async def refuse(self, refusal: Refusal, *, can_go_on: bool) -> None:
        """Send the server's own answer; the connection ends with it where the body was not read."""
        answer = self.room.shape(refusal)
        headers = [*answer.headers] if can_go_on else [*answer.headers, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})


def _reader(visit: _Visit, budget: Budget) -> BodyReader:
    headers = dict(visit.scope["headers"])
    declared = headers.get(b"content-length", b"")
    return BodyReader(
        visit.receive,
        budget,
        declared_bytes=int(declared) if declared.isdigit() else None,
        expects_continue=headers.get(b"expect", b"").lower() == b"100-continue",
    )
