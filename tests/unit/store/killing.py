"""Killing a process at its n-th step, for every n.

A step is a statement that SQLite is about to run (BEGIN, COMMIT and PRAGMAs too), a file operation under the store's
folder, or the end. They are counted from outside, by SQLite's trace and Python's audit events; nothing in the package
knows of it. The process is forked from a warm one, and ends by SIGKILL.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

_FILE_EVENTS = {
    "open",
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "sqlite3.connect",
}
_OVER = 97  # the exit code of a process that came to its end


class _Steps:
    """Counts, and kills this process when the count is reached."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self.num_steps = 0
        self._folder = str(folder)
        self._kill_at = kill_at

    def take(self, *_: Any) -> None:
        self.num_steps += 1
        if self.num_steps == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        event.listen(Pool, "connect", lambda connection, _: connection.set_trace_callback(self.take))
        sys.addaudithook(self._on_audit)

    def _on_audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in _FILE_EVENTS and str(arguments[0]).startswith(self._folder):
            self.take()


def _run_child(folder: Path, work: Callable[[Path], None], kill_at: int, report_fd: int) -> None:
    code = 1
    try:
        steps = _Steps(folder, kill_at)
        steps.watch()
        work(folder)
        steps.take()
        os.write(report_fd, str(steps.num_steps).encode())
        code = _OVER
    except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
        traceback.print_exc()
    finally:
        os._exit(code)


def run_and_kill(folder: Path, work: Callable[[Path], None], kill_at: int) -> int | None:
    """Run ``work(folder)`` in a process killed at a step; the number of steps where it came to its end first."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run_child(folder, work, kill_at, write_fd)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as report:
        text = report.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == _OVER:
        return int(text)
    assert code == -signal.SIGKILL, f"the process ended by itself with {code}"
    return None


def killed_at_every_step(
    prepared: Path, scratch: Path, work: Callable[[Path], None], *, stride: int = 1
) -> Iterator[tuple[int, Path]]:
    """(step, folder) after a kill at each ``stride``-th step, each on a fresh copy of ``prepared``."""
    step = 1
    while True:
        folder = scratch / f"killed-{step}"
        shutil.copytree(prepared, folder)
        if run_and_kill(folder, work, step) is not None:
            shutil.rmtree(folder)
            return
        yield step, folder
        shutil.rmtree(folder)
        step += stride
