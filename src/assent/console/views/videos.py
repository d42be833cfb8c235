"""Videos: sent, looked at, decided about, played before and after, downloaded, destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from assent.console.media import media_response
from assent.console.security import PAGE_HEADERS
from assent.console.views.collections import how_it_answers, why_not_searchable
from assent.console.visit import Page, Visit, address, num_looks, number_in, sentence, status_of
from assent.console.wording import REASONS, about, clock
from assent.errors import AssentError, UsageError
from assent.service.findings import TrackFindings
from assent.service.jobs import Job
from assent.service.videoedits import TrackState
from assent.service.videolibrary import Video
from assent.service.watching import NamedTrack
from assent.store.access import Role
from assent.store.jobvalues import JobState

MAX_TRACKS: Final = 100
"""Tracks on one page."""
_LEAST_PROGRESS: Final = 0.03

KINDS: Final = {
    "redact-all": "everyone hidden",
    "redact-others": "everyone hidden but those confirmed",
    "redact": "everyone hidden but whoever was to be kept",
    "timeline": "who is in it and when",
    "face-search": "who is in it and when",
    "face-detection": "faces",
    "person-tracking": "people's paths",
    "segment-detection": "shots and black frames",
}
STATES: Final = {
    JobState.QUEUED: "waiting",
    JobState.RUNNING: "working",
    JobState.SUCCEEDED: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "stopped",
}
METHODS: Final = (("blur", "Blur"), ("mosaic", "Mosaic"), ("solid", "One colour"))
_WHY: Final = {
    "kept": "Confirmed as somebody who agreed.",
    "nobody": "Nobody who agreed could be named.",
    "not-asked": "Somebody who is not to be shown.",
    "undecided": "Not sure enough, or its pictures do not agree: hidden until somebody decides.",
    "everybody": "Everybody is hidden; nobody was searched for.",
    "by-hand": "Decided by hand.",
    "consent-ended": "Whoever was recognised here agrees no longer, and stays hidden.",
    "no-picture": "No picture of it was good enough to search with.",
    "too-few-pictures": "Too few good pictures to name anybody.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One video of the list.

    Attributes:
        job: where it stands.
        name: what it is called.
        what: what was asked for.
        state: in a word.
        left: how long it will take; empty where nothing can be said.
    """

    job: Job
    name: str
    what: str
    state: str
    left: str


@dataclass(frozen=True, slots=True)
class TrackRow:
    """One face of a video.

    Attributes:
        found: where it is.
        state: what is decided; None where nothing can be.
        named: whom it may show, best first.
        why: the decision's reason, in a sentence.
        is_locked: it can only be hidden.
        has_strip: whether there are pictures of it.
        left_pct: where its bar begins, percent of the video.
        width_pct: how long its bar is.
    """

    found: TrackFindings
    state: TrackState | None
    named: tuple[NamedTrack, ...]
    why: str
    is_locked: bool
    has_strip: bool
    left_pct: float
    width_pct: float

    @property
    def word(self) -> str:
        """What becomes of it, in a word or two."""
        if self.state is None:
            return "named" if self.named else "not named"
        return {"hide": "hidden", "keep": "visible", "drop": "no face"}[
            "hide" if self.is_locked else self.state.choice
        ]


def videos(visit: Visit) -> Response:
    """All videos, newest first."""
    visit.require(Role.SEARCHER, Role.ENROLLER)
    rows = [
        Row(
            item.job,
            item.name or "A video",
            KINDS.get(item.job.kind, item.job.kind)
            + ("" if item.options.get("render", True) else ", no copy yet"),
            STATES[item.job.state],
            _left(visit, item.job),
        )
        for item in visit.assent.videos.list()
    ]
    is_open = any(row.job.state.is_open for row in rows)
    return visit.page("videos.html", rows=rows, again=_again(visit, "/videos", is_open))


def new(visit: Visit) -> Response:
    """The form that sends one."""
    return _form(visit)


