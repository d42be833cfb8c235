"""Lists in pages, with tokens that outlive inserts, deletions and restarts.

A token names the place after which the next page begins, not a number of items or a moment of the server's: what is
added or removed meanwhile shifts nothing, and nothing is kept between pages. It is bound to the question it came
with. It is not secret: its place is one that the list itself has shown, and whoever may list may start anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from assent.wire.call import Call
from assent.wire.errors import WireError

T = TypeVar("T")
DEFAULT_PAGE_SIZE: Final = 1000
_MAX_PREFIX_BYTES: Final = 160  # a token has at most 255 characters, and a collection's name may have as many
_BINDING_BYTES: Final = 8
_DIGEST_BYTES: Final = 8
_NOT_OF_THE_QUESTION: Final = ("NextToken", "MaxResults")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list.

    Attributes:
        items: in the list's order.
        next_token: for the page after this; None on the last.
    """

    items: list[T]
    next_token: str | None


def page_of(
    call: Call, items: Iterable[T], *, place: Callable[[T], str], max_size: int | None = None
) -> Page[T]:
    """The page that a request asks for.

    Args:
        call: its ``MaxResults`` and ``NextToken`` count.
        items: the whole list, in any order.
        place: an item's own place in it: unique, never changing.
        max_size: largest page; the model's limit when None.

    Raises:
        WireError: ``InvalidPaginationTokenException`` for a token that did not come with this question.
    """
    size = min(call.params.get("MaxResults") or DEFAULT_PAGE_SIZE, max_size or 4096)
    after = _read(call, call.params["NextToken"]) if call.params.get("NextToken") else b""
    ordered = sorted(((_sort_key(place(item)), item) for item in items), key=lambda pair: pair[0])
    rest = [pair for pair in ordered if pair[0] > after]
    page = rest[:size]
    token = _token(call, page[-1][0]) if len(rest) > size else None
    return Page([item for _, item in page], token)


def _sort_key(place: str) -> bytes:
    """The start of a place and a hash of all of it: short, and in the order of places of usual length."""
    encoded = place.encode()
    return encoded[:_MAX_PREFIX_BYTES] + b"\0" + hashlib.sha256(encoded).digest()[:_DIGEST_BYTES]


def _binding(call: Call, key: bytes) -> bytes:
    asked = {name: value for name, value in call.params.items() if name not in _NOT_OF_THE_QUESTION}
    question = repr((call.operation, sorted(asked.items()))).encode()
    return hashlib.sha256(question + b"\0" + key).digest()[:_BINDING_BYTES]


def _token(call: Call, key: bytes) -> str:
    return base64.urlsafe_b64encode(_binding(call, key) + key).decode().rstrip("=")


def _read(call: Call, token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    binding, key = raw[:_BINDING_BYTES], raw[_BINDING_BYTES:]
    if len(key) <= _DIGEST_BYTES or binding != _binding(call, key):
        raise WireError("InvalidPaginationTokenException", "Invalid Pagination Token")
    return key
