"""ASGI by hand: a client whose messages the test writes, and rooms that do as they are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assent.server.admission import Admission
from assent.server.app import ServerApp
from assent.server.bodies import Budget, Message, Receive
from assent.server.gate import Gate
from assent.server.rooms import App, Rooms, Scope, Send
from assent.server.running import Certificate, Server, listen

KNOWN = frozenset({"SearchFacesByImage"})


def scope_of(method: str, path: str, headers: dict[str, str] | None = None) -> Scope:
    """ASGI's scope of one request."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "path": path, "headers": pairs, "query_string": b"name=ana"}


class Client:
    """What a client sends, message by message; after them it stays connected and silent until ``close``."""

    def __init__(self, chunks: Iterable[bytes] = (), *, ends: bool = True) -> None:
        parts = list(chunks) or ([b""] if ends else [])
        self._messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": not ends or number < len(parts) - 1}
            for number, part in enumerate(parts)
        ]
        self._closed = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self._closed.set()

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def body_of(receive: Receive) -> bytes:
    """The body that a room is given."""
    message = await receive()
    assert message["more_body"] is False
    return bytes(message["body"])


async def reply(send: Send, body: bytes, *, status: int = 200) -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


def echo(name: str) -> App:
    """A room that says its name and gives the body back."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, name.encode() + b":" + await body_of(receive))

    return app


@dataclass
class Worker:
    """A room that works until it is let go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    num_started: int = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.num_started += 1
        await self.go.wait()
        await reply(send, b"done")


@dataclass
class House:
    """A gate with what is behind it."""

    gate: Gate
    admission: Admission
    budget: Budget

    async def visit(
        self, client: Client, method: str = "POST", path: str = "/", headers: dict[str, str] | None = None
    ) -> Client:
        await self.gate(scope_of(method, path, headers), client.receive, client.send)
        return client


def make_house(
    *,
    wire: App | None = None,
    rest: App | None = None,
    console: App | None = None,
    running: int = 1,
    waiting: int = 1,
    wait_s: float = 5,
    budget: int = 10**6,
    max_upload_bytes: int = 1000,
) -> House:
    """A gate around rooms; those not given echo."""
    rooms = Rooms.of(
        wire or echo("wire"),
        rest or echo("rest"),
        console or echo("console"),
        max_upload_bytes=max_upload_bytes,
    )
    admission = Admission(max_running=running, max_waiting=waiting, max_wait_s=wait_s)
    bodies = Budget(budget)
    return House(Gate(rooms, admission, bodies, known_operations=KNOWN), admission, bodies)


async def settle(until: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(5):
        while not until():
            await asyncio.sleep(0)


def in_loop(test: Callable[..., Awaitable[None]]) -> Any:
    """Run an asynchronous test; its fixtures stay."""
    import functools

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def whole() -> None:
            await test(*args, **kwargs)

        asyncio.run(whole())

    return run


@contextmanager
def serving(app: ServerApp, *, certificate: Certificate | None = None) -> Iterator[int]:
    """The app on a real port of this machine, in a thread; ends well or the test fails."""
    opened = listen("127.0.0.1", 0)
    port: int = opened.getsockname()[1]
    started = threading.Event()
    server = Server(app, opened, certificate=certificate, stop_within_s=5, on_started=started.set)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(10)
        yield port
    finally:
        server.stop()
        thread.join(15)
        assert not thread.is_alive()
