"""Checks AWS Signature Version 4; botocore only makes signatures.

Pure: what was received and a secret go in, a ``WireError`` comes out where they do not belong together. Both forms are
known: the ``Authorization`` header, and a presigned URL. Everything that decides what is done is required to be signed:
host, target, time, and the body, whose hash is always computed here whatever a header says of it.

Names follow AWS's description of the scheme: canonical request, string to sign, credential scope.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from assent.wire.errors import WireError

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "rekognition"
MAX_SKEW: Final = timedelta(minutes=5)
MAX_PRESIGNED_S: Final = 7 * 24 * 3600
UNKNOWN_CLIENT: Final = "The security token included in the request is invalid."
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_TIME: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9]{1,128}")
# What decides what is done, or by whom; each must be signed where it is present.
_MUST_BE_SIGNED: Final = ("x-amz-target", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")


@dataclass(frozen=True, slots=True)
class Request:
    """What was received.

    Attributes:
        method: of HTTP.
        path: as sent, percent-encoded.
        query: as sent, without the question mark.
        headers: lower-case names; several of one name joined with commas, in their order.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its own signature, well-formed but not checked.

    Attributes:
        key_id: whose secret made it.
        scope: date, region, service and terminator, as sent.
        signed_headers: names, in their order.
        value: 64 hexadecimal digits, as sent.
        signed_at: UTC.
        valid_s: how long a presigned URL is valid; None for the header form.
    """

    key_id: str
    scope: tuple[str, str, str, str]
    signed_headers: tuple[str, ...]
    value: str
    signed_at: datetime
    valid_s: int | None


def read_signature(request: Request) -> Signature:
    """Find the signature of a request.

    Raises:
        WireError: ``MissingAuthenticationTokenException`` without one, ``IncompleteSignatureException`` where a part is
            missing or malformed, ``UnrecognizedClientException`` with a session token.
    """
    parameters = _query_parameters(request.query)
    if "x-amz-security-token" in request.headers or "X-Amz-Security-Token" in parameters:
        raise WireError("UnrecognizedClientException", UNKNOWN_CLIENT)  # none is ever given out
    if "authorization" in request.headers:
        return _from_header(request)
    if "X-Amz-Algorithm" in parameters or "X-Amz-Signature" in parameters:
        return _from_query(parameters)
    raise WireError(
        "MissingAuthenticationTokenException",
        "Missing Authentication Token: sign the request with one of this server's access keys (assent keys make).",
    )


def check(
    request: Request, signature: Signature, *, body: bytes, secret: str, region: str, now: datetime
) -> None:
    """Hold a request to its signature.

    Args:
        request: as received.
        signature: from ``read_signature``.
        body: as received.
        secret: of the key that the signature names.
        region: that this server answers for.
        now: UTC.

    Raises:
        WireError: ``InvalidSignatureException``, with what is wrong in AWS's words.
    """
    _check_scope(signature, region)
    _check_signed(request, signature)
    body_sha256 = hashlib.sha256(body).hexdigest()
    said = request.headers.get("x-amz-content-sha256", body_sha256)
    text = string_to_sign(request, signature, body_sha256)
    expected = hmac.new(signing_key(secret, signature.scope), text.encode(), hashlib.sha256).hexdigest()
    # Both are compared whatever the first says: how long it takes tells nothing.
    is_body = hmac.compare_digest(said.lower().encode(), body_sha256.encode())
    is_signed = hmac.compare_digest(signature.value.encode(), expected.encode())
    if not (is_body and is_signed):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    _check_time(signature, now)


def signing_key(secret: str, scope: tuple[str, str, str, str]) -> bytes:
    """The key of one day, region and service that is derived from a secret."""
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def string_to_sign(request: Request, signature: Signature, body_sha256: str) -> str:
    """What the signature is over: algorithm, time, scope, and the canonical request's hash."""
    canonical = canonical_request(request, signature.signed_headers, body_sha256)
    return "\n".join(
        [
            ALGORITHM,
            signature.signed_at.strftime(_TIME_FORMAT),
            "/".join(signature.scope),
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )


def canonical_request(request: Request, signed_headers: tuple[str, ...], body_sha256: str) -> str:
    """The request in the one form that both sides hash."""
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers
    )
    return "\n".join(
        [
            request.method,
            _canonical_path(request.path),
            _canonical_query(request.query),
            headers,
            ";".join(signed_headers),
            body_sha256,
        ]
    )


