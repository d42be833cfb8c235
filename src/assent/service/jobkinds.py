"""What kinds of jobs there are: a table from a kind's name to the function that does it.

A kind gets a task and gives what may be kept. It never stores anything itself, and never names anybody but in the
matches it gives, each of which rests on a consent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assent.errors import ConsentError
from assent.service.context import Context
from assent.service.looks import LookPlace
from assent.service.redacting import Redaction
from assent.service.redacting_videos import redact_video
from assent.service.segmenting import BlackFrames, segments
from assent.service.videoedits import edit_video
from assent.service.watching import check_size, details_of, watch, watch_faces, within_length
from assent.store.access import Role
from assent.store.jobvalues import NewMatch
from assent.types import JsonObject
from assent.video.types import Progress
from assent.vision.redact import RedactMethod


@dataclass(frozen=True, slots=True)
class JobTask:
    """One job as its kind's function gets it.

    Attributes:
        job_id: which.
        video: a file that can be read while the function runs; it has no name that means anything.
        options: what was asked for, as it was submitted.
        folder: an empty folder of its own, for an output; what is left there is destroyed.
        look: where what is known of the video lies, sealed, while it is looked at; the next worker goes on from there.
        progress: to be told how far it is.
        stop: to be called often; raises where the job is cancelled, or no longer this worker's.
    """

    job_id: str
    video: Path
    options: JsonObject
    folder: Path
    look: LookPlace
    progress: Progress
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class JobYield:
    """What a kind's function gives.

    Attributes:
        result: what may be kept of it; names and pictures nobody.
        matches: whom it names.
        output: a file in the task's folder, to be kept sealed.
        output_name: what a browser should call it.
    """

    result: bytes = field(repr=False)
    matches: tuple[NewMatch, ...] = ()
    output: Path | None = None
    output_name: str | None = None


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job.

    Attributes:
        name: as the records have it.
        run: does it.
        roles: whose keys may ask for it and see what came of it.
        is_search: whether it needs a collection and a purpose; others may have one.
    """

    name: str
    run: Callable[[Context, JobTask], JobYield]
    roles: tuple[Role, ...]
    is_search: bool


def _timeline(ctx: Context, task: JobTask) -> JobYield:
    found = watch(
        ctx,
        task.video,
        collection=task.options["collection"],
        purpose=task.options["purpose"],
        threshold=task.options.get("threshold"),
        look=task.look,
        progress=task.progress,
        stop=task.stop,
    )
    with ctx.records.reading() as tx:
        matches = tuple(
            NewMatch(tx.person(named.candidate.person).id, named.candidate.consent_id, details_of(named))
            for named in found.named
        )
    return JobYield(found.findings.to_json(), matches)


def _redaction(ctx: Context, task: JobTask) -> JobYield:
    made = edit_video(ctx, task)
    return JobYield(made.result, made.matches, made.output, "redacted.mp4")


def _faces(ctx: Context, task: JobTask) -> JobYield:
    found = watch_faces(ctx, task.video, look=task.look, progress=task.progress, stop=task.stop)
    return JobYield(found.to_json())


def _segments(ctx: Context, task: JobTask) -> JobYield:
    black = task.options.get("black")
    found = segments(
        ctx,
        task.video,
        black=None if black is None else BlackFrames(**black),
        progress=task.progress,
        stop=task.stop,
    )
    return JobYield(found.to_json())


def _redact(ctx: Context, task: JobTask) -> JobYield:
    """Hide everybody but those who are to be kept, and consent; the copy goes with the consent of any of them."""
    check_size(ctx, task.video)
    options = task.options
    people = options.get("people")
    asked = Redaction(
        method=RedactMethod(options.get("method", RedactMethod.BLUR)),
        collection=options.get("collection"),
        purpose=options.get("purpose"),
        people=None if people is None else tuple(people),
        quality=options.get("quality", "medium"),
        overwrite=True,
    )
    target = task.folder / f"redacted.{options.get('container', 'mp4')}"

    def looking(done_s: float, total_s: float | None) -> None:
        task.progress(done_s, None if total_s is None else 2 * total_s)

    def writing(done_s: float, total_s: float | None) -> None:
        task.progress(done_s + (total_s or 0.0), None if total_s is None else 2 * total_s)

    for attempt in range(_REDACT_ATTEMPTS):
        done = redact_video(
            ctx,
            task.video,
            target,
            asked,
            look=task.look,
            looking=within_length(ctx, looking),
            writing=writing,
            stop=task.stop,
        )
        try:
            matches = _pictured(ctx, options.get("purpose"), done.people)
        except ConsentError:
            # somebody withdrew while the copy was written; the next one hides them
            target.unlink(missing_ok=True)
            if attempt == _REDACT_ATTEMPTS - 1:
                raise
        else:
            break
    summary = {
        "num_hidden": done.num_hidden,
        "num_shown": done.num_shown,
        "num_frames": done.num_frames,
        "duration_s": done.duration_s,
        "notes": list(done.notes),
    }
    return JobYield(json.dumps({"summary": summary}).encode(), matches, target, target.name)


def _pictured(ctx: Context, purpose: str | None, people: tuple[str, ...]) -> tuple[NewMatch, ...]:
    if purpose is None:
        return ()
    with ctx.records.reading() as tx:
        consents = [tx.live_consent(person, purpose) for person in people]
    return tuple(NewMatch(consent.person_id, consent.id, {}, is_pictured=True) for consent in consents)


_REDACT_ATTEMPTS: Final = 3
_EVERYBODY: Final = (Role.ENROLLER, Role.SEARCHER)
KINDS: Final[dict[str, JobKind]] = {
    kind.name: kind
    for kind in (
        JobKind("timeline", _timeline, (Role.SEARCHER,), True),
        JobKind("face-search", _timeline, (Role.SEARCHER,), True),
        JobKind("redact", _redact, (Role.SEARCHER,), False),
        JobKind("face-detection", _faces, _EVERYBODY, False),
        JobKind("person-tracking", _faces, _EVERYBODY, False),
        JobKind("segment-detection", _segments, _EVERYBODY, False),
        JobKind("redact-all", _redaction, _EVERYBODY, False),
        JobKind("redact-others", _redaction, (Role.SEARCHER,), True),
    )
}
"""Every kind, by its name; a new one is one more row."""
