"""Sources: the newest frame, never a queue; lost ones are found again, hopeless ones said so."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assent.errors import SourceUnavailable
from assent.live.opening import Address, reason_of
from assent.live.pauses import Pauses
from assent.live.source import LiveSource
from assent.live.values import SourceSettings, SourceState
from assent.types import UInt8
from tests.unit.live.clips import HEADER, http_server, moving, write_clip

QUICK = SourceSettings(open_s=2.0, read_s=0.5, first_pause_s=0.05, most_pause_s=0.2)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "short.mkv", moving(25))
    write_clip(folder / "small.ts", moving(20))
    write_clip(folder / "large.ts", moving(20, width=320, height=240))
    write_clip(folder / "other.ts", moving(20), codec="mpeg2video")
    (folder / "words.mkv").write_text("no video at all " * 500)
    return folder


def square_at(image_rgb: UInt8) -> int:
    """Where the square of ``moving`` is."""
    return int(np.argmax(image_rgb[50, :, 0] > 150))


def until(source: LiveSource, done: Callable[[], bool], *, within_s: float = 8.0) -> None:
    end_s = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end_s, source.status
        source.newest(0.05)


def test_a_file_is_played_at_its_own_speed_to_its_end(clips: Path) -> None:
    began_s = time.monotonic()
    with LiveSource(str(clips / "short.mkv"), QUICK) as source:
        until(source, lambda: source.status.state is SourceState.ENDED)
        took_s = time.monotonic() - began_s
        assert 0.8 < took_s < 4.0
        assert source.status.num_frames == 25
        assert (source.status.width_px, source.status.height_px) == (160, 120)


def test_whoever_is_slow_gets_the_newest_frame_and_the_others_are_dropped(clips: Path) -> None:
    with LiveSource(str(clips / "short.mkv"), QUICK) as source:
        first = source.newest(2.0)
        assert first is not None
        assert first.image_rgb is not None
        assert first.image_rgb.shape == (120, 160, 3)
        time.sleep(0.5)
        before_s = time.monotonic()
        second = source.newest(2.0)
        assert second is not None
        assert before_s - second.at_s < 0.45
        assert second.image_rgb is not None
        assert (
            square_at(second.image_rgb) - square_at(first.image_rgb) >= 4 * 6
        )  # not the next one, the newest
        assert source.status.num_dropped >= 5
        assert source.newest(0.0) is None or source.status.num_frames > 12


def test_a_file_may_be_played_for_ever(clips: Path) -> None:
    with LiveSource(str(clips / "short.mkv"), SourceSettings(is_looped=True, is_paced=False)) as source:
        until(source, lambda: source.status.num_frames > 60)
        assert source.status.num_dropped == 0


@pytest.mark.parametrize(
    ("name", "words"), [("none.mkv", "no such file"), ("words.mkv", "no video"), ("", "no such file")]
)
def test_what_is_no_video_is_refused_and_not_tried_again(clips: Path, name: str, words: str) -> None:
    with LiveSource(str(clips / name), QUICK) as source:
        until(source, lambda: source.status.state is SourceState.REFUSED)
        assert words in source.status.message
        assert source.newest(0.1) is None


@pytest.mark.parametrize("name", ["/dev/video987", "/dev/v4l/by-id/usb-none-index0"])
def test_no_device_is_refused(name: str) -> None:
    assert Address.of(name).kind == "device"
    with LiveSource(name, QUICK) as source:
        until(source, lambda: source.status.state is SourceState.REFUSED)
        assert "plug it in" in source.status.message


def test_a_file_that_is_no_camera_is_refused(clips: Path) -> None:
    """By the real reader of devices, which asks the driver; one that only another program holds is tried again."""
    for name in (clips / "short.mkv", "/dev/null"):
        with pytest.raises(SourceUnavailable, match="no camera that gives pictures"):
            Address(str(name), "device").open(open_s=1.0, read_s=1.0)
    assert "another program" in reason_of(OSError(errno.EBUSY, "busy"))
    assert "grant it the right" in reason_of(PermissionError(errno.EACCES, "no"))


@pytest.mark.parametrize("address", ["ftp://x/y", "concat:a|b", "crypto://x", "data:video/mp4;base64,AA=="])
def test_other_kinds_of_address_are_refused(address: str, clips: Path) -> None:
    try:
        source = LiveSource(address, QUICK)
    except SourceUnavailable:
        return
    with source:  # no address: the name of a file that is not there
        until(source, lambda: source.status.state is SourceState.REFUSED)


def test_a_stream_that_stops_is_noticed_and_found_again(clips: Path) -> None:
    data = (clips / "small.ts").read_bytes()

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(HEADER + data)
        time.sleep(5.0 if number == 0 else 0.0)  # the first hangs
        connection.close()

    with http_server(answer) as url, LiveSource(url, QUICK) as source:
        until(source, lambda: source.status.num_frames >= 18)
        until(source, lambda: source.status.num_lost >= 1)
        until(source, lambda: source.status.num_frames >= 36)
        assert "hush" not in source.status.message


def test_size_and_codec_may_change_midway(clips: Path) -> None:
    parts = [(clips / name).read_bytes() for name in ("small.ts", "large.ts", "other.ts")]

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(HEADER + parts[min(number, 2)] + (parts[1] if number == 0 else b""))
        connection.close()

    sizes = set()
    with http_server(answer) as url, LiveSource(url, QUICK) as source:
        end_s = time.monotonic() + 8.0
        while source.status.num_lost < 3:
            assert time.monotonic() < end_s, source.status
            captured = source.newest(0.05)
            if captured is not None and captured.image_rgb is not None:
                sizes.add(captured.image_rgb.shape)
        assert source.status.num_frames >= 70
    assert sizes == {(120, 160, 3), (240, 320, 3)}


@pytest.mark.parametrize(("skips", "ends"), [("DEFAULT", True), ("NONKEY", False)])
def test_a_decoder_that_says_nothing_any_more_is_left(clips: Path, skips: str, ends: bool) -> None:
    """After some changes of codec FFmpeg gives no picture and no error. With key frames only that is usual."""
    source = LiveSource(str(clips / "short.mkv"), QUICK)
    packet = SimpleNamespace(decode=list)
    stream: Any = SimpleNamespace(codec_context=SimpleNamespace(skip_frame=skips))
    began_s, num_packets = time.monotonic(), 0

    def demux(_: object) -> Iterator[object]:
        nonlocal num_packets
        while time.monotonic() < began_s + 2 * QUICK.read_s:
            stream.codec_context.skip_frame = skips
            num_packets += 1
            yield packet
            time.sleep(0.02)

    container: Any = SimpleNamespace(demux=demux)
    source._read(container, stream)
    assert (time.monotonic() - began_s < 2 * QUICK.read_s) == ends
    assert num_packets > 5


@pytest.mark.parametrize(
    ("status", "words"),
    [("401 Unauthorized", "password"), ("403 Forbidden", "password"), ("404 Not Found", "address")],
)
def test_a_refused_password_or_a_wrong_path_is_said(status: str, words: str) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        connection.close()

    with http_server(answer) as url, LiveSource(url, QUICK) as source:
        until(source, lambda: source.status.state is SourceState.REFUSED)
        assert words in source.status.message
        assert "hush" not in source.status.message


def test_a_camera_that_is_switched_off_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with LiveSource(f"rtsp://127.0.0.1:{port}/stream", QUICK) as source:
        until(source, lambda: source.status.num_lost >= 2)
        assert source.status.state is SourceState.LOST
        assert "nobody answers" in source.status.message


def test_a_fault_in_reading_is_a_lost_source_and_tried_again(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [KeyError("rtsp://user:hush@camera")]
    read = LiveSource._read

    def faulty(self: LiveSource, *given: Any) -> None:
        read(self, *given)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(LiveSource, "_read", faulty)
    with LiveSource(str(clips / "short.mkv"), QUICK) as source:
        until(source, lambda: source.status.num_lost == 1)
        assert "KeyError" in source.status.message
        assert "hush" not in source.status.message
        until(source, lambda: source.status.state is SourceState.ENDED)


def test_noise_for_a_stream_is_no_picture() -> None:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(HEADER + bytes(i * 7919 % 251 for i in range(200_000)))
        connection.close()

    with http_server(answer) as url, LiveSource(url, QUICK) as source:
        until(source, lambda: source.status.state in (SourceState.REFUSED, SourceState.LOST))
        assert source.newest(0.2) is None
        assert source.status.num_frames == 0
        assert source.status.message


def test_pauses_grow_and_begin_again() -> None:
    pauses = Pauses(0.5, 3.0)
    assert [pauses.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    pauses.reset()
    assert pauses.next_s() == 0.5
