"""Jobs: queued, worked on under a lease, answered as far as consent goes, and destroyed."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent import Assent
from assent.errors import (
    Forbidden,
    JobNotReady,
    NotFound,
    StoreUnavailable,
    TokenReused,
    TooManyJobs,
    UsageError,
    VideoTooLarge,
    WrongPurpose,
)
from assent.objects import FolderBuckets
from assent.service import looks
from assent.service.context import Context
from assent.service.findings import VideoFindings
from assent.service.jobfiles import look_path, output_path, tidy, upload_path
from assent.service.jobkinds import KINDS, JobKind, JobTask, JobYield
from assent.service.jobs import JobAnswer, RepeatToken, StoredVideo
from assent.service.watching import within_length
from assent.service.working import Worker, _Lease
from assent.store import JobState, NewMatch, Role
from assent.vision.engine import FaceEngine
from tests.promises.builders import num_numbers, walk

from .conftest import PURPOSE

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a kind of job that does what the test says."""

    def add(run: Callable[[Any, JobTask], JobYield]) -> None:
        monkeypatch.setitem(KINDS, "test", JobKind("test", run, (Role.SEARCHER,), False))

    return add


def test_a_timeline_says_who_of_the_consenting_and_when(club: Assent, short_clip: Path) -> None:
    job = club.jobs.submit("timeline", short_clip.read_bytes(), options=HERE)
    assert (job.state, job.collection, job.progress) == (JobState.QUEUED, "club", 0.0)
    assert upload_path(club._ctx, job.id).read_bytes()[:64] not in short_clip.read_bytes()
    with pytest.raises(NotFound):
        club.jobs.output("00000000-0000-4000-8000-000000000000")
    assert club.worker().work_once()
    answer = club.jobs.answer(job.id)
    assert (answer.job.state, answer.job.progress, answer.job.attempts) == (JobState.SUCCEEDED, 1.0, 1)
    timeline = answer.timeline
    assert timeline is not None
    [ana] = timeline.people
    assert (ana.person, ana.name, len(ana.appearances)) == ("ana", "Ana Test", 1)
    assert ana.appearances[0].is_confirmed
    assert 0 <= ana.appearances[0].start_s < 0.2
    assert 0.5 <= ana.appearances[0].end_s <= 0.9
    assert (timeline.num_others, timeline.num_undecided) == (1, 0)
    assert answer.findings is not None
    assert (answer.findings.num_frames, round(answer.findings.duration_s, 1)) == (40, 1.6)
    # nothing is left of the video but the sealed result
    assert list(club.settings.jobs_path.iterdir()) == []
    assert not [path for path, value in walk(answer) if num_numbers(value) > 16]
    direct = club.timeline(short_clip, **HERE)
    assert [p.person for p in direct.people] == ["ana"]
    [first, second] = club.log(kinds=["search"])
    assert (first["medium"], first["actor"], second["medium"]) == ("video", "tester", "video")


def test_findings_are_the_same_when_read_again(club: Assent, short_clip: Path) -> None:
    found = club.timeline(short_clip, **HERE).findings
    again = VideoFindings.from_json(found.to_json())
    assert again.facts == found.facts
    assert again.search == found.search
    for before, after in zip(found.tracks, again.tracks, strict=True):
        assert (before.index, before.start_s, before.end_s) == (after.index, after.start_s, after.end_s)
        assert [box.box for box in before.boxes] == [box.box for box in after.boxes]
        faces = [
            (a.face, b.face) for a, b in zip(before.boxes, after.boxes, strict=True) if a.face and b.face
        ]
        assert faces
        for old, new in faces:
            np.testing.assert_allclose(old.landmarks_xy, new.landmarks_xy, atol=0.01)
            assert old.quality.reasons == new.quality.reasons


