"""Jobs that are done once more with other decisions, and jobs that somebody ends for good before their time."""

from __future__ import annotations

import zlib

import sqlalchemy as sa

from assent.errors import JobNotReady
from assent.store.jobs import JobReads, JobWrites
from assent.store.jobvalues import JobRecord, JobState
from assent.store.schema import job_outputs, jobs
from assent.types import JsonObject


class JobEditReads(JobReads):
    """Reading what an edit begins with."""

    def job_earlier_result(self, job_id: str) -> bytes | None:
        """What came of a job that is being done once more; None the first time. Raises ``NotFound``."""
        if self.job(job_id).state is JobState.FAILED:
            return None
        sealed = self._job_column(job_id, jobs.c.sealed_result)
        return None if sealed is None else zlib.decompress(self.job_key(job_id).open("result", sealed))


class JobEdits(JobEditReads, JobWrites):
    """Changing and deleting jobs that have ended."""

    def redo_job(self, job_id: str, *, result: bytes, log: JsonObject) -> JobRecord:
        """Queue a job that has succeeded once more, and drop its output. Logged as ``video.edited``.

        Args:
            job_id: which.
            result: to be worked from; names and pictures nobody.
            log: what the log says of the change.

        Raises:
            NotFound: no such job.
            JobNotReady: it has not succeeded.
        """
        if self.job(job_id).state is not JobState.SUCCEEDED:
            raise JobNotReady("this job has not succeeded; what it found can be changed when it has")
        dropped = self._connection.execute(sa.delete(job_outputs).where(job_outputs.c.job_id == job_id))
        self._has_destroyed |= dropped.rowcount > 0
        sealed = self.job_key(job_id).seal("result", zlib.compress(result))
        self._set(job_id, state=JobState.QUEUED, sealed_result=sealed, attempts=0, progress=0.0)
        self.append_log("video.edited", {"job": job_id, **log})
        return self.job(job_id)

    def delete_job(self, job_id: str) -> None:
        """Destroy a job with its key and all that came of it, whatever its state. Logged as ``job.deleted``.

        Raises:
            NotFound: no such job.
        """
        kind = self.job(job_id).kind
        self._delete_jobs([job_id])
        self.append_log("job.deleted", {"job": job_id, "job_kind": kind})
