"""What the server does by itself, off every request's path: signs the log as it grows, ends what has expired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from assent.errors import AssentError

if TYPE_CHECKING:
    from assent.service import Assent

_log = logging.getLogger("assent.server")


class Housekeeping:
    """Periodic work, each kind in a task of its own.

    Args:
        assent: the open data folder.
        checkpoint_every_s: seconds between looks at whether the log grew.
        sweep_every_s: seconds between sweeps of expired consents and reviews.
    """

    def __init__(self, assent: Assent, *, checkpoint_every_s: float, sweep_every_s: float) -> None:
        self._work: list[tuple[str, float, Callable[[], object]]] = [
            ("sign the log", checkpoint_every_s, assent.logbook.checkpoint),
            ("end expired consents and reviews", sweep_every_s, assent.consents.sweep),
            ("destroy jobs that were kept long enough", sweep_every_s, assent.jobs.sweep),
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; each kind of work is done once at once."""
        self._tasks = [asyncio.create_task(_repeat(*work)) for work in self._work]

    async def stop(self) -> None:
        """End; what is being done is finished first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _repeat(what: str, every_s: float, work: Callable[[], object]) -> None:
    """A failure is a line in the log and the next turn's to mend: the server goes on answering."""
    while True:
        doing = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.gather(doing, return_exceptions=True)
            raise
        except AssentError as error:
            _log.warning("could not %s: %s", what, error.message)
        except Exception as error:  # noqa: BLE001 - a fault in one turn must not end all later ones
            _log.error("could not %s", what, exc_info=error)
        await asyncio.sleep(every_s)
