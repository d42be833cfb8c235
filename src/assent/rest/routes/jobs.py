"""Videos and jobs: what takes longer than a request is accepted, and asked for again later.

A video comes along as a file. Rekognition's protocol takes those in the operator's buckets; nothing takes an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form
from fastapi.responses import StreamingResponse

from assent.config import Settings
from assent.errors import JobNotReady, UsageError
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.fields import (
    NAME_PATTERN,
    PURPOSE_PATTERN,
    REFS_PATTERN,
    CollectionPath,
    PurposeForm,
    ThresholdForm,
)
from assent.rest.shapes.jobs import (
    Container,
    JobAnswer,
    JobPath,
    RedactionAnswer,
    TimelineAnswer,
    TrackAnswer,
)
from assent.service.watching import Timeline
from assent.vision.redact import RedactMethod

_FORM_BYTES = 64 * 2**10


class VideoRoute(BoundedRoute):
    """An operation on a video that comes along."""

    def max_bytes(self, settings: Settings, /) -> int:
        """Videos of the largest upload, and what stands around them."""
        return settings.max_upload_bytes + _FORM_BYTES


_Video = Annotated[bytes, File(description="The video's file; sealed until the job has ended.")]
router = APIRouter(tags=["Jobs"], route_class=BoundedRoute)
uploads = APIRouter(tags=["Jobs"], route_class=VideoRoute)


@uploads.post("/collections/{collection}/timeline", status_code=202, responses=documented(400, 404, 409, 413))
def submit_timeline(
    assent: Acting,
    collection: CollectionPath,
    video: _Video,
    purpose: PurposeForm,
    threshold: ThresholdForm = None,
) -> JobAnswer:
    """Queue a timeline of a video that comes along: who of the consenting is in it, and when."""
    options = {"collection": collection, "purpose": purpose, "threshold": threshold}
    return JobAnswer.of(assent.jobs.submit("timeline", video, options=options))


@uploads.post("/videos/redact", status_code=202, responses=documented(400, 404, 409, 413))
def submit_redaction(
    assent: Acting,
    video: _Video,
    method: Annotated[RedactMethod, Form(description="What is put where a face was.")] = RedactMethod.BLUR,
    container: Annotated[Container, Form(description="What kind of file is written.")] = "mp4",
    collection: Annotated[
        str | None,
        Form(pattern=NAME_PATTERN, description="Whose people may stay visible; everybody is hidden without."),
    ] = None,
    purpose: Annotated[str | None, Form(pattern=PURPOSE_PATTERN, description="The collection's.")] = None,
    people: Annotated[
        str | None,
        Form(
            pattern=REFS_PATTERN,
            max_length=4096,
            description="Only these of them: ids with commas between; everybody who agreed without.",
            examples=["ana,bea"],
        ),
    ] = None,
) -> JobAnswer:
    """Queue a copy of a video that comes along, with everybody hidden but those who agreed and are to be kept."""
    if (collection is None) != (purpose is None) or (people is not None and collection is None):
        raise UsageError(
            "whoever is to stay visible is looked for in one collection and for its purpose; give both"
        )
    options = {
        "method": method.value,
        "container": container,
        "collection": collection,
        "purpose": purpose,
        "people": None if people is None else people.split(","),
    }
    return JobAnswer.of(assent.jobs.submit("redact", video, options=options))


@router.get("/jobs", responses=documented())
def list_jobs(assent: Acting, limit: Limit = 100, cursor: Cursor = None) -> Page[JobAnswer]:
    """Every job that is still there, oldest first."""
    chosen, after = page_of(
        assent.jobs.list(),
        lambda job: (job.created_at.isoformat(timespec="microseconds"), job.id),
        limit=limit,
        cursor=cursor,
    )
    return Page(items=[JobAnswer.of(job) for job in chosen], next_cursor=after)


@router.get("/jobs/{job_id}", responses=documented(404))
def get_job(assent: Acting, job_id: JobPath) -> JobAnswer:
    """Where a job stands."""
    return JobAnswer.of(assent.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", responses=documented(404))
def cancel_job(assent: Acting, job_id: JobPath) -> JobAnswer:
    """End a job that waits or runs; one that has ended stays as it is."""
    return JobAnswer.of(assent.jobs.cancel(job_id))


@router.get("/jobs/{job_id}/timeline", responses=documented(404, 409))
def get_timeline(assent: Acting, job_id: JobPath) -> TimelineAnswer:
    """Who of the consenting may be in the video, and when; whoever withdrew since is in it no longer."""
    return TimelineAnswer.of(_timeline(assent, job_id))


@router.get("/jobs/{job_id}/redaction", responses=documented(404, 409))
def get_redaction(assent: Acting, job_id: JobPath) -> RedactionAnswer:
    """What became of a copy with faces hidden; the copy itself is at `output`."""
    answer = assent.jobs.answer(job_id)
    if not answer.summary:
        raise JobNotReady(f"this job is {answer.job.kind}, {answer.job.state}; there is no copy to tell of")
    return RedactionAnswer(**answer.summary, has_output=answer.has_output)


@router.get("/jobs/{job_id}/tracks", responses=documented(404, 409))
def list_tracks(
    assent: Acting, job_id: JobPath, limit: Limit = 100, cursor: Cursor = None
) -> Page[TrackAnswer]:
    """The faces of the video as tracks, by first appearance; boxes only, nothing that identifies."""
    chosen, after = page_of(
        _timeline(assent, job_id).findings.tracks, lambda track: (track.index,), limit=limit, cursor=cursor
    )
    return Page(items=[TrackAnswer.of(track) for track in chosen], next_cursor=after)


@router.get(
    "/jobs/{job_id}/output",
    response_class=StreamingResponse,
    responses=documented(404, 409, media_type="application/octet-stream"),
)
def get_output(assent: Acting, job_id: JobPath) -> StreamingResponse:
    """The file that a job made; gone with the consent of anybody who is shown in it."""
    name, size, chunks = assent.jobs.output(job_id)
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def _timeline(assent: Acting, job_id: str) -> Timeline:
    answer = assent.jobs.answer(job_id)
    if answer.timeline is None:
        raise JobNotReady(f"this job is {answer.job.state}; its result is there when it has succeeded")
    return answer.timeline
