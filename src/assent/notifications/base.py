"""What every way of telling does."""

from __future__ import annotations

from typing import Protocol


class NotDelivered(Exception):  # no error of ours: it never leaves the worker
    """It did not arrive, as far as can be told; tried again later.

    Attributes:
        reason: in words, without what was sent or to whom.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Notifier(Protocol):
    """One place to tell things to."""

    def send(self, notice_id: str, body: str) -> None:
        """Tell it once.

        Args:
            notice_id: the same for every attempt, so that a receiver can tell repetitions.
            body: JSON.

        Raises:
            NotDelivered: it did not arrive, as far as can be told.
        """
