"""Promise 2: a no takes with it what a video's search had found, wherever that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assent import Assent
from assent.errors import NotFound
from assent.service.redacting import Redaction
from assent.service.redacting_videos import RedactedVideo
from assent.store import JobState
from assent.types import UInt8
from assent.video.reading import frames
from tests.promises.builders import PURPOSE, files_under

HERE: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


def found_in(club: Assent, job_id: str) -> list[str]:
    timeline = club.jobs.answer(job_id).timeline
    assert timeline is not None
    return [person.person for person in timeline.people]


@pytest.fixture
def done(club: Assent, short_clip: Path) -> str:
    """A timeline that found ana."""
    job = club.jobs.submit("timeline", short_clip.read_bytes(), options=HERE)
    club.worker().work_once()
    assert found_in(club, job.id) == ["ana"]
    return job.id


def test_who_withdraws_is_gone_from_results_that_are_kept(club: Assent, done: str) -> None:
    held = club.people.export("ana")
    assert [item["id"] for item in held["jobs"]] == [done]
    club.consents.withdraw(club.consents.list("ana")[0].id)
    assert found_in(club, done) == []
    answer = club.jobs.answer(done)
    assert (answer.job.state, answer.named) == (JobState.SUCCEEDED, ())
    assert answer.timeline is not None
    assert answer.timeline.num_others == 2
    assert club.people.export("ana")["jobs"] == []


def test_a_copy_that_shows_somebody_goes_with_their_consent(club: Assent, short_clip: Path) -> None:
    options = {**HERE, "method": "blur", "container": "mp4", "people": None}
    job = club.jobs.submit("redact", short_clip.read_bytes(), options=options)
    club.worker().work_once()
    assert club.jobs.answer(job.id).has_output
    with club._ctx.records.reading() as tx:
        [shown] = tx.job_matches(job.id)
    assert (shown.person_ref, shown.is_pictured) == ("ana", True)
    club.consents.withdraw(club.consents.list("ana")[0].id)
    assert not club.jobs.answer(job.id).has_output
    with pytest.raises(NotFound):
        club.jobs.output(job.id)


@pytest.mark.parametrize("asked", [Redaction(**HERE), Redaction()], ids=["the same words", "the file alone"])
@pytest.mark.parametrize("leave", ["withdraw", "erase"])
def test_decisions_that_lie_in_a_file_show_nobody_who_said_no_since(
    club: Assent, short_clip: Path, tmp_path: Path, asked: Redaction, leave: str
) -> None:
    edit = tmp_path / "edit.json"

    def copied(name: str, asked: Redaction) -> tuple[RedactedVideo, list[UInt8]]:
        done = club.redact_video(short_clip, tmp_path / name, asked, edit=edit)
        images = [frame.image_rgb for frame in frames(tmp_path / name) if frame.image_rgb is not None]
        return done, images

    before, shown = copied("before.mkv", Redaction(**HERE))
    assert (before.num_shown, len(before.people)) == (1, 1)
    if leave == "withdraw":
        club.consents.withdraw(club.consents.list("ana")[0].id)
    else:
        club.people.erase("ana")
    after, hidden = copied("after.mkv", asked)
    assert (after.is_analysed, after.num_shown, after.people) == (False, 0, ())
    assert any("consent" in note for note in after.notes)
    [ana] = [track for track in after.decisions.tracks if track.reason == "consent-ended"]
    left, top, right, bottom = (round(at) for at in ana.boxes_xyxy[7 - ana.first_frame])
    face = [image[7][top:bottom, left:right].astype(float) for image in (shown, hidden)]
    assert face[1].std() < 0.8 * face[0].std()


def test_who_is_erased_is_gone_too(club: Assent, done: str) -> None:
    club.people.erase("ana")
    assert found_in(club, done) == []


def test_whoever_withdraws_while_it_waits_is_not_found(club: Assent, short_clip: Path) -> None:
    job = club.jobs.submit("timeline", short_clip.read_bytes(), options=HERE)
    club.consents.withdraw(club.consents.list("ana")[0].id)
    club.worker().work_once()
    assert found_in(club, job.id) == []


def test_nothing_of_a_stranger_outlives_the_job(club: Assent, done: str, tmp_path: Path) -> None:
    """Promise 1: not a template, not a picture: boxes under numbers of this video alone."""
    with club._ctx.records.reading() as tx:
        result = tx.job_result(done)
    assert result is not None
    assert b"crop" not in result
    findings = club.jobs.answer(done).findings
    assert findings is not None
    assert [track.index for track in findings.tracks] == [0, 1]
    files = files_under(club.settings.data_dir)
    assert not [path for path in files if path.suffix in (".in", ".out", ".mkv")]
    for content in files.values():
        assert b"\xff\xd8\xff" not in content  # no JPEG either
