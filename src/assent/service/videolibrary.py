"""Videos that were sent to be looked at: what was found in each, who is shown in its copy, and both to play."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from assent.errors import Forbidden, JobNotReady, NotFound, TooManyJobs, UsageError
from assent.service.context import Context
from assent.service.jobfiles import kept_path, output_path, tidy, upload_path
from assent.service.jobkinds import KINDS
from assent.service.jobs import Job, JobAnswer, Jobs, SealedUpload
from assent.service.videoedits import BY_HAND, Choice, TrackState, VideoEdit, edit_of, media_type, result_of
from assent.service.watching import check_num_bytes
from assent.store.access import Role
from assent.store.jobvalues import JobState
from assent.store.scope import new_id
from assent.store.sealedfiles import SealedWriter, unsealed_part, unsealed_size
from assent.types import JsonObject
from assent.vision.redact import RedactMethod

_MOST_LOGGED: Final = 32
_MAX_NAME: Final = 120
_MEDIA_TYPES: Final = {".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """One video in the list.

    Attributes:
        job: where it stands.
        name: what its file was called; empty where that is not known.
        options: what was asked for.
    """

    job: Job
    name: str
    options: JsonObject


@dataclass(frozen=True, slots=True)
class Video:
    """One video and what came of it.

    Attributes:
        answer: where it stands and what was found; whoever withdrew since is not in it.
        name: what its file was called; empty where that is not known.
        edit: what is decided about its tracks; None until there is something to decide.
        before: the original's media type; None where it is not kept.
    """

    answer: JobAnswer
    name: str
    edit: VideoEdit | None
    before: str | None

    def is_locked(self, state: TrackState) -> bool:
        """Whether a track can only be hidden: whoever was named for it agrees no longer."""
        return state.is_named and state.index not in {item.track for item in self.answer.named}


@dataclass(frozen=True, slots=True)
class SealedMedia:
    """Something to play, of which any part can be read.

    Attributes:
        name: what a browser should call it.
        media_type: of its bytes.
        num_bytes: of all of it.
    """

    name: str
    media_type: str
    num_bytes: int
    _path: Path
    _key: bytes

    def part(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``stop``. Raises ``StoreUnavailable`` where it is gone or damaged."""
        return unsealed_part(self._path, self._key, start, stop)


class VideoUpload:
    """A video that is coming in: sealed as it comes, and gone unless it is finished and submitted.

    Args:
        ctx: the open data folder.
    """

    def __init__(self, ctx: Context) -> None:
        self.job_id = new_id()
        self._key = secrets.token_bytes(32)
        self._path = upload_path(ctx, self.job_id)
        self._max_bytes = ctx.settings.max_video_bytes
        self._num_bytes = 0
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._writer = SealedWriter(self._path, self._key)

    @property
    def num_bytes(self) -> int:
        """How many have come."""
        return self._num_bytes

    def write(self, data: bytes) -> int:
        """Take some bytes; how many.

        Raises:
            VideoTooLarge: it has more than the settings allow.
        """
        self._num_bytes += len(data)
        check_num_bytes(self._num_bytes, self._max_bytes)
        return self._writer.write(data)

    def finish(self) -> SealedUpload:
        """It is whole, and can be submitted."""
        return SealedUpload(self.job_id, self._key, self._writer.finish())

    def discard(self) -> None:
        """Destroy it."""
        self._writer.close()
        self._path.unlink(missing_ok=True)


