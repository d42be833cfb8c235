"""Every request is answered once, in its room's shape, and leaves nothing behind: no place, no memory."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Iterator

import pytest

from assent.server import bodies, gate
from assent.server.accesslog import key_tail
from assent.server.bodies import Receive
from assent.server.rooms import MAX_WIRE_BYTES, App, Scope, Send
from tests.unit.server.builders import (
    Client,
    House,
    Worker,
    body_of,
    in_loop,
    make_house,
    reply,
    scope_of,
    settle,
)

SHAPES = [("POST", "/", "wire"), ("GET", "/v1/people", "rest"), ("GET", "/people", "console")]


def is_idle(house: House, budget: int = 10**6) -> bool:
    now = (house.admission.num_running, house.admission.num_waiting, house.budget.bytes_left)
    return now == (0, 0, budget)


def assert_shape(client: Client, room: str, status: int, aws_code: str) -> None:
    """A refusal as the room's clients read it."""
    headers, body = client.headers, client.body
    assert int(headers["content-length"]) == len(body)
    if room == "wire":
        said = json.loads(body)
        assert (client.status, said["__type"]) == (
            500 if status == 500 else 408 if status == 408 else 400,
            aws_code,
        )
        assert headers["content-type"] == "application/x-amz-json-1.1"
        assert headers["x-amzn-requestid"] == said["Logref"]
        assert said["Message"]
    elif room == "rest":
        assert (client.status, headers["content-type"]) == (status, "application/json")
        assert set(json.loads(body)) == {"error", "message"}
    else:
        assert (client.status, headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert b"<h1>" in body


@pytest.mark.parametrize(
    ("method", "path", "room"),
    [
        ("POST", "/", "wire"),
        ("GET", "/", "console"),
        ("PUT", "/", "console"),
        ("POST", "/v1", "rest"),
        ("POST", "/v1/people", "rest"),
        ("POST", "/v10", "console"),
        ("POST", "//", "console"),
        ("GET", "/sign-in", "console"),
    ],
)
@in_loop
async def test_each_request_comes_to_its_room_with_its_body(method: str, path: str, room: str) -> None:
    house = make_house()
    client = await house.visit(Client([b"ab", b"c"]), method, path)
    assert (client.status, client.body) == (200, f"{room}:abc".encode())
    assert is_idle(house)


@pytest.mark.parametrize(("method", "path", "room"), SHAPES)
@in_loop
async def test_busy(method: str, path: str, room: str) -> None:
    worker = Worker()
    house = make_house(wire=worker, waiting=0)
    first = asyncio.create_task(house.visit(Client()))
    await settle(lambda: worker.num_started == 1)
    client = await house.visit(Client([b"x"]), method, path)
    assert_shape(client, room, 429, "ThrottlingException")
    assert int(client.headers["retry-after"]) >= 1
    assert "connection" not in client.headers  # the body was read: it may try again on the same one
    worker.go.set()
    assert (await first).body == b"done"
    assert is_idle(house)


@in_loop
async def test_the_waiting_are_served_in_turn_and_the_late_hear_so() -> None:
    worker = Worker()
    house = make_house(wire=worker, waiting=2, wait_s=0.05)
    visits = [asyncio.create_task(house.visit(Client())) for _ in range(3)]
    await settle(lambda: house.admission.num_waiting == 2)
    clients = await asyncio.gather(*visits[1:])
    assert [client.status for client in clients] == [400, 400]
    worker.go.set()
    assert (await visits[0]).status == 200
    assert worker.num_started == 1
    assert is_idle(house)


@in_loop
async def test_who_goes_away_while_waiting_is_not_worked_for() -> None:
    worker = Worker()
    house = make_house(wire=worker, waiting=2)
    first = asyncio.create_task(house.visit(Client()))
    await settle(lambda: worker.num_started == 1)
    impatient, patient = Client(), Client()
    gone = asyncio.create_task(house.visit(impatient))
    await settle(lambda: house.admission.num_waiting == 1)
    stays = asyncio.create_task(house.visit(patient))
    await settle(lambda: house.admission.num_waiting == 2)
    impatient.close()
    await gone
    assert impatient.sent == []
    worker.go.set()
    await asyncio.gather(first, stays)
    assert patient.status == 200
    assert worker.num_started == 2
    assert is_idle(house)


@pytest.mark.parametrize(("method", "path", "room"), SHAPES)
@in_loop
async def test_a_body_that_is_too_large(method: str, path: str, room: str) -> None:
    limit = MAX_WIRE_BYTES if room == "wire" else 1000
    house = make_house(budget=MAX_WIRE_BYTES + 1)
    declared = await house.visit(
        Client([bytes(limit), b"x"]), method, path, {"Content-Length": str(limit + 1)}
    )
    assert_shape(declared, room, 413, "ImageTooLargeException")
    assert "connection" not in declared.headers
    counted = await house.visit(Client([bytes(limit), b"x"]), method, path)
    assert_shape(counted, room, 413, "ImageTooLargeException")
    fits = await house.visit(Client([bytes(limit)]), method, path)
    assert fits.status == 200
    assert is_idle(house, MAX_WIRE_BYTES + 1)


@in_loop
async def test_a_body_beyond_reason_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_DISCARDED_BYTES", 5000)
    house = make_house()
    for headers in ({"Content-Length": "5001"}, {}):
        client = Client([bytes(1000)] * 7, ends=False)
        await house.visit(client, path="/x", headers=headers)
        assert client.status == 413
        assert client.headers["connection"] == "close"
    waits = Client([bytes(2000)])
    await house.visit(waits, path="/x", headers={"Content-Length": "2000", "Expect": "100-continue"})
    assert (waits.status, waits.headers["connection"]) == (413, "close")
    assert len(waits._messages) == 1  # it has sent nothing, and need not
    assert is_idle(house)


@pytest.mark.parametrize(("method", "path", "room"), SHAPES)
@in_loop
async def test_a_body_that_does_not_come(method: str, path: str, room: str) -> None:
    house = make_house()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "FIRST_BYTES_S", 0.02)
        client = await house.visit(Client([b"begins"], ends=False), method, path)
    assert_shape(client, room, 408, "RequestTimeoutException")
    assert client.headers["connection"] == "close"
    assert is_idle(house)


