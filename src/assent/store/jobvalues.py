"""Values of jobs: work that takes longer than a request, as the records have it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from assent.types import JsonObject


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job, without what is sealed.

    Attributes:
        id: random UUID.
        kind: what is to be done.
        actor: who asked, as the log calls them.
        key_id: the access key they asked with; None for whoever has the data folder.
        collection_name: where is searched; None where nobody is searched for.
        state: where it stands.
        progress: 0 to 1.
        attempts: how often somebody has taken it up.
        worker: who has it, or had it last; None before.
        lease_until: UTC; undone by then, another worker takes it up.
        created_at: UTC.
        started_at: UTC, of the last attempt.
        ended_at: UTC; None while it is open.
        error: name of the error that it failed with.
        has_upload: whether its video was sent along with it.
    """

    id: str
    kind: str
    actor: str | None
    key_id: str | None
    collection_name: str | None
    state: JobState
    progress: float
    attempts: int
    worker: str | None
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    has_upload: bool


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be queued.

    Attributes:
        id: random UUID.
        kind: what is to be done.
        parameters: sealed under the job's own key.
        collection_name: where is searched; None where nobody is searched for.
        key_id: the access key that asks; None for whoever has the data folder.
        token: the client's, so that a request repeated after a lost answer is one job.
        request_sha256: hexadecimal, of what was asked for.
        has_upload: whether a file of this id holds its video.
        wants_notice: whether somebody is told when it ends.
    """

    id: str
    kind: str
    parameters: JsonObject
    collection_name: str | None = None
    key_id: str | None = None
    token: str | None = None
    request_sha256: str | None = None
    has_upload: bool = False
    wants_notice: bool = False


@dataclass(frozen=True, slots=True)
class NewMatch:
    """Somebody whom a job's result names. It rests on a consent, and goes with it.

    Attributes:
        person_id: random UUID.
        consent_id: what allows it.
        details: which track, how alike; sealed under the job's key.
        is_pictured: whether the job's output shows them, so that it must go with them.
    """

    person_id: str
    consent_id: str
    details: JsonObject
    is_pictured: bool = False


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """Somebody whom a job's result names, whose consent is live.

    Attributes:
        person_ref: what the caller calls them.
        person_name: if one was given.
        consent_id: what allows it.
        details: as the job stored them.
        is_pictured: whether the job's output shows them.
    """

    person_ref: str
    person_name: str | None
    consent_id: str
    details: JsonObject
    is_pictured: bool


@dataclass(frozen=True, slots=True)
class JobDone:
    """What came of a job.

    Attributes:
        result: names and pictures nobody; sealed under the job's key.
        matches: whom it names.
        output_key: 32 bytes that the output's file is sealed with; None where there is no output.
        output_name: what a browser should call the output.
    """

    result: bytes = field(repr=False)
    matches: tuple[NewMatch, ...] = ()
    output_key: bytes | None = field(default=None, repr=False)
    output_name: str | None = None