def _form(visit: Visit, error: AssentError | None = None) -> Response:
    visit.require(Role.SEARCHER, Role.ENROLLER)
    settings = visit.assent.settings
    return visit.page(
        "video_new.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        summaries=visit.assent.collections.list() if visit.may(Role.SEARCHER) else [],
        why_not=why_not_searchable,
        how=how_it_answers,
        methods=METHODS,
        chosen=visit.form.text("what"),
        method=visit.form.text("method"),
        collection=visit.form.text("collection"),
        max_bytes=_size(settings.max_video_bytes),
        max_hours=f"{settings.max_video_s / 3600:g}",
        days=settings.job_days,
    )


def send(visit: Visit) -> Response:
    """Queue a video that came with the form."""
    form, upload = visit.form, visit.upload
    if upload is None:
        return _form(visit, visit.upload_error or UsageError("choose a video first"))
    try:
        what, collection, purpose = form.text("what"), None, None
        if what not in ("find", "hide", "hide-others"):
            raise UsageError("choose what is to be done with the video")
        if what != "hide":
            collection = form.text("collection")
            purpose = visit.assent.collections.record(collection).purpose
        job = visit.assent.videos.submit(
            upload.finish(),
            name=form.text("filename"),
            method=form.text("method") or "blur",
            collection=collection,
            purpose=purpose,
            render=what != "find",
        )
    except AssentError as error:
        upload.discard()
        return _form(visit, error)
    return visit.go(f"/videos/{job.id}", note="The video is here. It is looked at as soon as its turn comes.")


def video(visit: Visit) -> Response:
    """One video."""
    return _one(visit, visit.part("id"))


def _one(visit: Visit, job_id: str, error: AssentError | None = None) -> Response:
    found = visit.assent.videos.get(job_id)
    job = found.answer.job
    rows = _tracks(found)
    start = number_in(visit.query("from"))
    path = f"/videos/{job_id}"
    findings = found.answer.findings
    return visit.page(
        "video.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        video=found,
        job=job,
        name=found.name or "A video",
        what=KINDS.get(job.kind, job.kind),
        state=STATES[job.state],
        left=_left(visit, job),
        again=_again(visit, path, job.state.is_open),
        preload="none" if num_looks(visit.request) else "metadata",
        path=path,
        findings=findings,
        search=None if findings is None else findings.search,
        rows=rows[start : start + MAX_TRACKS],
        num_tracks=len(rows),
        num_shown=sum(row.word == "visible" for row in rows),
        num_by_hand=sum(row.state is not None and row.state.reason == "by-hand" for row in rows),
        start=start,
        step=MAX_TRACKS,
        at=_seconds(visit.query("at")),
        methods=METHODS,
        clock=clock,
        chosen={row.found.index: visit.form.text(f"track-{row.found.index}") for row in rows},
    )


def render(visit: Visit) -> Response:
    """Decide about tracks and write the copy anew."""
    job_id, form = visit.part("id"), visit.form
    choices = {
        int(name.removeprefix("track-")): value
        for name, value in form.fields
        if name.startswith("track-") and name.removeprefix("track-").isdecimal()
    }
    try:
        visit.assent.videos.render(job_id, choices, method=form.text("method"), by_hand=form.has("by_hand"))
    except UsageError as error:
        return _one(visit, job_id, error)
    return visit.go(
        f"/videos/{job_id}", note="The copy is being made anew; the video is not looked at again."
    )


def stop(visit: Visit) -> Response:
    """End a job that waits or runs."""
    visit.assent.jobs.cancel(visit.part("id"))
    return visit.go("/videos", note="Stopped. What was sent is destroyed.")


def ask_to_delete(visit: Visit) -> Response:
    """What deleting it would destroy."""
    found = visit.assent.videos.get(visit.part("id"))
    return visit.page("video_delete.html", name=found.name or "A video", job=found.answer.job)


