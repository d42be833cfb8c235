"""SMPTE timecodes: a frame's number as hours, minutes, seconds and frames."""

from __future__ import annotations

from typing import Final

_NTSC: Final = 1000 / 1001


def smpte(frame: int, frame_rate: float) -> str:
    """The timecode of a frame, counted from 0.

    Rates of 29.97 and 59.94 are counted with dropped numbers, written with a semicolon: each minute but every tenth
    leaves the first two (four) numbers out, so that the code keeps step with the clock (SMPTE ST 12-1).

    Args:
        frame: its number.
        frame_rate: frames a second; 0 where it is not known, and then 30 are assumed.

    Example:
        >>> smpte(1800, 30.0), smpte(1800, 30000 / 1001)
        ('00:01:00:00', '00:01:00;02')
    """
    nominal = max(1, round(frame_rate or 30.0))
    is_dropped = nominal in (30, 60) and abs(frame_rate - nominal * _NTSC) < 0.005
    if is_dropped:
        dropped = nominal // 15
        a_minute = nominal * 60 - dropped
        ten_minutes = a_minute * 10 + dropped
        tens, rest = divmod(frame, ten_minutes)
        frame += tens * 9 * dropped
        if rest >= nominal * 60:
            frame += dropped * ((rest - dropped) // a_minute)
    seconds, frames = divmod(frame, nominal)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if is_dropped else ':'}{frames:02d}"
