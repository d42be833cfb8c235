"""How long to wait before trying again: longer each time, never too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Pauses:
    """Growing pauses, each twice the last.

    Attributes:
        first_s: the first one.
        most_s: no longer than this.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    _next_s: float | None = None

    def next_s(self) -> float:
        """The next pause, seconds."""
        pause = self.first_s if self._next_s is None else self._next_s
        self._next_s = min(self.most_s, pause * 2.0)
        return pause

    def reset(self) -> None:
        """It went well: begin with the first again."""
        self._next_s = None


def wait_out(wake: threading.Event, pause_s: float, *, is_over: Callable[[], bool]) -> None:
    """Wait so long, whatever news ``wake`` brings meanwhile: it is no reason to try sooner what is down.

    Args:
        wake: set by news, and by the end; cleared here.
        pause_s: how long.
        is_over: whether the end is the reason; it ends the wait.
    """
    end_s = time.monotonic() + pause_s
    while not is_over() and (left_s := end_s - time.monotonic()) > 0:
        wake.wait(left_s)
        wake.clear()
