"""How long to wait before trying again: longer each time, never too long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pauses:
    """Growing pauses.

    Attributes:
        first_s: the first one.
        most_s: no longer than this.
        factor: each is so many times the last.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    factor: float = 2.0
    _next_s: float | None = None

    def next_s(self) -> float:
        """The next pause, seconds."""
        pause = self.first_s if self._next_s is None else self._next_s
        self._next_s = min(self.most_s, pause * self.factor)
        return pause

    def reset(self) -> None:
        """It went well: begin with the first again."""
        self._next_s = None
