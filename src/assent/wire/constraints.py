"""What a request is held to: every type, required member, length, pattern, enum and range of the service model.

Clients check little of it before they send, so all of it is checked here, for all operations, from the model alone.
Members that the model does not know are ignored, as AWS does. Violations are worded as AWS words them; of a
blob only its length is told.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, Final

from assent.wire.errors import WireError
from assent.wire.patterns import is_match

MAX_SHOWN_CHARS: Final = 64
MAX_REPORTED: Final = 10
"""Violations told in one answer."""

_INT_LIMITS: Final = {"integer": 2**31, "long": 2**63}


def validated(shape: Any, members: dict[str, Any]) -> dict[str, Any]:
    """The members of a request that the model knows, blobs decoded.

    Args:
        shape: the operation's botocore input shape, or None where it takes nothing.
        members: from the body.

    Returns:
        The same, without nulls and unknown members; a blob is ``bytes``, everything else stays JSON.

    Raises:
        WireError: ``SerializationException`` for a value of another type, ``InvalidParameterException`` for
            everything else; the message says which members and why.
    """
    if shape is None:
        return {}
    checker = _Checker()
    value: dict[str, Any] = checker.structure(shape, members, "")
    checker.raise_if_any()
    return value


class _Checker:
    """Walks a value beside its shape and collects what is wrong."""

    def __init__(self) -> None:
        self._violations: list[str] = []
        self._walks: dict[str, Callable[[Any, Any, str], Any]] = {
            "structure": self.structure,
            "list": self._list,
            "map": self._map,
            "string": self._string,
            "integer": self._whole,
            "long": self._whole,
            "float": self._number,
            "double": self._number,
            "timestamp": self._number,
            "boolean": self._boolean,
            "blob": self._blob,
        }

    def raise_if_any(self) -> None:
        """Raise with everything that was found."""
        count = len(self._violations)
        if count:
            what = "validation error" if count == 1 else "validation errors"
            told = "; ".join(self._violations[:MAX_REPORTED])
            raise WireError("InvalidParameterException", f"{count} {what} detected: {told}")

    def structure(self, shape: Any, value: Any, path: str) -> dict[str, Any]:
        """The known members of a structure."""
        _require(isinstance(value, dict), path, "a structure")
        result: dict[str, Any] = {}
        for name, member in shape.members.items():
            at = f"{path}.{_lower(name)}" if path else _lower(name)
            if value.get(name) is not None:
                result[name] = self._value(member, value[name], at)
            elif name in shape.required_members:
                self._violate("null", at, "Member must not be null")
        return result

    def _value(self, shape: Any, value: Any, path: str) -> Any:
        return self._walks[shape.type_name](shape, value, path)

    def _list(self, shape: Any, value: Any, path: str) -> list[Any]:
        _require(isinstance(value, list), path, "a list")
        if not self._is_length(shape, value, path, shown=f"[{len(value)} members]"):
            return []
        items = []
        for number, item in enumerate(value, start=1):
            _require(item is not None, f"{path}.{number}.member", "a value that is not null")
            items.append(self._value(shape.member, item, f"{path}.{number}.member"))
        return items

    def _map(self, shape: Any, value: Any, path: str) -> dict[str, Any]:
        _require(isinstance(value, dict), path, "a map")
        if not self._is_length(shape, value, path, shown=f"{{{len(value)} members}}"):
            return {}
        result = {}
        for key, item in value.items():
            self._string(shape.key, key, f"{path}.key")
            _require(item is not None, f"{path}.value", "a value that is not null")
            result[key] = self._value(shape.value, item, f"{path}.value")
        return result

    def _string(self, shape: Any, value: Any, path: str) -> str:
        _require(isinstance(value, str), path, "a string")
        text: str = value
        if self._is_length(shape, text, path, shown=_shown(text)):
            pattern = shape.metadata.get("pattern")
            if pattern is not None and not is_match(text, pattern):
                self._violate(
                    _shown(text), path, f"Member must satisfy regular expression pattern: {pattern}"
                )
        enum = shape.metadata.get("enum")
        if enum and text not in enum:
            self._violate(_shown(text), path, f"Member must satisfy enum value set: [{', '.join(enum)}]")
        return text

    def _whole(self, shape: Any, value: Any, path: str) -> int:
        # A whole number may be written as a float; true is none, though Python thinks so.
        is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
        limit = _INT_LIMITS[shape.type_name]
        _require(is_whole and -limit <= value < limit, path, f"a whole number ({shape.type_name})")
        self._check_range(shape, int(value), path)
        return int(value)

    def _number(self, shape: Any, value: Any, path: str) -> float:
        _require(isinstance(value, int | float) and not isinstance(value, bool), path, "a number")
        self._check_range(shape, float(value), path)
        return float(value)

    def _boolean(self, _shape: Any, value: Any, path: str) -> bool:
        _require(isinstance(value, bool), path, "true or false")
        return bool(value)

    def _blob(self, shape: Any, value: Any, path: str) -> bytes:
        _require(isinstance(value, str), path, "base64")
        try:
            blob = binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError):
            raise _wrong_type(path, "base64 without line breaks, padded") from None
        self._is_length(shape, blob, path, shown=f"[{len(blob)} bytes]")
        return blob

    def _is_length(self, shape: Any, value: Any, path: str, *, shown: str) -> bool:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
        if len(value) < low:
            self._violate(shown, path, f"Member must have length greater than or equal to {low}")
        elif high is not None and len(value) > high:
            self._violate(shown, path, f"Member must have length less than or equal to {high}")
        else:
            return True
        return False

    def _check_range(self, shape: Any, value: float, path: str) -> None:
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and value < low:
            self._violate(f"{value:g}", path, f"Member must have value greater than or equal to {low}")
        elif high is not None and value > high:
            self._violate(f"{value:g}", path, f"Member must have value less than or equal to {high}")

    def _violate(self, shown: str, path: str, constraint: str) -> None:
        value = "Value null" if shown == "null" else f"Value '{shown}'"
        self._violations.append(f"{value} at '{path}' failed to satisfy constraint: {constraint}")


def _require(condition: bool, path: str, expected: str) -> None:
    if not condition:
        raise _wrong_type(path, expected)


def _wrong_type(path: str, expected: str) -> WireError:
    return WireError(
        "SerializationException", f"Expected {expected} at '{path or 'the request'}', got another type."
    )


def _lower(name: str) -> str:
    """How AWS writes a member in a violation: ``CollectionId`` is ``collectionId``."""
    return name[:1].lower() + name[1:]


def _shown(text: str) -> str:
    """The start of a text, in one printable line."""
    cut = text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "..."
    return "".join(char if char.isprintable() else "?" for char in cut)
