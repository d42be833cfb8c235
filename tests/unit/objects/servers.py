"""Servers that S3 clients should not have to meet."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads the start of each request and then does as it is told; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        stopping = threading.Event()

        def serve_one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                answer(connection)

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    connection.settimeout(None)
                    threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopping.set()
            thread.join(2)


def saying(text: bytes) -> Callable[[socket.socket], None]:
    """Sends this and closes."""
    return lambda connection: connection.sendall(text)


def dripping(head: bytes, *, every_s: float) -> Callable[[socket.socket], None]:
    """Sends this, and then one byte again and again, for a minute."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(round(60 / every_s)):
            connection.sendall(b"x")
            time.sleep(every_s)

    return drip


def flooding(head: bytes) -> Callable[[socket.socket], None]:
    """Sends this, and then without end."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(2**14):
            connection.sendall(bytes(2**16))

    return flood


def silent(connection: socket.socket) -> None:
    """Says nothing for a minute."""
    connection.settimeout(60)
    connection.recv(1)
