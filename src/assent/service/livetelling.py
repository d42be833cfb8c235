"""Telling a webhook who came and went: in order, signed, tried again until it arrives or the event is gone.

The queue is the records themselves: an event that its person's withdrawal destroyed, or whose time is over, is told to
nobody any more, and a webhook that is down for an hour costs no memory.
"""

from __future__ import annotations

import json
import logging
import threading
from types import TracebackType
from typing import Final, Self

from assent.errors import AssentError
from assent.faults import kind_and_place
from assent.live.pauses import Pauses, wait_out
from assent.notifications import NotDelivered, Notifier
from assent.service.context import Context
from assent.service.liverecords import event_json
from assent.store.live import LiveEvent

_log = logging.getLogger("assent.live")

_LOOK_S: Final = 0.5


class WebhookTeller:
    """Tells in a thread of its own.

    Args:
        ctx: the open data folder.
        place: whose events.
        camera: only this one's.
        notifier: who is told.
        pauses: between attempts.

    Attributes:
        problem: why it cannot be told at present; empty where it can.
    """

    def __init__(
        self, ctx: Context, place: str, camera: str, notifier: Notifier, pauses: Pauses | None = None
    ) -> None:
        self._ctx = ctx
        self._place, self._camera = place, camera
        self._notifier = notifier
        self._pauses = pauses or Pauses(1.0, 300.0)
        self._wake = threading.Event()
        self._is_ending = False
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="live-webhook", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is owed is tried once more; the rest is told by the next run at this place."""
        self._is_ending = True
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    def _run(self) -> None:
        while True:
            is_last = self._is_ending
            pause_s = self._tell_all()
            if is_last:
                return
            if pause_s is not None:
                wait_out(self._wake, pause_s, is_over=lambda: self._is_ending)
            else:
                self._wake.wait(_LOOK_S)
                self._wake.clear()

    def _tell_all(self) -> float | None:
        """How long to wait before trying again; None where nothing is owed."""
        try:
            while True:
                event = self._owed()
                if event is None:
                    self.problem = ""
                    return None
                self._notifier.send(f"{event.place}-{event.seq}", json.dumps(event_json(event)))
                self._pauses.reset()
                with self._ctx.records.transaction() as tx:
                    tx.settle_live_event(self._place, event.seq)
        except NotDelivered as error:
            _log.warning("a live event was not delivered: %s", error.reason)
            self.problem = (
                f"the webhook is not reached ({error.reason}); events wait for as long as they are kept"
            )
        except AssentError as error:
            _log.warning("live events cannot be read: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - what is owed is told later, not by nobody
            _log.error("a live event was not delivered: %s", kind_and_place(error))
        return self._pauses.next_s()

    def _owed(self) -> LiveEvent | None:
        with self._ctx.records.reading() as tx:
            owed = tx.live_events(self._place, limit=1, only_owed=True, camera=self._camera)
        return owed[0] if owed else None
