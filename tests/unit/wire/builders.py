"""Requests signed by botocore, as a client would send them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from assent.wire.sigv4 import Request

KEY_ID = "ASNTABCDEFGHIJKLMNOP"
SECRET = "a-secret-of-forty-characters-0123456789ab"
REGION = "us-east-1"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def signed(
    body: bytes = b"{}",
    *,
    url: str = "http://localhost:8731/",
    target: str = "RekognitionService.ListCollections",
    at: datetime = NOW,
    region: str = REGION,
    service: str = "rekognition",
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    presigned_s: int | None = None,
) -> Request:
    """The request as received, signed by botocore at that moment."""
    sent = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", **(headers or {})}
    request = AWSRequest(method="POST", url=url, data=body if presigned_s is None else b"", headers=sent)
    credentials = Credentials(key_id, secret, token)
    signer: Any = (
        SigV4Auth(credentials, service, region)
        if presigned_s is None
        else SigV4QueryAuth(credentials, service, region, expires=presigned_s)
    )
    with at_moment(at):
        signer.add_auth(request)
    parts = urlsplit(request.url)
    received = {name.lower(): value for name, value in request.headers.items()}
    return Request("POST", parts.path, parts.query, {"host": parts.netloc, **received})


def at_moment(at: datetime) -> Any:
    """botocore's clock stands at that moment."""
    return mock.patch("botocore.auth.get_current_datetime", return_value=at)


def changed(request: Request, **headers: str | None) -> Request:
    """The request with other headers; None removes one. Underscores stand for hyphens."""
    wanted = dict(request.headers)
    for name, value in headers.items():
        wanted.pop(name.replace("_", "-"), None)
        if value is not None:
            wanted[name.replace("_", "-")] = value
    return replace(request, headers=wanted)
