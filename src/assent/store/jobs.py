"""Jobs: rows that workers take on for a while at a time, and what came of them.

Whoever has a job holds a lease. A worker that is killed cannot give it back; when the lease is over, another takes the
job up, so often and no more. What is asked, and what came of it, is sealed under the job's own key, which goes with the
row. Whom a result names stands in rows of its own that rest on a consent each and go with it, in the very transaction
that ends it. See ``docs/decisions/0012-jobs.md``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from assent.errors import NotFound, TokenReused, TooManyJobs
from assent.store.crypto import JobKey
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.jobvalues import KEEPS_UPLOAD, JobDone, JobRecord, JobState, MatchRecord, NewJob
from assent.store.schema import collections, job_matches, job_outputs, jobs, people
from assent.store.scope import new_id
from assent.store.values import LogEntry
from assent.types import JsonObject

_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)
LOST = "WorkerLost"
"""The error of a job that was taken up as often as it may be, and never brought to an end."""


class JobReads(GalleryReads):
    """Reading jobs."""

    def job(self, job_id: str) -> JobRecord:
        """The job of this id. Raises ``NotFound``."""
        row = self._connection.execute(_JOBS.where(jobs.c.id == job_id)).mappings().one_or_none()
        if row is None:
            raise NotFound("no job has this id; its result may have been kept long enough")
        return _job(row)

    def jobs(self) -> list[JobRecord]:
        """Every job that is still there, newest first."""
        query = _JOBS.order_by(jobs.c.created_at.desc(), jobs.c.id)
        return [_job(row) for row in self._connection.execute(query).mappings()]

    def has_work(self, *, kinds: Collection[str], but: Collection[str] = ()) -> bool:
        """Whether a job waits, or one's worker was lost, that ``claim_job`` would look at."""
        return self._connection.execute(_work(self._now, kinds, but).limit(1)).first() is not None

    def has_due_notice(self) -> bool:
        """Whether somebody is to be told that a job has ended."""
        query = (
            sa.select(jobs.c.id).where(jobs.c.notice_due_at <= self._now, jobs.c.state.not_in(_OPEN)).limit(1)
        )
        return self._connection.execute(query).first() is not None

    def job_parameters(self, job_id: str) -> JsonObject:
        """What was asked for. Raises ``NotFound``."""
        sealed = self._job_column(job_id, jobs.c.sealed_parameters)
        found: JsonObject = json.loads(self.job_key(job_id).open("parameters", sealed))
        return found

    def job_result(self, job_id: str) -> bytes | None:
        """What came of it, without whom it names; None where it has not ended, or failed. Raises ``NotFound``."""
        if self.job(job_id).state is not JobState.SUCCEEDED:
            return None
        sealed = self._job_column(job_id, jobs.c.sealed_result)
        return zlib.decompress(self.job_key(job_id).open("result", sealed))

    def job_message(self, job_id: str) -> str | None:
        """Why it failed, in words; None where it did not. Raises ``NotFound``."""
        if self.job(job_id).state is not JobState.FAILED:
            return None
        sealed = self._job_column(job_id, jobs.c.sealed_result)
        return None if sealed is None else self.job_key(job_id).open("message", sealed).decode()

    def job_matches(self, job_id: str) -> list[MatchRecord]:
        """Whom a result names and whose consent is live at this moment, by their refs."""
        query = (
            sa.select(job_matches, people.c.ref, people.c.name)
            .join(people, people.c.id == job_matches.c.person_id)
            .where(job_matches.c.job_id == job_id)
            .order_by(people.c.ref, job_matches.c.id)
        )
        rows = self._connection.execute(query).mappings().all()
        if not rows:
            return []
        key = self.job_key(job_id)
        return [
            MatchRecord(
                person_ref=row["ref"],
                person_name=row["name"],
                consent_id=row["consent_id"],
                details=json.loads(key.open(f"match {row['id']}", row["sealed"])),
                is_pictured=row["is_pictured"],
            )
            for row in rows
            if self.consent(row["consent_id"]).is_live(self._now)
        ]

    def has_job_output(self, job_id: str) -> bool:
        """Whether ``job_output`` would give one."""
        query = sa.select(job_outputs.c.job_id).where(job_outputs.c.job_id == job_id)
        return self._connection.execute(
            query
        ).first() is not None and not self._shows_somebody_without_consent(job_id)

    def job_output(self, job_id: str) -> tuple[bytes, str]:
        """The key of the output's file, and its name.

        Raises:
            NotFound: no such job, it has no output, or somebody shown in it withdrew or no longer agrees.
        """
        self.job(job_id)
        row = (
            self._connection.execute(sa.select(job_outputs).where(job_outputs.c.job_id == job_id))
            .mappings()
            .one_or_none()
        )
        if row is None or self._shows_somebody_without_consent(job_id):
            raise NotFound(
                "this job has no output, or it is gone with the consent of somebody who was shown in it"
            )
        return self.job_key(job_id).open("output-key", row["sealed_key"]), str(row["name"])

    def open_jobs(self) -> set[str]:
        """The ids of the jobs that wait or run."""
        return set(self._connection.execute(sa.select(jobs.c.id).where(jobs.c.state.in_(_OPEN))).scalars())

    def job_files(self) -> dict[str, tuple[bool, bool]]:
        """For each job, whether its upload and its output are still needed."""
        outputs = set(self._connection.execute(sa.select(job_outputs.c.job_id)).scalars())
        rows = self._connection.execute(
            sa.select(jobs.c.id, jobs.c.kind, jobs.c.state, jobs.c.has_upload)
        ).all()
        # the output of a running job has no row yet
        return {
            row.id: (
                row.has_upload and (row.state in _OPEN or _keeps_upload(row)),
                row.id in outputs or row.state in _OPEN,
            )
            for row in rows
        }

    def _shows_somebody_without_consent(self, job_id: str) -> bool:
        query = sa.select(job_matches.c.consent_id).where(
            job_matches.c.job_id == job_id, job_matches.c.is_pictured
        )
        found = set(self._connection.execute(query).scalars())
        return not all(self.consent(consent_id).is_live(self._now) for consent_id in found)

    def _job_column(self, job_id: str, column: sa.Column[Any]) -> Any:
        self.job(job_id)
        return self._connection.execute(sa.select(column).where(jobs.c.id == job_id)).scalar_one()

    def job_key(self, job_id: str) -> JobKey:
        """What seals all that is kept of it. Raises ``NotFound``."""
        return self._vault.job_key(job_id, self._job_column(job_id, jobs.c.wrapped_key))


