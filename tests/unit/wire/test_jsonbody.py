"""The JSON layer: strict, and one typed error for everything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.wire.errors import WireError
from assent.wire.jsonbody import MAX_DEPTH, read_body


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b" {} "])
def test_nothing_is_no_member(body: bytes) -> None:
    assert read_body(body) == {}


BROKEN = {
    "bad UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as a name": b'{"\\udc00": 1}',
    "cut short": b'{"a": ',
    "two values": b"{} {}",
    "a list": b"[]",
    "a text": b'"a"',
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a float out of range": b'{"a": 1e999}',
    "a whole number of 5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a whole number beyond 64 bits": b'{"a": 123456789012345678901}',
    "a member named twice": b'{"a": 1, "a": 2}',
    "a member named twice, deep": b'{"x": [{"a": 1, "a": 2}]}',
    "too deep": b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "far too deep": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep and cut short": b'{"a":' * 200_000,
    "a control character": b'{"a": "\x00"}',
    "single quotes": b"{'a': 1}",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_json_is_one_typed_error(body: bytes) -> None:
    with pytest.raises(WireError, match="cannot be read") as refused:
        read_body(body)
    assert (refused.value.code, refused.value.status) == ("SerializationException", 400)
    assert len(refused.value.message) < 120


@given(st.binary(max_size=64))
def test_any_bytes(body: bytes) -> None:
    try:
        assert isinstance(read_body(body), dict)
    except WireError as error:
        assert error.code == "SerializationException"  # noqa: PT017


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _JSON, max_size=4))
def test_what_is_json_is_read_as_it_is(members: dict[str, object]) -> None:
    assert read_body(json.dumps(members).encode()) == members
