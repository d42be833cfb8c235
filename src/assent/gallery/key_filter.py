"""Who is surely not in a segment: asked before its keys are searched, since most of many segments do not have a key."""

from __future__ import annotations

import sys
from typing import Final

import numpy as np

from assent.gallery.index import Keys
from assent.types import Bool, UInt8, UInt64

_BITS_A_KEY: Final = 16
_LEAST_BITS: Final = 10  # log2
_FEW: Final = 32
_ODD: Final = 0x9E3779B97F4A7C15
_MIX: Final = 0xD6E8FEB86659FD93
_64_BITS: Final = (1 << 64) - 1


def fingerprints(keys: Keys) -> UInt64:
    """(N,) uint64, the same for the same key whatever the width of the array it comes in.

    The words of a key, each times an odd number of its own, are added up and mixed. No secret is needed: keys that
    collide cost time, never an answer.
    """
    if len(keys) <= _FEW:
        return np.array([_fingerprint(key) for key in keys.tolist()], np.uint64)
    num_words = -(-keys.dtype.itemsize // 8)
    words = np.ascontiguousarray(keys, f"S{8 * num_words}").view(np.uint64).reshape(len(keys), num_words)
    odd, mixed = _ODD, np.zeros(len(keys), np.uint64)
    for column in range(num_words):
        # zeros at the end add nothing, so the width does not tell
        mixed += (words[:, column] ^ (words[:, column] >> np.uint64(32))) * np.uint64(odd)
        odd = odd * _MIX & _64_BITS | 1
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(_MIX)
    return mixed ^ (mixed >> np.uint64(32))


def _fingerprint(key: bytes) -> int:
    """The same in plain numbers: for a single key NumPy would take ten times as long."""
    odd, mixed = _ODD, 0
    for start in range(0, len(key), 8):
        word = int.from_bytes(key[start : start + 8], sys.byteorder)
        mixed += (word ^ (word >> 32)) * odd
        odd = odd * _MIX & _64_BITS | 1
    mixed &= _64_BITS
    mixed = (mixed ^ (mixed >> 32)) * _MIX & _64_BITS
    return mixed ^ (mixed >> 32)


class KeyFilter:
    """A Bloom filter of two bits for each key, in sixteen: one key in seventy that is not there passes.

    Args:
        keys: all of them.
    """

    def __init__(self, keys: Keys) -> None:
        self._log2 = max(_LEAST_BITS, int(np.ceil(np.log2(max(1, _BITS_A_KEY * len(keys))))))
        flags = np.zeros(1 << self._log2, np.bool_)
        for place in self._places(fingerprints(keys)):
            flags[place] = True
        self._bits: UInt8 = np.packbits(flags, bitorder="little")
        self._bytes = self._bits.data

    @property
    def memory_bytes(self) -> int:
        """What it takes."""
        return self._bits.nbytes

    def may_hold(self, prints: UInt64) -> Bool:
        """(N,) False where the key of that fingerprint is surely not one of them."""
        if len(prints) <= _FEW:
            return np.array([self.may_hold_one(number) for number in prints.tolist()], np.bool_)
        first, second = (
            (self._bits[place >> 3] >> (place & 7).astype(np.uint8)) & 1 for place in self._places(prints)
        )
        return np.asarray(first & second, np.bool_)

    def may_hold_one(self, number: int) -> bool:
        """The same of a single fingerprint, in a twentieth of the time."""
        high, low = number >> (64 - self._log2), number & ((1 << self._log2) - 1)
        return bool(self._bytes[high >> 3] >> (high & 7) & self._bytes[low >> 3] >> (low & 7) & 1)

    def _places(self, prints: UInt64) -> tuple[UInt64, UInt64]:
        """The bits of each key: by the upper end of its fingerprint, and by the lower."""
        return prints >> np.uint64(64 - self._log2), prints & np.uint64((1 << self._log2) - 1)