def test_what_cannot_be_done_is_refused_before_it_is_queued(club: Assent, tmp_path: Path) -> None:
    for options, error in (
        ({"collection": "club", "purpose": "other"}, WrongPurpose),
        ({"collection": "none", "purpose": PURPOSE}, NotFound),
    ):
        with pytest.raises(error):
            club.jobs.submit("timeline", b"x", options=options)
    with pytest.raises(UsageError):
        club.jobs.submit("something", b"x")
    with pytest.raises(UsageError):
        club.jobs.submit("face-detection", b"")
    small = club._ctx.settings.model_copy(update={"max_video_bytes": 3})
    club._ctx.settings = small
    with pytest.raises(VideoTooLarge):
        club.jobs.submit("face-detection", b"four")
    assert club.jobs.list() == ()
    assert not club.settings.jobs_path.exists() or not list(club.settings.jobs_path.iterdir())


def test_what_is_no_video_fails_with_a_reason_that_names_no_place(assent: Assent) -> None:
    job = assent.jobs.submit("face-detection", b"not a video at all")
    assent.worker().work_once()
    failed = assent.jobs.get(job.id)
    assert (failed.state, failed.error) == (JobState.FAILED, "UnreadableVideo")
    assert failed.message is not None
    assert "/proc" not in failed.message
    assert "/dev" not in failed.message
    assert not upload_path(assent._ctx, job.id).exists()
    assert assent.jobs.answer(job.id).findings is None


def test_a_video_longer_than_the_limit_fails(assent: Assent, short_clip: Path) -> None:
    assent._ctx.settings = assent._ctx.settings.model_copy(update={"max_video_s": 1.0})
    for name in ("face-detection", "segment-detection"):
        job = assent.jobs.submit(name, short_clip.read_bytes())
        assent.worker().work_once()
        assert assent.jobs.get(job.id).error == "VideoTooLarge"


def test_what_is_longer_than_its_container_says_is_refused_when_that_is_seen(assent: Assent) -> None:
    told: list[float] = []
    limit_s = assent.settings.max_video_s
    progress = within_length(assent._ctx, lambda done_s, _total_s: told.append(done_s))
    progress(limit_s - 1, 1.0)
    for done_s, total_s in ((limit_s + 1, 1.0), (0.0, limit_s + 1)):
        with pytest.raises(VideoTooLarge):
            progress(done_s, total_s)
    assert told == [limit_s - 1]


