"""A local web server that resumes, breaks off, refuses or lies, as a test tells it to."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class Served:
    """One path of the server.

    Attributes:
        body: what is there.
        content_type: of it.
        cut_after: bytes to send before breaking off, one for each request until used up.
        statuses: answers to give instead, one for each request until used up.
        ranges: whether parts can be asked for.
        wrong_range: answers 206 with the beginning, whatever was asked for.
        pause_s: before each answer.
        redirect: another path to send the asker to.
    """

    body: bytes
    content_type: str = "application/octet-stream"
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    wrong_range: bool = False
    pause_s: float = 0.0
    redirect: str | None = None


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    authorization: str | None
    accept_encoding: str | None


class FileServer:
    """Serves ``files`` on this machine and remembers every request.

    Args:
        tls: speaks HTTPS, under the name localhost, with this context.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self._scheme, self._host = "http", "127.0.0.1"
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme, self._host = "https", "localhost"
        self._http.daemon_threads = False
        # who hangs up between being seen and being accepted would be waited for without end
        self._http.socket.settimeout(1.0)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def add(self, path: str, body: bytes, **options: object) -> str:
        """Serves ``body`` at ``path``; returns the address."""
        self.files[path] = Served(body, **options)  # type: ignore[arg-type]
        return self.url(path)

    def url(self, path: str, *, user: str = "") -> str:
        at = f"{user}@" if user else ""
        return f"{self._scheme}://{at}{self._host}:{self._http.server_port}{path}"

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up or refuse a certificate are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at ``requests``."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        headers = self.headers
        self.owner.requests.append(
            Request(self.path, headers["Range"], headers["Authorization"], headers["Accept-Encoding"])
        )
        served = self.owner.files.get(self.path)
        if served is None:
            self._refuse(404)
            return
        time.sleep(served.pause_s)
        if served.statuses:
            self._refuse(served.statuses.pop(0))
            return
        if served.redirect is not None:
            self._refuse(302, served.redirect)
            return
        self._give(served, headers["Range"])

    def _refuse(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give(self, served: Served, wanted: str | None) -> None:
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and served.ranges else 0
        total = len(served.body)
        if start >= total > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        partial = wanted is not None and served.ranges
        if served.wrong_range:
            start = 0
        body = served.body[start:]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", served.content_type)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            cut = served.cut_after.pop(0) if served.cut_after else len(body)
            self.wfile.write(body[:cut])
        self.close_connection = True
