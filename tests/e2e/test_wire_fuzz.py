"""Every operation fuzzed from its shape: right, nearly right, and rubbish; an answer or an error that clients read."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from assent.service.pictures import encode_png
from assent.store.access import NewAccessKey
from assent.wire.model import input_shape, operation_names
from assent.wire.operations import HANDLERS
from assent.wire.patterns import compiled
from tests.builders import agree
from tests.e2e.wire import Wire, assert_typed_error, send

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        "..",
        "../../etc/passwd",
        "a\0b",
        "club\n",
        "%00",
        "\ud83d\ude00",
        "'; DROP TABLE people; --",
        "x" * 5000,
    ]
)
SEEDS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"no picture", bytes(1000)]


def pictures(demo_photos: Path) -> list[str]:
    """Pictures in base64: a small face, none, too small a picture, a damaged one, and bytes that are none."""
    photo = Image.open(demo_photos / "biden.jpg").convert("RGB")
    photo.thumbnail((240, 240))
    face = encode_png(np.asarray(photo))
    blank = encode_png(np.full((90, 90, 3), 90, np.uint8))
    tiny = encode_png(np.zeros((20, 20, 3), np.uint8))
    return [base64.b64encode(raw).decode() for raw in (face, blank, tiny, face[:3000], face[:40], *SEEDS)]


class Requests:
    """Strategies for requests, from the shapes of the service model."""

    def __init__(self, blobs: list[str], known: dict[str, list[str]]) -> None:
        self._blobs = blobs
        self._known = known

    def of(self, operation: str) -> st.SearchStrategy[dict[str, Any]]:
        """Requests of one operation, mostly right."""
        shape = input_shape(operation)
        if shape is None:
            return st.just({})
        return self._structure(shape, 0)

    def _value(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        right = getattr(self, f"_{shape.type_name}")(shape, depth)
        # One in about eight is something else altogether.
        return st.integers(0, 7).flatmap(lambda n: ANY_JSON | ODD_TEXT if n == 7 else right)

    def _structure(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        if depth > 6:
            return st.just({})
        needed = {n: self._value(shape.members[n], depth + 1) for n in shape.required_members}
        others = {n: self._value(m, depth + 1) for n, m in shape.members.items() if n not in needed}
        whole = st.fixed_dictionaries(needed, optional=others)
        extra = st.dictionaries(st.text(max_size=8), ANY_JSON, max_size=1)
        return st.builds(lambda members, more: {**more, **members}, whole, extra)

    def _list(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        return st.lists(self._value(shape.member, depth + 1), max_size=3)

    def _map(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        return st.dictionaries(
            st.sampled_from(["assent:purpose", "assent:review", "assent:policy", "team", "aws:x", ""]),
            st.sampled_from(["club-photos", "two-person", "strict", "", "x" * 300]),
            max_size=3,
        )

    def _string(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        if shape.name in self._known:
            return st.sampled_from(self._known[shape.name])
        if shape.metadata.get("enum"):
            return st.sampled_from(list(shape.metadata["enum"]))
        pattern = shape.metadata.get("pattern")
        if pattern and "\\p{" not in pattern:
            return st.from_regex(compiled(pattern), fullmatch=True)
        return st.text(max_size=20)

    def _integer(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        low = int(shape.metadata.get("min", 0))
        high = int(shape.metadata.get("max", 10_000))
        return st.integers(low, high) | st.sampled_from([low - 1, high + 1, 2**31, -(2**63), 0.5])

    _long = _integer

    def _float(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        return st.floats(0, 100) | st.sampled_from([-1, 101, 1e300, 0, 100, 80])

    _timestamp = _float

    def _boolean(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        return st.booleans()

    def _blob(self, shape: Any, depth: int) -> st.SearchStrategy[Any]:
        broken = st.sampled_from(["=", "ab", "a b=", "YQ==YQ==", "é"])
        return st.sampled_from(self._blobs) | broken


def replenish(wire: Wire) -> None:
    """Make anew the user that the last request may have deleted."""
    if not wire.assent.users.list("club"):
        wire.assent.users.create("club", "ana")


def check(wire: Wire, operation: str, members: dict[str, Any]) -> str:
    """Send it; the error's code, or ``ok``."""
    reply = wire.ask(operation, **members)
    if reply.status == 200:
        return "ok"
    return assert_typed_error(reply, operation=operation)


