"""A thread that tells somebody over the network, in order, and tries again, later each time, while that fails."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

from assent.errors import AssentError
from assent.faults import kind_and_place
from assent.live.pauses import Pauses, wait_out
from assent.notifications import NotDelivered

_log: Final = logging.getLogger("assent.live")


class Teller(ABC):
    """Tells from its ``with`` to the end of it, when what is owed is tried once more.

    Args:
        what: is told, for the log: "a live event".
        pauses: between attempts.
        trouble: what to call it for people, while it cannot be told: "the webhook is not reached ({reason})".
        look_s: it looks for itself so often whether something is owed; None: only when it is woken.

    Attributes:
        problem: why it cannot be told at present; empty where it can.
    """

    def __init__(self, what: str, pauses: Pauses, *, trouble: str, look_s: float | None = None) -> None:
        self._what, self._pauses, self._trouble, self._look_s = what, pauses, trouble, look_s
        self._wake = threading.Event()
        self._is_ending = False
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="assent-telling", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending = True
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    @abstractmethod
    def _tell_next(self) -> bool:
        """Tell one; False where nothing is owed.

        Raises:
            NotDelivered: it is still owed.
        """

    def _run(self) -> None:
        while True:
            is_last = self._is_ending
            pause_s = self._tell_all()
            if is_last:
                return
            if pause_s is not None:
                wait_out(self._wake, pause_s, is_over=lambda: self._is_ending)
            else:
                self._wake.wait(self._look_s)
                self._wake.clear()

    def _tell_all(self) -> float | None:
        """How long to wait before trying again; None where nothing is owed."""
        try:
            while self._tell_next():
                self._pauses.reset()
            self._pauses.reset()
            self.problem = ""
            return None
        except NotDelivered as error:
            _log.warning("%s was not delivered: %s", self._what, error.reason)
            self.problem = self._trouble.format(reason=error.reason)
        except AssentError as error:
            _log.warning("%s cannot be read: %s", self._what, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - what is owed is told later, not by nobody
            _log.error("%s was not delivered: %s", self._what, kind_and_place(error))
        return self._pauses.next_s()
