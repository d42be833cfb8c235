"""What each field accepts, once; the message says what was expected and what came."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import numpy as np

from assent.errors import AssentError, UsageError
from assent.types import Float32

REF: Final = re.compile(r"[a-zA-Z0-9_.\-:]{1,128}")
COLLECTION_NAME: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,255}")
PURPOSE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
VERSION: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,64}")
LANGUAGE: Final = re.compile(r"[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8}){0,4}")  # BCP 47, near enough
PRESET: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
PLACE: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]{0,63}")
KIND: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
DIGEST: Final = re.compile(r"[a-zA-Z0-9_.:\-]{1,128}")

UNIT_NORM_TOLERANCE: Final = 1e-3
MAX_DIM: Final = 4096


def matching(
    field: str, value: object, pattern: re.Pattern[str], *, error: type[AssentError] = UsageError
) -> str:
    """``value`` where it is text that matches the whole pattern."""
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise error(f"{field} must be text matching {pattern.pattern}, got {_shown(value)}")


def line(field: str, value: object, *, max_chars: int, error: type[AssentError] = UsageError) -> str:
    """``value`` stripped, where it is one non-empty printable line."""
    text = value.strip() if isinstance(value, str) else ""
    if text and len(text) <= max_chars and text.isprintable():
        return text
    raise error(
        f"{field} must be one line of 1 to {max_chars} printable characters, got "
        + (f"{len(value)} characters" if isinstance(value, str) else _shown(value))
    )


def aware_time(field: str, value: object, *, error: type[AssentError] = UsageError) -> datetime:
    """``value`` in UTC, where it is a time with a time zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        with suppress(OverflowError):  # the first and last day there are have no UTC everywhere
            return value.astimezone(UTC)
    raise error(f"{field} must be a time with a time zone, got {_shown(value)}")


def unit_vector(value: Float32, *, dim: int) -> Float32:
    """``value`` where it is a (dim,) float32, finite, of norm 1 within 1e-3."""
    expected = f"a template of this collection must be ({dim},) float32 of norm 1"
    if value.dtype != np.float32 or value.shape != (dim,):
        got = f"{value.shape} {value.dtype}"
        raise UsageError(f"{expected}, got {got}; use the model that the collection was made with")
    norm = float(np.linalg.norm(value.astype(np.float64)))
    if not abs(norm - 1.0) <= UNIT_NORM_TOLERANCE:
        raise UsageError(f"{expected}, got norm {norm:.6g}; divide the embedding by its norm first")
    return value


def _shown(value: object) -> str:
    """What came, short; a text is not repeated, since it may be a name."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"{len(value)} other characters" if value else "empty text"
    return type(value).__name__
