"""``assent timeline``, ``jobs`` and ``worker`` on real videos."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assent import Assent
from assent.cli.timeline import clock
from assent.config import Settings
from tests.e2e.cli import PURPOSE, Cli
from tests.e2e.servers import make_key, served

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

HERE = ("-c", "club", "-p", PURPOSE)


def test_a_timeline_says_who_and_when_and_counts_the_others(
    club: Cli, short_clip: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out" / "page.html"
    said = club.ok("timeline", short_clip, *HERE, "--report", page)
    [row] = [line for line in said.splitlines() if "Ana Lovelace" in line]
    assert re.search(r"0:00\.0 to 0:0[01]\.\d .*1 in [\d,]+", row)
    assert "1 face was followed and not named." in said
    assert "Threshold 90.0: an error rate of 1 in 10,000" in said
    html = page.read_text()
    assert "<h2>Ana Lovelace</h2>" in html
    assert not re.search(r"https?://|<script|<img|data:", html)
    found = club.json("timeline", short_clip, *HERE)
    assert [person["person"] for person in found["people"]] == ["ana"]
    assert (found["num_others"], found["findings"]["num_frames"]) == (1, 40)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("none.mkv", *HERE), 5, "NotFound"),
        (("text.mp4", *HERE), 16, "UnreadableVideo"),
        (("empty.mp4", *HERE), 16, "UnreadableVideo"),
        (("clip.mkv", "-c", "none", "-p", PURPOSE), 5, "NotFound"),
        (("clip.mkv", "-c", "club", "-p", "other"), 7, "WrongPurpose"),
        (("clip.mkv", *HERE, "--threshold", "99.9"), 8, "ThresholdBeyondEvidence"),
        (("https://example.org/a.mp4", *HERE), 2, "UsageError"),
    ],
)
def test_what_cannot_be_watched_is_a_clear_error(
    club: Cli,
    short_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    error: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "clip.mkv").write_bytes(short_clip.read_bytes())
    printed = club("timeline", *words, "--json")
    assert (printed.code, printed.error()["error"]) == (code, error)
    assert printed.out == ""


def test_jobs_are_listed_worked_on_shown_and_cancelled(
    club: Cli, short_clip: Path, engine: FaceEngine, models_dir: Path
) -> None:
    assert club.ok("jobs", "list") == "Jobs: none\n"
    with Assent(settings=Settings(data_dir=club.data, models_dir=models_dir), engine=engine) as assent:
        options = {"collection": "club", "purpose": PURPOSE}
        first = assent.jobs.submit("timeline", short_clip.read_bytes(), options=options).id
        second = assent.jobs.submit("timeline", short_clip.read_bytes(), options=options).id
    assert club.json("jobs", "cancel", second)["state"] == "cancelled"
    assert club.json("worker", "--once") == {"num_done": 1}
    assert "Nothing was done." in club.ok("worker", "--once")
    shown = club.ok("jobs", "show", first)
    assert shown.startswith("timeline: succeeded, 100% done, taken up 1 times; kept until ")
    assert "Ana Lovelace" in shown
    assert [job["state"] for job in club.json("jobs", "list")] != []
    listed = club.ok("jobs", "list")
    assert first in listed
    assert "cancelled" in listed
    assert club("jobs", "show", "00000000-0000-4000-8000-000000000000").code == 5


@pytest.mark.slow
def test_the_server_works_on_jobs_by_itself(club: Cli, short_clip: Path) -> None:
    key = make_key(club)
    with served(club) as server, server.rest(key) as rest:
        made = rest.post(
            "/collections/club/timeline",
            files={"video": short_clip.read_bytes()},
            data={"purpose": PURPOSE},
        )
        assert made.status_code == 202
        path = f"/jobs/{made.json()['id']}"
        deadline = time.monotonic() + 90
        while rest.get(path).json()["state"] in ("queued", "running"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = rest.get(f"{path}/timeline").json()
        assert [person["person"] for person in found["people"]] == ["ana"]
        assert not [line for line in server.log() if line["level"] == "error"]


def test_clock() -> None:
    assert [clock(at) for at in (0, 59.99, 60, 3723.45)] == ["0:00.0", "0:59.9", "1:00.0", "1:02:03.4"]
