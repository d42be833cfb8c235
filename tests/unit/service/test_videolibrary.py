"""A video is looked at once; who is hidden in it can be changed; all of it ends with the job or a consent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assent import Assent
from assent.errors import Forbidden, JobNotReady, NotFound, TooManyJobs, UsageError, VideoTooLarge
from assent.service.jobs import Job
from assent.service.videolibrary import Video
from assent.store import JobState

from .conftest import PURPOSE


def send(assent: Assent, clip: Path, **options: object) -> Job:
    upload = assent.videos.receive()
    with clip.open("rb") as file:
        while chunk := file.read(50_000):
            upload.write(chunk)
    return assent.videos.submit(upload.finish(), name="C:\\clips\\party.mkv", **options)  # type: ignore[arg-type]


@pytest.fixture
def done(club: Assent, short_clip: Path) -> Video:
    """Ana is shown, the stranger hidden."""
    job = send(club, short_clip, collection="club", purpose=PURPOSE)
    assert club.worker().work_once()
    return club.videos.get(job.id)


def pixels(assent: Assent, job_id: str, which: str, time_s: float, folder: Path) -> object:
    import av

    media = assent.videos.copy(job_id) if which == "copy" else assent.videos.original(job_id)
    path = folder / f"{which}.mp4"
    path.write_bytes(b"".join(media.part(0, media.num_bytes)))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= time_s:
                return frame.to_ndarray(format="rgb24").astype(float)
    raise AssertionError


def test_whoever_is_confirmed_stays_visible_and_a_click_hides_them(
    club: Assent, done: Video, tmp_path: Path
) -> None:
    job_id = done.answer.job.id
    assert (done.answer.job.state, done.name) == (JobState.SUCCEEDED, "party.mkv")
    assert done.edit
    print(done.edit.tracks, done.before, done.answer.named)
