"""Which frames went into a decoder and did not come out: those that could not be decoded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av

_LOST: Final = "could not be decoded"
_VP8: Final = "vp8"
_SHOWN_BIT: Final = 0x10  # RFC 6386, 9.1: show_frame


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A frame that is due.

    Attributes:
        pts: when it is shown, as the container has it; None where it has no time.
        duration: how long, in the same unit; 0 where unknown.
        picture: None where it could not be decoded.
        damage: why, or what is doubtful in it.
    """

    pts: int | None
    duration: int
    picture: av.VideoFrame | None
    damage: str | None


class Ledger:
    """Compares what went into a decoder with what came out.

    A packet and the frame made of it have one time. Frames come out in the order of their times, so that when one has
    come, no earlier one is to be expected any more. Not expected at all are packets that are never shown: those an
    edit list cuts off, VP8's hidden frames, and those that are shown before the first key frame and need what is not
    there. Where a picture's two fields are packets of their own, times cannot be compared; then only what the decoder
    complains of counts.

    Args:
        codec: FFmpeg's name of it.
    """

    def __init__(self, codec: str) -> None:
        self._is_vp8 = codec == _VP8
        self._expected: list[tuple[int, int]] = []  # a heap of time and duration
        self._first_key_pts: int | None = None
        self._has_fields = False
        self._reason: str | None = None
        self._failures: list[tuple[int | None, int, str]] = []

    def sent(self, packet: av.Packet[Any]) -> None:
        """A packet goes in."""
        if packet.is_discard or (self._is_vp8 and not bytes(packet)[0] & _SHOWN_BIT):
            return
        if packet.is_keyframe and self._first_key_pts is None:
            self._first_key_pts = packet.pts
        if packet.pts is None or self._has_fields:
            return
        if self._first_key_pts is not None and packet.pts < self._first_key_pts:
            return
        heapq.heappush(self._expected, (packet.pts, packet.duration or 0))

    def failed(self, packet: av.Packet[Any] | None, reason: str) -> None:
        """The decoder complains; of which frame is not certain, except where packets have no time."""
        self._reason = f"{_LOST}: {reason}"
        if packet is not None and (packet.pts is None or self._has_fields):
            self._failures.append((packet.pts, packet.duration or 0, self._reason))

    def came(self, picture: av.VideoFrame) -> Iterator[Shown]:
        """A frame comes out: those before it that never will, then it."""
        if picture.interlaced_frame and not self._has_fields:
            self._has_fields = True
            self._expected.clear()
        pts = picture.pts if picture.pts is not None else picture.dts
        if pts is not None:
            yield from self._lost_before(pts)
        damage = "decoded with errors" if picture.is_corrupt else None
        yield Shown(pts, picture.duration or 0, picture, damage)

    def rest(self) -> Iterator[Shown]:
        """The clip is over: those that never came."""
        yield from self._lost_before(None)

    def _lost_before(self, pts: int | None) -> Iterator[Shown]:
        for failed_pts, duration, reason in self._failures:
            yield Shown(failed_pts, duration, None, reason)
        self._failures.clear()
        while self._expected and (pts is None or self._expected[0][0] < pts):
            lost_pts, duration = heapq.heappop(self._expected)
            yield Shown(lost_pts, duration, None, self._reason or _LOST)
        if self._expected and self._expected[0][0] == pts:
            heapq.heappop(self._expected)
