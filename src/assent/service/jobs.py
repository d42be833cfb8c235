"""Jobs: what takes longer than a request is queued, worked on by a worker, and answered when it is asked for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from assent.errors import JobNotReady, NotFound, UsageError
from assent.notifications import open_notifier
from assent.objects import ObjectStore, open_objects
from assent.service.context import Context
from assent.service.findings import VideoFindings
from assent.service.jobfiles import output_path, tidy, upload_path
from assent.service.jobkinds import KINDS, JobKind
from assent.service.results import Candidate
from assent.service.videos import check_search
from assent.service.watching import NamedTrack, Timeline, check_num_bytes, require_video_extra, timeline_of
from assent.store.access import Role
from assent.store.jobvalues import JobRecord, JobState, MatchRecord, NewJob
from assent.store.scope import new_id
from assent.store.sealedfiles import seal_file, unsealed, unsealed_size
from assent.store.transaction import Reading
from assent.types import JsonObject


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A video in a bucket of the operator's (``ASSENT_OBJECTS``); never an address.

    Attributes:
        bucket: its name.
        key: of the object in it.
        version: of the object; the newest when None.
    """

    bucket: str
    key: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class SealedUpload:
    """A video that was sealed while it came in.

    Attributes:
        job_id: of the job that it is for.
        key: what it is sealed with.
        num_bytes: of the video.
    """

    job_id: str
    key: bytes = field(repr=False)
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is to be told when a job ends, and what.

    Attributes:
        topic: the ARN of a topic that the settings map to a place.
        body: JSON members that go along.
    """

    topic: str
    body: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RepeatToken:
    """What a client sends so that a request repeated after a lost answer is one job.

    Attributes:
        token: the client's, 1 to 64 characters.
        request_sha256: hexadecimal, of the request's other parameters.
    """

    token: str
    request_sha256: str


@dataclass(frozen=True, slots=True)
class Job:
    """Where a job stands.

    Attributes:
        id: random UUID.
        kind: what is to be done.
        collection: where is searched; None where nobody is searched for.
        state: where it stands.
        progress: 0 to 1.
        attempts: how often a worker has taken it up.
        created_at: UTC.
        started_at: UTC, of the last attempt.
        ended_at: UTC; None while it is open.
        kept_until: UTC; it is destroyed then, with its result. None while it is open.
        error: name of the error that it failed with.
        message: the same in words.
    """

    id: str
    kind: str
    collection: str | None
    state: JobState
    progress: float
    attempts: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    kept_until: datetime | None
    error: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """What came of a job.

    Attributes:
        job: where it stands.
        options: what was asked for.
        findings: all that names nobody; None until it has succeeded, and for kinds that find nothing.
        summary: numbers, of kinds that make something; empty until it has succeeded.
        named: whom it found, as far as their consent is live now.
        has_output: whether there is a file to fetch.
    """

    job: Job
    options: JsonObject
    findings: VideoFindings | None
    summary: JsonObject
    named: tuple[NamedTrack, ...]
    has_output: bool

    @property
    def timeline(self) -> Timeline | None:
        """By person; None until there are findings."""
        return None if self.findings is None else timeline_of(self.findings, self.named)


class Jobs:
    """The jobs of one data folder."""

    def __init__(self, ctx: Context, objects: ObjectStore | None = None) -> None:
        self._ctx = ctx
        self._objects = objects or open_objects(ctx.settings)

    def submit(
        self,
        kind: str,
        video: StoredVideo | SealedUpload | bytes,
        *,
        options: JsonObject | None = None,
        token: RepeatToken | None = None,
        notice: Notice | None = None,
        objects: ObjectStore | None = None,
    ) -> Job:
        """Queue a job.

        Args:
            kind: one of ``KINDS``.
            video: where it is, or its encoded bytes, which are sealed until the job has ended; or what
                ``Videos.receive`` gave.
            options: what the kind takes; kinds that search need ``collection`` and ``purpose``.
            token: makes a repeated request one job.
            notice: who is told when it ends.
            objects: where a stored video is, where that is not what the settings say.

        Raises:
            Forbidden: the caller's roles do not cover this kind.
            NotFound: no such collection or person.
            ObjectError: no such bucket or object.
            VideoTooLarge: over the limit on bytes.
            TooManyJobs: as many wait or run as may.
            TokenReused: the token came before with another request.
            ConsentError, CalibrationError: as for ``search_tracks``.
            UsageError: no such kind, a topic that is not configured, or the ``video`` extra is not installed.
        """
        self._ctx.require(Role.ENROLLER, Role.SEARCHER)
        chosen = _kind(kind)
        self._ctx.require(*chosen.roles)
        require_video_extra()
        asked: JsonObject = dict(options or {})
        collection = asked["collection"] if chosen.is_search else asked.get("collection")
        if collection is not None:
            people = asked.get("people") or ()
            check_search(self._ctx, collection=collection, purpose=asked["purpose"], people=people)
        if notice is not None:
            open_notifier(self._ctx.settings, notice.topic)
        job_id = video.job_id if isinstance(video, SealedUpload) else new_id()
        place = self._place(job_id, video, objects or self._objects)
        caller = self._ctx.caller
        new = NewJob(
            id=job_id,
            kind=kind,
            parameters={
                "video": place,
                "options": asked,
                "notice": None if notice is None else {"topic": notice.topic, "body": notice.body},
            },
            collection_name=collection,
            key_id=None if caller is None else caller.id,
            token=None if token is None else token.token,
            request_sha256=None if token is None else token.request_sha256,
            has_upload=not isinstance(video, StoredVideo),
            wants_notice=notice is not None,
        )
        try:
            with self._ctx.records.transaction() as tx:
                record = tx.add_job(new, max_open=self._ctx.settings.max_jobs)
                return self._job(tx, record)
        finally:
            self._drop_unless_queued(job_id)

    def get(self, job_id: str) -> Job:
        """Where a job stands.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job, or it was kept long enough.
        """
        with self._ctx.records.reading() as tx:
            return self._job(tx, self._record(tx, job_id))

    def list(self) -> tuple[Job, ...]:
        """Every job of the kinds that the caller's roles cover, newest first.

        Raises:
            Forbidden: the caller is neither enroller nor searcher.
        """
        self._ctx.require(Role.ENROLLER, Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return tuple(self._job(tx, record) for record in tx.jobs() if self._may_see(record))

    def answer(self, job_id: str, *, kind: str | None = None) -> JobAnswer:
        """What came of a job; whoever withdrew since, or whose consent ran out, is not in it.

        Args:
            job_id: which.
            kind: which kind it must be of.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job of that kind, or it was kept long enough.
        """
        with self._ctx.records.reading() as tx:
            record = self._record(tx, job_id)
            if kind is not None and record.kind != kind:
                raise NotFound("no job of this kind has this id")
            findings, summary = _parsed(tx.job_result(job_id))
            named = [
                _named(tx, record, match) for match in tx.job_matches(job_id) if "track" in match.details
            ]
            named.sort(key=lambda item: (item.track, -item.candidate.similarity, item.candidate.person))
            return JobAnswer(
                job=self._job(tx, record),
                options=tx.job_parameters(job_id)["options"],
                findings=findings,
                summary=summary,
                named=tuple(named),
                has_output=tx.has_job_output(job_id),
            )

    def cancel(self, job_id: str) -> Job:
        """End a job that waits or runs; one that has ended stays as it is.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job.
        """
        with self._ctx.records.transaction() as tx:
            self._record(tx, job_id)
            job = self._job(tx, tx.cancel_job(job_id))
        tidy(self._ctx)
        return job

    def output(self, job_id: str) -> tuple[str, int, Iterator[bytes]]:
        """The file that a job made: its name, its size in bytes, and its bytes.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job or output; or somebody who is shown in it withdrew.
            JobNotReady: it has not succeeded.
            StoreUnavailable: the file is gone or damaged.
        """
        with self._ctx.records.reading() as tx:
            record = self._record(tx, job_id)
            if record.state is not JobState.SUCCEEDED:
                raise JobNotReady(f"this job is {record.state}; its output is there when it has succeeded")
            key, name = tx.job_output(job_id)
        path = output_path(self._ctx, job_id)
        try:
            size = unsealed_size(path)
        except OSError as error:
            raise NotFound(
                "this job's output is not on this machine; set ASSENT_JOBS_DIR to where it is"
            ) from error
        return name, size, unsealed(path, key)

    def sweep(self) -> int:
        """Destroy jobs that were kept long enough, and files that no job needs; how many jobs.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            num_swept = tx.sweep_jobs(keep=timedelta(days=self._ctx.settings.job_days))
        tidy(self._ctx)
        return num_swept

    def _record(self, tx: Reading, job_id: str) -> JobRecord:
        self._ctx.require(Role.ENROLLER, Role.SEARCHER)  # others learn nothing of which ids there are
        record = tx.job(job_id)
        self._ctx.require(*_roles(record.kind))
        return record

    def _may_see(self, record: JobRecord) -> bool:
        caller = self._ctx.caller
        return caller is None or caller.has(*_roles(record.kind))

    def _job(self, tx: Reading, record: JobRecord) -> Job:
        kept = timedelta(days=self._ctx.settings.job_days)
        return Job(
            id=record.id,
            kind=record.kind,
            collection=record.collection_name,
            state=record.state,
            progress=record.progress,
            attempts=record.attempts,
            created_at=record.created_at,
            started_at=record.started_at,
            ended_at=record.ended_at,
            kept_until=None if record.ended_at is None else record.ended_at + kept,
            error=record.error,
            message=tx.job_message(record.id) if record.state is JobState.FAILED else None,
        )

    def _place(
        self, job_id: str, video: StoredVideo | SealedUpload | bytes, objects: ObjectStore
    ) -> JsonObject:
        """What the job's parameters say of where its video is; an upload is sealed on the way."""
        match video:
            case bytes():
                size = len(video)
            case SealedUpload():
                size = video.num_bytes
            case StoredVideo():
                size = objects.size(video.bucket, video.key, version=video.version)
        if not size:
            raise UsageError("expected a video, got an empty file; send the video's bytes")
        check_num_bytes(size, self._ctx.settings.max_video_bytes)
        if isinstance(video, StoredVideo):
            return {"bucket": video.bucket, "key": video.key, "version": video.version}
        if isinstance(video, SealedUpload):
            return {"upload_key": video.key.hex()}
        path, key = upload_path(self._ctx, job_id), secrets.token_bytes(32)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seal_file(path, key, [video])
        return {"upload_key": key.hex()}

    def _drop_unless_queued(self, job_id: str) -> None:
        """The upload of a job that was not queued, or has ended, is not kept."""
        path = upload_path(self._ctx, job_id)
        if path.exists():
            with self._ctx.records.reading() as tx:
                is_needed = tx.job_files().get(job_id, (False, False))[0]
            if not is_needed:
                path.unlink(missing_ok=True)


def _kind(name: str) -> JobKind:
    if name not in KINDS:
        raise UsageError(f"expected a job of kind {', '.join(sorted(KINDS))}, got another")
    return KINDS[name]


def _roles(kind: str) -> tuple[Role, ...]:
    """Of a kind that this version does not know, an admin's only."""
    return KINDS[kind].roles if kind in KINDS else ()


def _parsed(result: bytes | None) -> tuple[VideoFindings | None, JsonObject]:
    if not result:
        return None, {}
    found: JsonObject = json.loads(result)
    return (None, found["summary"]) if "summary" in found else (VideoFindings.from_json(result), {})


def _named(tx: Reading, record: JobRecord, match: MatchRecord) -> NamedTrack:
    details = match.details
    numbers = ("similarity", "score", "fmr_at_score", "expected_false_candidates", "num_templates")
    candidate = Candidate(
        person=match.person_ref,
        name=match.person_name,
        consent_id=match.consent_id,
        photos=tuple(tx.templates(record.collection_name or "", match.person_ref)),
        **{name: details[name] for name in numbers},
    )
    return NamedTrack(details["track"], candidate, details["is_confirmed"])
