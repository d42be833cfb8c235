"""The folder of what jobs are given and make: sealed files, and folders that a worker uses while it works."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from pathlib import Path
from typing import Final

from assent.service.context import Context

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


def scratch_path(ctx: Context, job_id: str, worker: str) -> Path:
    """The folder that a worker uses while it does a job: what is in it is not sealed."""
    return ctx.settings.jobs_path / f"{job_id}.{worker}.work"


def tidy(ctx: Context) -> None:
    """Destroy files that no job needs, whose keys are gone already, and folders whose worker has ended."""
    folder = ctx.settings.jobs_path
    if not folder.is_dir():
        return
    with ctx.records.reading() as tx:
        needed = tx.job_files()
    for path in folder.iterdir():
        if path.suffix == ".work":
            if _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)
        elif path.suffix in (".in", ".out", ".part") and _is_needless(path, needed):
            path.unlink(missing_ok=True)


def _is_needless(path: Path, needed: dict[str, tuple[bool, bool]]) -> bool:
    job_id = path.name.partition(".")[0]
    if job_id not in needed or path.suffix == ".part":
        return _age_s(path) > _LEAST_AGE_S
    has_upload, has_output = needed[job_id]
    return not (has_upload if path.suffix == ".in" else has_output)


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
