"""What keeps a browser on the user's side: headers, cookies, and a token in every form.

Forms carry a token bound to the session rather than being judged by their ``Origin``: pages are sent with ``Referrer-
Policy: no-referrer``, under which browsers send ``Origin: null`` with every form. The cookie is ``SameSite=Strict`` and
requests that the browser itself calls cross-site are refused before their body is read; either would do for a current
browser, the token does for every one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",  # answers carry their pictures in the page; the camera's stand in memory
        "media-src 'self'",
        "connect-src 'self'",  # who is here now, on the live page
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
PAGE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)
STATIC_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Their address holds their hash: another content has another address.
        "Cache-Control": "public, max-age=31536000, immutable",
    }
)
SESSION: Final = "assent-session"
VISITOR: Final = "assent-visitor"


class FormTokens:
    """Tokens that only this process can make, each good for the holder of one cookie."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def make(self, cookie: str) -> str:
        """The token for the forms of whoever holds ``cookie``."""
        message = cookie.encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def is_of(self, token: str, cookie: str) -> bool:
        """Whether a form with ``token`` came from a page made for the holder of ``cookie``."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self.make(cookie).encode())


def read_cookie(request: Request, name: str) -> str:
    """A cookie's value, or empty text."""
    return request.cookies.get(_cookie_name(request, name), "")


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """A cookie that no script can read, that no other site can send, and that ends with the browser."""
    response.set_cookie(
        _cookie_name(request, name),
        value,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Tell the browser to forget a cookie."""
    response.delete_cookie(
        _cookie_name(request, name), path="/", secure=_is_https(request), httponly=True, samesite="strict"
    )


def is_cross_site(request: Request) -> bool:
    """Whether the browser says that another site's page made this request."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def safe_path(text: str) -> str:
    """``text`` where it is a path of this server, else ``/``: no redirect leads elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_path and "\\" not in text else "/"


def _cookie_name(request: Request, name: str) -> str:
    # The prefix makes browsers insist on Secure, this host and the path "/"; it is not allowed without TLS.
    return f"__Host-{name}" if _is_https(request) else name


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