def fuzz(
    wire: Wire, demo_photos: Path, caplog: pytest.LogCaptureFixture, num_examples: int
) -> dict[str, set[str]]:
    agree(wire.assent, "cid")
    ids = [t.id for t in wire.assent.collections.templates("club")]
    wire.assent.users.create("club", "ana")
    known = {
        "CollectionId": ["club", "club", "more", "nowhere"],
        "FaceId": [*ids, "01234567-89ab-cdef-0123-456789abcdef"],
        "UserId": ["ana", "bea", "cid", "nobody"],
        "ExternalImageId": ["ana", "bea", "cid", "nobody"],
        "ResourceArn": [
            "arn:aws:rekognition:us-east-1:000000000000:collection/club",
            "arn:aws:rekognition:us-east-1:000000000000:collection/nowhere",
        ],
        "S3Bucket": ["club-photos", "...", "nowhere"],
        "S3ObjectName": ["x.jpg", "../records.sqlite3", "/etc/passwd", "a\0"],
    }
    blobs = pictures(demo_photos)
    requests = Requests(blobs, known)
    # Two of three requests to what is answered, the rest to all.
    operations = (
        st.sampled_from(sorted(HANDLERS))
        | st.sampled_from(sorted(HANDLERS))
        | st.sampled_from(operation_names())
    )
    asked = operations.flatmap(lambda name: st.tuples(st.just(name), requests.of(name)))
    outcomes: dict[str, set[str]] = {}

    @settings(
        max_examples=num_examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(asked)
    def run(question: tuple[str, dict[str, Any]]) -> None:
        operation, members = question
        if operation == "DeleteCollection" and members.get("CollectionId") == "club":
            members = {"CollectionId": "more"}  # the rest would have nothing to ask about
        replenish(wire)
        outcomes.setdefault(operation, set()).add(check(wire, operation, members))

    with caplog.at_level(logging.DEBUG, "assent"):
        run()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    for private in (wire.key.secret, *(blob for blob in blobs if len(blob) > 16), "passwd", "nobody"):
        assert private not in caplog.text
    return outcomes


def test_some_requests_of_every_sort(
    club_wire: Wire, demo_photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = fuzz(club_wire, demo_photos, caplog, 250)
    assert len(outcomes) > 25
    # The fuzz gets beyond validation: some of it is answered, and refused for many reasons.
    assert {
        "ok",
        "AccessDeniedException",
        "InvalidParameterException",
        "SerializationException",
    } <= set().union(*outcomes.values())


@pytest.mark.slow
def test_many_requests_of_every_sort(
    club_wire: Wire, demo_photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = fuzz(club_wire, demo_photos, caplog, 2_500)
    # Chance chooses; that nearly all are asked, and most answered, shows that it gets beyond validation.
    assert len(outcomes) >= 70
    assert len([name for name in HANDLERS if "ok" in outcomes.get(name, ())]) >= 15


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(empty_wire: Wire, body: bytes) -> None:
    key: NewAccessKey = empty_wire.key
    reply = send(empty_wire.url, body, key=key, target="RekognitionService.CreateCollection")
    assert assert_typed_error(reply) in ("SerializationException", "InvalidParameterException")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["Authorization", "X-Amz-Date", "X-Amz-Target", "X-Amz-Security-Token", "X-Amz-Content-SHA256"]
        ),
        st.text(
            st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60
        ).map(str.strip),
        max_size=4,
    )
)
def test_any_headers(empty_wire: Wire, headers: dict[str, str]) -> None:
    reply = send(
        empty_wire.url,
        b"{}",
        key=None,
        target=None,
        headers={"X-Amz-Target": "RekognitionService.ListCollections", **headers},
    )
    assert_typed_error(reply)
