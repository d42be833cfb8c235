"""The copy: hidden where it must be, otherwise the original, and nothing where it cannot be whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from assent.errors import AlreadyExists, UndecodableFrame, UnreadableVideo, UsageError
from assent.types import Float32
from assent.video import encoders
from assent.video.reading import frames
from assent.video.rendering import Drawing, render
from assent.vision.redact import RedactMethod
from tests.clips import make_clip, packets_of, picture, times_of, with_damage

NOTHING: Float32 = np.zeros((0, 4), np.float32)
BOX: Float32 = np.array([[32, 16, 64, 48]], np.float32)
SOLID = Drawing(method=RedactMethod.SOLID, margin=0.0)


def nowhere(_frame: int) -> Float32:
    return NOTHING


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".gif"])
def test_the_region_is_hidden_and_the_rest_is_the_original(tmp_path: Path, suffix: str) -> None:
    source, target = make_clip(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}"
    done = render(source, target, lambda frame: BOX if frame >= 5 else NOTHING, drawing=SOLID)
    assert done.num_frames == 10
    assert times_of(target) == times_of(source)
    for frame in frames(target):
        assert frame.image_rgb is not None
        inside = frame.image_rgb[20:44, 36:60].astype(int)
        hidden = np.abs(inside - inside.mean(axis=(0, 1))).mean() < 12
        assert hidden == (frame.index >= 5)
        outside = np.abs(frame.image_rgb[:, 70:].astype(int) - picture(frame.index)[:, 70:]).mean()
        assert outside < 40
    assert _entries(tmp_path) == {source.name, target.name}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_variable_frame_times_stay_as_they_are(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / f"in{suffix}", times_ms=(0, 40, 45, 300, 310, 900, 2000))
    render(source, tmp_path / f"out{suffix}", nowhere)
    assert times_of(tmp_path / f"out{suffix}") == times_of(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_subtitles_and_chapters_come_along_untouched(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / f"in{suffix}", num_audio=2, subtitles=True, chapters=True)
    target = tmp_path / f"out{suffix}"
    done = render(source, target, nowhere)
    assert packets_of(target, "audio") == packets_of(source, "audio")
    assert packets_of(target, "subtitle") == packets_of(source, "subtitle")
    assert len(packets_of(target, "audio")) == 2
    with av.open(str(target)) as made:
        assert [chapter["metadata"] for chapter in made.chapters()] == [
            {"title": "First"},
            {"title": "Second"},
        ]
        assert [stream.metadata["language"] for stream in made.streams.audio] == ["eng", "deu"]
    assert done.encoded == ()


def test_sound_that_the_container_cannot_hold_is_encoded_anew_and_said(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", num_audio=1)
    done = render(source, tmp_path / "out.webm", nowhere)
    assert done.encoded == ("audio (aac) as libopus",)
    with av.open(str(tmp_path / "out.webm")) as made:
        assert made.streams.audio[0].codec_context.name == "opus"
        samples = sum(frame.samples for frame in made.decode(made.streams.audio[0]))
    assert 0.35 * 48000 < samples < 0.5 * 48000
    assert render(source, tmp_path / "out.gif", nowhere).removed[0] == "audio (aac), which gif cannot hold"


def test_text_is_encoded_anew_for_another_container(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mkv", subtitles=True)
    done = render(source, tmp_path / "out.mp4", nowhere)
    assert done.encoded == ("subtitle (srt) as mov_text",)
    assert b"Hello" in b"".join(packets_of(tmp_path / "out.mp4", "subtitle")[0])


@pytest.mark.parametrize(("suffix", "place"), [(".mp4", b"loci"), (".mov", b"+52.5200+013.4050")])
def test_where_and_with_what_it_was_taken_is_left_out(tmp_path: Path, suffix: str, place: bytes) -> None:
    tags = {"location": "+52.5200+013.4050/", "title": "Party", "comment": "secret-camera-9"}
    source = make_clip(tmp_path / f"in{suffix}", tags=tags)
    assert place in source.read_bytes()
    done = render(source, tmp_path / f"out{suffix}", nowhere)
    data = (tmp_path / f"out{suffix}").read_bytes()
    assert place not in data
    assert b"secret-camera" not in data
    assert "tag location" in done.removed


def test_what_the_streams_say_of_it_is_left_out_but_for_language_and_title(tmp_path: Path) -> None:
    tags = {"location": "+52.5200+013.4050/", "model": "secret-camera-9", "title": "Main"}
    source = make_clip(tmp_path / "in.mkv", num_audio=1, tags=tags, stream_tags=tags)
    assert source.read_bytes().count(b"secret-camera") == 3
    done = render(source, tmp_path / "out.mkv", nowhere)
    data = (tmp_path / "out.mkv").read_bytes()
    assert b"secret-camera" not in data
    assert b"+52.52" not in data
    assert {"tag location", "tag model"} <= set(done.removed)
    with av.open(str(tmp_path / "out.mkv")) as made:
        assert [stream.metadata["title"] for stream in made.streams] == ["Main", "Main"]
        assert made.streams.audio[0].metadata["language"] == "eng"


def test_a_cover_picture_is_left_out(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", cover=True)
    done = render(source, tmp_path / "out.mp4", nowhere)
    assert "cover picture" in done.removed
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert [stream.type for stream in made.streams] == ["video"]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_clip_is_shown_as_before(tmp_path: Path, degrees: int) -> None:
    source = make_clip(tmp_path / "in.mp4", rotation_deg=degrees)
    box = np.array([[8, 8, 24, 24]], np.float32)
    render(source, tmp_path / "out.mp4", lambda _: box, drawing=SOLID)
    before, after = (next(frames(path)).image_rgb for path in (source, tmp_path / "out.mp4"))
    assert before is not None
    assert after is not None
    assert before.shape == after.shape
    assert after[12:20, 12:20].std() < 3
    assert np.abs(before[30:].astype(int) - after[30:]).mean() < 8


def test_a_frame_that_cannot_be_decoded_is_blank_and_named(tmp_path: Path) -> None:
    sound = make_clip(tmp_path / "sound.mkv", options={"bf": "0"})
    source = with_damage(sound, tmp_path / "in.mkv", 5)
    done = render(source, tmp_path / "out.mkv", nowhere)
    assert [(damage.frame_index, round(damage.time_s, 3)) for damage in done.blanked] == [(5, 0.2)]
    images = [frame.image_rgb for frame in frames(tmp_path / "out.mkv")]
    assert len(images) == 10
    blank = images[5]
    assert blank is not None
    assert blank.std() < 3
    with pytest.raises(UndecodableFrame, match=r"0\.200 s"):
        render(source, tmp_path / "strict.mkv", nowhere, drawing=Drawing(is_strict=True))
    assert _entries(tmp_path) == {"sound.mkv", "in.mkv", "out.mkv"}


def test_frames_that_the_first_pass_could_not_read_are_blank(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4")
    done = render(source, tmp_path / "out.mp4", nowhere, blank_frames=[3])
    assert [damage.frame_index for damage in done.blanked] == [3]


def test_a_clip_that_is_not_the_one_looked_at_is_not_written(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4")
    for times in (np.arange(9) * 0.04, np.arange(11) * 0.04, np.arange(10) * 0.05):
        with pytest.raises(UnreadableVideo, match="looked at"):
            render(source, tmp_path / "out.mp4", nowhere, times_s=times.astype(np.float64))
    assert _entries(tmp_path) == {"in.mp4"}


def test_a_size_that_changes_midway_is_hidden_then_scaled(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / "a.ts", times_ms=(0, 40, 80)),
        make_clip(tmp_path / "b.ts", times_ms=(120, 160, 200), width=64, height=96),
    ]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    whole = np.array([[0, 0, 96, 96]], np.float32)
    done = render(source, tmp_path / "out.mp4", lambda _: whole, drawing=SOLID)
    assert "frames of 64 x 96 were scaled to 96 x 64" in done.notes
    for frame in frames(tmp_path / "out.mp4"):
        assert frame.image_rgb is not None
        assert frame.image_rgb.shape == (64, 96, 3)
        assert frame.image_rgb.std() < 3


def test_odd_sizes(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.webm", width=97, height=65)
    assert render(source, tmp_path / "out.webm", nowhere).notes == ()
    padded = render(source, tmp_path / "out.mp4", nowhere)
    assert (padded.width_px, padded.height_px) == (98, 66)
    assert any("even sides" in note for note in padded.notes)


def test_a_part_begins_at_zero_with_its_own_sound(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mkv", times_ms=tuple(range(0, 2000, 40)), num_audio=1)
    done = render(source, tmp_path / "out.mkv", nowhere, start_s=1.0, end_s=1.4)
    assert done.num_frames == 10
    assert times_of(tmp_path / "out.mkv")[0] == 0
    whole, part = (packets_of(path, "audio")[0] for path in (source, tmp_path / "out.mkv"))
    assert 15 < len(part) < 22
    assert part[3] in whole


def test_the_original_is_never_written_over(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    link, twin = tmp_path / "link.mp4", tmp_path / "twin.mp4"
    link.symlink_to(source)
    os.link(source, twin)
    for target in (source, link, twin, tmp_path / "." / "in.mp4"):
        with pytest.raises(UsageError, match="original"):
            render(source, target, nowhere, overwrite=True)
    other = tmp_path / "other.mp4"
    other.write_text("mine")
    with pytest.raises(AlreadyExists):
        render(source, other, nowhere)
    assert other.read_text() == "mine"
    render(source, other, nowhere, overwrite=True)
    assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    with pytest.raises(UsageError, match=r"\.mkv"):
        render(source, tmp_path / "out.avi", nowhere)


def test_stopped_in_the_middle_nothing_is_left(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4")
    calls = iter(range(100))

    def stop() -> None:
        if next(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(source, tmp_path / "out.mp4", nowhere, stop=stop)
    assert _entries(tmp_path) == {"in.mp4"}


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    source = make_clip(tmp_path / "in.mp4", times_ms=tuple(range(0, 4000, 40)))
    script = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from assent.errors import UsageError\n"
        "from assent.video.rendering import render\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "try:\n"
        "    render(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: np.zeros((0, 4), np.float32))\n"
        "except UsageError as error:\n"
        "    print(error.message)\n"
    )
    command = [sys.executable, "-c", script, str(source), str(tmp_path / "out.mp4")]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cannot write" in printed.stdout, printed
    assert _entries(tmp_path) == {"in.mp4"}


def test_other_encoders_where_the_best_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has = encoders.is_available
    monkeypatch.setattr(encoders, "is_available", lambda name: name != "libx264" and has(name))
    source = make_clip(tmp_path / "in.mp4")
    for suffix, expected in ((".mp4", "mpeg4"), (".ts", "mpeg4")):
        done = render(source, tmp_path / f"out{suffix}", nowhere)
        assert done.encoder == expected
        assert times_of(tmp_path / f"out{suffix}") == pytest.approx(times_of(source), abs=1e-4)
    monkeypatch.setattr(encoders, "is_available", lambda _: False)
    with pytest.raises(UsageError, match="libx264"):
        render(source, tmp_path / "none.mp4", nowhere)


def test_real_clips(tmp_path: Path, shared_data: Path) -> None:
    for name in ("milk.mkv", "classroom.gif"):
        source = shared_data / "video" / name
        done = render(source, tmp_path / name, lambda _: BOX)
        assert done.num_frames == len(times_of(source))
        assert times_of(tmp_path / name) == times_of(source)


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from assent.video.rendering import render\n"
        "render(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: np.array([[9, 9, 40, 40]], np.float32))\n"
        # Of this program alone; what resource says begins with the size of whoever started it.
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    peaks: list[Any] = []
    for count in (500, 10_000):
        source = make_clip(tmp_path / f"in{count}.mkv", times_ms=tuple(range(0, count * 40, 40)), num_audio=1)
        command = [sys.executable, "-c", script, str(source), str(tmp_path / f"out{count}.mkv")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < peaks[0] * 1.15 + 20_000
