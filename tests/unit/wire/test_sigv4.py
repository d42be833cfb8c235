"""Signatures: botocore signs, we check; whatever is changed on the way is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.wire.errors import WireError
from assent.wire.sigv4 import (
    MAX_PRESIGNED_S,
    Request,
    Signature,
    canonical_request,
    check,
    read_signature,
    signing_key,
    string_to_sign,
)
from tests.unit.wire.builders import KEY_ID, NOW, REGION, SECRET, changed, signed


def verify(request: Request, body: bytes = b"{}", **options: Any) -> None:
    wanted = {"secret": SECRET, "region": REGION, "now": NOW, **options}
    check(request, read_signature(request), body=body, **wanted)


def refusal(request: Request, body: bytes = b"{}", **options: Any) -> WireError:
    with pytest.raises(WireError) as refused:
        verify(request, body, **options)
    assert refused.value.status == 400
    assert SECRET not in refused.value.message
    return refused.value


def vector(method: str, path: str, query: str = "", **headers: str) -> tuple[Request, Signature]:
    """A request of AWS's published test suite for the scheme: one key, one moment, a made-up service."""
    sent = {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    signature = Signature(
        "AKIDEXAMPLE",
        ("20150830", "us-east-1", "service", "aws4_request"),
        tuple(sorted(sent)),
        "",
        datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
        None,
    )
    return Request(method, path, query, sent), signature


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        # get-vanilla-query-order-key-case: the order is that of the encoded names
        (
            "GET",
            "/",
            "Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        # normalised paths sign like the vanilla one
        ("GET", "/./", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "//", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/foo/bar/../..", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
)
def test_the_published_examples(method: str, path: str, query: str, expected: str) -> None:
    import hashlib
    import hmac

    request, signature = vector(method, path, query)
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", signature.scope)
    text = string_to_sign(request, signature, EMPTY)
    assert hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == expected


def test_the_published_canonical_request() -> None:
    request, signature = vector("GET", "/", "", my_header1=" value1 ", my_header2='"a   b   c"')
    assert canonical_request(request, signature.signed_headers, EMPTY).splitlines() == [
        "GET",
        "/",
        "",
        "host:example.amazonaws.com",
        "my-header1:value1",
        'my-header2:"a b c"',
        "x-amz-date:20150830T123600Z",
        "",
        "host;my-header1;my-header2;x-amz-date",
        EMPTY,
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8731/",
        "http://localhost:8731",
        "http://example.test/a b/%20/~x/",
        "http://example.test/?b=2&a=1&a=0&empty=&pct=%2F%20%C3%A9",
    ],
)
def test_what_botocore_signs_is_accepted(url: str) -> None:
    verify(signed(url=url))
    verify(signed(url=url, presigned_s=60), b"")


@given(body=st.binary(max_size=200), value=st.text("ab \t\"',;=é", max_size=20))
def test_any_body_and_header(body: bytes, value: str) -> None:
    request = signed(body, headers={"X-Amz-Meta": value.strip() or "x"})
    verify(request, body)
    assert refusal(request, body + b" ").code == "InvalidSignatureException"


def test_what_is_changed_on_the_way_is_found() -> None:
    request = signed()
    for tampered in (
        changed(request, x_amz_target="RekognitionService.DeleteCollection"),
        changed(request, host="elsewhere"),
        changed(request, content_type="text/plain"),
        changed(request, x_amz_date="20260304T050608Z"),
        changed(request, x_amz_content_sha256="0" * 64),
        replace(request, path="/other"),
        replace(request, query="a=1"),
        replace(request, method="PUT"),
    ):
        assert refusal(tampered).code == "InvalidSignatureException", tampered
    assert "does not match the signature" in refusal(request, b'{"MaxResults":1}').message
    assert refusal(request, secret=SECRET + "x").code == "InvalidSignatureException"
    flipped = request.headers["authorization"][:-1] + (
        "0" if request.headers["authorization"][-1] != "0" else "1"
    )
    assert refusal(changed(request, authorization=flipped)).code == "InvalidSignatureException"


def test_a_presigned_url_that_is_changed_is_found() -> None:
    request = signed(url="http://localhost/?MaxResults=1", presigned_s=60)
    verify(request, b"")
    for tampered in (
        replace(request, query=request.query.replace("MaxResults=1", "MaxResults=2")),
        replace(request, query=request.query + "&more=1"),
        replace(request, query=request.query.replace("Expires=60", "Expires=600")),
        changed(request, x_amz_target="RekognitionService.DeleteCollection"),
    ):
        assert refusal(tampered, b"").code == "InvalidSignatureException"
    assert refusal(request, b"{}").code == "InvalidSignatureException"


def test_the_hash_of_the_body_may_be_said_and_must_be_true() -> None:
    import hashlib

    body = b'{"a":1}'
    said = hashlib.sha256(body).hexdigest()
    request = signed(body, headers={"X-Amz-Content-SHA256": said})
    verify(request, body)
    unsigned = signed(body, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert refusal(unsigned, body).code == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("seconds", "is_valid"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_the_clock_may_be_five_minutes_off(seconds: int, is_valid: bool) -> None:
    request, now = signed(), NOW + timedelta(seconds=seconds)
    if is_valid:
        verify(request, now=now)
    else:
        error = refusal(request, now=now)
        assert error.code == "InvalidSignatureException"
        assert ("Signature expired" if seconds > 0 else "Signature not yet current") in error.message


def test_a_presigned_url_lives_as_long_as_it_says() -> None:
    request = signed(presigned_s=3600)
    verify(request, b"", now=NOW + timedelta(seconds=3600))
    assert "Signature expired" in refusal(request, b"", now=NOW + timedelta(seconds=3601)).message
    assert "not yet current" in refusal(request, b"", now=NOW - timedelta(seconds=301)).message


def test_far_moments_are_no_overflow() -> None:
    for at in (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)):
        request = changed(signed(), x_amz_date=at.strftime("%Y%m%dT%H%M%SZ").rjust(16, "0"))
        assert refusal(request).code in ("InvalidSignatureException", "IncompleteSignatureException")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "eu-west-1"}, "this server's is us-east-1"),
        ({"service": "s3"}, "correct service: 'rekognition'"),
    ],
)
def test_another_scope(options: dict[str, str], message: str) -> None:
    error = refusal(signed(**options))  # type: ignore[arg-type]
    assert error.code == "InvalidSignatureException"
    assert message in error.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("aws4_request", "aws5_request", "valid terminator"),
        ("/20260304/", "/20260305/", "Date in Credential scope"),
        ("host;", "", "'Host' must be a 'SignedHeader'"),
        (";x-amz-target", "", "'x-amz-target' must be a 'SignedHeader'"),
        ("x-amz-date;", "", "'x-amz-date' must be a 'SignedHeader'"),
    ],
)
def test_what_must_be_signed_is_required(old: str, new: str, message: str) -> None:
    request = signed()
    header = request.headers["authorization"]
    assert old in header
    error = refusal(changed(request, authorization=header.replace(old, new)))
    assert error.code == "InvalidSignatureException"
    assert message in error.message


