from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import ModelUnsupported
from assent.models.dlib_stream import DlibStream, decode_all_ints
from tests.unit.models.builders import (
    EMPTY,
    dlib_alias,
    dlib_float,
    dlib_int,
    dlib_ints,
    dlib_tensor,
    dlib_text,
)

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


@given(INT64)
def test_reads_any_64_bit_integer(value: int) -> None:
    stream = DlibStream(dlib_int(value), "file")
    assert stream.read_int() == value
    stream.expect_end()


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_reads_any_finite_float_exactly(value: float) -> None:
    assert DlibStream(dlib_float(value), "file").read_float() == value


@given(st.lists(INT64, max_size=50))
def test_all_integers_at_once_are_those_read_one_by_one(values: list[int]) -> None:
    assert decode_all_ints(dlib_ints(*values), "file").tolist() == values


def test_reads_text_flags_tensors_and_aliases() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    data = dlib_text("con_4") + b"01" + dlib_tensor(array) + dlib_tensor(EMPTY) + dlib_alias(1, 2, 3, 4)
    stream = DlibStream(data, "file")
    stream.expect_text("con_4")
    assert [stream.read_bool(), stream.read_bool()] == [False, True]
    np.testing.assert_array_equal(stream.read_tensor(), array)
    assert stream.read_tensor().size == 0
    assert stream.read_alias() == (1, 2, 3, 4)
    stream.expect_end()


@pytest.mark.parametrize(
    ("data", "read", "complaint"),
    [
        (b"", "read_int", "1 more bytes"),
        (b"\x00", "read_int", "head byte 0x00"),
        (b"\x09" + b"\x01" * 9, "read_int", "head byte 0x09"),
        (b"\x11\x01", "read_int", "head byte 0x11"),
        (b"\x02\x01", "read_int", "2 more bytes"),
        (b"2", "read_bool", "flag"),
        (dlib_ints(1, 32000), "read_float", "finite"),
        (dlib_ints(1, 5000), "read_float", "finite"),
        (dlib_int(-1), "read_text", "length of a short name"),
        (dlib_int(2) + b"\xff\xfe", "read_text", "ASCII"),
        (dlib_ints(3, 1, 1, 1, 1), "read_tensor", "tensor version 2"),
        (dlib_ints(2, 1, -1, 1, 1), "read_tensor", "four dimensions"),
        (dlib_ints(2, 1, 1, 1, 2) + b"1234", "read_tensor", "8 more bytes"),
        (dlib_ints(2, 1, 1, 1, 1), "read_alias", "alias version 1"),
    ],
)
def test_refuses_what_it_does_not_know_and_says_where(data: bytes, read: str, complaint: str) -> None:
    stream = DlibStream(data, "some.dat")
    with pytest.raises(ModelUnsupported, match=r"some\.dat: expected .* near byte") as caught:
        getattr(stream, read)()
    assert complaint in caught.value.message


@pytest.mark.parametrize("data", [b"\x02\x01", b"\x01\x05\x00\x01", b"\x01\x05\x71\x05"])
def test_all_integers_at_once_refuse_what_is_none(data: bytes) -> None:
    with pytest.raises(ModelUnsupported, match="expected an integer"):
        decode_all_ints(data, "file")


def test_text_other_than_expected_is_named() -> None:
    with pytest.raises(ModelUnsupported, match=r"the name 'fc_2'.*'con_4'"):
        DlibStream(dlib_text("con_4"), "file").expect_text("fc_2")


def test_bytes_after_the_end_are_refused() -> None:
    stream = DlibStream(b"\x01\x01x", "file")
    stream.read_int()
    with pytest.raises(ModelUnsupported, match="1 more bytes"):
        stream.expect_end()
