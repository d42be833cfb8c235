"""Reading a request's body: at most so many bytes, in no more than so much time.

The body is read before the request is given a place to be worked on, so that a client that sends slowly keeps nobody
else waiting; and all bodies together are held to a budget, so that waiting requests cannot fill the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from assent.server.admission import Overloaded

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

FIRST_BYTES_S = 20.0
"""A body may take this long, and then as long as its bytes take at ``MIN_BYTES_PER_S``."""
MIN_BYTES_PER_S = 16 * 1024
"""Slower than the slowest mobile upload; a 5 MB photo gets five minutes."""
MAX_DISCARDED_BYTES = 64 * 2**20
"""What is read and thrown away of a body that is refused, so that its sender comes to read why."""


class ClientGone(Exception):
    """The client closed the connection."""


class BodyTooLarge(Exception):
    """More bytes than the room accepts."""


class BodyTooSlow(Exception):
    """It did not come in time."""


class Budget:
    """Bytes that all bodies together may take; for one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    @property
    def bytes_left(self) -> int:
        """What is not taken."""
        return self._left

    def take(self, num_bytes: int) -> None:
        """Raise ``Overloaded`` where so much is not left."""
        if num_bytes > self._left:
            raise Overloaded
        self._left -= num_bytes

    def give_back(self, num_bytes: int) -> None:
        """What ``take`` took."""
        self._left += num_bytes


class BodyReader:
    """Reads one request's body; its bytes count in the budget until ``release``.

    Args:
        receive: ASGI's.
        budget: shared by all.
        declared_bytes: the request's Content-Length, or None.
        expects_continue: the client waits for leave to send (``Expect: 100-continue``), so a refusal needs no reading.
    """

    def __init__(
        self, receive: Receive, budget: Budget, *, declared_bytes: int | None, expects_continue: bool = False
    ) -> None:
        self._receive = receive
        self._budget = budget
        self._declared_bytes = declared_bytes
        self._expects_continue = expects_continue
        self._num_held = 0
        self._num_read = 0
        self._started_s = 0.0
        self._is_at_end = False

    @property
    def is_at_end(self) -> bool:
        """Whether the body was read whole, kept or not; where not, the connection cannot be used again."""
        return self._is_at_end

    async def read(self, max_bytes: int) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: more than ``max_bytes``.
            BodyTooSlow: it did not come in time.
            ClientGone: the client closed the connection.
            Overloaded: bodies take too much memory now.
        """
        self._started_s = asyncio.get_running_loop().time()
        try:
            if self._declared_bytes is not None and self._declared_bytes > max_bytes:
                raise BodyTooLarge
            return await self._keep(max_bytes)
        except (BodyTooLarge, Overloaded):
            self.release()
            await self._discard()
            raise
        except BaseException:
            self.release()
            raise

    def streaming(self) -> Receive:
        """ASGI's receive for an app that reads the body itself and keeps none of it; too slow a client is gone.

        How much is read is the app's matter.
        """
        self._started_s = asyncio.get_running_loop().time()

        async def receive() -> Message:
            if self._is_at_end:
                return await self._receive()
            try:
                chunk = await self._next()
            except (BodyTooSlow, ClientGone):
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk, "more_body": not self._is_at_end}

        return receive

    def release(self) -> None:
        """The body is not held any more."""
        self._budget.give_back(self._num_held)
        self._num_held = 0

    async def _keep(self, max_bytes: int) -> bytes:
        chunks = []
        while not self._is_at_end:
            chunk = await self._next()
            if self._num_read > max_bytes:
                raise BodyTooLarge
            self._budget.take(len(chunk))
            self._num_held += len(chunk)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _discard(self) -> None:
        """Read on and throw away, in reason: who is still sending does not read the answer."""
        if self._expects_continue or (self._declared_bytes or 0) > MAX_DISCARDED_BYTES:
            return
        with suppress(BodyTooSlow):
            while not self._is_at_end and self._num_read <= MAX_DISCARDED_BYTES:
                await self._next()

    async def _next(self) -> bytes:
        deadline_s = self._started_s + FIRST_BYTES_S + self._num_read / MIN_BYTES_PER_S
        try:
            async with asyncio.timeout_at(deadline_s):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self._num_read += len(chunk)
        self._is_at_end = not message.get("more_body", False)
        return chunk
