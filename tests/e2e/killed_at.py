"""Run one command line and end by SIGKILL at its n-th step: ``python killed_at.py N FOLDER WORDS...``.

A step is a file operation under FOLDER, a statement that SQLite is about to run, or the end; seen from outside by
Python's audit events and SQLite's trace. With N = 0 nothing is killed, and the number of steps is printed last on
standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from assent.cli.main import run

FILE_EVENTS = {
    "open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.truncate", "sqlite3.connect"
}  # fmt: skip


class Steps:
    """Counts, and kills this process when the count is reached."""

    def __init__(self, kill_at: int, folder: str) -> None:
        self.num_steps = 0
        self._kill_at = kill_at
        self._folder = folder

    def take(self, *_: object) -> None:
        self.num_steps += 1
        if self.num_steps == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in FILE_EVENTS and str(arguments[0]).startswith(self._folder):
            self.take()


def main() -> None:
    kill_at, folder, *words = sys.argv[1:]
    steps = Steps(int(kill_at), folder)
    event.listen(Pool, "connect", lambda connection, _: connection.set_trace_callback(steps.take))
    sys.addaudithook(steps.on_audit)
    code = run(words)
    steps.take()
    sys.stderr.write(f"{steps.num_steps}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
