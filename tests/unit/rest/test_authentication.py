from __future__ import annotations

import base64

import anyio
import pytest

from assent.errors import NotAuthenticated
from assent.rest import rest_app
from assent.rest.authentication import credentials
from assent.store.access import Role
from tests.unit.rest.builders import NOBODY, Api, assert_error

KEY = "ASNT234567ABCDEFGHIJ"


def basic(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return "Basic " + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic(f"{KEY}:s"), (KEY, "s")),
        (basic(f"{KEY}:s:t"), (KEY, "s:t")),
        (basic(f"{KEY}:"), (KEY, "")),
        (basic(f"{KEY}:s").replace("Basic ", "bASIC  "), (KEY, "s")),
    ],
)
def test_credentials(header: str, expected: tuple[str, str]) -> None:
    assert credentials(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !",
        basic("no colon"),
        basic(f"{KEY}"),
        basic(":s"),
        basic("ana:s"),
        basic(f"{KEY}\0:s"),
        basic(b"\xff:s"),
        basic(f"{KEY}:s").replace("Basic", "Bearer"),
        basic(f"{KEY}:s") + "=",
    ],
)
def test_anything_else_is_no_key(header: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        credentials(header)


def test_nothing_answers_without_a_key(api: Api) -> None:
    """Every operation there is, the document of them, and what there is not: the same answer."""
    seen = 0
    for path, operations in rest_app(api.assent).openapi()["paths"].items():
        filled = path.replace("{seq}", "1").replace("{number}", "1")
        for name in ("person", "collection", "place"):
            filled = filled.replace(f"{{{name}}}", "ana")
        for name in ("consent_id", "template_id", "review_id", "pair_id", "key_id", "job_id"):
            filled = filled.replace(f"{{{name}}}", NOBODY)
        assert "{" not in filled
        for method in operations:
            assert_error(api.send(method.upper(), filled, by=None), 401, "NotAuthenticated")
            seen += 1
    assert seen > 40
    for path in ("/openapi.json", "/docs", "/redoc", "/nowhere", "/", ""):
        assert_error(api.send("GET", path, by=None), 401, "NotAuthenticated")


def test_wrong_unknown_and_revoked_keys_are_told_alike(api: Api) -> None:
    key_id, secret = api.keys["searcher"]
    revoked = api.new_key("gone", Role.SEARCHER)
    api.ok("DELETE", f"/keys/{revoked[0]}")
    messages = set()
    for auth in ((key_id, "wrong"), (key_id, ""), (KEY, secret), revoked, (key_id.lower(), secret)):
        response = api.client.get("/v1/health", auth=auth)
        messages.add(assert_error(response, 401, "NotAuthenticated")["message"])
        assert auth[1] not in response.text or not auth[1]
    assert len(messages) <= 2  # damaged, or not a key


def test_a_body_is_not_read_without_a_key(api: Api) -> None:
    sent = []  # the test client gathers a body before it sends it: ask the application itself

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": "/people",
        "raw_path": b"/people",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    anyio.run(rest_app(api.assent), scope, receive, send)
    assert sent[0]["status"] == 401


def test_an_act_is_logged_under_the_key_that_asked(api: Api) -> None:
    api.ok("POST", "/people", status=201, by="enroller", json={"ref": "ana"})
    entry = api.ok("GET", "/log/entries", params={"kind": "person.added"})["items"][-1]
    assert entry["actor"] == f"enroller-desk/{api.keys['enroller'][0]}"


def test_roles_are_those_of_the_key(api: Api) -> None:
    api.club()
    assert api.ok("GET", "/collections", by="searcher")["items"]
    for by, method, path, body in (
        ("searcher", "POST", "/people", {"ref": "x"}),
        ("reviewer", "GET", "/people", None),
        ("enroller", "GET", "/keys", None),
        ("searcher", "GET", "/log/entries", None),
        ("enroller", "POST", "/keys", {"holder": "x", "roles": ["admin"]}),
        ("searcher", "PUT", "/collections/club/policy", {}),
        ("enroller", "GET", "/review-queue", None),
        ("reviewer", "DELETE", "/collections/club", None),
    ):
        api.error(method, path, 403, "Forbidden", by=by, json=body)
