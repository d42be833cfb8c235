"""The server on a real socket: slow, greedy, rude and impatient clients, TLS, and the end."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assent import Assent
from assent.errors import AddressUnavailable, UsageError
from assent.server import protocol
from assent.server.app import ServerApp, num_places
from assent.server.bodies import Receive
from assent.server.rooms import MAX_WIRE_BYTES, Rooms, Scope, Send
from assent.server.running import Certificate, listen
from tests.unit.server.builders import body_of, echo, reply, serving


@dataclass
class Worker:
    """Works until it is let go, in the server's thread; told from the test's."""

    go: threading.Event = field(default_factory=threading.Event)
    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        import asyncio

        body = await body_of(receive)
        self.started.release()
        await asyncio.to_thread(self.go.wait, 10)
        await reply(send, body)


def server_app(assent: Assent, worker: Worker | None = None) -> ServerApp:
    rooms = Rooms.of(worker or echo("wire"), echo("rest"), echo("console"), max_upload_bytes=10_000)
    return ServerApp(assent, rooms)


@pytest.fixture
def port(assent: Assent) -> Iterator[int]:
    """A server of rooms that echo."""
    with serving(server_app(assent)) as number:
        yield number


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def exchange(port: int, request: bytes) -> bytes:
    """All that comes back until the server closes."""
    with connect(port) as client:
        with contextlib.suppress(ConnectionError):  # the server may close while we send
            client.sendall(request)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def post(body: bytes, *headers: bytes, path: bytes = b"/") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CLOSE = b"Connection: close"


def is_well(port: int) -> bool:
    return exchange(port, post(b"still there", CLOSE)).endswith(b"wire:still there")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"400", id="a TLS hello"),
        pytest.param(b"nonsense\r\n\r\n", b"400", id="no HTTP"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", b"400", id="no such version"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\n\r\n", b"400", id="a NUL"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400", id="a length that is none"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400", id="a negative length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
            b"400",
            id="smuggling",
        ),
        pytest.param(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"431", id="a long path"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", b"431", id="a long header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 40_000 + b"\r\n", b"431", id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * 400_000, b"431", id="a header without end"),
    ],
)
def test_what_is_no_request_is_told_so(port: int, request_bytes: bytes, status: bytes) -> None:
    answer = exchange(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status + b" "), answer[:200]
    assert b"Traceback" not in answer
    assert is_well(port)


@pytest.mark.parametrize(
    "method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND"]
)
def test_any_method_is_answered(port: int, method: bytes) -> None:
    target = b"x:80" if method == b"CONNECT" else b"/"
    answer = exchange(port, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert is_well(port)


def test_requests_one_after_another_and_all_at_once_on_one_connection(port: int) -> None:
    answer = exchange(port, post(b"1") + post(b"2", path=b"/v1") + post(b"3", CLOSE, path=b"/x"))
    places = [answer.index(text) for text in (b"wire:1", b"rest:2", b"console:3")]
    assert places == sorted(places)


def test_a_body_too_large_is_told_so_even_while_it_is_sent(port: int) -> None:
    answer = exchange(port, post(bytes(MAX_WIRE_BYTES + 1), CLOSE))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["__type"] == "ImageTooLargeException"
    assert exchange(port, post(bytes(10_001), CLOSE, path=b"/v1/x")).startswith(b"HTTP/1.1 413 ")
    assert is_well(port)


def test_who_asks_before_sending_too_much_need_not_send(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    assert exchange(port, head).startswith(b"HTTP/1.1 400 ")
    with connect(port) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"ok")
        assert read_all(client).endswith(b"wire:ok")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits on time are short."""
    from assent.server import bodies

    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    monkeypatch.setattr(protocol, "UNREAD_S", 0.2)
    monkeypatch.setattr(bodies, "FIRST_BYTES_S", 0.2)
    monkeypatch.setattr(bodies, "MIN_BYTES_PER_S", 10**6)


def trickle(client: socket.socket, data: bytes) -> bytes:
    """Send a byte now and then until the server has had enough; what it says."""
    ends_s = time.monotonic() + 8
    client.settimeout(0.03)
    answer = b""
    for byte in data:
        assert time.monotonic() < ends_s, "the server waits for ever"
        try:
            client.sendall(bytes([byte]))
            part = client.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        answer += part
        if not part:
            break
    return answer


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        pytest.param(b"", b"", id="says nothing"),
        pytest.param(b"", b"\r\n" * 500, id="says nothing much"),
        pytest.param(b"POST / HTTP/1.1\r\n", b"a" * 500, id="slow headers"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n", b"a" * 500, id="a slow body"),
        pytest.param(
            post(b"1"), b"POST / HTTP/1.1\r\nA: " + b"a" * 500, id="slow headers of a second request"
        ),
    ],
)
def test_a_slow_client_is_sent_away(impatient: None, port: int, begin: bytes, rest: bytes) -> None:
    with connect(port) as client:
        client.sendall(begin)
        answer = trickle(client, rest) if rest else read_all(client)
    assert b" 408 " in answer, answer
    assert is_well(port)