def delete(visit: Visit) -> Response:
    """Destroy it."""
    visit.assent.videos.delete(visit.part("id"))
    return visit.go("/videos", note="The video and all that came of it are destroyed.")


def original(visit: Visit) -> Response:
    """The video as it came, to be played."""
    return media_response(visit.request, visit.assent.videos.original(visit.part("id")))


def copy(visit: Visit) -> Response:
    """Its copy, to be played or kept."""
    media = visit.assent.videos.copy(visit.part("id"))
    return media_response(visit.request, media, download=bool(visit.query("download")))


def strip(visit: Visit) -> Response:
    """A few pictures of one track."""
    data = visit.assent.videos.strip(visit.part("id"), number_in(visit.part("track")))
    return Response(data, media_type="image/jpeg", headers=dict(PAGE_HEADERS))


def _tracks(found: Video) -> list[TrackRow]:
    findings = found.answer.findings
    if findings is None:
        return []
    states = {} if found.edit is None else {state.index: state for state in found.edit.tracks}
    whole_s = max(findings.duration_s, 1e-3)
    rows = []
    for track in findings.tracks:
        state = states.get(track.index)
        named = tuple(item for item in found.answer.named if item.track == track.index)
        is_locked = state is not None and found.is_locked(state)
        left = 100 * track.start_s / whole_s
        rows.append(
            TrackRow(
                found=track,
                state=state,
                named=named,
                why=_why(state, is_locked),
                is_locked=is_locked,
                has_strip=state is not None and (state.strip is not None or (state.is_named and bool(named))),
                left_pct=round(min(left, 99.0), 2),
                width_pct=round(max(100 * (track.end_s - track.start_s) / whole_s, 1.0), 2),
            )
        )
    return rows


def _why(state: TrackState | None, is_locked: bool) -> str:
    if state is None:
        return ""
    reason = "consent-ended" if is_locked else state.reason
    if reason in REASONS:
        return f"Not searched for: {REASONS[reason][0][0].lower()}{REASONS[reason][0][1:]}"
    return _WHY.get(reason, reason)


def _left(visit: Visit, job: Job) -> str:
    """How long it will take, by how long it has taken."""
    if job.state is not JobState.RUNNING or job.started_at is None or job.progress < _LEAST_PROGRESS:
        return ""
    taken_s = (visit.assent.now() - job.started_at).total_seconds()
    return about(taken_s * (1 - job.progress) / job.progress)


def _again(visit: Visit, path: str, is_open: bool) -> dict[str, str | int] | None:
    """When and where to look again by itself; None where nothing changes, or somebody stopped it.

    Such a look is no click: it ends with the session (see ``num_looks``).
    """
    if not is_open or visit.query("again") == "off":
        return None
    count = num_looks(visit.request)
    return {"path": address(path, again=str(count + 1)), "after_s": 3 if count < _QUICK_LOOKS else 15}


_QUICK_LOOKS: Final = 20


def _seconds(text: str) -> str:
    """A moment of the video, as its address takes it; empty where that is none."""
    head, _, tail = text.partition(".")
    return text if head.isdecimal() and len(text) < 12 and (not tail or tail.isdecimal()) else ""


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.3g} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.3g} MiB"


_ID = "{id}"
PAGES = (
    Page("GET", "/videos", videos),
    Page("POST", "/videos", send, takes_video=True),
    Page("GET", "/videos/new", new),
    Page("GET", f"/videos/{_ID}", video),
    Page("POST", f"/videos/{_ID}/render", render),
    Page("POST", f"/videos/{_ID}/stop", stop),
    Page("GET", f"/videos/{_ID}/delete", ask_to_delete),
    Page("POST", f"/videos/{_ID}/delete", delete),
    Page("GET", f"/videos/{_ID}/original", original),
    Page("GET", f"/videos/{_ID}/copy", copy),
    Page("GET", f"/videos/{_ID}/strips/{{track}}", strip, is_click=False),
)
