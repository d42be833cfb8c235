"""Running the app on a socket until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from assent.errors import AddressUnavailable, UsageError
from assent.server.app import ServerApp
from assent.server.protocol import GuardedProtocol

_BACKLOG = 1024
_KEEP_ALIVE_S = 30
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Certificate:
    """TLS: a certificate with its chain, and its key, as PEM files."""

    cert: Path
    key: Path

    def check(self) -> None:
        """Raise ``UsageError`` where the files are not a certificate and its key."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password="")
        except (OSError, ValueError) as error:  # SSLError is an OSError
            reason = (
                error.strerror
                if isinstance(error, FileNotFoundError | PermissionError)
                else "not such a pair"
            )
            raise UsageError(
                f"expected a certificate and its unencrypted key as PEM files, got {self.cert} and {self.key}: "
                f"{reason}; give --tls-cert and --tls-key that belong together"
            ) from error


def listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Args:
        host: an address or name of this machine.
        port: 0 for any free one.

    Raises:
        AddressUnavailable: the port is taken or not allowed, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(_BACKLOG)
        except BaseException:
            opened.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not an address"
        raise AddressUnavailable(
            f"cannot listen on {host}, port {port}: {reason}; stop what is there, or choose another --port or --host"
        ) from error
    return opened


class Server(uvicorn.Server):
    """Serves an app on a socket until SIGINT, SIGTERM or ``stop``; what is being worked on is finished first.

    Args:
        app: what to serve.
        opened: a listening socket; closed at the end.
        certificate: for TLS.
        stop_within_s: how long running requests may take at the end, seconds.
        on_started: called once, when requests are answered.
    """

    def __init__(
        self,
        app: ServerApp,
        opened: socket.socket,
        *,
        certificate: Certificate | None = None,
        stop_within_s: int = 30,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=stop_within_s,
            ssl_certfile=certificate.cert if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )
        super().__init__(config)
        self._app = app
        self._opened = opened
        self._on_started = on_started

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; returns when it has been told to stop and nothing is being worked on."""
        super().run(sockets=sockets or [self._opened])

    def stop(self) -> None:
        """Begin to stop; for any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's, and the word that it is done."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's; who waits is told to come back, who is being worked for gets the answer."""
        self._app.admission.close()
        await super().shutdown(sockets=sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's raises the signal again at the end, which would end the process before the log is signed."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals come to the main thread only
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
