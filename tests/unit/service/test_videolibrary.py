"""A video is looked at once; who is hidden in it can be changed; all of it ends with the job or a consent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent import Assent
from assent.errors import (
    Forbidden,
    JobNotReady,
    NotFound,
    TooManyJobs,
    UsageError,
    VideoTooLarge,
    WrongPurpose,
)
from assent.service.jobs import Job
from assent.service.videoedits import media_type
from assent.service.videolibrary import SealedMedia, Video
from assent.store import JobState, Role
from assent.types import Float64
from assent.video.types import ClipFacts
from assent.vision.engine import FaceEngine
from tests.builders import Clock, add_profile, make_settings

from .conftest import PURPOSE, enrol_both

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


def send(assent: Assent, clip: Path, **options: Any) -> Job:
    upload = assent.videos.receive()
    with clip.open("rb") as file:
        while chunk := file.read(50_000):
            upload.write(chunk)
    return assent.videos.submit(upload.finish(), name="C:\\clips\\party.mkv", **options)


@dataclass(frozen=True)
class Made:
    """A data folder in which a video was looked at: ana is shown, a stranger hidden."""

    folder: Path
    job_id: str


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    engine: FaceEngine,
    demo_photos: Path,
    short_clip: Path,
) -> Made:
    folder = tmp_path_factory.mktemp("made")
    settings = make_settings(folder, models_dir)
    add_profile(settings, engine.model_digest)
    with Assent(settings=settings, actor="tester", clock=Clock(), engine=engine) as assent:
        assent.collections.create("club", purpose=PURPOSE)
        enrol_both(assent, "club", demo_photos)
        job = send(assent, short_clip, **HERE)
        assert assent.worker().work_once()
    return Made(folder, job.id)


@pytest.fixture
def club(made: Made, tmp_path: Path, open_assent: Callable[[], Assent]) -> Assent:
    """The folder, for one test to change."""
    for name in ("data", "data.keys"):
        shutil.copytree(made.folder / name, tmp_path / name)
    return open_assent()


@pytest.fixture
def done(club: Assent, made: Made) -> Video:
    """The video in it."""
    return club.videos.get(made.job_id)


def whole(media: SealedMedia) -> bytes:
    return b"".join(media.part(0, media.num_bytes))


def detail(assent: Assent, job_id: str, which: str, track: int, folder: Path) -> float:
    """How much detail there is in the middle of a face."""
    import av

    findings = assent.jobs.answer(job_id).findings
    assert findings
    at = findings.tracks[track].boxes[len(findings.tracks[track].boxes) // 2]
    path = folder / "played.mp4"
    videos = assent.videos
    path.write_bytes(whole(videos.copy(job_id) if which == "copy" else videos.original(job_id)))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= at.time_s:
                pixels: Float64 = frame.to_ndarray(format="gray").astype(np.float64)
                height, width = pixels.shape
                x0, y0, x1, y1 = at.box
                face = pixels[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]
                return float(np.abs(np.diff(face, axis=1)).mean())
    raise AssertionError


def files(assent: Assent) -> list[str]:
    return sorted(path.suffix for path in assent.settings.jobs_path.iterdir())


def choices(video: Video) -> list[tuple[str, str]]:
    assert video.edit
    return [(state.choice, state.reason) for state in video.edit.tracks]


def test_a_face_is_kept_or_hidden_by_a_click_and_rendered_without_another_look(
    club: Assent, done: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, job_id = club.videos, done.answer.job.id
    assert (done.answer.job.state, done.name, done.answer.has_output) == (
        JobState.SUCCEEDED,
        "party.mkv",
        True,
    )
    assert choices(done) == [("keep", "kept"), ("hide", "nobody")]
    assert files(club) == [".in", ".kept", ".kept", ".kept", ".out"]
    ana, joe = (detail(club, job_id, "original", track, tmp_path) for track in (0, 1))
    assert detail(club, job_id, "copy", 0, tmp_path) > 0.8 * ana
    assert detail(club, job_id, "copy", 1, tmp_path) < 0.5 * joe
    with pytest.raises(UsageError, match="got 1 that none has"):
        videos.render(job_id, {0: "hide", 1: "keep"})
    monkeypatch.setattr("assent.service.videoedits.analysis_of", None)
    assert videos.render(job_id, {0: "hide", 1: "keep"}, by_hand=True).state is JobState.QUEUED
    assert videos.get(job_id).edit is None
    with pytest.raises(JobNotReady):
        videos.copy(job_id)
    with pytest.raises(JobNotReady):
        videos.render(job_id, {})
    assert club.worker().work_once()
    again = videos.get(job_id)
    assert choices(again) == [("hide", "by-hand"), ("keep", "by-hand")]
    assert [item.candidate.person for item in again.answer.named] == ["ana"]
    assert detail(club, job_id, "copy", 0, tmp_path) < 0.5 * ana
    assert detail(club, job_id, "copy", 1, tmp_path) > 0.8 * joe
    [edited] = club.log(kinds=["video.edited"])
    assert (edited["num_tracks"], edited["num_shown"], edited["by_hand"]) == (2, 1, [1])
    assert again.answer.job.kept_until == done.answer.job.kept_until
    # what was answered for once is not asked again
    videos.render(job_id, {0: "keep"}, method="solid")
    assert club.worker().work_once()
    assert choices(videos.get(job_id)) == [("keep", "kept"), ("keep", "by-hand")]


def test_whoever_withdraws_is_gone_from_the_page_and_hidden_for_good(club: Assent, done: Video) -> None:
    videos, job_id = club.videos, done.answer.job.id
    assert videos.strip(job_id, 0)[:3] == videos.strip(job_id, 1)[:3] == b"\xff\xd8\xff"
    [consent] = [item for item in club.consents.list() if item.person_ref == "ana"]
    club.consents.withdraw(consent.id)
    with pytest.raises(NotFound):
        videos.copy(job_id)
    with pytest.raises(NotFound):
        videos.strip(job_id, 0)
    video = videos.get(job_id)
    assert (video.answer.named, video.answer.has_output) == ((), False)
    assert video.edit
    assert [video.is_locked(state) for state in video.edit.tracks] == [True, False]
    videos.render(job_id, {0: "keep"}, by_hand=True)  # as it was: nobody has said anything new
    assert club.worker().work_once()
    assert choices(videos.get(job_id))[0] == ("hide", "consent-ended")
    with pytest.raises(Forbidden, match="a no is final at once"):
        videos.render(job_id, {0: "keep"}, by_hand=True)


def test_whoever_withdraws_while_it_is_made_anew_is_not_in_it(club: Assent, done: Video) -> None:
    job_id = done.answer.job.id
    club.videos.render(job_id, {})
    [consent] = [item for item in club.consents.list() if item.person_ref == "ana"]
    club.consents.withdraw(consent.id)
    assert club.worker().work_once()
    assert choices(club.videos.get(job_id))[0] == ("hide", "consent-ended")


def test_deleted_at_once_or_kept_so_long(club: Assent, done: Video, short_clip: Path, clock: Any) -> None:
    club.videos.delete(done.answer.job.id)
    assert files(club) == []
    with pytest.raises(NotFound):
        club.videos.original(done.answer.job.id)
    [deleted] = club.log(kinds=["job.deleted"])
    assert deleted["job"] == done.answer.job.id
    job = send(club, short_clip)
    assert club.worker().work_once()
    assert choices(club.videos.get(job.id)) == [("hide", "everybody")] * 2
    clock.advance(days=6.9)
    club.videos.render(job.id, {})
    assert club.worker().work_once()
    clock.advance(days=0.2)
    assert club.jobs.sweep() == 1
    assert club.videos.list() == ()
    with pytest.raises(NotFound):
        club.videos.original(job.id)
    for (
        path
    ) in club.settings.jobs_path.iterdir():  # their keys are gone; they follow when they are an hour old
        os.utime(path, (0, 0))
    club.jobs.sweep()
    assert files(club) == []


def test_a_copy_only_where_it_is_asked_for(club: Assent, short_clip: Path) -> None:
    job = send(club, short_clip, **HERE, render=False)
    assert club.worker().work_once()
    assert club.videos.get(job.id).answer.has_output is False
    with pytest.raises(NotFound):
        club.videos.copy(job.id)
    club.videos.render(job.id, {})
    assert club.worker().work_once()
    assert club.videos.get(job.id).answer.has_output


def test_what_is_stored_names_and_pictures_nobody(club: Assent, done: Video) -> None:
    with club._ctx.records.reading() as tx:
        result = tx.job_result(done.answer.job.id)
    assert result
    assert b"ana" not in result
    assert b"/9j/" not in result, "no JPEG in base64"
    head = b"\xff\xd8\xff"
    for path in club.settings.jobs_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert head not in path.read_bytes()


def test_too_large_empty_and_unsuitable_is_refused_and_leaves_nothing(
    assent: Assent, monkeypatch: pytest.MonkeyPatch
) -> None:
    club = assent
    club.collections.create("club", purpose=PURPOSE)
    upload = club.videos.receive()
    with pytest.raises(UsageError, match="empty file"):
        club.videos.submit(upload.finish())
    for wrong in ({"method": "pixel"}, {**HERE, "purpose": "other"}):
        upload = club.videos.receive()
        upload.write(b"x")
        with pytest.raises((UsageError, WrongPurpose)):
            club.videos.submit(upload.finish(), **wrong)
        upload.discard()
    settings = club._ctx.settings
    monkeypatch.setattr(club._ctx, "settings", settings.model_copy(update={"max_video_bytes": 3}))
    upload = club.videos.receive()
    with pytest.raises(VideoTooLarge, match="at most 3 bytes"):
        upload.write(b"four")
    upload.discard()
    monkeypatch.setattr(club._ctx, "settings", settings.model_copy(update={"max_jobs": 1}))
    club.jobs.submit("face-detection", b"x")
    with pytest.raises(TooManyJobs):
        club.videos.receive()
    assert files(club) == [".in"]


def test_a_file_that_is_no_video_fails_and_is_destroyed(assent: Assent, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video at all")
    job = send(assent, text)
    assert assent.worker().work_once()
    failed = assent.videos.get(job.id)
    assert (failed.answer.job.error, failed.edit, files(assent)) == ("UnreadableVideo", None, [])


@pytest.mark.parametrize(
    ("choice", "error"),
    [({7: "hide"}, NotFound), ({0: "show"}, UsageError)],
)
def test_choices_are_checked(
    club: Assent, done: Video, choice: dict[int, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        club.videos.render(done.answer.job.id, choice)
    with pytest.raises(UsageError):
        club.videos.render(done.answer.job.id, {}, method="pixel")
    assert club.videos.get(done.answer.job.id).answer.has_output


def test_enrollers_see_what_names_nobody_only(club: Assent, done: Video) -> None:
    enroller = club.acting_as(club.access.make("desk", [Role.ENROLLER]).key)
    for see in (enroller.videos.get, enroller.videos.original, enroller.videos.copy, enroller.videos.delete):
        with pytest.raises(Forbidden):
            see(done.answer.job.id)
    assert enroller.videos.list() == ()


def facts(container: str, codec: str, *audio: str) -> ClipFacts:
    return ClipFacts(container, codec, 64, 64, 0, 25.0, 1.0, 25, audio_codecs=audio)


@pytest.mark.parametrize(
    ("clip", "played_as"),
    [
        (facts("mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac"), "video/mp4"),
        (facts("mov,mp4,m4a,3gp,3g2,mj2", "h264", "pcm_s16le"), None),
        (facts("mov,mp4,m4a,3gp,3g2,mj2", "prores"), None),
        (facts("matroska,webm", "vp9", "opus"), "video/webm"),
        (facts("matroska,webm", "h264"), None),
        (facts("gif", "gif"), None),
    ],
)
def test_what_browsers_play(clip: ClipFacts, played_as: str | None) -> None:
    assert media_type(clip) == played_as
