"""The primitives of dlib's own serialisation, shared by the network and the shape predictor.

An integer is a head byte (low nibble: how many bytes follow; 0x80: negative) and a little-endian magnitude.
A float is two integers, mantissa m and exponent e, worth m * 2**e. Source: dlib's ``serialize.h`` and
``float_details.h``. No library on our list reads it, and dlib itself is an optional test extra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assent.errors import ModelUnsupported
from assent.types import Float32, Int64

_NEGATIVE = 0x80
_RESERVED = 0x70
_LENGTH = 0x0F
_MAX_INT_BYTES = 8
# float_details.h marks infinities and not-a-number by these exponents; no weight may be one.
_NOT_FINITE_EXPONENTS = (32000, 32001, 32002)
_TENSOR_VERSION = 2
_ALIAS_VERSION = 1

TensorShape = tuple[int, int, int, int]


@dataclass(slots=True)
class DlibStream:
    """A cursor over serialised bytes; every read checks that the bytes are there and mean what they should.

    Attributes:
        data: the whole file.
        name: what messages call it.
        offset: the next byte to read.
    """

    data: bytes
    name: str
    offset: int = 0

    def unsupported(self, expected: str, got: str) -> ModelUnsupported:
        """The error for content that is not what this reader knows, naming the place."""
        return ModelUnsupported(
            f"{self.name}: expected {expected} near byte {self.offset} of {len(self.data)}, got {got}; "
            "this is not a file of the supported kind, or it is damaged. Pull or copy the model again."
        )

    def take(self, num_bytes: int) -> bytes:
        """The next ``num_bytes`` bytes."""
        end = self.offset + num_bytes
        if end > len(self.data):
            raise self.unsupported(f"{num_bytes} more bytes", f"{len(self.data) - self.offset}")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def read_int(self) -> int:
        """An integer of up to 64 bits."""
        head = self.take(1)[0]
        length = head & _LENGTH
        if head & _RESERVED or not 1 <= length <= _MAX_INT_BYTES:
            raise self.unsupported("an integer", f"head byte 0x{head:02x}")
        magnitude = int.from_bytes(self.take(length), "little")
        return -magnitude if head & _NEGATIVE else magnitude

    def read_float(self) -> float:
        """A finite number."""
        mantissa, exponent = self.read_int(), self.read_int()
        if exponent in _NOT_FINITE_EXPONENTS:
            raise self.unsupported("a finite number", "infinity or not-a-number")
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError as error:
            raise self.unsupported("a finite number", f"{mantissa} * 2**{exponent}") from error

    def read_bool(self) -> bool:
        """A flag, stored as the ASCII digit 0 or 1."""
        digit = self.take(1)
        if digit not in (b"0", b"1"):
            raise self.unsupported("a flag '0' or '1'", repr(digit))
        return digit == b"1"

    def read_text(self) -> str:
        """A length and that many bytes of ASCII."""
        length = self.read_int()
        if not 0 <= length <= 1000:
            raise self.unsupported("the length of a short name", str(length))
        raw = self.take(length)
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise self.unsupported("a name in ASCII", repr(raw[:20])) from error

    def expect_int(self, wanted: int, meaning: str) -> None:
        """Reads an integer that must be ``wanted``."""
        got = self.read_int()
        if got != wanted:
            raise self.unsupported(f"{meaning} {wanted}", str(got))

    def expect_text(self, wanted: str) -> None:
        """Reads a name that must be ``wanted``."""
        got = self.read_text()
        if got != wanted:
            raise self.unsupported(f"the name {wanted!r}", repr(got))

    def read_tensor(self) -> Float32:
        """A tensor: version, four dimensions, raw little-endian float32.

        Returns:
            (samples, channels, rows, columns) float32; any of them may be 0.
        """
        self.expect_int(_TENSOR_VERSION, "tensor version")
        shape = self._read_shape()
        raw = self.take(4 * math.prod(shape))
        return np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)

    def read_alias(self) -> TensorShape:
        """The shape of a window on another tensor: version and four dimensions."""
        self.expect_int(_ALIAS_VERSION, "alias version")
        return self._read_shape()

    def expect_end(self) -> None:
        """Checks that nothing follows."""
        if self.offset != len(self.data):
            raise self.unsupported("the end of the file", f"{len(self.data) - self.offset} more bytes")

    def _read_shape(self) -> TensorShape:
        shape = (self.read_int(), self.read_int(), self.read_int(), self.read_int())
        if min(shape) < 0:
            raise self.unsupported("four dimensions", str(shape))
        return shape


def decode_all_ints(data: bytes, name: str) -> Int64:
    """Every integer of a file that holds nothing else, in order.

    Millions of integers are read one by one in seconds; here only the walk from head byte to head byte is
    sequential, and the values are put together as arrays.

    Args:
        data: the whole file.
        name: what messages call it.

    Returns:
        (N,) int64.

    Raises:
        ModelUnsupported: some byte is not where an integer can begin, or the last one is cut off.
    """
    raw = np.frombuffer(data, np.uint8)
    lengths = raw & _LENGTH
    following = (np.arange(len(raw)) + 1 + lengths).tolist()
    starts: list[int] = []
    cursor = 0
    while cursor < len(following):
        starts.append(cursor)
        cursor = following[cursor]
    heads = np.array(starts, np.int64)
    is_head = (raw[heads] & _RESERVED == 0) & (lengths[heads] >= 1) & (lengths[heads] <= _MAX_INT_BYTES)
    if cursor != len(raw) or not is_head.all():
        broken = int(heads[~is_head][0]) if not is_head.all() else len(raw)
        raise DlibStream(data, name, broken).unsupported("an integer", "something else")
    padded = np.concatenate([raw, np.zeros(_MAX_INT_BYTES, np.uint8)])
    values = np.zeros(len(heads), np.int64)
    for position in range(int(lengths[heads].max(initial=0))):
        byte = padded[heads + 1 + position].astype(np.int64)
        values += np.where(lengths[heads] > position, byte << (8 * position), 0)
    return np.where(raw[heads] & _NEGATIVE, -values, values)
