"""Somebody at a browser, without the browser: keeps cookies, and sends forms as the last page made them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from assent import Assent
from assent.console import console_routes
from assent.store.access import NewAccessKey, Role

ADDRESS = "http://console.test"


@dataclass
class Time:
    """Seconds that pass when told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Visitor:
    """One browser.

    Attributes:
        client: what sends.
        page: the last page's text.
    """

    client: TestClient
    page: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers)
        self.page = answer.text
        return answer

    def post(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send a form with the last page's token."""
        fields = {"form_token": token_of(self.page), **(data or {})}
        answer = self.client.post(path, data=fields, headers=self.headers, **options)
        self.page = answer.text
        return answer

    def sign_in(self, key: NewAccessKey) -> Visitor:
        self.get("/sign-in")
        answer = self.post("/sign-in", {"key_id": key.key.id, "secret": key.secret})
        assert answer.url.path == "/", answer.text
        return self


def token_of(page: str) -> str:
    """The token of a page's forms; empty where it has none."""
    found = re.search(r'name="form_token" value="([^"]*)"', page)
    return unescape(found[1]) if found else ""


def text_of(page: str) -> str:
    """A page's words, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


@dataclass
class Consoles:
    """A console and whoever comes to it."""

    assent: Assent
    app: Starlette

    @classmethod
    def of(cls, assent: Assent, **options: Any) -> Consoles:
        return cls(assent, Starlette(routes=console_routes(assent, **options)))

    def visitor(self, address: str = ADDRESS) -> Visitor:
        return Visitor(TestClient(self.app, base_url=address, raise_server_exceptions=True))

    def key(self, *roles: Role | str, holder: str = "holder") -> NewAccessKey:
        return self.assent.access.make(holder, roles or (Role.ADMIN,))

    def signed_in(self, *roles: Role | str, holder: str = "holder", address: str = ADDRESS) -> Visitor:
        return self.visitor(address).sign_in(self.key(*roles, holder=holder))
