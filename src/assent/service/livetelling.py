"""Telling a webhook who came and went: in order, signed, tried again until it arrives or the event is gone.

The queue is the records themselves: an event that its person's withdrawal destroyed, or whose time is over, is told to
nobody any more, and a webhook that is down for an hour costs no memory.
"""

from __future__ import annotations

import json
from typing import Final

from assent.live.pauses import Pauses
from assent.notifications import Notifier
from assent.service.context import Context
from assent.service.liverecords import event_json
from assent.service.telling import Teller
from assent.store.live import LiveEvent

_LOOK_S: Final = 0.5


class WebhookTeller(Teller):
    """Tells of the events of one camera.

    Args:
        ctx: the open data folder.
        place: whose events.
        camera: only this one's.
        notifier: who is told.
        pauses: between attempts.
    """

    def __init__(
        self, ctx: Context, place: str, camera: str, notifier: Notifier, pauses: Pauses | None = None
    ) -> None:
        super().__init__(
            "a live event",
            pauses or Pauses(1.0, 300.0),
            trouble="the webhook is not reached ({reason}); events wait for as long as they are kept",
            look_s=_LOOK_S,
        )
        self._ctx = ctx
        self._place, self._camera = place, camera
        self._notifier = notifier

    def _tell_next(self) -> bool:
        event = self._owed()
        if event is None:
            return False
        self._notifier.send(f"{event.place}-{event.seq}", json.dumps(event_json(event)))
        with self._ctx.records.transaction() as tx:
            tx.settle_live_event(self._place, event.seq)
        return True

    def _owed(self) -> LiveEvent | None:
        with self._ctx.records.reading() as tx:
            owed = tx.live_events(self._place, limit=1, only_owed=True, camera=self._camera)
        return owed[0] if owed else None
