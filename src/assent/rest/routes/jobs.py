"""Videos and jobs: what takes longer than a request is accepted, and asked for again later.

A video lies in a bucket of the operator's, or comes along as a file; never from an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form
from fastapi.responses import StreamingResponse

from assent.config import Settings
from assent.errors import JobNotReady
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.fields import PURPOSE_PATTERN, CollectionPath
from assent.rest.shapes.jobs import JobAnswer, JobPath, TimelineAnswer, TimelineRequest, TrackAnswer
from assent.service.jobs import StoredVideo
from assent.service.watching import Timeline

_FORM_BYTES = 64 * 2**10


class VideoRoute(BoundedRoute):
    """An operation on a video that comes along."""

    def max_bytes(self, settings: Settings, /) -> int:
        """Videos of the largest upload, and what stands around them."""
        return settings.max_upload_bytes + _FORM_BYTES


router = APIRouter(tags=["Jobs"], route_class=BoundedRoute)
uploads = APIRouter(tags=["Jobs"], route_class=VideoRoute)


@router.post("/jobs", status_code=202, responses=documented(400, 404, 409, 413))
def submit_job(assent: Acting, asked: TimelineRequest) -> JobAnswer:
    """Queue a job on a video in a bucket."""
    video = StoredVideo(asked.video.bucket, asked.video.key, asked.video.version)
    options = {"collection": asked.collection, "purpose": asked.purpose, "threshold": asked.threshold}
    return JobAnswer.of(assent.jobs.submit(asked.kind, video, options=options))


@uploads.post("/collections/{collection}/timeline", status_code=202, responses=documented(400, 404, 409, 413))
def submit_timeline(
    assent: Acting,
    collection: CollectionPath,
    video: Annotated[bytes, File(description="The video's file; sealed until the job has ended.")],
    purpose: Annotated[
        str,
        Form(
            pattern=PURPOSE_PATTERN,
            description="What it is for; must be the collection's purpose.",
            examples=["club-photos"],
        ),
    ],
    threshold: Annotated[
        float | None,
        Form(
            ge=0,
            le=100,
            allow_inf_nan=False,
            description="A similarity of 0 to 100; stricter than the collection's floor, or it has no effect.",
        ),
    ] = None,
) -> JobAnswer:
    """Queue a timeline of a video that comes along: who of the consenting is in it, and when."""
    options = {"collection": collection, "purpose": purpose, "threshold": threshold}
    return JobAnswer.of(assent.jobs.submit("timeline", video, options=options))


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