def test_a_stored_video_is_read_where_it_lies(assent: Assent, short_clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "buckets" / "videos"
    folder.mkdir(parents=True)
    (folder / "a.mkv").write_bytes(short_clip.read_bytes())
    objects = FolderBuckets(tmp_path / "buckets")
    job = assent.jobs.submit("segment-detection", StoredVideo("videos", "a.mkv"), objects=objects)
    assert assent.worker(objects=objects).work_once()
    findings = assent.jobs.answer(job.id).findings
    assert findings is not None
    shots = [(s.first_frame, s.last_frame) for s in findings.segments if s.kind == "shot"]
    blacks = [(s.first_frame, s.last_frame) for s in findings.segments if s.kind == "black"]
    assert shots == [(0, 14), (15, 29), (30, 39)]
    assert blacks == [(30, 39)]
    black = findings.segments[-1]
    assert (round(black.start_s, 2), round(black.end_s, 2)) == (1.2, 1.6)


def test_the_same_request_under_one_token_is_one_job(assent: Assent) -> None:
    token = RepeatToken("t-1", "a" * 64)
    first = assent.jobs.submit("face-detection", b"x", token=token)
    assert assent.jobs.submit("face-detection", b"x", token=token).id == first.id
    with pytest.raises(TokenReused):
        assent.jobs.submit("face-detection", b"y", token=RepeatToken("t-1", "b" * 64))
    assert [job.id for job in assent.jobs.list()] == [first.id]
    assert [path.name for path in assent.settings.jobs_path.iterdir()] == [f"{first.id}.in"]


def test_so_many_jobs_may_wait_and_no_more(assent: Assent) -> None:
    assent._ctx.settings = assent._ctx.settings.model_copy(update={"max_jobs": 2})
    jobs = [assent.jobs.submit("face-detection", b"x") for _ in range(2)]
    with pytest.raises(TooManyJobs):
        assent.jobs.submit("face-detection", b"x")
    assent.jobs.cancel(jobs[0].id)
    assert assent.jobs.submit("face-detection", b"x").state is JobState.QUEUED


def test_a_job_is_done_as_whoever_asked_and_not_at_all_once_their_key_is_revoked(
    club: Assent, short_clip: Path
) -> None:
    made = club.access.make("desk-7", ["searcher"])
    desk = club.acting_as(made.key)
    with pytest.raises(Forbidden):
        club.acting_as(club.access.make("desk-8", ["enroller"]).key).jobs.submit(
            "timeline", b"x", options=HERE
        )
    first = desk.jobs.submit("timeline", short_clip.read_bytes(), options=HERE)
    club.worker().work_once()
    assert club.log(kinds=["search"])[0]["actor"] == f"desk-7/{made.key.id}"
    assert desk.jobs.get(first.id).state is JobState.SUCCEEDED
    second = desk.jobs.submit("timeline", short_clip.read_bytes(), options=HERE)
    club.access.revoke(made.key.id)
    club.worker().work_once()
    assert (club.jobs.get(second.id).state, club.jobs.get(second.id).error) == (JobState.FAILED, "Forbidden")
    with pytest.raises(Forbidden):
        desk.worker()


def test_a_cancelled_job_stops_and_keeps_nothing(assent: Assent, kind: Callable[..., None]) -> None:
    begun, seen = threading.Event(), []

    def slow(_: Any, task: JobTask) -> JobYield:
        begun.set()
        for _round in range(2000):
            task.stop()
            time.sleep(0.005)
        seen.append("not stopped")
        return JobYield(b"")

    kind(slow)
    assent._ctx.settings = assent._ctx.settings.model_copy(update={"job_lease_s": 0.15})
    job = assent.jobs.submit("test", b"x")
    thread = threading.Thread(target=assent.worker().work_once)
    thread.start()
    assert begun.wait(10)
    assent.jobs.cancel(job.id)
    thread.join(10)
    assert not thread.is_alive()
    assert seen == []
    assert assent.jobs.get(job.id).state is JobState.CANCELLED
    assert list(assent.settings.jobs_path.iterdir()) == []


def test_a_worker_that_is_told_to_end_gives_its_job_back(assent: Assent, kind: Callable[..., None]) -> None:
    should_stop = threading.Event()

    def ends_meanwhile(_: Any, task: JobTask) -> JobYield:
        should_stop.set()
        task.stop()
        return JobYield(b"")

    kind(ends_meanwhile)
    job = assent.jobs.submit("test", b"x")
    assent.worker().run(should_stop)
    assert (assent.jobs.get(job.id).state, assent.jobs.get(job.id).attempts) == (JobState.QUEUED, 0)
    assert upload_path(assent._ctx, job.id).exists()


def one_then_stop(assent: Assent, kind: Callable[..., None], should_stop: threading.Event) -> None:
    """Workers look for jobs often, and end after the first one of kind ``test``."""

    def does(_ctx: Any, _task: JobTask) -> JobYield:
        should_stop.set()
        return JobYield(b"done")

    kind(does)
    assent._ctx.settings = assent._ctx.settings.model_copy(update={"job_poll_s": 0.01})


def test_a_worker_waits_for_records_that_cannot_be_used(
    assent: Assent, kind: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    should_stop, refusals = threading.Event(), [StoreUnavailable("a lock is held")]

    def tidying(ctx: Context) -> None:
        if refusals:
            raise refusals.pop()
        tidy(ctx)

    one_then_stop(assent, kind, should_stop)
    job = assent.jobs.submit("test", b"x")
    monkeypatch.setattr("assent.service.working.tidy", tidying)
    with pytest.raises(StoreUnavailable):
        assent.worker().run(should_stop, until_idle=True)
    refusals.append(StoreUnavailable("a lock is held"))
    assert assent.worker().run(should_stop) == 1
    assert assent.jobs.get(job.id).state is JobState.SUCCEEDED


def test_a_fault_in_telling_ends_no_worker(
    assent: Assent,
    kind: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    should_stop, faults = threading.Event(), [RuntimeError("secret-of-somebody")]

    def telling(_: Worker) -> bool:
        if faults:
            raise faults.pop()
        assent.jobs.submit("test", b"x")
        return True

    one_then_stop(assent, kind, should_stop)
    monkeypatch.setattr(Worker, "tell_once", telling)
    assert assent.worker().run(should_stop) == 1
    assert "a worker's turn failed: RuntimeError at " in caplog.text
    assert "secret-of-somebody" not in caplog.text


def test_files_that_cannot_be_destroyed_keep_no_worker_from_its_work(
    assent: Assent, kind: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    kind(lambda _ctx, _task: JobYield(b"done"))
    job = assent.jobs.submit("test", b"x")
    stubborn = [assent.settings.jobs_path / f"{secrets.token_hex(16)}.in" for _ in range(4)]
    needless = [assent.settings.jobs_path / f"{secrets.token_hex(16)}.in" for _ in range(4)]
    for folder, file in zip(stubborn, needless, strict=True):
        folder.mkdir()
        file.touch()
        os.utime(folder, (0, 0))
        os.utime(file, (0, 0))
    assert assent.worker().run(threading.Event(), until_idle=True) == 1
    assert assent.jobs.get(job.id).state is JobState.SUCCEEDED
    assert "cannot be destroyed" in caplog.text
    assert not any(path.stem in caplog.text for path in stubborn)
    assert [path for path in needless if path.exists()] == []


class _Lost(BaseException):
    """The process ends here: nothing catches it."""


def _lose(worker: Worker, monkeypatch: pytest.MonkeyPatch, look: Path, *, after: int) -> None:
    """Let a worker take a job on, and end in the middle of the look, when something of it was kept."""
    seen = []

    def check(_: _Lease) -> None:
        seen.append(look.exists())
        if sum(seen) > after:
            raise _Lost

    with monkeypatch.context() as patch:
        patch.setattr(_Lease, "check", check)
        patch.setattr(looks, "EVERY_S", 0.0)
        patch.setattr(looks, "_SHARE", 0)
        with pytest.raises(_Lost):
            worker.work_once()


def _looking(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a worker do a job; how often it looked for faces."""
    asked: list[int] = []
    look = FaceEngine.look

    def counted(*args: Any, **named: Any) -> Any:
        asked.append(1)
        return look(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(FaceEngine, "look", counted)
        assert worker.work_once()
    return len(asked)


def _without_search(answer: JobAnswer) -> Any:
    """What was found, but for the number of the search."""
    assert answer.findings is not None
    found = json.loads(answer.findings.to_json())
    found.pop("search", None)
    return found


@pytest.mark.parametrize("kind_of_job", ["timeline", "face-detection", "redact", "redact-others"])
def test_a_look_whose_worker_was_lost_goes_on_and_comes_to_the_same(
    club: Assent, short_clip: Path, monkeypatch: pytest.MonkeyPatch, clock: Any, kind_of_job: str
) -> None:
    options = {} if kind_of_job == "face-detection" else HERE

    whole = club.jobs.submit(kind_of_job, short_clip.read_bytes(), options=options)
    num_looks = _looking(club.worker(), monkeypatch)
    job = club.jobs.submit(kind_of_job, short_clip.read_bytes(), options=options)
    look = look_path(club._ctx, job.id)
    _lose(club.worker(), monkeypatch, look, after=30)
    assert club.jobs.get(job.id).state is JobState.RUNNING
    assert b"times_s" not in look.read_bytes()
    clock.advance(days=1 / 24)
    assert 0 < _looking(club.worker(), monkeypatch) < num_looks
    assert not look.exists()
    first, second = club.jobs.answer(whole.id), club.jobs.answer(job.id)
    assert (second.job.state, second.job.attempts) == (JobState.SUCCEEDED, 2)
    if kind_of_job == "redact":
        assert first.summary["notes"] == []
        [note] = second.summary["notes"]
        assert note.startswith("the look went on from 0.")
        assert {**second.summary, "notes": []} == first.summary
    else:
        assert _without_search(second) == _without_search(first)
    assert [(n.track, n.candidate.person) for n in second.named] == [
        (n.track, n.candidate.person) for n in first.named
    ]


def test_what_was_left_of_a_look_goes_with_its_job(
    club: Assent, short_clip: Path, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    jobs, places = [], []
    for _ in range(2):
        jobs.append(club.jobs.submit("timeline", short_clip.read_bytes(), options=HERE))
        places.append(look_path(club._ctx, jobs[-1].id))
        _lose(club.worker(), monkeypatch, places[-1], after=10)
    assert all(place.exists() for place in places)
    club.jobs.cancel(jobs[0].id)
    assert [place.exists() for place in places] == [False, True]
    # damaged, or of another job: looked at anew
    places[1].write_bytes(places[1].read_bytes()[:-1])
    clock.advance(days=1 / 24)
    assert club.worker().work_once()
    assert club.jobs.get(jobs[1].id).state is JobState.SUCCEEDED
    assert list(club.settings.jobs_path.iterdir()) == []


def test_a_fault_fails_one_job_and_no_more(assent: Assent, kind: Callable[..., None]) -> None:
    def faulty(_: Any, task: JobTask) -> JobYield:
        raise RuntimeError("secret-of-somebody")

    kind(faulty)
    job = assent.jobs.submit("test", b"x")
    other = assent.jobs.submit("face-detection", b"x")
    assert assent.worker().run(threading.Event(), until_idle=True) == 2
    failed = assent.jobs.get(job.id)
    assert (failed.state, failed.error) == (JobState.FAILED, "InternalError")
    assert "secret" not in str(failed.message)
    assert assent.jobs.get(other.id).state is JobState.FAILED


def test_an_output_is_sealed_and_goes_with_whoever_is_shown(
    club: Assent, kind: Callable[..., None], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 9000  # more than two chunks

    def draws(ctx: Any, task: JobTask) -> JobYield:
        path = task.folder / "out.mp4"
        path.write_bytes(content)
        with ctx.records.reading() as tx:
            consent = tx.live_consent("ana", PURPOSE)
        match = NewMatch(consent.person_id, consent.id, {"shown": True}, is_pictured=True)
        return JobYield(b"", (match,), path, "party.mp4")

    kind(draws)
    job = club.jobs.submit("test", b"x")
    with pytest.raises(JobNotReady):
        club.jobs.output(job.id)
    club.worker().work_once()
    name, size, chunks = club.jobs.output(job.id)
    assert (name, size, b"".join(chunks)) == ("party.mp4", len(content), content)
    assert club.jobs.answer(job.id).has_output
    sealed = output_path(club._ctx, job.id)
    assert content[:4096] not in sealed.read_bytes()
    assert [path.name for path in club.settings.jobs_path.iterdir()] == [sealed.name]
    club.consents.withdraw(club.consents.list("ana")[0].id)
    with pytest.raises(NotFound):
        club.jobs.output(job.id)
    club.jobs.sweep()
    assert not sealed.exists()


def test_results_are_kept_so_long_and_then_gone(assent: Assent, short_clip: Path, clock: Any) -> None:
    job = assent.jobs.submit("face-detection", short_clip.read_bytes())
    assent.worker().work_once()
    assert assent.jobs.get(job.id).kept_until is not None
    clock.advance(days=6.9)
    assert assent.jobs.sweep() == 0
    clock.advance(days=0.2)
    assert assent.jobs.sweep() == 1
    with pytest.raises(NotFound):
        assent.jobs.get(job.id)
    kinds = [entry["kind"] for entry in assent.log() if entry["kind"].startswith("job.")]
    assert kinds == ["job.queued", "job.ended"]