class Videos:
    """The videos of one data folder."""

    def __init__(self, ctx: Context, jobs: Jobs) -> None:
        self._ctx = ctx
        self._jobs = jobs

    def list(self) -> tuple[ListedVideo, ...]:
        """All that the caller's roles cover, newest first.

        Raises:
            Forbidden: the caller is neither enroller nor searcher.
        """
        jobs = self._jobs.list()
        with self._ctx.records.reading() as tx:
            known = {record.id for record in tx.jobs()}
            options = {job.id: tx.job_parameters(job.id)["options"] for job in jobs if job.id in known}
        return tuple(
            ListedVideo(job, str(options[job.id].get("name") or ""), options[job.id])
            for job in jobs
            if job.id in options
        )

    def get(self, job_id: str) -> Video:
        """One of them.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job, or it was kept long enough.
        """
        answer = self._jobs.answer(job_id)
        edit = self._edit(job_id)
        before = None
        if edit is not None and answer.findings is not None:
            before = "video/mp4" if "before" in edit.files else media_type(answer.findings.facts)
        return Video(answer, str(answer.options.get("name") or ""), edit, before)

    def receive(self) -> VideoUpload:
        """Begin to take in a video.

        Raises:
            Forbidden: the caller is neither enroller nor searcher.
            TooManyJobs: as many wait or run as may, so that it would be refused when it is here.
        """
        self._ctx.require(Role.ENROLLER, Role.SEARCHER)
        limit = self._ctx.settings.max_jobs
        with self._ctx.records.reading() as tx:
            num_open = sum(record.state.is_open for record in tx.jobs())
        if num_open >= limit:
            raise TooManyJobs(
                f"expected at most {limit} jobs that wait or run, got one more; try again later"
            )
        return VideoUpload(self._ctx)

    def submit(
        self,
        upload: SealedUpload,
        *,
        name: str = "",
        method: str = "blur",
        collection: str | None = None,
        purpose: str | None = None,
        render: bool = True,
    ) -> Job:
        """Queue a video that has come in; where that is refused, it is destroyed.

        Args:
            upload: what ``VideoUpload.finish`` gave.
            name: what its file was called, for people to read.
            method: what is put where a face was: ``blur``, ``mosaic`` or ``solid``.
            collection: whose people are looked for, and stay visible where they are confirmed; None hides everybody.
            purpose: what for; the collection's.
            render: whether a copy is wanted before anybody has looked at the tracks.

        Raises:
            UsageError: the file is empty, or there is no such method.
            Forbidden, NotFound, ConsentError, CalibrationError, TooManyJobs: see ``Jobs.submit``.
        """
        try:
            options: JsonObject = {
                "name": _plain_name(name),
                "method": _method(method).value,
                "render": render,
            }
            if collection is None:
                return self._jobs.submit("redact-all", upload, options=options)
            options |= {"collection": collection, "purpose": purpose or ""}
            return self._jobs.submit("redact-others", upload, options=options)
        except BaseException:
            upload_path(self._ctx, upload.job_id).unlink(missing_ok=True)
            raise

    def render(
        self, job_id: str, choices: Mapping[int, str], *, method: str = "", by_hand: bool = False
    ) -> Job:
        """Decide about tracks, and write the copy anew; the video is not looked at again.

        What is decided by hand is in the log: how much, and which tracks, by whom.

        Args:
            job_id: which video.
            choices: by track: ``hide``, ``keep``, or ``drop`` (this is no face); the others stay as they are.
            method: see ``submit``; as it was when empty.
            by_hand: whether the caller answers for leaving visible what was not confirmed by a search.

        Raises:
            Forbidden: the caller's roles do not cover it; or somebody is to be left visible who agrees no longer.
            NotFound: no such video, or no such track in it.
            JobNotReady: it has not been looked at, or is being rendered.
            UsageError: something is to be left visible that was not confirmed, and nobody answers for it; or it
                is no such choice or method.
        """
        video = self.get(job_id)
        if video.edit is None:
            raise JobNotReady(
                f"this job is {video.answer.job.state}; its tracks can be decided about when it has succeeded"
            )
        edit = self._chosen(video, video.edit, choices, method)
        manual = [
            state.index for state in edit.tracks if state.choice != "hide" and state.reason == "by-hand"
        ]
        before = {state.index for state in video.edit.tracks if state.reason == BY_HAND}
        unanswered = sum(index not in before for index in manual)
        if unanswered and not by_hand:
            raise UsageError(
                f"expected faces that a search has confirmed to stay visible, got {unanswered} that none has; say that "
                "you know them and that they agreed to be seen, or hide them"
            )
        num_shown = sum(state.choice == "keep" for state in edit.tracks)
        with self._ctx.records.transaction() as tx:
            earlier = tx.job_result(job_id)
            if earlier is None:
                raise JobNotReady("this job is being worked on; try again when it has ended")
            log = {
                "num_tracks": len(edit.tracks),
                "num_shown": num_shown,
                "num_by_hand": len(manual),
                "by_hand": manual[:_MOST_LOGGED],
            }
            tx.redo_job(job_id, result=result_of(earlier, edit), log=log)
        return self._jobs.get(job_id)

    def delete(self, job_id: str) -> None:
        """Destroy a video with all that came of it, at once; one that is worked on is stopped.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job.
        """
        self._jobs.get(job_id)
        with self._ctx.records.transaction() as tx:
            tx.delete_job(job_id)
        folder = self._ctx.settings.jobs_path
        for path in folder.glob(f"{job_id}.*"):
            if path.is_file():
                path.unlink(missing_ok=True)
        tidy(self._ctx)

    def original(self, job_id: str) -> SealedMedia:
        """The video as it came, or in a form that browsers play.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job, or its video is not kept.
        """
        video = self.get(job_id)
        if video.edit is None or video.before is None:
            raise NotFound("the video of this job is not kept, or not looked at yet")
        if "before" in video.edit.files:
            file = video.edit.files["before"]
            path, key = kept_path(self._ctx, job_id, file.name), bytes.fromhex(file.key)
        else:
            with self._ctx.records.reading() as tx:
                place = tx.job_parameters(job_id)["video"]
            if "upload_key" not in place:
                raise NotFound("the video of this job lies in a bucket; it is played from there")
            path, key = upload_path(self._ctx, job_id), bytes.fromhex(place["upload_key"])
        return _media("original", video.before, path, key)

    def copy(self, job_id: str) -> SealedMedia:
        """The copy.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job or copy; or somebody who is shown in it withdrew.
            JobNotReady: it is being worked on.
        """
        job = self._jobs.get(job_id)
        if job.state is not JobState.SUCCEEDED:
            raise JobNotReady(f"this job is {job.state}; its copy is there when it has succeeded")
        with self._ctx.records.reading() as tx:
            key, name = tx.job_output(job_id)
        return _media(
            name,
            _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
            output_path(self._ctx, job_id),
            key,
        )

    def strip(self, job_id: str, track: int) -> bytes:
        """A few pictures of a track side by side, JPEG; of somebody who was named as long as they agree.

        Raises:
            Forbidden: the caller's roles do not cover its kind.
            NotFound: no such job or track, or no pictures of it.
        """
        job = self._jobs.get(job_id)
        edit = self._edit(job_id)
        state = next((item for item in edit.tracks if item.index == track), None) if edit else None
        if edit is None or state is None:
            raise NotFound("this video has no such track, or is being worked on")
        if state.strip is not None:
            start, length = state.strip
            file = edit.files["strips"]
            media = _media("", "", kept_path(self._ctx, job_id, file.name), bytes.fromhex(file.key))
            return b"".join(media.part(start, start + length))
        with self._ctx.records.reading() as tx:
            for match in tx.job_matches(job.id):
                if match.details["track"] == track and match.details.get("strip"):
                    return base64.b64decode(match.details["strip"])
        raise NotFound("there are no pictures of this track")

    def _edit(self, job_id: str) -> VideoEdit | None:
        with self._ctx.records.reading() as tx:
            result = tx.job_result(job_id)
            kind = tx.job(job_id).kind
        if not result or kind not in KINDS:
            return None
        return edit_of(result)

    def _chosen(self, video: Video, edit: VideoEdit, choices: Mapping[int, str], method: str) -> VideoEdit:
        states = {state.index: state for state in edit.tracks}
        checked: dict[int, Choice] = {}
        for index, choice in choices.items():
            if index not in states:
                raise NotFound(f"this video has no track {index}")
            if choice not in get_args(Choice):
                raise UsageError(f"expected {', '.join(get_args(Choice))} for a track, got another choice")
            if choice != "hide" and choice != states[index].choice and video.is_locked(states[index]):
                raise Forbidden(
                    "whoever was recognised there agrees no longer, and stays hidden; a no is final at once"
                )
            checked[index] = choice  # type: ignore[assignment]
        wanted = _method(method) if method else edit.method
        return edit.choosing(checked, method=wanted, named=video.answer.named)


def _method(name: str) -> RedactMethod:
    try:
        return RedactMethod(name)
    except ValueError as error:
        raise UsageError(f"expected {', '.join(RedactMethod)}, got another method; choose one") from error


def _media(name: str, media_type: str, path: Path, key: bytes) -> SealedMedia:
    try:
        size = unsealed_size(path)
    except OSError as error:
        raise NotFound("this file is not on this machine; set ASSENT_JOBS_DIR to where it is") from error
    return SealedMedia(name, media_type, size, path, key)


def _plain_name(name: str) -> str:
    """A file's name without the folders that some browsers send along, and without control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[:_MAX_NAME]
