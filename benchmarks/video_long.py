"""Time and memory of hiding everybody by the length of the clip: the real command, in a process of its own for each.

The clips are synthetic: four real ones at half their size, one after the other as often as it takes, so that there is a
cut every two to four seconds and a track for each of these.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from assent.types import JsonObject, UInt8
from assent.video.reading import ClipReader
from benchmarks.common import MODELS_DIR
from benchmarks.video_clips import read_frames, write_clip

MINUTES = (2, 30, 120)
_RATE = 25
_SIZE_WH = (320, 240)
_CLIPS = ("again", "bird", "book", "sister")


def measure_long(videos: Path, minutes: Sequence[float] = MINUTES) -> JsonObject:
    """Frames, processor time and the largest memory of ``assent redact`` for each length, shortest first."""
    rows: JsonObject = {}
    with tempfile.TemporaryDirectory() as folder:
        once = write_clip(Path(folder) / "once.mkv", list(_frames(videos)), _RATE)
        for length in minutes:
            clip = _repeated(once, Path(folder) / "long.mkv", round(length * 60 * _RATE))
            row = _redacted(clip, Path(folder) / "hidden.mkv")
            rows[f"{length:g} min"] = row
            print(f"{length:g} min: {row}", flush=True)
    return rows


def _redacted(clip: Path, target: Path) -> str:
    """What the command took; its copy has all of the frames, or this fails."""
    target.unlink(missing_ok=True)
    start_s = time.perf_counter()
    command = [sys.executable, "-m", "assent", "redact", str(clip), str(target)]
    data = {"ASSENT_DATA_DIR": str(target.parent / "data"), "ASSENT_MODELS_DIR": str(MODELS_DIR)}
    child = subprocess.Popen(command, env=os.environ | data, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    wall_s, cpu_s = time.perf_counter() - start_s, used.ru_utime + used.ru_stime
    with ClipReader(target) as reader:
        num_frames = sum(1 for frame in reader.frames(_SIZE_WH[0] // 4) if frame.damage is None)
    return (
        f"{num_frames:,} frames, {clip.stat().st_size / 1e6:.0f} MB, {num_frames / wall_s:.0f} frames/s, "
        f"{1000 * cpu_s / num_frames:.1f} ms of processor time each, peak {used.ru_maxrss / 1024:.0f} MB"
    )


def _frames(videos: Path) -> Iterator[UInt8]:
    for name in _CLIPS:
        for image in read_frames(videos / f"{name}.mkv"):
            yield np.asarray(cv2.resize(image, _SIZE_WH, interpolation=cv2.INTER_AREA), np.uint8)


def _repeated(once: Path, path: Path, num_frames: int) -> Path:
    """The packets of ``once``, as often as it takes."""
    with av.open(str(once)) as source, av.open(str(path), "w") as output:
        stream = source.streams.video[0]
        target: Any = output.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.size]
        data = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for number in range(num_frames):
            body, is_keyframe = data[number % len(data)]
            packet: av.Packet[Any] = av.Packet(body)
            packet.stream, packet.time_base = target, Fraction(1, _RATE)
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = is_keyframe
            output.mux_one(packet)
    return path
