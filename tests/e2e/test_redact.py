"""``assent redact`` as people use it, on real clips and photographs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from tests.clips import make_clip, times_of
from tests.e2e.cli import PURPOSE, Cli


@pytest.fixture(scope="session")
def classroom(shared_data: Path) -> Path:
    return shared_data / "video" / "classroom.gif"


def test_look_correct_and_render_again(empty: Cli, classroom: Path, tmp_path: Path) -> None:
    edit, page, sheet = tmp_path / "edit.json", tmp_path / "page.html", tmp_path / "sheet.png"
    words = ("redact", classroom, tmp_path / "out.mp4", "--edit", edit, "--report", page, "--preview", sheet)
    [first] = empty.json(*words)
    assert first["is_analysed"]
    assert first["num_hidden"] >= 4
    assert first["num_shown"] == 0
    assert times_of(tmp_path / "out.mp4") == times_of(classroom)
    assert page.read_text().count("data:image/jpeg;base64,") >= 4
    with Image.open(sheet) as made:
        assert made.width > 1000
    body = json.loads(edit.read_text())
    body["tracks"][0]["decision"] = "keep"
    body["added"] = [{"from_s": 0, "to_s": 9, "box_xyxy": [0, 0, 60, 60]}]
    edit.write_text(json.dumps(body))
    [second] = empty.json("redact", classroom, tmp_path / "out.mp4", "--edit", edit, "--force")
    assert not second["is_analysed"]
    assert (second["num_hidden"], second["num_shown"]) == (first["num_hidden"] - 1, 1)
    other = make_clip(tmp_path / "other.mp4")
    refused = empty("redact", other, tmp_path / "other-out.mp4", "--edit", edit)
    assert refused.code == 2
    assert "another clip" in refused.err


def test_a_file_that_was_cut_short_goes_through_and_it_is_said_once(
    empty: Cli, shared_data: Path, tmp_path: Path
) -> None:
    """Both passes read it, and both see where it ends."""
    cut, page = tmp_path / "cut.mkv", tmp_path / "page.html"
    whole = (shared_data / "video" / "learn.mkv").read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    printed = empty("redact", cut, tmp_path / "out.mp4", "--report", page)
    assert printed.code == 0
    assert (printed.out + printed.err).count("it may be cut short") == 1
    assert page.read_text().count("it may be cut short") == 1
    assert 0 < len(times_of(tmp_path / "out.mp4")) < len(times_of(shared_data / "video" / "learn.mkv"))


def test_only_who_consented_stays_visible(club: Cli, group_photo: Path, tmp_path: Path) -> None:
    kept = ("--keep-consented", "club", "-p", PURPOSE)
    [done] = club.json("redact", group_photo, tmp_path / "out.jpg", *kept)
    assert (done["people"], done["num_shown"]) == (["ana"], 1)
    assert done["num_hidden"] >= 1
    [named] = club.json(
        "redact", group_photo, tmp_path / "bea.jpg", "--keep", "bea", "-c", "club", "-p", PURPOSE
    )
    assert named["num_shown"] == 0
    consent = club.json("consent", "list", "ana")[0]["id"]
    club.ok("consent", "withdraw", consent, "--yes")
    [after] = club.json("redact", group_photo, tmp_path / "after.jpg", *kept)
    assert after["num_shown"] == 0


def test_a_folder_goes_on_where_it_was(empty: Cli, demo_photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("one.jpg", "two.jpg"):
        with Image.open(demo_photos / "obama.jpg") as photo:
            photo.convert("RGB").resize((300, 360)).save(folder / name)
    (folder / "bad.mp4").write_text("no video")
    first = empty("redact", folder, tmp_path / "out", "--jobs", "2", "--json")
    assert first.code == 16
    assert [item.get("refused") for item in json.loads(first.out)] == ["UnreadableVideo", None, None]
    (tmp_path / "out" / "two.jpg").unlink()
    again = json.loads(empty("redact", folder, tmp_path / "out", "--json").out)
    assert ["skipped" in item for item in again] == [False, True, False]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one.jpg", "two.jpg"}


def test_bad_words_are_refused_before_any_work(empty: Cli, classroom: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    for words, said in (
        (("--keep", "ana"), "purpose"),
        (("--keep", "ana", "-p", PURPOSE), "collection"),
        (("--keep", "a", "--keep-consented", "b", "-p", PURPOSE), "either"),
        (("--from", "3", "--to", "2"), "--to"),
        (("--quality", "best"), "quality"),
        (("--preview", tmp_path / "x.txt"), "PNG"),
    ):
        refused = empty("redact", classroom, target, *words)
        assert refused.code == 2
        assert said in refused.err
    assert empty("redact", classroom, classroom, "--force").code == 2
    assert not target.exists()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.slow),
    ],
)
def test_ended_from_outside_there_is_no_half_copy(
    sent: signal.Signals, code: int, tmp_path: Path, models_dir: Path
) -> None:
    source = make_clip(tmp_path / "in.mp4", times_ms=tuple(range(0, 8_000, 40)), width=320, height=240)
    digest = source.read_bytes()
    out = tmp_path / "copies"
    environment = {
        **os.environ,
        "ASSENT_MODELS_DIR": str(models_dir),
        "ASSENT_DATA_DIR": str(tmp_path / "data"),
    }
    command = [sys.executable, "-m", "assent", "redact", str(source), str(out / "out.mp4")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until = time.monotonic() + 120
        while not list(out.glob(".out.mp4.*.part")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(sent)
        assert process.wait(60) == code
    assert not (out / "out.mp4").exists()
    assert source.read_bytes() == digest
    if sent != signal.SIGKILL:
        assert not list(out.glob("*.part"))
    # What was looked at is not looked at again.
    assert (out / ".out.mp4.assent-work.json").exists()
    finished = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(finished.stdout)[0]["is_analysed"] is False
    assert {path.name for path in out.iterdir()} == {"out.mp4"}


@pytest.mark.slow
def test_a_look_that_was_killed_goes_on_and_comes_to_the_same(
    shared_data: Path, tmp_path: Path, models_dir: Path
) -> None:
    source = long_clip(
        tmp_path / "in.mp4", [shared_data / "video" / f"{name}.mkv" for name in ("book", "sister")]
    )
    folders = {"ASSENT_MODELS_DIR": str(models_dir), "ASSENT_DATA_DIR": str(tmp_path / "data")}

    def command(edit: str) -> list[str]:
        files = [str(source), str(tmp_path / "out.mp4"), "--edit", str(tmp_path / edit)]
        return [sys.executable, "-m", "assent", "redact", *files, "--dry-run", "--json"]

    def finished(edit: str) -> dict[str, Any]:
        done = subprocess.run(
            command(edit), env={**os.environ, **folders}, capture_output=True, text=True, check=True
        )
        [told] = json.loads(done.stdout)
        return dict(told)

    look = tmp_path / ".out.mp4.assent-look.json"
    with subprocess.Popen(
        command("broken.json"), env={**os.environ, **folders}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until = time.monotonic() + 240
        while not look.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert look.exists()
    assert not (tmp_path / "broken.json").exists()
    told = finished("broken.json")
    assert any("went on from" in note for note in told["notes"])
    assert not look.exists()
    assert not any("went on from" in note for note in finished("whole.json")["notes"])
    assert (tmp_path / "broken.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def long_clip(path: Path, clips: list[Path]) -> Path:
    """These clips one after the other, ten times: long enough that a look at them is kept before it is done."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 480, "yuv420p", 4_000_000
        for clip in clips * 10:
            with av.open(str(clip)) as read:
                for frame in read.decode(video=0):
                    image_rgb = frame.to_ndarray(format="rgb24")
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image_rgb, "rgb24")))
        container.mux(stream.encode())
    return path
