"""Failed sign-ins are slowed down: each one after the first few doubles the wait before the next is looked at."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 5
"""So many mistakes in a row cost nothing."""
LONGEST_WAIT_S = 60.0
FORGOTTEN_AFTER_S = 15 * 60.0
MAX_ENTRIES = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float


class Throttle:
    """Counts failures by who failed, an address together with the key it tried.

    An access key's secret cannot be guessed in any case; this keeps the log of a server readable and its processors
    free. Nobody is locked out: the wait is a minute at most, and only for the address that failed.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, who: str) -> float:
        """Seconds until the next try of ``who`` is looked at; 0 for now."""
        with self._lock:
            found = self._failures.get(who)
            if found is None or found.count < FREE_FAILURES:
                return 0.0
            pause_s = min(LONGEST_WAIT_S, 2.0 ** (found.count - FREE_FAILURES + 1))
            return max(0.0, found.last_s + pause_s - self._clock())

    def failed(self, who: str) -> None:
        """Count one more failure; the oldest are forgotten, so that memory has an end."""
        now_s = self._clock()
        with self._lock:
            found = self._failures.pop(who, None)
            is_recent = found is not None and now_s - found.last_s < FORGOTTEN_AFTER_S
            count = found.count + 1 if found is not None and is_recent else 1
            self._failures[who] = _Failures(count, now_s)
            while len(self._failures) > MAX_ENTRIES:
                self._failures.popitem(last=False)

    def succeeded(self, who: str) -> None:
        """Forget the failures of ``who``."""
        with self._lock:
            self._failures.pop(who, None)
