"""Times that grow: what a container says of its frames' times, repaired where it cannot be."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

_JUMP_FRAMES: Final = 10  # further back than this is a new start, not a slip


class Clock:
    """Gives each frame, in the order shown, a time later than the last one's.

    Sound times come out as they went in. A frame without a time, or with one that is not later than the last one's,
    follows it by a frame's usual length; where times start anew (recordings put one after the other), all that
    follow are moved along.

    Args:
        time_base: of the times, seconds.
        frame_rate: frames a second; 0 where unknown.

    Attributes:
        num_repaired: frames whose time was made up.
    """

    def __init__(self, time_base: Fraction, frame_rate: float) -> None:
        rate = Fraction(frame_rate).limit_denominator(1001) if frame_rate else Fraction(30)
        self._usual = max(1, round(1 / rate / time_base))
        self._last: int | None = None
        self._shift = 0
        self.num_repaired = 0

    def next(self, pts: int | None, duration: int) -> int:
        """The time of the next frame.

        Args:
            pts: as the container has it; None where it has none.
            duration: of this frame; unused where the time is sound.
        """
        if self._last is None:
            self._last = pts if pts is not None else 0
            return self._last
        follows = self._last + self._usual
        if pts is None:
            now = follows
        else:
            now = pts + self._shift
            if now <= self._last - _JUMP_FRAMES * self._usual:
                self._shift += follows - now
                now = follows
            elif now <= self._last:
                now = min(follows, self._last + max(1, duration)) if duration else follows
        if pts is None or now != pts:
            self.num_repaired += 1
        self._last = now
        return now