def test_hundreds_of_slow_clients_keep_nobody_else_waiting(port: int) -> None:
    clients = [connect(port) for _ in range(300)]
    try:
        for number, client in enumerate(clients):
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"[: 10 + number])
        started_s = time.monotonic()
        assert is_well(port)
        assert time.monotonic() - started_s < 2
    finally:
        for client in clients:
            client.close()
    assert is_well(port)


def test_too_many_connections_are_told_to_come_back(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 5)
    clients = [connect(port) for _ in range(5)]
    answer = exchange(port, b"")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    for client in clients:
        client.close()
    deadline_s = time.monotonic() + 5
    while not is_well(port):
        assert time.monotonic() < deadline_s


def test_who_does_not_read_is_dropped(impatient: None, assent: Assent) -> None:
    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await reply(send, bytes(64 * 2**20))

    rooms = Rooms.of(echo("wire"), flood, echo("console"), max_upload_bytes=10)
    with serving(ServerApp(assent, rooms)) as port, connect(port) as client:
        client.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        assert len(read_all(client)) < 64 * 2**20
        assert is_well(port)


def test_half_closed_and_vanished_clients(port: int) -> None:
    for begin in (b"", b"POST ", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", post(b"abc")):
        with connect(port) as client:
            client.sendall(begin)
            client.shutdown(socket.SHUT_WR)
            read_all(client)
        with connect(port) as client:
            client.sendall(begin)
            # the connection is reset, not closed
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        assert is_well(port)


def answers_of(port: int, bodies: list[bytes]) -> tuple[list[threading.Thread], list[bytes]]:
    """Ask in threads; the answers come into the list as they come."""
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda body=body: found.append(exchange(port, post(body, CLOSE))))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    return threads, found


def test_at_the_end_running_requests_are_answered_and_waiting_ones_told(assent: Assent) -> None:
    worker = Worker()
    app = server_app(assent, worker)
    places = num_places(assent.settings)
    with serving(app) as port:
        running, answered = answers_of(port, [b"asked before the end"] * places)
        for _ in range(places):
            assert worker.started.acquire(timeout=5)
        waiting, told = answers_of(port, [b"too late"] * 3)
        wait_until(lambda: app.admission.num_waiting == 3)
        threading.Timer(0.4, worker.go.set).start()
    for thread in running + waiting:
        thread.join(5)
    assert len(answered) == places
    assert all(answer.endswith(b"asked before the end") for answer in answered)
    assert [b"ThrottlingException" in answer for answer in told] == [True] * 3


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_the_log_is_signed_while_it_runs(assent: Assent) -> None:
    assent.people.add("ana", name="Ana")
    with serving(server_app(assent)):
        wait_until(lambda: len(assent.logbook.checkpoints()) == 1)
    assent.logbook.verify()


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    made.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


def test_tls(assent: Assent, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    certificate.check()
    context = ssl.create_default_context(cafile=str(certificate.cert))
    with serving(server_app(assent), certificate=certificate) as port:
        with context.wrap_socket(connect(port), server_hostname="localhost") as client:
            client.sendall(post(b"hidden", CLOSE))
            assert read_all(client).endswith(b"wire:hidden")
        assert exchange(port, post(b"plain", CLOSE)) == b""  # no TLS, no answer


@pytest.mark.parametrize("broken", ["missing", "swapped", "another's", "not one"])
def test_a_certificate_that_cannot_be_used(tmp_path: Path, broken: str) -> None:
    made = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    cases = {
        "missing": Certificate(tmp_path / "none.pem", made.key),
        "swapped": Certificate(made.key, made.cert),
        "another's": Certificate(made.cert, other.key),
        "not one": Certificate(Path(__file__), made.key),
    }
    with pytest.raises(UsageError, match="--tls-cert"):
        cases[broken].check()


def test_addresses_that_cannot_be_listened_on() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(AddressUnavailable, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])
    for host in ("192.0.2.1", "no.such.host.invalid", "", "a" * 300 + ".x"):
        if host:
            with pytest.raises(AddressUnavailable):
                listen(host, 0)