def _canonical_path(path: str) -> str:
    """The path without empty and dotted segments, encoded once more (all services but S3 do)."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    slash = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + slash, safe="/~")


def _canonical_query(query: str) -> str:
    """The parameters but the signature, encoded anew, in order."""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        encoded = tuple(quote(unquote_to_bytes(text), safe="-_.~") for text in (name, value))
        if name and encoded[0] != "X-Amz-Signature":
            pairs.append(encoded)
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _query_parameters(query: str) -> dict[str, str]:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    return {_decoded(name): _decoded(value) for name, value in pairs}


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _from_header(request: Request) -> Signature:
    kind, _, rest = request.headers["authorization"].strip().partition(" ")
    if kind != ALGORITHM:
        raise _incomplete(f"Unsupported authorization type: expected '{ALGORITHM}'.")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    if "x-amz-date" not in request.headers:
        raise _incomplete("Authorization header requires existence of an 'X-Amz-Date' header.")
    return _signature(fields, at=request.headers["x-amz-date"], valid_s=None)


def _from_query(parameters: dict[str, str]) -> Signature:
    names = ("Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires")
    fields = {name: parameters.get(f"X-Amz-{name}", "") for name in names}
    for name, value in fields.items():
        if not value:
            raise _incomplete(f"AWS query-string parameters must include 'X-Amz-{name}'.")
    if fields["Algorithm"] != ALGORITHM:
        raise _incomplete(f"Unsupported authorization type: expected '{ALGORITHM}'.")
    expires = fields["Expires"]
    if not (
        expires.isascii() and expires.isdigit() and len(expires) < 8 and 1 <= int(expires) <= MAX_PRESIGNED_S
    ):
        raise _incomplete(f"X-Amz-Expires must be a whole number of 1 to {MAX_PRESIGNED_S} seconds.")
    return _signature(fields, at=fields["Date"], valid_s=int(expires))


def _signature(fields: dict[str, str], *, at: str, valid_s: int | None) -> Signature:
    key_id, *scope = fields["Credential"].split("/")
    if len(scope) != 4 or not _KEY_ID.fullmatch(key_id):
        raise _incomplete("Credential must have the form KEYID/DATE/REGION/SERVICE/aws4_request.")
    return Signature(
        key_id=key_id,
        scope=(scope[0], scope[1], scope[2], scope[3]),
        signed_headers=tuple(fields["SignedHeaders"].lower().split(";")),
        value=fields["Signature"],
        signed_at=_time(at),
        valid_s=valid_s,
    )


def _time(text: str) -> datetime:
    try:
        if _TIME.fullmatch(text):
            return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        pass  # 31 February has the form of a date too
    raise _incomplete("Date must be in ISO-8601 'basic format', as in 20260131T120000Z.")


def _check_scope(signature: Signature, region: str) -> None:
    day, in_region, service, terminator = signature.scope
    expected_day = signature.signed_at.strftime("%Y%m%d")
    if day != expected_day:
        raise _invalid(
            f"Date in Credential scope does not match YYYYMMDD from the request's date: {expected_day}."
        )
    if in_region != region:
        raise _invalid(
            f"Credential should be scoped to a valid region: this server's is {region}; set the client's region to it, "
            f"or the server's with ASSENT_REGION."
        )
    if service != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if terminator != "aws4_request":
        raise _invalid("Credential should be scoped with a valid terminator: 'aws4_request'.")


def _check_signed(request: Request, signature: Signature) -> None:
    signed = set(signature.signed_headers)
    if "host" not in signed:
        raise _invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    for name in _MUST_BE_SIGNED:
        if name in request.headers and name not in signed:
            raise _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_time(signature: Signature, now: datetime) -> None:
    allowed = MAX_SKEW if signature.valid_s is None else timedelta(seconds=signature.valid_s)
    at, present = signature.signed_at.strftime(_TIME_FORMAT), now.strftime(_TIME_FORMAT)
    age = now - signature.signed_at
    if age > allowed:
        raise _invalid(
            f"Signature expired: {at} is now earlier than {present} - {allowed.total_seconds():.0f} s."
        )
    if -age > MAX_SKEW:
        raise _invalid(f"Signature not yet current: {at} is still later than {present} + 5 min.")


def _incomplete(message: str) -> WireError:
    return WireError("IncompleteSignatureException", message)


def _invalid(message: str) -> WireError:
    return WireError("InvalidSignatureException", message)
