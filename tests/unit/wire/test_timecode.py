"""Timecodes, against what SMPTE ST 12-1 says of dropped numbers."""

from __future__ import annotations

import pytest

from assent.wire.timecode import smpte

NTSC = 30000 / 1001


@pytest.mark.parametrize(
    ("frame", "rate", "expected"),
    [
        (0, 25.0, "00:00:00:00"),
        (24, 25.0, "00:00:00:24"),
        (25, 25.0, "00:00:01:00"),
        (90_000, 25.0, "01:00:00:00"),
        (7, 0.0, "00:00:00:07"),
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (3597, NTSC, "00:01:59;29"),
        (3598, NTSC, "00:02:00;02"),
        (17_981, NTSC, "00:09:59;29"),
        (17_982, NTSC, "00:10:00;00"),
        (107_892, NTSC, "01:00:00;00"),
        (3600, 60000 / 1001, "00:01:00;04"),
        (1438, 24000 / 1001, "00:00:59:22"),
    ],
)
def test_a_frames_timecode(frame: int, rate: float, expected: str) -> None:
    assert smpte(frame, rate) == expected


def test_dropped_numbers_are_never_given_and_none_is_given_twice() -> None:
    codes = [smpte(frame, NTSC) for frame in range(40_000)]
    assert len(set(codes)) == len(codes)
    assert codes == sorted(codes)
    dropped = [code for code in codes if code[6:8] == "00" and code[9:] in ("00", "01") and code[4] != "0"]
    assert dropped == []
