"""Numbers, times and reasons in words for people; the same everywhere in the console."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

REASONS: Final = MappingProxyType(
    {
        "small": ("The face is small.", "Come closer, or use a picture with more pixels."),
        "blurred": ("The face is blurred.", "Hold still, let the camera focus, wipe its lens."),
        "dark": ("The face is too dark.", "Turn towards a window or a lamp."),
        "bright": ("The face is too bright.", "Step out of the direct sun or flash."),
        "turned": ("The head is turned away.", "Look into the camera."),
        "low-confidence": (
            "It is hardly to be told that this is a face.",
            "Nothing in front of the face, and all of it in the picture.",
        ),
        "too-many-faces": (
            "There are more faces in the picture than are searched at once.",
            "Cut the picture into parts.",
        ),
    }
)
"""Why a face is refused, and what to do about it, by the reason's name."""


def reason(name: str) -> str:
    """Why a face was refused."""
    return REASONS[name][0] if name in REASONS else name


def remedy(name: str) -> str:
    """What to do about it; empty where nothing is known."""
    return REASONS[name][1] if name in REASONS else ""


def one_in(fmr: float) -> str:
    """N of "one stranger in N", rounded down to two digits, so that it is never too good.

    Example:
        >>> one_in(8.1e-5)
        '12,000'
    """
    if not fmr > 0:
        return "more than can be told"
    count = 1 / fmr * (1 + 1e-12)  # 1 / 0.001 is 1,000, not 999
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return f"{max(1, math.floor(count / unit) * unit):,}"


def expected(count: float) -> str:
    """How many false candidates are to be expected, rounded up to two digits.

    Example:
        >>> expected(0.00312)
        '0.0032'
    """
    if count <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(count)) - 1)
    rounded = math.ceil(count / unit * (1 - 1e-12)) * unit
    return f"{rounded:.{max(0, 1 - math.floor(math.log10(rounded)))}f}"


def when(at: datetime) -> str:
    """A time to the minute, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(at: datetime) -> str:
    """A day, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def last_day(ends_at: datetime) -> str:
    """The last day that is covered by what ends at a moment: the day before, where that is midnight."""
    return day(ends_at - timedelta(microseconds=1))


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    Example:
        >>> plural(2, "photo")
        '2 photos'
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def clock(seconds: float) -> str:
    """A moment of a video.

    Example:
        >>> clock(3.25), clock(3723.0)
        ('0:03.2', '1:02:03.0')
    """
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def about(seconds: float) -> str:
    """How long something will take, roughly.

    Example:
        >>> about(8), about(130)
        ('about 10 seconds', 'about 2 minutes')
    """
    if seconds < 55:
        return f"about {max(10, round(seconds / 10) * 10)} seconds"
    if seconds < 3300:
        return f"about {plural(max(1, round(seconds / 60)), 'minute')}"
    return f"about {plural(max(1, round(seconds / 3600)), 'hour')}"
