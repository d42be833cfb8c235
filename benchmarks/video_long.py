"""Time and memory of the analysis by the length of the clip: four clips, one after the other, as often as it takes."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

from assent.types import JsonObject
from assent.video.analysis import analyse
from assent.video.types import ClipFacts, VideoFrame
from assent.vision.engine import FaceEngine
from benchmarks.video_clips import read_frames

MINUTES = (2, 30, 120)
_RATE = 30
_CLIPS = ("again", "bird", "book", "sister")


def measure_long(engine: FaceEngine, videos: Path, minutes: tuple[float, ...] = MINUTES) -> JsonObject:
    """Seconds and the process's largest memory after each length, shortest first; frames are decoded each time.

    The clip is synthetic: real frames, repeated with a cut every two to four seconds, so that it has some thousands
    of tracks. Only analysis is measured: writing holds one frame at a time.
    """
    facts = ClipFacts("matroska", "h264", 640, 480, 0, _RATE, None, None)
    rows: JsonObject = {}
    for length in minutes:
        start = time.perf_counter()
        analysis = analyse(_frames(videos, round(length * 60 * _RATE)), facts, engine)
        seconds = time.perf_counter() - start
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows[f"{length} min"] = (
            f"{analysis.num_frames} frames, {len(analysis.tracks)} tracks, "
            f"{analysis.num_frames / seconds:.1f} frames/s, peak {peak_mb:.0f} MB"
        )
        print(rows[f"{length} min"])
    return rows


def _frames(videos: Path, most: int) -> Iterator[VideoFrame]:
    index = 0
    while True:
        for name in _CLIPS:
            for image in read_frames(videos / f"{name}.mkv"):
                if index >= most:
                    return
                yield VideoFrame(index, index / _RATE, image)
                index += 1
