"""Any clip in, upright frames with exact times out; what is broken is said, and keeps its place."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from assent.errors import NotFound, UnreadableVideo, VideoTooLarge
from assent.video.clock import Clock
from assent.video.orientation import Orientation, from_matrix
from assent.video.reading import ClipReader, frames
from tests.clips import HEIGHT, WIDTH, make_clip, picture, with_damage


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".gif"])
def test_every_kind_is_read_with_its_times(tmp_path: Path, suffix: str) -> None:
    found = list(frames(make_clip(tmp_path / f"clip{suffix}")))
    assert [frame.index for frame in found] == list(range(10))
    assert [round(frame.time_s, 4) for frame in found] == [round(0.04 * i, 4) for i in range(10)]
    for frame in found:
        assert frame.image_rgb is not None
        assert frame.image_rgb.shape == (HEIGHT, WIDTH, 3)
        assert frame.damage is None
        difference = np.abs(frame.image_rgb.astype(int) - picture(frame.index)).mean()
        assert difference < (30 if suffix == ".gif" else 14)


def test_variable_frame_times_are_exact(tmp_path: Path) -> None:
    times_ms = (0, 40, 45, 300, 310, 900, 2000)
    for suffix in (".mkv", ".mp4"):
        found = frames(make_clip(tmp_path / f"vfr{suffix}", times_ms=times_ms))
        assert [round(frame.time_s * 1000, 3) for frame in found] == list(times_ms)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 3), (180, 2), (270, 1)])
def test_a_rotated_clip_comes_upright(tmp_path: Path, degrees: int, turns: int) -> None:
    path = make_clip(tmp_path / "turned.mp4", rotation_deg=degrees)
    with ClipReader(path) as reader:
        facts = reader.facts
    shown = np.rot90(picture(0), turns)
    assert facts.rotation_deg == degrees
    assert (facts.height_px, facts.width_px) == shown.shape[:2]
    image_rgb = next(frames(path)).image_rgb
    assert image_rgb is not None
    assert image_rgb.shape == shown.shape
    assert np.abs(image_rgb.astype(int) - shown).mean() < 14


def test_all_eight_orientations_of_a_display_matrix() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    one = 1 << 16
    seen = set()
    for a, b, c, d in [
        *((x * one, 0, 0, y * one) for x in (1, -1) for y in (1, -1)),
        *((0, x * one, y * one, 0) for x in (1, -1) for y in (1, -1)),
    ]:
        orientation = from_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        shown = orientation.apply(pixels)
        height, width = pixels.shape
        # A stored point lies at (ax + cy, bx + dy), from the middle.
        for y in range(height):
            for x in range(width):
                u, v = 2 * x - (width - 1), 2 * y - (height - 1)
                to_x = (a * u + c * v) // one + shown.shape[1] - 1
                to_y = (b * u + d * v) // one + shown.shape[0] - 1
                assert shown[to_y // 2, to_x // 2] == pixels[y, x]
        seen.add(orientation)
    assert len(seen) == 8
    assert from_matrix([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30]) == Orientation()


def test_odd_sizes_ten_bits_and_a_single_frame(tmp_path: Path) -> None:
    odd = next(frames(make_clip(tmp_path / "odd.webm", width=97, height=65)))
    assert odd.image_rgb is not None
    assert odd.image_rgb.shape == (65, 97, 3)
    deep = make_clip(tmp_path / "deep.mkv", pixel_format="yuv420p10le")
    assert len(list(frames(deep))) == 10
    assert [frame.time_s for frame in frames(make_clip(tmp_path / "one.mp4", times_ms=(0,)))] == [0.0]


def test_small_images_are_scaled_and_upright(tmp_path: Path) -> None:
    with ClipReader(make_clip(tmp_path / "clip.mp4", rotation_deg=90)) as reader:
        image_rgb = next(reader.frames(48)).image_rgb
    assert image_rgb is not None
    assert image_rgb.shape == (48, 32, 3)


def test_a_part_is_what_is_shown_in_it(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", times_ms=tuple(range(0, 2000, 40)))
    found = list(frames(path, start_s=1.0, end_s=1.2))
    assert [frame.index for frame in found] == [0, 1, 2, 3, 4]
    assert [round(frame.time_s, 3) for frame in found] == [1.0, 1.04, 1.08, 1.12, 1.16]


@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_frame_that_cannot_be_decoded_keeps_its_place(tmp_path: Path, number: int) -> None:
    sound = make_clip(tmp_path / "sound.mkv", options={"bf": "0"})
    damaged = with_damage(sound, tmp_path / "damaged.mkv", number)
    with ClipReader(damaged) as reader:
        found = list(reader.frames())
    assert [round(frame.time_s, 3) for frame in found] == [round(0.04 * i, 3) for i in range(10)]
    lost = [frame.index for frame in found if frame.image_rgb is None]
    assert lost == [number]
    assert found[number].damage is not None


def test_a_first_frame_that_cannot_be_decoded_is_not_skipped(tmp_path: Path) -> None:
    sound = make_clip(tmp_path / "sound.mkv", options={"bf": "0", "g": "5"})
    found = list(frames(with_damage(sound, tmp_path / "damaged.mkv", 0)))
    assert len(found) == 10
    assert found[0].image_rgb is None
    assert found[0].time_s == 0.0


def test_a_truncated_clip_is_read_to_where_it_ends(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", times_ms=tuple(range(0, 4000, 40)))
    cut = tmp_path / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    with ClipReader(cut) as reader:
        found = list(reader.frames())
        notes = reader.notes
    assert 10 < len(found) < 90
    assert any("ends" in note or "stopped" in note for note in notes)


def test_what_is_no_video_is_refused_in_words(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("dear diary\n" * 100)
    with pytest.raises(UnreadableVideo, match=r"notes\.mp4"):
        ClipReader(text)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(UnreadableVideo, match="0 bytes"):
        ClipReader(empty)
    head = tmp_path / "head.mp4"
    head.write_bytes(make_clip(tmp_path / "whole.mp4").read_bytes()[:300])
    with pytest.raises(UnreadableVideo):
        ClipReader(head)
    with pytest.raises(NotFound):
        ClipReader(tmp_path / "absent.mp4")


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w", format="matroska") as out:
        stream: Any = out.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(UnreadableVideo, match="moving picture"):
        ClipReader(path)


def test_an_enormous_frame_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    size = struct.pack("<HH", 16000, 16000)
    image = b"\x2c" + struct.pack("<HH", 0, 0) + size + b"\x00\x02\x02\x4c\x01\x00"
    path.write_bytes(b"GIF89a" + size + b"\x80\x00\x00" + b"\x00" * 6 + image + b"\x3b")
    with pytest.raises((VideoTooLarge, UnreadableVideo)) as caught:
        ClipReader(path)
    assert isinstance(caught.value, VideoTooLarge) or "decoded" in caught.value.message
    with pytest.raises(VideoTooLarge, match="96 x 64"):
        ClipReader(make_clip(tmp_path / "clip.mp4"), max_pixels=6000)


def test_frames_of_another_size_come_at_their_own(tmp_path: Path) -> None:
    path = tmp_path / "changes.ts"
    parts = [
        make_clip(tmp_path / "a.ts", times_ms=(0, 40, 80)),
        make_clip(tmp_path / "b.ts", times_ms=(120, 160, 200), width=64, height=96),
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = list(frames(path))
    shapes = [None if frame.image_rgb is None else frame.image_rgb.shape[:2] for frame in found]
    assert shapes == [(64, 96)] * 3 + [(96, 64)] * 3


def test_broken_times_are_repaired_and_said() -> None:
    clock = Clock(Fraction(1, 1000), 25.0)
    assert [clock.next(at, 40) for at in (0, 40, 80)] == [0, 40, 80]
    assert clock.num_repaired == 0
    assert [clock.next(at, 40) for at in (80, None, 60)] == [120, 160, 200]
    assert clock.num_repaired == 3
    # Recordings put one after the other: all that follow move along.
    again = Clock(Fraction(1, 1000), 25.0)
    assert [again.next(at, 40) for at in (0, 1000, 0, 40, 90)] == [0, 1000, 1040, 1080, 1130]