INCOMPLETE = "IncompleteSignatureException"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", INCOMPLETE),
        ("Bearer abc", INCOMPLETE),
        ("AWS4-HMAC-SHA256", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f, SignedHeaders=host, Signature=0", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=/b/c/d/e, SignedHeaders=host, Signature=0", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=ü/b/c/d/e, SignedHeaders=host, Signature=0", INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Signature=0", INCOMPLETE),
        ("AWS4-HMAC-SHA256 ,,,===,", INCOMPLETE),
    ],
)
def test_malformed_signatures(authorization: str, code: str) -> None:
    assert refusal(changed(signed(), authorization=authorization)).code == code


def test_parts_that_are_missing() -> None:
    request = signed()
    assert refusal(changed(request, authorization=None)).code == "MissingAuthenticationTokenException"
    assert refusal(changed(request, x_amz_date=None)).code == INCOMPLETE
    for date in (
        "",
        "2026",
        "20260230T000000Z",
        "20260304T050607",
        "2026-03-04T05:06:07Z",
        "٢٠٢٦٠٣٠٤T050607Z",
    ):
        assert refusal(changed(request, x_amz_date=date)).code == INCOMPLETE, date


@pytest.mark.parametrize("name", ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders"])
def test_presigned_parts_that_are_missing(name: str) -> None:
    request = signed(presigned_s=60)
    kept = [part for part in request.query.split("&") if not part.startswith(f"X-Amz-{name}=")]
    assert refusal(replace(request, query="&".join(kept)), b"").code == INCOMPLETE


@pytest.mark.parametrize("expires", ["0", "-1", "x", "1.5", str(MAX_PRESIGNED_S + 1), "9" * 5000, "²"])
def test_presigned_terms_that_are_none(expires: str) -> None:
    request = signed(presigned_s=60)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    assert refusal(replace(request, query=query), b"").code == INCOMPLETE


def test_session_tokens_are_of_no_use() -> None:
    assert refusal(signed(token="made-elsewhere")).code == "UnrecognizedClientException"
    assert refusal(signed(token="made-elsewhere", presigned_s=9), b"").code == "UnrecognizedClientException"


@given(text=st.text(max_size=80), query=st.text(max_size=80))
def test_rubbish_is_refused_in_order(text: str, query: str) -> None:
    request = replace(changed(signed(), authorization=text), query=query)
    refusal(request)


def test_the_key_is_named() -> None:
    assert read_signature(signed()).key_id == KEY_ID
    assert SECRET not in repr(read_signature(signed()))
