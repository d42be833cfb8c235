from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assent import Assent
from assent.faults import place_of
from assent.rest.guard import Guard
from assent.service.people import People
from tests.unit.rest.builders import Api, assert_error

SECRET = "a name, a secret or an image"


def test_a_fault_is_logged_by_class_and_place_and_told_by_its_id(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: People) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(People, "list", broken)
    with caplog.at_level(logging.DEBUG):
        body = assert_error(api.send("GET", "/people"), 500, "InternalError")
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "assent.rest"
    assert record.exc_info is None
    assert record.getMessage().startswith("ZeroDivisionError at assent.rest.routes.people:")
    assert str(body["request_id"]) in record.getMessage()
    assert SECRET not in caplog.text
    assert SECRET not in str(body)


def test_an_answer_that_does_not_fit_its_own_model_is_a_fault_too(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(People, "export", lambda self, ref: {"person": SECRET})
    response = api.send("GET", "/people/ana/export")
    assert_error(response, 500, "InternalError")
    assert SECRET not in response.text


def test_a_fault_in_the_middle_of_an_answer_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request) -> StreamingResponse:
        async def parts():
            yield b"begun"
            raise ZeroDivisionError(SECRET)

        return StreamingResponse(parts())

    app = Guard(Starlette(routes=[Route("/", broken)]))
    assert TestClient(app).get("/").content == b"begun"
    assert SECRET not in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_every_answer_has_its_headers(api: Api) -> None:
    seen = set()
    for path, by in (("/health", "admin"), ("/nowhere", "admin"), ("/health", None)):
        headers = api.send("GET", path, by=by).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        seen.add(headers["x-request-id"])
    assert len(seen) == 3


def test_the_place_is_the_last_one_in_our_own_code(assent: Assent) -> None:
    with pytest.raises(Exception) as caught:
        assent.people.get(None)  # type: ignore[arg-type]
    assert place_of(caught.value).startswith("assent.store.")
    assert place_of(ValueError()) == "unknown"


def test_no_line_of_the_log_holds_what_was_sent(
    api: Api, demo_photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        api.club()
        api.agree("ana")
        photo = (demo_photos / "obama.jpg").read_bytes()
        for path in ("/collections/club/templates", "/collections/club/search", "/detect"):
            api.send("POST", path, files={"image": photo}, data={"person": "ana", "purpose": "club-photos"})
    assert "Ana Test" not in caplog.text
    for _, secret in api.keys.values():
        assert secret not in caplog.text
    assert not [record for record in caplog.records if len(record.getMessage()) > 2000]
