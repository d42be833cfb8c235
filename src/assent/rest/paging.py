"""Lists page by page: a cursor names the last item given, so that what is added or removed meanwhile shifts nothing."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from assent.errors import UsageError

T = TypeVar("T")
Key = tuple[str | int, ...]
_MAX_NUMBER: Final = 2**53

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many, 1 to 1,000.")]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z0-9_\-]+$",
        description="Where to go on: `next_cursor` of the page before.",
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T] = Field(description="In the list's order.")
    next_cursor: str | None = Field(
        description="Give it as `cursor` for the next page; null on the last.", examples=[None]
    )


def page_of(
    items: Iterable[T], key: Callable[[T], Key], *, limit: int, cursor: str | None
) -> tuple[Sequence[T], str | None]:
    """The items after a cursor, and the cursor after these.

    Args:
        items: all, in any order.
        key: what an item is ordered by, unique.
        limit: at most so many.
        cursor: from the page before; None for the first.

    Raises:
        UsageError: the cursor is not one of this list's.
    """
    ordered = sorted(items, key=key)  # a database may order text by its own rules
    keys = [key(item) for item in ordered]
    start = 0 if cursor is None else _after(keys, parse_cursor(cursor))
    chosen = ordered[start : start + limit]
    is_last = start + limit >= len(ordered)
    return chosen, None if is_last else make_cursor(keys[start + limit - 1])


def make_cursor(key: Key) -> str:
    """A key as an opaque word."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode("ascii").rstrip("=")


def parse_cursor(cursor: str) -> Key:
    """The key of a cursor.

    Raises:
        UsageError: it is not one.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(found, list) and all(type(part) in (str, int) for part in found):
            return tuple(found)
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise _wrong_cursor()


def number_of(cursor: str | None) -> int:
    """The number that a cursor of a numbered list names; 0 for None.

    Raises:
        UsageError: the cursor is not one of such a list.
    """
    match () if cursor is None else parse_cursor(cursor):
        case ():
            return 0
        case (int(number),) if 0 <= number <= _MAX_NUMBER:
            return number
    raise _wrong_cursor()


def _after(keys: Sequence[Key], last: Key) -> int:
    try:
        return bisect_right(keys, last)
    except TypeError as error:
        raise _wrong_cursor() from error


def _wrong_cursor() -> UsageError:
    return UsageError("expected a cursor of this list, got something else; begin again without one")