@in_loop
async def test_a_slow_body_keeps_nobody_waiting() -> None:
    house = make_house(running=1, waiting=0)
    slow = Client([b"begins"], ends=False)
    reading = asyncio.create_task(house.visit(slow))
    await asyncio.sleep(0)
    for _ in range(3):
        assert (await house.visit(Client([b"x"]))).status == 200
    slow.close()
    await reading
    assert slow.sent == []
    assert is_idle(house)


@in_loop
async def test_all_bodies_together_are_held_to_the_budget() -> None:
    worker = Worker()
    house = make_house(wire=worker, waiting=5, budget=1000)
    first = asyncio.create_task(house.visit(Client([bytes(600)])))
    await settle(lambda: worker.num_started == 1)
    refused = await house.visit(Client([bytes(300), bytes(300)]))
    assert_shape(refused, "wire", 429, "ThrottlingException")
    assert house.budget.bytes_left == 400
    worker.go.set()
    await first
    assert (await house.visit(Client([bytes(600)]))).status == 200
    assert is_idle(house, 1000)


@pytest.mark.parametrize(("method", "path", "room"), SHAPES)
@in_loop
async def test_a_fault_of_ours_says_nothing_of_itself(
    method: str, path: str, room: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def halfway(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("a name from the request")

    house = make_house(wire=halfway, rest=halfway, console=halfway)
    client = await house.visit(Client(), method, path)
    assert_shape(client, room, 500, "InternalServerError")
    assert b"LookupError" not in client.body
    assert b"name from" not in client.body
    assert is_idle(house)


def large(num_bytes: int) -> App:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await body_of(receive)
        await reply(send, bytes(num_bytes))

    return app


@pytest.mark.parametrize("num_bytes", [0, 10, gate.MAX_HELD_BYTES + 1])
@in_loop
async def test_an_answer_that_is_read_slowly_keeps_nobody_waiting(num_bytes: int) -> None:
    house = make_house(wire=large(num_bytes))
    reads = asyncio.Event()

    class SlowReader(Client):
        async def send(self, message: dict[str, object]) -> None:  # type: ignore[override]
            assert house.admission.num_running == 0
            await reads.wait()
            await super().send(message)

    slow = SlowReader()
    visit = asyncio.create_task(house.visit(slow))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await house.visit(Client(), path="/people")).status == 200
    reads.set()
    await visit
    assert len(slow.body) == num_bytes
    assert is_idle(house)


@in_loop
async def test_what_computes_nothing_needs_no_place() -> None:
    worker = Worker()
    house = make_house(wire=worker, waiting=0)
    first = asyncio.create_task(house.visit(Client()))
    await settle(lambda: worker.num_started == 1)
    for path in ("/static/console.css", "/favicon.ico", "/v1/openapi.json"):
        assert (await house.visit(Client(), "GET", path)).status == 200
    assert (await house.visit(Client(), "GET", "/people")).status == 429
    worker.go.set()
    await first
    assert is_idle(house)


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What the access log holds."""
    found: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.fields)  # type: ignore[attr-defined]

    log = logging.getLogger("assent.access")
    before, keep = log.level, Keep()
    log.setLevel(logging.INFO)
    log.addHandler(keep)
    yield found
    log.removeHandler(keep)
    log.setLevel(before)


def basic(key_id: str) -> str:
    return "Basic " + base64.b64encode(f"{key_id}:its secret".encode()).decode()


@pytest.mark.parametrize(
    ("header", "tail"),
    [
        ("", None),
        ("Basic", None),
        ("Basic !!!", None),
        (basic("ana lovelace"), None),
        (basic("ASNTABCDEFGHIJKLWXYZ"), "WXYZ"),
        ("Bearer ASNTABCDEFGHIJKLWXYZ", None),
        ("AWS4-HMAC-SHA256 Credential=ana/20260115", None),
    ],
)
def test_of_a_key_only_the_end_of_its_id_is_logged(header: str, tail: str | None) -> None:
    assert key_tail(scope_of("GET", "/", {"Authorization": header})) == tail


@in_loop
async def test_each_request_leaves_one_line_and_nothing_personal(lines: list[dict[str, object]]) -> None:
    house = make_house()
    signed = (
        "AWS4-HMAC-SHA256 Credential=ASNTABCDEFGHIJKLMNOP/20260115/us-east-1/x/aws4_request, Signature=0a"
    )
    headers = {"X-Amz-Target": "RekognitionService.SearchFacesByImage", "Authorization": signed}
    await house.visit(Client([b"secret picture"]), headers=headers)
    await house.visit(Client(), headers={"X-Amz-Target": "RekognitionService.AnaLovelace"})
    await house.visit(Client(), "GET", "/v1/people/ana", {"Authorization": basic("ASNTABCDEFGHIJKLWXYZ")})
    await house.visit(Client(), "ANA", "/people/ana")
    gone = Client([b"x"], ends=False)
    gone.close()
    await house.visit(gone)
    assert [
        (line["method"], line["room"], line["operation"], line["status"], line["key"]) for line in lines
    ] == [
        ("POST", "wire", "SearchFacesByImage", 200, "MNOP"),
        ("POST", "wire", None, 200, None),
        ("GET", "rest", None, 200, "WXYZ"),
        ("other", "console", None, 200, None),
        ("POST", "wire", None, 499, None),
    ]
    text = json.dumps(lines)
    for secret in ("ana", "Ana", "picture", "ASNTA", "0a,", "ANA"):
        assert secret not in text
    assert all(isinstance(line["ms"], float) and line["ms"] >= line["waited_ms"] for line in lines)  # type: ignore[operator]
