"""The server's own workers: jobs are done in threads of its process, one each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from assent.service import Assent

STOP_WITHIN_S: Final = 20.0
"""How long a worker may take to give its job back; after that its lease runs out."""


class Workers:
    """Some workers on one data folder.

    Args:
        assent: the open data folder.
        count: how many jobs at once; 0 for none.
    """

    def __init__(self, assent: Assent, count: int) -> None:
        self._should_stop = threading.Event()
        self._threads = [
            # a daemon: a job in the middle of a long call does not keep the server from ending
            threading.Thread(
                target=assent.worker().run, args=(self._should_stop,), daemon=True, name=f"assent-worker-{n}"
            )
            for n in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Give running jobs back and end."""
        self._should_stop.set()
        for thread in self._threads:
            thread.join(STOP_WITHIN_S)
