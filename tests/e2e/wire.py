"""The wire on a real port, and real clients of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from assent import Assent
from assent.objects import ObjectStore
from assent.store.access import NewAccessKey
from assent.wire import wire_app
from assent.wire.model import declared_errors, output_shape
from assent.wire.patterns import is_match
from tests.e2e.ports import listening


@dataclass
class Wire:
    """A running server with its data folder.

    Attributes:
        assent: the service behind it, for everything that Rekognition has no operation for.
        url: of the server.
        key: an administrator's.
    """

    assent: Assent
    url: str
    key: NewAccessKey

    def client(self, key: NewAccessKey | None = None, **options: Any) -> Any:
        """A Rekognition client made by boto3."""
        key = key or self.key
        settings: dict[str, Any] = {
            "aws_access_key_id": key.key.id,
            "aws_secret_access_key": key.secret,
            "region_name": "us-east-1",
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=60),
        }
        return boto3.session.Session().client("rekognition", endpoint_url=self.url, **(settings | options))

    def ask(self, operation: str, *, key: Any = None, **members: Any) -> Reply:
        """One operation by hand; an answer is held to the service model, members beside it included."""
        body = json.dumps(members).encode()
        reply = send(self.url, body, key=key or self.key, target=f"RekognitionService.{operation}")
        if reply.status == 200:
            shape = output_shape(operation)
            assert_shape(shape, reply.body, operation) if shape is not None else None
        return reply


@contextmanager
def running(assent: Assent, *, objects: ObjectStore | None = None) -> Iterator[Wire]:
    """A server on an open data folder, and an administrator's key for it."""
    key = assent.access.make("tester", ["admin"])
    with listening(wire_app(assent, objects=objects)) as url:
        yield Wire(assent, url, key)


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP, unparsed by any SDK.

    Attributes:
        status: of HTTP.
        headers: lower-case names.
        body: JSON.
    """

    status: int
    headers: dict[str, str]
    body: Any


def send(
    url: str,
    body: bytes,
    *,
    key: NewAccessKey | None,
    target: str | None,
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request by hand, signed by botocore if a key is given."""
    sent = {"Content-Type": "application/x-amz-json-1.1", **(headers or {})}
    if target is not None:
        sent["X-Amz-Target"] = target
    if key is not None:
        request = AWSRequest(method=method, url=url + path, data=body, headers=sent)
        SigV4Auth(Credentials(key.key.id, key.secret), "rekognition", "us-east-1").add_auth(request)
        sent = dict(request.headers.items())
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return Reply(
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        json.loads(content),
    )


def assert_typed_error(reply: Reply, *, operation: str | None = None) -> str:
    """The reply is an error in the form that clients read; its code."""
    assert 400 <= reply.status < 500, reply
    assert set(reply.body) == {"__type", "Code", "Logref", "Message"}
    assert reply.body["__type"] == reply.body["Code"] == reply.headers["x-amzn-errortype"]
    assert reply.body["Logref"] == reply.headers["x-amzn-requestid"]
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    assert reply.body["Message"]
    assert "Traceback" not in reply.body["Message"]
    code: str = reply.body["__type"]
    if operation is not None:
        assert code in declared_errors(operation) | {"SerializationException"}, (operation, code)
    return code


# What is told beside the model's members, by the shape that it is beside.
EXTRA: dict[str, set[str]] = {
    "FaceMatch": {"FmrAtScore", "ExpectedFalseCandidates"},
    "UserMatch": {"FmrAtScore", "ExpectedFalseCandidates"},
    "CompareFacesMatch": {"FmrAtScore"},
    "CompareFacesResponse": {"AppliedThreshold", "AppliedFmr", "LogLeaf"},
    **{
        f"{name}Response": {"AppliedThreshold", "AppliedFmr", "GallerySize", "LogLeaf", "ReviewId"}
        for name in (
            "SearchFaces",
            "SearchFacesByImage",
            "SearchUsers",
            "SearchUsersByImage",
            "GetFaceSearch",
        )
    },
}


def assert_shape(shape: Any, value: Any, at: str = "") -> None:
    """An answer is of the shape that the service model gives it."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        unknown = set(value) - set(shape.members) - EXTRA.get(shape.name, set())
        assert not unknown, f"{at}: {unknown}"
        assert set(shape.required_members) <= set(value), at
        for name, member in value.items():
            if name in shape.members:
                assert_shape(shape.members[name], member, f"{at}.{name}")
    elif kind == "list":
        assert isinstance(value, list), at
        assert len(value) <= limits.get("max", len(value)), at
        for number, item in enumerate(value):
            assert_shape(shape.member, item, f"{at}[{number}]")
    elif kind == "map":
        for name, item in value.items():
            assert_shape(shape.key, name, at)
            assert_shape(shape.value, item, f"{at}[{name}]")
    elif kind == "string":
        assert isinstance(value, str), at
        assert limits.get("min", 0) <= len(value) <= limits.get("max", len(value)), at
        assert not limits.get("pattern") or is_match(value, limits["pattern"]), f"{at}: {value}"
        assert not limits.get("enum") or value in limits["enum"], f"{at}: {value}"
    elif kind in ("integer", "long", "float", "timestamp"):
        assert isinstance(value, int | float), at
        assert not isinstance(value, bool), at
        assert kind in ("float", "timestamp") or isinstance(value, int), at
        assert limits.get("min", value) <= value <= limits.get("max", value), f"{at}: {value}"
    else:
        raise AssertionError(f"{at}: no answer of ours holds a {kind}")
