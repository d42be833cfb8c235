from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import Message

from assent.rest import bodies, rest_app
from assent.rest.bodies import MAX_JSON_BYTES
from tests.unit.rest.builders import Api, assert_error

MIB = 2**20


def sent_in_chunks(api: Api, path: str, *, num_chunks: int, headers: dict[str, str]) -> tuple[int, int]:
    """Status, and how many of the chunks (1 MiB each) were read."""
    import base64

    credentials = base64.b64encode(":".join(api.keys["admin"]).encode()).decode()
    raw = {"authorization": f"Basic {credentials}", **headers}
    read = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * MIB, "more_body": read < num_chunks}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
    }
    anyio.run(rest_app(api.assent), scope, receive, send)
    return int(sent[0]["status"]), read


FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("path", "headers", "limit"),
    [
        ("/people", {"content-type": "application/json"}, MAX_JSON_BYTES),
        ("/detect", FORM, 64 * MIB),
        ("/compare", FORM, 128 * MIB),
    ],
)
def test_a_body_without_a_length_is_read_up_to_the_limit_only(
    api: Api, path: str, headers: dict[str, str], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if headers is FORM:  # the preamble is read to its end before anything is said of it
        monkeypatch.setattr(bodies._MemoryParser, "parse", _drain)
    status, read = sent_in_chunks(api, path, num_chunks=1000, headers=headers)
    assert status == 413
    assert limit / MIB < read <= limit / MIB + 2


async def _drain(parser: Any) -> None:
    async for _ in parser.stream:
        pass


def test_a_length_over_the_limit_is_refused_before_anything_is_read(api: Api) -> None:
    for length in (str(MAX_JSON_BYTES + 1), "9" * 30):
        headers = {"content-type": "application/json", "content-length": length}
        assert sent_in_chunks(api, "/people", num_chunks=1000, headers=headers) == (413, 0)


def test_a_length_that_lies_does_not_help(api: Api) -> None:
    headers = {"content-type": "application/json", "content-length": "10"}
    status, read = sent_in_chunks(api, "/people", num_chunks=1000, headers=headers)
    assert status == 413
    assert read <= MAX_JSON_BYTES / MIB + 1


def test_the_answer_says_what_is_accepted_and_closes(api: Api) -> None:
    response = api.send("POST", "/people", content=b"x", headers={"content-length": str(2**40)})
    assert "33,554,432 bytes" in assert_error(response, 413, "BodyTooLarge")["message"]
    assert response.headers["connection"] == "close"


def test_a_photo_over_the_setting_is_refused_by_the_service(api: Api) -> None:
    files = {"image": b"\xff\xd8" + b"x" * 64 * MIB}
    api.error("POST", "/detect", 413, "ImageTooLarge", files=files)


def test_a_large_photo_never_lies_on_the_disk(
    api: Api, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rolled(*_: object) -> None:
        raise AssertionError("a photo was written to a temporary file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled)
    monkeypatch.setattr(tempfile, "TemporaryFile", rolled)
    photo = (demo_photos / "obama.jpg").read_bytes() + b"\0" * 3 * MIB
    assert len(api.ok("POST", "/detect", files={"image": photo})["faces"]) == 1


@pytest.mark.parametrize(
    "boundary", ["", "x", '"x"', "x" * 200, "\xe9", "x; charset=hex", "x; charset=idna", "x; charset=utf-16"]
)
def test_a_strange_form_is_an_error_of_the_caller(api: Api, boundary: str) -> None:
    content = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nab\r\n--x--\r\n'
    kind = f"multipart/form-data; boundary={boundary}".encode("latin-1")
    response = api.send("POST", "/detect", content=content, headers=[(b"content-type", kind)])
    assert response.status_code in {400, 422}
    assert_error(response, response.status_code, response.json()["error"])


def test_more_fields_than_any_operation_has_are_refused(api: Api) -> None:
    data = {f"f{number}": "x" for number in range(bodies.MAX_FIELDS + 1)}
    api.error("POST", "/detect", 400, "MalformedBody", data=data, files={"image": b"x"})


def test_what_an_operation_does_not_know_is_not_passed_over(api: Api, demo_photos: Path) -> None:
    """A misspelt threshold would otherwise be no threshold."""
    photo = (demo_photos / "obama.jpg").read_bytes()
    api.error("POST", "/detect", 422, "InvalidRequest", files={"image": photo}, data={"thorugh": "true"})
    twice = [("image", photo), ("image", photo)]
    api.error("POST", "/detect", 422, "InvalidRequest", files=twice)
    api.error("GET", "/people?limt=3", 422, "InvalidRequest")
    api.error("GET", "/health?x=1", 422, "InvalidRequest")
    api.ok("POST", "/detect", files={"image": photo}, data={"thorough": "true"})
