"""A worker killed in the middle of a job, as by a power cut: another takes the job up, and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from assent import Assent
from assent.config import Settings
from assent.store import JobState
from tests.e2e.cli import PURPOSE, Cli
from tests.video import write_clip

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

LEASE = {"ASSENT_JOB_LEASE_S": "2", "ASSENT_JOB_ATTEMPTS": "50"}
HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


@pytest.fixture
def long_clip(demo_photos: Path, tmp_path: Path) -> Path:
    """Five seconds of ana."""
    with Image.open(demo_photos / "obama3.jpg") as ana:
        return write_clip(tmp_path / "long.mkv", [(ana.copy(), 60), (ana.copy(), 60)])


def start_worker(cli: Cli) -> subprocess.Popen[bytes]:
    """A worker in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "assent", "worker"],
        env={**os.environ, **cli.environment(), **LEASE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def opened(cli: Cli, engine: FaceEngine) -> Assent:
    settings = Settings(data_dir=cli.data, models_dir=cli.models, job_lease_s=2, job_attempts=50)
    return Assent(settings=settings, actor="tester", engine=engine)


def kill_when_running(cli: Cli, assent: Assent, job_id: str, *, after_s: float) -> None:
    """Kill a fresh worker so long after it has begun."""
    attempts = assent.jobs.get(job_id).attempts
    process = start_worker(cli)
    try:
        deadline = time.monotonic() + 60
        while assent.jobs.get(job_id).attempts == attempts:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(after_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def finish(assent: Assent, job_id: str) -> None:
    """Work until the job has ended; the killed one's lease has to run out first."""
    worker = assent.worker()
    deadline = time.monotonic() + 60
    while assent.jobs.get(job_id).state.is_open:
        assert time.monotonic() < deadline
        if not worker.work_once():
            time.sleep(0.1)


@pytest.mark.slow
def test_a_killed_workers_job_is_done_by_another(club: Cli, engine: FaceEngine, long_clip: Path) -> None:
    with opened(club, engine) as assent:
        job = assent.jobs.submit("timeline", long_clip.read_bytes(), options=HERE)
        kill_when_running(club, assent, job.id, after_s=0.3)
        left = assent.jobs.get(job.id)
        assert (left.state, left.attempts) == (JobState.RUNNING, 1)
        assert not assent.worker().work_once()  # the lease still runs
        finish(assent, job.id)
        answer = assent.jobs.answer(job.id)
        assert (answer.job.state, answer.job.attempts) == (JobState.SUCCEEDED, 2)
        assert answer.timeline is not None
        assert [person.person for person in answer.timeline.people] == ["ana"]
        assert list(assent.settings.jobs_path.iterdir()) == []


@pytest.mark.slow
def test_however_often_it_is_killed_it_is_done_once(club: Cli, engine: FaceEngine, long_clip: Path) -> None:
    """Killed at any moment, with a withdrawal on the way: one result, in which nobody is who withdrew."""
    chance = random.Random(1)
    with opened(club, engine) as assent:
        for withdraws in (False, True):
            job = assent.jobs.submit("timeline", long_clip.read_bytes(), options=HERE)
            for _ in range(4):
                if assent.jobs.get(job.id).state.is_open:
                    time.sleep(2.1)
                    kill_when_running(club, assent, job.id, after_s=chance.uniform(0, 3))
            if withdraws:
                assent.consents.withdraw(assent.consents.list("ana")[0].id)
            finish(assent, job.id)
            answer = assent.jobs.answer(job.id)
            assert answer.job.state is JobState.SUCCEEDED
            assert answer.timeline is not None
            assert [person.person for person in answer.timeline.people] == ([] if withdraws else ["ana"])
            ended = [entry for entry in assent.log(kinds=["job.ended"]) if entry["job"] == job.id]
            assert len(ended) == 1
            assert list(assent.settings.jobs_path.iterdir()) == []
        assent.logbook.verify()
