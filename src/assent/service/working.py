"""Working on jobs: take one on, renew its lease while it runs, keep what came of it, tell who wants to know.

A worker may end at any moment and in any way. What it leaves behind is a lease that runs out, sealed files, one of them
with what it knew of the video, from which the next worker goes on, and a folder that the next worker here destroys.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from assent.errors import AssentError, StoreError
from assent.faults import kind_and_place
from assent.notifications import NotDelivered, open_notifier
from assent.objects import ObjectStore, open_objects
from assent.objects.base import path_of, unnamed_file
from assent.service.access import acting_for
from assent.service.context import Context
from assent.service.jobfiles import MACHINE, look_path, output_path, scratch_path, tidy, upload_path
from assent.service.jobkinds import KINDS, JobTask, JobYield
from assent.service.looks import LookPlace
from assent.store.jobvalues import JobDone, JobRecord, JobState
from assent.store.sealedfiles import CHUNK_BYTES, seal_file, unsealed
from assent.types import JsonObject

_log = logging.getLogger("assent.jobs")

_RENEW_S: Final = 5.0
"""Between two renewals at most; so old is what a caller hears of a job's progress."""
_FIRST_WAIT_S: Final = 10.0
_LONGEST_WAIT_S: Final = 3600.0
_SEND_LEASE_S: Final = 60.0


class _Stopped(Exception):  # no error of ours: it never leaves the worker
    """The job is cancelled, or another's by now, or the worker is to end."""


