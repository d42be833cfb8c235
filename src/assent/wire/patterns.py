r"""The service model's regular expressions, which are Java's, as Python's.

They are held to the whole text and to ASCII for ``\d``, ``\w`` and ``\s``, as Java does. Java's Unicode categories
(``\p{L}``, in the patterns of tags) are written out as ranges.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

MAX_UNBOUNDED_CHARS = 4096
"""A text with a pattern but no longest length is not matched beyond this: matching may take the square of it."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the model, for ``fullmatch``."""
    return re.compile(re.sub(r"\\p\{([A-Z])\}", lambda found: _ranges(found[1]), pattern), re.ASCII)


def is_match(text: str, pattern: str) -> bool:
    """Whether the whole text satisfies a pattern of the model."""
    return len(text) <= MAX_UNBOUNDED_CHARS and compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=8)
def _ranges(category: str) -> str:
    """Everything of one Unicode category, as the inside of a character class; about 0.2 s, once."""
    parts: list[str] = []
    start: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code))[0] == category
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            parts.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(parts)