class JobWrites(JobReads, GalleryWrites):
    """Queueing, taking on and ending jobs."""

    def delete_collection(self, name: str) -> LogEntry:
        """The collection's jobs go with it (see ``GalleryWrites.delete_collection``)."""
        of_it = sa.select(jobs.c.id).where(jobs.c.collection_id == self.collection(name).id)
        self._delete_jobs(list(self._connection.execute(of_it).scalars()))
        return super().delete_collection(name)

    def add_job(self, new: NewJob, *, max_open: int) -> JobRecord:
        """Queue a job, or give the one that was queued under the same token. Logged as ``job.queued``.

        Raises:
            NotFound: no such collection.
            TokenReused: the token came before with another request.
            TooManyJobs: as many wait or run as may.
        """
        if new.token is not None:
            earlier = self._connection.execute(
                sa.select(jobs.c.id, jobs.c.request_sha256).where(
                    jobs.c.kind == new.kind, jobs.c.token == new.token
                )
            ).one_or_none()
            if earlier is not None:
                if earlier.request_sha256 != new.request_sha256:
                    raise TokenReused(
                        "this request token came before with another request; send a new token with a new request"
                    )
                return self.job(earlier.id)
        num_open = self._connection.execute(
            sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(_OPEN))
        ).scalar_one()
        if num_open >= max_open:
            raise TooManyJobs(
                f"expected at most {max_open} jobs that wait or run, got one more; try again when one has ended, "
                "cancel one (assent jobs cancel), or raise ASSENT_MAX_JOBS"
            )
        collection_id = None if new.collection_name is None else self.collection(new.collection_name).id
        fresh = self._vault.new_job_key(new.id)
        self._connection.execute(
            sa.insert(jobs).values(
                id=new.id,
                kind=new.kind,
                actor=self._actor,
                key_id=new.key_id,
                collection_id=collection_id,
                state=JobState.QUEUED,
                progress=0.0,
                attempts=0,
                created_at=self._now,
                has_upload=new.has_upload,
                token=new.token,
                request_sha256=new.request_sha256,
                wrapped_key=fresh.wrapped,
                sealed_parameters=fresh.key.seal("parameters", json.dumps(new.parameters).encode()),
                notice_due_at=self._now if new.wants_notice else None,
                notice_attempts=0,
            )
        )
        body: JsonObject = {"job": new.id, "job_kind": new.kind}
        self.append_log(
            "job.queued", body if collection_id is None else {**body, "collection": collection_id}
        )
        return self.job(new.id)

    def claim_job(
        self,
        worker: str,
        *,
        lease: timedelta,
        max_attempts: int,
        kinds: Collection[str],
        but: Collection[str] = (),
    ) -> JobRecord | None:
        """Take on the job that has waited longest; None where none can be.

        One that was taken up ``max_attempts`` times already without coming to an end fails instead.

        Args:
            worker: who takes it, unique among workers.
            lease: for how long; ``renew_job`` makes it longer.
            max_attempts: how often a job is taken up.
            kinds: what this worker can do.
            but: ids of jobs that this worker cannot do.
        """
        query = _work(self._now, kinds, but).order_by(jobs.c.created_at, jobs.c.id)
        for job_id, attempts in self._connection.execute(query).all():
            if attempts >= max_attempts:
                self._end_job(
                    job_id,
                    JobState.FAILED,
                    LOST,
                    "each time, the worker that had this job was lost; see its log",
                )
                continue
            self._set(
                job_id,
                state=JobState.RUNNING,
                worker=worker,
                lease_until=self._now + lease,
                attempts=attempts + 1,
                started_at=self._now,
                progress=0.0,
            )
            return self.job(job_id)
        return None

    def renew_job(self, job_id: str, worker: str, *, lease: timedelta, progress: float) -> bool:
        """Keep a job for longer; False where it is no longer this worker's: cancelled, gone, or taken up by another."""
        if not self._has(job_id, worker):
            return False
        self._set(job_id, lease_until=self._now + lease, progress=min(max(progress, 0.0), 1.0))
        return True

    def release_job(self, job_id: str, worker: str) -> None:
        """Give a job back undone, as if it had not been taken."""
        if self._has(job_id, worker):
            attempts = self.job(job_id).attempts - 1
            self._set(job_id, state=JobState.QUEUED, lease_until=None, attempts=attempts, progress=0.0)

    def finish_job(self, job_id: str, worker: str, done: JobDone) -> bool:
        """Keep what came of a job; False where it is no longer this worker's. Logged as ``job.ended``.

        Whoever withdrew, or whose consent expired, since the search is left out, and no output that shows them is kept.
        """
        if not self._has(job_id, worker):
            return False
        key = self.job_key(job_id)
        live = [match for match in done.matches if self.consent(match.consent_id).is_live(self._now)]
        # those of an earlier rendering
        self._connection.execute(sa.delete(job_matches).where(job_matches.c.job_id == job_id))
        for match in live:
            match_id = new_id()
            self._connection.execute(
                sa.insert(job_matches).values(
                    id=match_id,
                    job_id=job_id,
                    person_id=match.person_id,
                    consent_id=match.consent_id,
                    is_pictured=match.is_pictured,
                    sealed=key.seal(f"match {match_id}", json.dumps(match.details).encode()),
                )
            )
        is_whole = sum(match.is_pictured for match in live) == sum(
            match.is_pictured for match in done.matches
        )
        if done.output_key is not None and is_whole:
            sealed = key.seal("output-key", done.output_key)
            self._connection.execute(
                sa.insert(job_outputs).values(
                    job_id=job_id, sealed_key=sealed, name=done.output_name or "output"
                )
            )
        self._set(job_id, sealed_result=key.seal("result", zlib.compress(done.result)), progress=1.0)
        self._end_job(job_id, JobState.SUCCEEDED)
        return True

    def fail_job(self, job_id: str, worker: str, error: str, message: str) -> bool:
        """End a job that cannot be done; False where it is no longer this worker's. Logged as ``job.ended``."""
        if not self._has(job_id, worker):
            return False
        self._end_job(job_id, JobState.FAILED, error, message)
        return True

    def cancel_job(self, job_id: str) -> JobRecord:
        """End a job that waits or runs; one that has ended stays as it is. Logged as ``job.ended``.

        Raises:
            NotFound: no such job.
        """
        if self.job(job_id).state.is_open:
            self._end_job(job_id, JobState.CANCELLED)
        return self.job(job_id)

    def sweep_jobs(self, *, keep: timedelta) -> int:
        """Destroy jobs that ended so long ago, with their keys and results; how many."""
        query = sa.select(jobs.c.id).where(jobs.c.ended_at <= self._now - keep)
        found = list(self._connection.execute(query).scalars())
        self._delete_jobs(found)
        return len(found)

    def claim_notice(self, *, lease: timedelta, max_attempts: int) -> tuple[JobRecord, int] | None:
        """The next job whose end somebody is to be told of, and how often that was tried; None where there is none.

        Tried ``max_attempts`` times, it is given up.
        """
        query = (
            sa.select(jobs.c.id, jobs.c.notice_attempts)
            .where(jobs.c.notice_due_at <= self._now, jobs.c.state.not_in(_OPEN))
            .order_by(jobs.c.notice_due_at, jobs.c.id)
        )
        for job_id, attempts in self._connection.execute(query).all():
            if attempts >= max_attempts:
                self._set(job_id, notice_due_at=None)
                continue
            self._set(job_id, notice_due_at=self._now + lease, notice_attempts=attempts + 1)
            return self.job(job_id), attempts + 1
        return None

    def settle_notice(self, job_id: str, *, again_in: timedelta | None) -> None:
        """Note that somebody was told, or that it is to be tried again in a while."""
        self._set(job_id, notice_due_at=None if again_in is None else self._now + again_in)

    def _drop_matches_on(self, consent_id: str) -> None:
        """Results that name or show somebody go with the consent they rest on."""
        on_it = job_matches.c.consent_id == consent_id
        shown = sa.select(job_matches.c.job_id).where(on_it, job_matches.c.is_pictured)
        dropped = self._connection.execute(
            sa.delete(job_outputs).where(job_outputs.c.job_id.in_(shown))
        ).rowcount
        dropped += self._connection.execute(sa.delete(job_matches).where(on_it)).rowcount
        self._has_destroyed |= dropped > 0

    def _rewrap_job_keys(self, fresh: Any) -> None:
        """Seal every job's key under the master key that takes this one's place."""
        for job_id, wrapped in self._connection.execute(sa.select(jobs.c.id, jobs.c.wrapped_key)).all():
            self._set(
                job_id, wrapped_key=fresh.wrap_job_key(job_id, self._vault.unwrap_job_key(job_id, wrapped))
            )

    def _has(self, job_id: str, worker: str) -> bool:
        query = sa.select(jobs.c.id).where(
            jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == JobState.RUNNING
        )
        return self._connection.execute(query).first() is not None

    def _end_job(
        self, job_id: str, state: JobState, error: str | None = None, message: str | None = None
    ) -> None:
        if message is not None:
            self._set(job_id, sealed_result=self.job_key(job_id).seal("message", message.encode()))
        # rendered again or not, what was found is kept from its first end on
        ended_at = self.job(job_id).ended_at or self._now
        self._set(job_id, state=state, ended_at=ended_at, lease_until=None, error=error)
        ended = {"job": job_id, "state": state.value}
        self.append_log("job.ended", ended if error is None else {**ended, "error": error})

    def _set(self, job_id: str, **values: Any) -> None:
        self._connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values))

    def _delete_jobs(self, job_ids: list[str]) -> None:
        for table, column in (
            (job_matches, job_matches.c.job_id),
            (job_outputs, job_outputs.c.job_id),
            (jobs, jobs.c.id),
        ):
            self._connection.execute(sa.delete(table).where(column.in_(job_ids)))
        self._has_destroyed |= bool(job_ids)


def _keeps_upload(row: Any) -> bool:
    return row.kind in KEEPS_UPLOAD and row.state == JobState.SUCCEEDED.value


def _work(now: Any, kinds: Collection[str], but: Collection[str]) -> sa.Select[Any]:
    lost = sa.and_(jobs.c.state == JobState.RUNNING, jobs.c.lease_until <= now)
    return sa.select(jobs.c.id, jobs.c.attempts).where(
        sa.or_(jobs.c.state == JobState.QUEUED, lost), jobs.c.kind.in_(kinds), jobs.c.id.not_in(but)
    )


_HIDDEN = ("collection_id", "token", "request_sha256", "wrapped_key", "notice_due_at", "notice_attempts")
_JOBS = sa.select(
    *(column for column in jobs.c if column.name not in _HIDDEN and not column.name.startswith("sealed")),
    collections.c.name.label("collection_name"),
).outerjoin(collections, collections.c.id == jobs.c.collection_id)


def _job(row: Any) -> JobRecord:
    return JobRecord(**{**row, "state": JobState(row["state"])})
