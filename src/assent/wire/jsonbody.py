"""A request's body: strict JSON, or one typed error.

Stricter than Python's reader: no NaN or infinity, no member named twice (readers differ on which one counts, and a
signature does not tell), no text that is no Unicode, no nesting that would exhaust a reader's stack.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from assent.wire.errors import WireError

MAX_DEPTH: Final = 64
"""The deepest request that the service model allows is 8 levels."""


def read_body(body: bytes) -> dict[str, Any]:
    """The members of a request.

    Args:
        body: as received; nothing counts as ``{}``.

    Raises:
        WireError: ``SerializationException``; the message repeats nothing of the body.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
            object_pairs_hook=_without_repeats,
        )
    except UnicodeDecodeError:
        raise _malformed("expected UTF-8") from None
    except RecursionError:
        raise _malformed(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:
        raise _malformed("expected JSON") from None
    if not isinstance(value, dict):
        raise _malformed("expected a JSON object")
    _check(value)
    return value


def _malformed(why: str) -> WireError:
    return WireError("SerializationException", f"The body of the request cannot be read: {why}.")


def _refuse_constant(_name: str) -> NoReturn:
    raise _malformed("expected JSON; NaN and Infinity are none")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a number is out of range")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20:  # more than 64 bits hold
        raise _malformed("a number is out of range")
    return int(text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _malformed("a member is named twice")
    return members


def _check(value: Any, depth: int = 1) -> None:
    """Refuse what is nested too deep or holds half a surrogate pair, which no text has."""
    if depth > MAX_DEPTH:
        raise _malformed(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise _malformed("a text is no Unicode")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check(name, depth)
            _check(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth + 1)