class Worker:
    """Works on the jobs of one data folder, one at a time.

    Args:
        ctx: the open data folder; each job is done as whoever asked for it.
        objects: where stored videos are; as the settings say when None.
        name: unique among workers; made up when None.
    """

    def __init__(self, ctx: Context, *, objects: ObjectStore | None = None, name: str | None = None) -> None:
        self._ctx = ctx
        self._objects = objects or open_objects(ctx.settings)
        self.name = name or f"{MACHINE}.{os.getpid()}.{secrets.token_hex(4)}"
        self._elsewhere: set[str] = set()

    def run(self, should_stop: threading.Event, *, until_idle: bool = False) -> int:
        """Work until told to stop; how many jobs were taken on.

        Args:
            should_stop: set from any thread; a job that runs is then given back undone.
            until_idle: end where there is nothing to do, rather than wait.

        Raises:
            StoreError: the records cannot be used, and ``until_idle``; otherwise that is logged and tried again.
        """
        num_done, is_tidy = 0, False
        while not should_stop.is_set():
            try:
                if not is_tidy:
                    tidy(self._ctx)
                    is_tidy = True
                has_worked = self.work_once(should_stop)
                num_done += has_worked
                if has_worked or self.tell_once():
                    continue
            except StoreError as error:
                if until_idle:
                    raise
                _log.warning("the records cannot be used: %s", type(error).__name__)
            except Exception as error:
                if until_idle:
                    raise
                _log.error("a worker's turn failed: %s", kind_and_place(error))
            if until_idle:
                break
            should_stop.wait(self._ctx.settings.job_poll_s)
        return num_done

    def work_once(self, should_stop: threading.Event | None = None) -> bool:
        """Do the job that has waited longest; False where there is none.

        Raises:
            StoreError: the records cannot be used; the job is taken up again when its lease is over.
        """
        job = self._claim()
        if job is None:
            return False
        _log.info("job %s: %s begins, attempt %d", job.id, job.kind, job.attempts)
        with self._lease(job, should_stop) as lease:
            try:
                done = self._do(job, lease)
                self._finish(job, done)
            except _Stopped:
                with self._ctx.records.transaction() as tx:
                    tx.release_job(job.id, self.name)
                _log.info("job %s: given back", job.id)
            except StoreError:
                raise
            except AssentError as error:
                self._fail(job, type(error).__name__, error.message)
            except Exception as error:  # noqa: BLE001 - a fault in one job must not end the worker
                _log.error("job %s: %s", job.id, kind_and_place(error))
                self._fail(job, "InternalError", "a fault in Assent; the worker's log says where")
            finally:
                shutil.rmtree(self._scratch(job.id), ignore_errors=True)
                tidy(self._ctx)
        return True

    def tell_once(self) -> bool:
        """Tell the end of one job to whoever wanted to know; False where nobody waits."""
        with self._ctx.records.reading() as tx:
            if not tx.has_due_notice():
                return False
        settings = self._ctx.settings
        with self._ctx.records.transaction() as tx:
            lease = timedelta(seconds=_SEND_LEASE_S)
            claimed = tx.claim_notice(lease=lease, max_attempts=settings.notice_attempts)
            if claimed is None:
                return True
            job, attempt = claimed
            notice = tx.job_parameters(job.id)["notice"]
        again_in: timedelta | None = None
        try:
            open_notifier(settings, notice["topic"]).send(job.id, _notice_body(job, notice["body"]))
        except (NotDelivered, AssentError) as error:
            _log.warning("job %s: not told, attempt %d: %s", job.id, attempt, error)
            again_in = timedelta(seconds=min(_FIRST_WAIT_S * 3 ** (attempt - 1), _LONGEST_WAIT_S))
        with self._ctx.records.transaction() as tx:
            tx.settle_notice(job.id, again_in=again_in)
        return True

    def _claim(self) -> JobRecord | None:
        with self._ctx.records.reading() as tx:
            if not tx.has_work(kinds=list(KINDS), but=self._elsewhere):
                return None
        settings = self._ctx.settings
        while True:
            with self._ctx.records.transaction() as tx:
                job = tx.claim_job(
                    self.name,
                    lease=timedelta(seconds=settings.job_lease_s),
                    max_attempts=settings.job_attempts,
                    kinds=list(KINDS),
                    but=self._elsewhere,
                )
                if job is None:
                    return None
                if not job.has_upload or upload_path(self._ctx, job.id).exists():
                    return job
                # its video was sent to another machine, whose worker will take it
                tx.release_job(job.id, self.name)
                self._elsewhere.add(job.id)

    def _do(self, job: JobRecord, lease: _Lease) -> JobYield:
        with self._ctx.records.reading() as tx:
            acting = acting_for(self._ctx, tx, key_id=job.key_id, actor=job.actor)
            parameters, key = tx.job_parameters(job.id), tx.job_key(job.id)
        look = LookPlace(look_path(self._ctx, job.id), partial(key.seal, "look"), partial(key.open, "look"))
        folder = self._scratch(job.id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._video(job, parameters["video"]) as path:
            task = JobTask(job.id, path, parameters["options"], folder, look, lease.tell, lease.check)
            try:
                return KINDS[job.kind].run(acting, task)
            except AssentError as error:
                # the path is that of an open file, and means nothing to whoever asked
                _reword(error, error.message.replace(str(path), "the video"))
                raise

    @contextmanager
    def _video(self, job: JobRecord, place: JsonObject) -> Iterator[Path]:
        if "upload_key" not in place:
            limit = self._ctx.settings.max_video_bytes
            with self._objects.open(
                place["bucket"], place["key"], version=place["version"], max_bytes=limit
            ) as path:
                yield path
            return
        with unnamed_file() as file:
            for chunk in unsealed(upload_path(self._ctx, job.id), bytes.fromhex(place["upload_key"])):
                file.write(chunk)
            file.flush()
            yield path_of(file.fileno())

    def _finish(self, job: JobRecord, made: JobYield) -> None:
        key = None
        if made.output is not None:
            key = secrets.token_bytes(32)
            # sealed under another name first: two workers that both think the job is theirs must not mix
            part = output_path(self._ctx, job.id).with_suffix(f".{secrets.token_hex(4)}.part")
            seal_file(part, key, _chunks(made.output))
        with self._ctx.records.transaction() as tx:
            if made.output is not None and tx.job(job.id).worker == self.name:
                part.replace(output_path(self._ctx, job.id))
            is_kept = tx.finish_job(
                job.id, self.name, JobDone(made.result, made.matches, key, made.output_name)
            )
        if made.output is not None:
            part.unlink(missing_ok=True)
        _log.info("job %s: %s", job.id, "done" if is_kept else "done, but no longer wanted")

    def _fail(self, job: JobRecord, error: str, message: str) -> None:
        with self._ctx.records.transaction() as tx:
            tx.fail_job(job.id, self.name, error, message)
        _log.info("job %s: failed, %s", job.id, error)

    @contextmanager
    def _lease(self, job: JobRecord, should_stop: threading.Event | None) -> Iterator[_Lease]:
        lease = _Lease(self._ctx, job.id, self.name, should_stop)
        thread = threading.Thread(target=lease.keep, daemon=True, name=f"assent-lease-{job.id[:8]}")
        thread.start()
        try:
            yield lease
        finally:
            lease.end()
            thread.join()

    def _scratch(self, job_id: str) -> Path:
        return scratch_path(self._ctx, job_id, self.name)


class _Lease:
    """Renews a job's lease until it ends, and knows whether the job is still this worker's."""

    def __init__(self, ctx: Context, job_id: str, worker: str, should_stop: threading.Event | None) -> None:
        self._ctx = ctx
        self._job_id = job_id
        self._worker = worker
        self._should_stop = should_stop
        self._ended = threading.Event()
        self._is_lost = False
        self._progress = 0.0

    def keep(self) -> None:
        """Renew until ``end``; for a thread of its own."""
        lease_s = self._ctx.settings.job_lease_s
        while not self._ended.wait(min(lease_s / 3, _RENEW_S)):
            try:
                with self._ctx.records.transaction() as tx:
                    self._is_lost |= not tx.renew_job(
                        self._job_id, self._worker, lease=timedelta(seconds=lease_s), progress=self._progress
                    )
            except AssentError as error:
                _log.warning("job %s: lease not renewed: %s", self._job_id, type(error).__name__)

    def end(self) -> None:
        """Renew it no more."""
        self._ended.set()

    def tell(self, done_s: float, total_s: float | None) -> None:
        """``Progress`` of the job."""
        self.check()
        if total_s:
            self._progress = min(done_s / total_s, 0.99)

    def check(self) -> None:
        """Raise where the job is not to be gone on with."""
        if self._is_lost or (self._should_stop is not None and self._should_stop.is_set()):
            raise _Stopped


def _notice_body(job: JobRecord, body: JsonObject) -> str:
    """As SNS's subscribers get it from Rekognition."""
    ended = job.ended_at
    status = "SUCCEEDED" if job.state is JobState.SUCCEEDED else "FAILED"
    at_ms = 0 if ended is None else int(ended.timestamp() * 1000)
    return json.dumps({"JobId": job.id, "Status": status, "Timestamp": at_ms, **body})


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _reword(error: AssentError, message: str) -> None:
    error.message = message
    error.args = (message,)
