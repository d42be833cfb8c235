"""Calling the REST interface in this process, mounted as the server mounts it."""

from __future__ import annotations

from typing import Any, Self

from httpx2 import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from assent import Assent
from assent.rest import rest_app
from assent.rest.errors import ErrorAnswer
from assent.store.access import Role

PURPOSE = "club-photos"
NOTICE = "We keep a template of your face to find you in the club's photos."
CONSENT: dict[str, Any] = {
    "purpose": PURPOSE,
    "controller": "Test Club",
    "notice_text": NOTICE,
    "notice_version": "1",
    "language": "en",
    "method": "written-signature",
    "evidence_base64": "YSBzaWduZWQgcmVsZWFzZQ==",
    "days": 30,
}
NOBODY = "00000000-0000-4000-8000-000000000000"


def mounted(assent: Assent) -> ASGIApp:
    """The interface where the server puts it; Starlette's ``Mount`` knows no path with a line break in it."""
    app = rest_app(assent)

    async def under_v1(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/v1"} if scope["type"] == "http" else scope, receive, send)

    return under_v1


class Api:
    """The interface with one access key a role, each of another holder; acts as the administrator unless told."""

    def __init__(self, assent: Assent) -> None:
        self.assent = assent
        self.client = TestClient(mounted(assent), base_url="http://127.0.0.1")
        self.keys = {role.value: self.new_key(f"{role.value}-desk", role) for role in Role}

    def __enter__(self) -> Self:
        self.client.__enter__()  # one event loop for all requests
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()

    def new_key(self, holder: str, *roles: Role) -> tuple[str, str]:
        """Id and secret of a new access key."""
        made = self.assent.access.make(holder, roles)
        return made.key.id, made.secret

    def send(self, method: str, path: str, *, by: str | None = "admin", **options: Any) -> Response:
        """One request, whatever comes of it; ``by`` None sends no key."""
        if by is not None:
            options["auth"] = self.keys[by]
        return self.client.request(method, f"/v1{path}", **options)

    def ok(self, method: str, path: str, *, status: int = 200, by: str = "admin", **options: Any) -> Any:
        """The JSON of a request that must succeed; None where there is no body."""
        response = self.send(method, path, by=by, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def error(self, method: str, path: str, status: int, name: str, **options: Any) -> dict[str, Any]:
        """The error of a request that must fail so."""
        return assert_error(self.send(method, path, **options), status, name)

    def agree(self, person: str, **members: Any) -> str:
        """Add somebody and record a consent; its id."""
        self.ok("POST", "/people", status=201, json={"ref": person, "name": f"{person.title()} Test"})
        made = self.ok("POST", f"/people/{person}/consents", status=201, json={**CONSENT, **members})
        return str(made["id"])

    def template_ids(self, person: str) -> list[str]:
        """Ids of a person's photos in ``club``."""
        listed = self.ok("GET", "/collections/club/templates", params={"person": person})
        return [item["id"] for item in listed["items"]]

    def club(self, **members: Any) -> None:
        """Make the collection ``club``."""
        self.ok("POST", "/collections", status=201, json={"name": "club", "purpose": PURPOSE, **members})


def assert_error(response: Response, status: int, name: str) -> dict[str, Any]:
    """The one shape that every error has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert len(response.headers["x-request-id"]) == 32
    body: dict[str, Any] = response.json()
    answer = ErrorAnswer.model_validate(body)  # forbids any other member
    assert answer.error == name, body
    assert answer.message
    assert "\n" not in answer.message
    assert "Traceback" not in response.text
    assert (answer.request_id is not None) == (status == 500)
    assert ("www-authenticate" in response.headers) == (status == 401)
    return body
