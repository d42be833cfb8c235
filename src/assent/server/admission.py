"""Who is worked for now, who waits, and who is told to come back.

At most so many requests are worked on at once, because more would only make each slower; a bounded number waits in
the order it came; everybody else, and whoever has waited too long, hears so at once. So no queue grows without end
and nobody runs into a timeout of their own.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Overloaded(Exception):  # no error of ours: it never leaves the server's room
    """There is no place, or none came free in time.

    Attributes:
        retry_after_s: when to try again, whole seconds, at least 1.
    """

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__("overloaded")
        self.retry_after_s = retry_after_s


class Admission:
    """Places to work in, and a waiting room; for one event loop.

    Args:
        max_running: requests worked on at once.
        max_waiting: requests that wait for a place; 0 for no waiting room.
        max_wait_s: how long one waits at most, seconds.
    """

    def __init__(self, *, max_running: int, max_waiting: int, max_wait_s: float) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._num_running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    @property
    def num_running(self) -> int:
        """Requests that have a place."""
        return self._num_running

    @property
    def num_waiting(self) -> int:
        """Requests in the waiting room."""
        return len(self._waiting)

    def try_enter(self) -> bool:
        """Take a place if one is free and nobody waits for it; ``leave`` gives it back."""
        if self._is_closed or self._waiting or self._num_running >= self._max_running:
            return False
        self._num_running += 1
        return True

    async def enter(self) -> None:
        """Take a place, waiting in turn where none is free; ``leave`` gives it back.

        Cancelling gives up the turn.

        Raises:
            Overloaded: the waiting room is full or closed, or the wait was too long.
        """
        if self.try_enter():
            return
        if self._is_closed or len(self._waiting) >= self._max_waiting:
            raise Overloaded
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._max_wait_s, self._give_up, turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The place may have been handed over just before.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Give a place back; who has waited longest gets it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._num_running -= 1

    def close(self) -> None:
        """Let nobody in any more and send the waiting away; who has a place keeps it."""
        self._is_closed = True
        while self._waiting:
            self._refuse(self._waiting.popleft())

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
            self._refuse(turn)

    @staticmethod
    def _refuse(turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(Overloaded())
