"""Who may ask, and what is no request at all: every refusal is an error that clients read."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from assent.store.access import NewAccessKey
from assent.wire import throttled_response, wire_app
from assent.wire.app import MAX_BODY_BYTES
from tests.e2e.ports import listening
from tests.e2e.wire import Wire, assert_typed_error, send

LIST = "RekognitionService.ListCollections"


def code_of(wire: Wire, **options: Any) -> str:
    options = {"key": wire.key, "target": LIST, "body": b"{}", **options}
    body = options.pop("body")
    return assert_typed_error(send(wire.url, body, **options))


def wrong(key: NewAccessKey, *, key_id: str | None = None, secret: str | None = None) -> dict[str, str]:
    return {"aws_access_key_id": key_id or key.key.id, "aws_secret_access_key": secret or key.secret}


def test_who_may_not_ask(empty_wire: Wire) -> None:
    def refusal(**options: Any) -> str:
        with pytest.raises(ClientError) as refused:
            empty_wire.client(**options).list_collections()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        return str(refused.value.response["Error"]["Code"])

    key = empty_wire.key
    assert refusal(**wrong(key, secret="x" * 40)) == "InvalidSignatureException"
    assert refusal(**wrong(key, key_id="ASNTAAAAAAAAAAAAAAAA")) == "UnrecognizedClientException"
    assert refusal(region_name="eu-central-1") == "InvalidSignatureException"
    assert refusal(aws_session_token="from elsewhere") == "UnrecognizedClientException"
    assert code_of(empty_wire, key=None) == "MissingAuthenticationTokenException"
    empty_wire.assent.access.revoke(key.key.id)
    assert refusal() == "UnrecognizedClientException"


def test_a_signature_does_not_outlive_its_five_minutes(empty_wire: Wire) -> None:
    for late, code in ((timedelta(minutes=4), None), (timedelta(minutes=6), "InvalidSignatureException")):
        app = wire_app(empty_wire.assent, clock=lambda late=late: datetime.now(UTC) + late)  # type: ignore[misc]
        with listening(app) as url:
            reply = send(url, b"{}", key=empty_wire.key, target=LIST)
        assert reply.body.get("__type") == code


def test_a_presigned_request(empty_wire: Wire) -> None:
    """The members of a JSON operation cannot be in a presigned URL, so that only those without any can be asked."""
    client = empty_wire.client()
    url = client.generate_presigned_url("list_collections", ExpiresIn=60, HttpMethod="POST")
    path = url.removeprefix(empty_wire.url)
    headers = {"X-Amz-Target": LIST, "Content-Type": "application/x-amz-json-1.1"}

    def ask(path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(empty_wire.url.removeprefix("http://"), timeout=30)
        connection.request("POST", path, b"", headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content

    assert ask(path) == (200, {"CollectionIds": [], "FaceModelVersions": []})
    assert ask(path + "0")[1]["__type"] == "InvalidSignatureException"
    assert ask(path.replace("Expires=60", "Expires=61"))[1]["__type"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    "target",
    [None, "", "ListCollections", "RekognitionService.", "RekognitionService.Nothing", "Other.ListCollections",
     "RekognitionService.ListCollections.x", "RekognitionService.__class__", "x" * 5000],
)  # fmt: skip
def test_another_target(empty_wire: Wire, target: str | None) -> None:
    assert code_of(empty_wire, target=target) == "UnknownOperationException"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method(empty_wire: Wire, method: str) -> None:
    reply = send(empty_wire.url, b"", key=empty_wire.key, target=LIST, method=method)
    assert assert_typed_error(reply) == "UnknownOperationException"
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"a": NaN}', b"\xff", b'{"a":' + b"[" * 100_000, b'{"NextToken": "\\ud800"}'],
    ids=range(6),
)
def test_bodies_that_are_no_json(empty_wire: Wire, body: bytes) -> None:
    assert code_of(empty_wire, body=body) == "SerializationException"


def test_who_asks_is_known_before_the_body_is_looked_into(empty_wire: Wire) -> None:
    assert code_of(empty_wire, key=None, body=b"{") == "MissingAuthenticationTokenException"


def test_a_picture_of_six_megabytes(empty_wire: Wire) -> None:
    content = {"Image": {"Bytes": base64.b64encode(bytes(6 * 2**20)).decode()}}
    reply = empty_wire.ask("DetectFaces", **content)
    assert assert_typed_error(reply, operation="DetectFaces") == "InvalidParameterException"
    assert "less than or equal to 5242880" in reply.body["Message"]


def test_a_body_that_is_too_large(empty_wire: Wire) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    assert code_of(empty_wire, body=body) == "InvalidParameterException"
    target = "RekognitionService.DetectFaces"
    assert code_of(empty_wire, body=body, target=target) == "ImageTooLargeException"
    assert empty_wire.client().list_collections()["CollectionIds"] == []


def test_more_than_the_server_takes_on(empty_wire: Wire) -> None:
    with listening(throttled_response("00000000-0000-0000-0000-000000000000")) as url:
        reply = send(url, b"{}", key=empty_wire.key, target=LIST)
        assert assert_typed_error(reply) == "ThrottlingException"
        client = boto3.session.Session().client(
            "rekognition",
            endpoint_url=url,
            region_name="us-east-1",
            **wrong(empty_wire.key),
        )
        with pytest.raises(ClientError, match=r"ThrottlingException.*reached max retries"):
            client.list_collections()


def test_every_operation_that_is_not_answered_says_why(empty_wire: Wire) -> None:
    for operation, members, words in (
        ("RecognizeCelebrities", {"Image": {}}, "refused on principle"),
        ("GetCelebrityRecognition", {"JobId": "job-1"}, "refused on principle"),
        ("CreateFaceLivenessSession", {}, "not there yet"),
        ("DetectLabels", {"Image": {}}, "outside of face matching"),
        ("DescribeProjects", {}, "outside of face matching"),
    ):
        reply = empty_wire.ask(operation, **members)
        assert assert_typed_error(reply, operation=operation) == "AccessDeniedException"
        assert words in reply.body["Message"]


def test_what_nobody_expected_is_told_without_its_content(
    empty_wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("secret-of-somebody")

    monkeypatch.setattr(type(empty_wire.assent.collections), "records", broken)
    with caplog.at_level(logging.DEBUG, "assent"):
        reply = send(empty_wire.url, b"{}", key=empty_wire.key, target=LIST)
    assert (reply.status, reply.body["__type"]) == (500, "InternalServerError")
    assert "secret-of-somebody" not in str(reply) + caplog.text
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert reply.body["Logref"] in line.getMessage()
    assert "ListCollections RuntimeError at assent.wire.collections:" in line.getMessage()


def test_records_that_cannot_be_read_are_the_operators_concern(
    empty_wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from assent.errors import StoreUnavailable

    def broken(*_args: object) -> None:
        raise StoreUnavailable("the disk of /srv/secret-place is full")

    for place in ("collections", "access"):
        method = {"collections": "records", "access": "with_secret"}[place]
        with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG, "assent"):
            patch.setattr(type(getattr(empty_wire.assent, place)), method, broken)
            reply = send(empty_wire.url, b"{}", key=empty_wire.key, target=LIST)
        assert (reply.status, reply.body["__type"]) == (500, "InternalServerError")
        assert "secret-place" not in str(reply) + caplog.text
        assert "StoreUnavailable at" in caplog.text


def test_nothing_private_is_logged(empty_wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "assent"):
        empty_wire.ask("CreateUser", CollectionId="nowhere", UserId="ana-lovelace")
        empty_wire.ask("DetectFaces", Image={"Bytes": base64.b64encode(b"pixels of a face").decode()})
        empty_wire.ask("ListCollections", NextToken="token-of-somebody")
    assert "ResourceNotFoundException" in caplog.text
    for private in (
        "ana-lovelace", "pixels", base64.b64encode(b"pixels of a face").decode(),
        "token-of-somebody", empty_wire.key.secret, empty_wire.key.key.id,
    ):  # fmt: skip
        assert private not in caplog.text


def test_a_client_that_goes_away_leaves_the_server_up(empty_wire: Wire) -> None:
    host = empty_wire.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.putrequest("POST", "/")
    connection.putheader("X-Amz-Target", LIST)
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"{")
    connection.close()
    time.sleep(0.05)
    assert empty_wire.client().list_collections()["CollectionIds"] == []


def test_many_clients_at_once(club_wire: Wire) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = club_wire.client()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.list_faces(CollectionId="club")["Faces"], range(40)))
    assert all(answer == answers[0] for answer in answers)


def test_botocores_own_session_works_too(empty_wire: Wire) -> None:
    client = Session().create_client(
        "rekognition", endpoint_url=empty_wire.url, region_name="us-east-1", **wrong(empty_wire.key)
    )
    assert client.list_collections()["FaceModelVersions"] == []
