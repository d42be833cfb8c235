from __future__ import annotations

import tempfile
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from assent.console.forms import FormMalformed, FormTooLarge, read_form
from assent.errors import UsageError

MAX_BYTES = 3_000_000


def client() -> TestClient:
    async def echo(request: Request) -> Response:
        try:
            form = await read_form(request, max_bytes=MAX_BYTES)
        except FormTooLarge as error:
            return JSONResponse({"max_bytes": error.max_bytes}, 413)
        except FormMalformed as error:
            return JSONResponse({"error": str(error)}, 400)
        files = [[name, upload.filename, len(upload.data)] for name, upload in form.uploads]
        return JSONResponse({"fields": form.fields, "files": files})

    return TestClient(Starlette(routes=[Route("/", echo, methods=["POST"])]))


def test_fields_and_files_arrive_whole() -> None:
    data, files = {"a": ["1", " 2 "]}, {"photo": ("x.jpg", b"\x00\xff" * 10, "image/jpeg")}
    assert client().post("/", data={"a": "é=&"}).json()["fields"] == [["a", "é=&"]]
    answer = client().post("/", data=data, files=files).json()
    assert answer["fields"] == [["a", "1"], ["a", " 2 "]]
    assert answer["files"] == [["photo", "x.jpg", 20]]


def test_an_empty_file_field_is_absent() -> None:
    assert client().post("/", files={"photo": ("", b"", "application/octet-stream")}).json()["files"] == []


def test_a_picture_never_touches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    answer = client().post("/", files={"photo": ("x.jpg", b"x" * 2_500_000)})
    assert answer.json()["files"] == [["photo", "x.jpg", 2_500_000]]


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 3 * MAX_BYTES])
def test_more_than_is_agreed_is_read_to_its_end_and_refused(size: int) -> None:
    answer = client().post("/", files={"photo": ("x.jpg", b"x" * size)})
    assert (answer.status_code, answer.json()) == (413, {"max_bytes": MAX_BYTES})
    assert client().post("/", content=b"a=" + b"x" * size, headers=URLENCODED).status_code == 413


URLENCODED = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("text/plain", b"a=1"),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\ncontent-disposition: form-data\r\n\r\nv\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x; charset=hex",
            b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n',
        ),
        ("multipart/form-data; boundary=x; charset=unicode_escape", b"--x--\r\n"),
    ],
)
def test_what_no_browser_sends_is_refused(content_type: str, body: bytes) -> None:
    assert client().post("/", content=body, headers={"content-type": content_type}).status_code == 400


def test_too_many_parts_are_refused() -> None:
    assert client().post("/", files=[("photo", (f"{n}.jpg", b"x")) for n in range(51)]).status_code == 400
    fields = {f"field-{n}": "x" for n in range(101)}
    assert client().post("/", data=fields, files={"photo": ("x", b"x")}).status_code == 400


def test_values_by_name() -> None:
    from assent.console.forms import Form, Upload

    form = Form(
        (("a", " x "), ("b", ""), ("a", "y"), ("n", "0.5"), ("w", "much")), (("f", Upload("x", b"1")),)
    )
    assert (form.text("a"), form.exact("a"), form.texts("a")) == ("x", " x ", (" x ", "y"))
    assert (form.text("none"), form.has("a"), form.has("b"), form.has("none")) == ("", True, False, False)
    assert (form.number("n"), form.number("b")) == (0.5, None)
    assert form.file("f") == Upload("x", b"1")
    assert form.file("g") is None
    with pytest.raises(UsageError, match="w must be a number"):
        form.number("w")
