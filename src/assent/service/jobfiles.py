"""The folder of what jobs are given and make: sealed files, and folders that a worker uses while it works."""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import time
from pathlib import Path
from typing import Final

from assent.service.context import Context

_log = logging.getLogger(__name__)

MACHINE: Final = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:64] or "here"
"""This machine, as workers' names have it."""
_LEAST_AGE_S: Final = 3600.0
"""A file that no job knows is destroyed when it is older: a job's row comes after its upload."""
_OLD_S: Final = 86_400.0
"""Another machine's folder is destroyed when nothing has happened to it for so long."""


def upload_path(ctx: Context, job_id: str) -> Path:
    """Where a job's video lies, sealed."""
    return ctx.settings.jobs_path / f"{job_id}.in"


def output_path(ctx: Context, job_id: str) -> Path:
    """Where a job's output lies, sealed."""
    return ctx.settings.jobs_path / f"{job_id}.out"


def kept_path(ctx: Context, job_id: str, name: str) -> Path:
    """Where something else that is kept with a job's result lies, sealed.

    Args:
        ctx: the open data folder.
        job_id: which job.
        name: unique among its files.
    """
    return ctx.settings.jobs_path / f"{job_id}.{name}.kept"


def look_path(ctx: Context, job_id: str) -> Path:
    """Where what is known of a job's video lies, sealed, while it is looked at."""
    return ctx.settings.jobs_path / f"{job_id}.look"


def scratch_path(ctx: Context, job_id: str, worker: str) -> Path:
    """The folder that a worker uses while it does a job: what is in it is not sealed."""
    return ctx.settings.jobs_path / f"{job_id}.{worker}.work"


def tidy(ctx: Context) -> None:
    """Destroy files that no job needs, whose keys are gone already, and folders whose worker has ended.

    What cannot be destroyed now is left to the next time, and that is logged.

    Raises:
        StoreError: the records cannot be used.
    """
    folder = ctx.settings.jobs_path
    if not folder.is_dir():
        return
    with ctx.records.reading() as tx:
        needed, is_open = tx.job_files(), tx.open_jobs()
    for path in folder.iterdir():
        try:
            if path.suffix == ".work":
                if _is_abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".look":
                if path.stem not in is_open:
                    path.unlink(missing_ok=True)
            elif path.suffix in (".in", ".out", ".kept", ".part") and _is_needless(path, needed):
                path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a file of a job that has ended cannot be destroyed: %s", error.strerror)


def _is_needless(path: Path, needed: dict[str, tuple[bool, bool]]) -> bool:
    job_id = path.name.partition(".")[0]
    if job_id not in needed or path.suffix == ".part":
        return _age_s(path) > _LEAST_AGE_S
    has_upload, has_output = needed[job_id]
    # what is kept beside a result is kept as long as the video that it was made of
    return not (has_output if path.suffix == ".out" else has_upload)


def _is_abandoned(path: Path) -> bool:
    """Whether the worker that made a folder runs no longer."""
    _, machine, pid, *_ = [*path.name.split("."), "", ""]
    if machine != MACHINE or not pid.isdecimal():
        return _age_s(path) > _OLD_S
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's process
        return False
    return False


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
