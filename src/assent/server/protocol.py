"""What uvicorn's HTTP protocol lacks against slow and greedy clients: limits on a request's head, and on reading.

The limits on bodies are in ``bodies``, where the request's room is known.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S: Final = 10.0
"""From the connection's begin, or a request's first byte, to the end of its headers."""
MAX_HEAD_BYTES: Final = 64 * 1024
UNREAD_S: Final = 30.0
"""How long a client may leave an answer unread once its buffers are full."""
MAX_CONNECTIONS: Final = 900
"""Under the usual limit of 1,024 open files a process."""
_TOO_LARGE: Final = "The request's headers are too large."


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Whenever no request is being answered and the client is not idle by right, a timer runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True
        self._is_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._end(503, "Too many connections; try again in a second.")
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if self.transport.is_closing():
            return
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._end(431, _TOO_LARGE)
        elif self._is_in_head and self._timer is None and not self._is_answering:
            self._start_timer()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; from here on the body's limits hold."""
        self._is_in_head = False
        self._stop_timer()
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD_BYTES:
            self._is_too_large = True
            raise ValueError("headers too large")  # stops the parser, which has send_400_response called
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what comes now is the next one's head."""
        super().on_message_complete()
        self._is_in_head = True
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP, or its head is too large."""
        if self._is_too_large:
            self._end(431, _TOO_LARGE)
        else:
            self._end(400, msg)

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        super().pause_writing()
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It read on."""
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Idle for too long; whatever it has left unread is dropped."""
        self.transport.abort()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever uvicorn declares
        return cycle is not None and not cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(
            HEAD_S, self._end, 408, "The request's headers did not arrive in time."
        )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, status: int, message: str) -> None:
        """Say why, and close; there is no whole request to answer in its room's shape."""
        self._stop_timer()
        body = message.encode()
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain\r\n".encode()
        length = b"content-length: %d\r\nconnection: close\r\n" % len(body)
        self.transport.write(head + length + retry + b"\r\n" + body)
        self.transport.close()
