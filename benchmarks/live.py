"""Live video: how soon names are said and to whom, how late events are, four streams at once, and a long loop.

``make bench-live`` (parts: ``python -m benchmarks.live naming|latency|four|long``); JSON in ``build/bench``.

The clips are ../shared/data/video: four signers in eight clips (who is in which was looked up by eye and is used here
only to score), and four short ones of other people.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rich.progress import Progress

from assent import Assent, Settings
from assent.errors import FaceError
from assent.live.analysis import LiveAnalysis
from assent.live.values import SourceSettings
from assent.service.liveoptions import LiveOptions
from assent.service.liverecords import LiveRecords
from assent.service.placegallery import gallery_of
from assent.types import Detections, Face, Float32, UInt8
from assent.vision.engine import FaceEngine
from benchmarks.common import MODELS_DIR, machine, write_json
from benchmarks.video_clips import write_clip

ROOT = Path(__file__).resolve().parent.parent
VIDEO = ROOT.parent / "shared" / "data" / "video"
SIGNERS = {"a": ("again", "no"), "b": ("bird", "milk"), "c": ("book", "learn", "walk"), "d": ("sister",)}
OTHERS = (
    "classroom.gif",
    "face-demographics-walking.gif",
    "head-pose-face-detection-female-and-male.gif",
    "head-pose-face-detection-male.gif",
)
FPS = 12.0
SENSOR_NOISE = 3.0  # standard deviation, of 255
ENROLLED = 5
PURPOSE = "bench"


@dataclass(frozen=True)
class Clip:
    """A clip's frames at ``FPS``, and who is in it."""

    name: str
    signer: str | None
    frames: list[UInt8]


class Remembering:
    """The engine, computing each picture once: ten choices of who is enrolled see the same frames."""

    def __init__(self, engine: FaceEngine) -> None:
        self._engine = engine
        self._looks: dict[bytes, Detections] = {}
        self._templates: dict[bytes, Float32] = {}

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        """See ``Networks.look``."""
        key = _key(image_rgb, f"{image_rgb.shape} {long_side_px} {min_score}".encode())
        if key not in self._looks:
            self._looks[key] = self._engine.look(image_rgb, long_side_px=long_side_px, min_score=min_score)
        return self._looks[key]

    def templates(self, image_rgb: UInt8, faces: list[Face]) -> Float32:
        """See ``Networks.templates``."""
        key = _key(image_rgb, b"".join(face.landmarks_xy.tobytes() for face in faces))
        if key not in self._templates:
            self._templates[key] = self._engine.templates(image_rgb, faces)
        return self._templates[key].copy()


def _key(image_rgb: UInt8, rest: bytes) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image_rgb).tobytes() + rest).digest()


def read_frames(path: Path, *, fps: float = FPS) -> list[UInt8]:
    """Frames at so many a second."""
    frames, due_s = [], 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            at_s = frame.time or 0.0
            if at_s + 1e-6 >= due_s:
                frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                due_s += 1 / fps
    return frames


def all_clips() -> list[Clip]:
    """The signers' clips, and the others."""
    of = {clip: who for who, clips in SIGNERS.items() for clip in clips}
    found = [Clip(name, who, read_frames(VIDEO / f"{name}.mkv")) for name, who in of.items()]
    return found + [Clip(Path(name).stem, None, read_frames(VIDEO / name)) for name in OTHERS]


@contextmanager
def place_of(frames: list[UInt8], *, threads: int = 2) -> Iterator[Assent]:
    """A place at which one person agreed, enrolled from the first ``ENROLLED`` frames that are good enough."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), models_dir=MODELS_DIR, threads=threads)
        with Assent(settings=settings) as assent:
            assent.people.add("one")
            assent.collections.create("all", purpose=PURPOSE)
            assent.places.add("here", collection="all", responsible="Bench", notice="A benchmark.")
            assent.consents.record(
                "one", purpose=PURPOSE, controller="Bench", notice_text="A benchmark.", notice_version="1",
                language="en", method="online-form", evidence=b"x", term=timedelta(days=1), places=["here"],
            )  # fmt: skip
            num_enrolled = 0
            for frame in frames:
                png = cv2.imencode(".png", frame[..., ::-1])[1].tobytes()
                with suppress(FaceError):  # a hand before the face, or turned away
                    assent.enrol(png, person="one", collection="all", choose="largest", allow_mismatch=True)
                    num_enrolled += 1
                if num_enrolled == ENROLLED:
                    break
            yield assent


def naming(first: int = 0, last: int = 10) -> dict[str, Any]:
    """In the clips' own time, so that a busy machine changes nothing; computing comes on top (see ``latency``)."""
    clips, chance = all_clips(), random.Random(1)
    networks: Remembering | None = None
    rows = []
    choices = [(signer, chance.choice(SIGNERS[signer])) for signer in chance.choices(sorted(SIGNERS), k=10)]
    for number, (signer, source) in enumerate(choices[first:last], first):
        frames = next(clip.frames for clip in clips if clip.name == source)
        only = len(SIGNERS[signer]) == 1  # enrolled from the first half, watched in the second
        taken = frames[: len(frames) // 2] if only else frames
        enrolled = [frame for start in range(6) for frame in taken[start::6]]  # spread over the clip
        with place_of(enrolled) as assent:
            networks = networks or Remembering(assent._ctx.engine)
            for clip in clips:
                if clip.name == source and not only:
                    continue
                shown = clip.frames[len(clip.frames) // 2 :] if clip.name == source else clip.frames
                row = {
                    "choice": number,
                    "enrolled": source,
                    "clip": clip.name,
                    "is_mate": clip.signer == signer,
                }
                rows.append({**row, **named_in(assent, networks, shown)})
    mated = [row for row in rows if row["is_mate"]]
    soon = [row for row in mated if row["after_s"] is not None and row["after_s"] <= 1.0]
    wrong = [row for row in rows if not row["is_mate"] and row["named"]]
    return {
        "appearances": len(mated),
        "named_within_1s": len(soon),
        "named_ever": sum(row["named"] for row in mated),
        "strangers_clips": len(rows) - len(mated),
        "strangers_named": len(wrong),
        "after_s": sorted(row["after_s"] for row in mated if row["after_s"] is not None),
        "missed": [(row["enrolled"], row["clip"], row["after_s"]) for row in mated if row not in soon],
        "wrong": [(row["enrolled"], row["clip"]) for row in wrong],
        "rows": rows,
    }


def named_in(assent: Assent, networks: Remembering, frames: list[UInt8]) -> dict[str, Any]:
    """When the track was first seen and when first named, in seconds of the clip."""
    ctx = assent._ctx
    with ctx.records.reading() as tx:
        gallery = gallery_of(ctx, tx, "here")
    records = LiveRecords(ctx, gallery, "bench", LiveOptions())
    analysis = LiveAnalysis(networks)
    seen_s = named_s = None
    for number, frame in enumerate(frames):
        at_s = number / FPS
        done = analysis.update(frame, at_s, records.at_this_moment())
        if done.faces and seen_s is None:
            seen_s = at_s
        for ended in done.rounds:
            if ended.hit is not None and named_s is None:
                named_s = at_s
    after_s = None if named_s is None or seen_s is None else round(named_s - seen_s, 3)
    return {"named": named_s is not None, "after_s": after_s, "length_s": round(len(frames) / FPS, 2)}


def scene(width: int, height: int, fps: int, *, gone_s: int = 2) -> list[UInt8]:
    """A signer who is there for two seconds and then gone, in a picture of that size with a sensor's noise."""
    frames = read_frames(VIDEO / "milk.mkv", fps=fps)
    background = np.full((height, width, 3), 170, np.uint8)
    noise = np.random.default_rng(1)
    made = []
    for frame in [*frames, *([None] * gone_s * fps)]:
        image = background.copy()
        if frame is not None:
            ratio = height / frame.shape[0]
            person = np.asarray(cv2.resize(frame, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA))
            left = (width - person.shape[1]) // 2
            image[:, left : left + person.shape[1]] = person[:, : width - left]
        grain = noise.normal(0, SENSOR_NOISE, (height, width, 1))
        made.append(np.asarray(np.clip(image + grain, 0, 255), np.uint8))
    return made


def latency(duration_s: float = 60.0) -> dict[str, Any]:
    """Frame captured to event sent, at 1280 x 720 and 25 frames a second, with the preview."""
    return streams(1, 1280, 720, 25, duration_s, LiveOptions(
        has_preview=True, away_s=0.5, source=SourceSettings(is_looped=True)))  # fmt: skip


def four(duration_s: float = 40.0) -> dict[str, Any]:
    """Four streams of 640 x 360 at 12 frames a second, with previews; a thread for each, as ``assent live-worker``."""
    return streams(4, 640, 360, 12, duration_s, LiveOptions(
        has_preview=True, away_s=0.5, look_px=384, source=SourceSettings(is_looped=True)), threads=1)  # fmt: skip


def streams(
    count: int,
    width: int,
    height: int,
    fps: int,
    duration_s: float,
    options: LiveOptions,
    *,
    threads: int = 2,
) -> dict[str, Any]:
    """Runs at once, in threads of one process."""
    frames = read_frames(VIDEO / "bird.mkv")
    with tempfile.TemporaryDirectory() as folder, place_of(frames, threads=threads) as assent:
        clip = write_clip(Path(folder) / "scene.mkv", scene(width, height, fps), fps)
        assent.warm_up()
        told: list[dict[str, Any]] = []
        runs = [
            assent.live("here", camera=f"c{i}", source=str(clip), options=options, tell=told.append)
            for i in range(count)
        ]
        watching = [threading.Thread(target=run.run) for run in runs]
        for thread in watching:
            thread.start()
            time.sleep(4.0 / count)  # a loop takes four seconds: people do not come to all at one moment
        time.sleep(duration_s)
        found = [run.status() for run in runs]
        for run in runs:
            run.stop()
        for thread in watching:
            thread.join()
        return {
            "streams": count,
            "size": [width, height],
            "fps": fps,
            "duration_s": duration_s,
            "events": sum(item["event"] in ("arrived", "left") for item in told),
            "analysed_fps": [status.analysed_fps for status in found],
            "preview_fps": [status.preview_fps for status in found],
            "latency_p50_ms": [status.latency_p50_ms for status in found],
            "latency_p95_ms": [status.latency_p95_ms for status in found],
            "event_latency_p95_ms": [status.event_latency_p95_ms for status in found],
            "dropped": [status.source.num_dropped for status in found],
            "frames": [status.source.num_frames for status in found],
        }


def long(duration_s: float, num_frames: int) -> dict[str, Any]:
    """A loop as fast as it goes, somebody coming every twenty seconds of it: a busy door. Memory at each hundredth."""
    frames = read_frames(VIDEO / "bird.mkv")
    options = LiveOptions(
        has_preview=True, away_s=0.5, max_fps=10_000, look_px=320,
        source=SourceSettings(is_looped=True, is_paced=False),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, place_of(frames, threads=1) as assent:
        clip = write_clip(Path(folder) / "scene.mkv", scene(640, 360, 12, gone_s=18), 12)
        assent.warm_up()
        run = assent.live("here", source=str(clip), options=options)
        thread = threading.Thread(target=run.run)
        began_s = time.monotonic()
        thread.start()
        memory: list[tuple[int, float]] = []  # frames so far, MB
        with Progress() as shown:
            task = shown.add_task("frames", total=num_frames)
            while (
                done := run.status().num_analysed
            ) < num_frames and time.monotonic() - began_s < duration_s:
                if done >= len(memory) * num_frames / 100:
                    memory.append((done, round(rss_mb(), 1)))
                shown.update(task, completed=done)
                time.sleep(1.0)
            status = run.status()
        memory.append((status.num_analysed, round(rss_mb(), 1)))
        run.stop()
        thread.join()
        log = len(assent.log())
    return {
        "frames": status.num_analysed,
        "hours_at_12_fps": round(status.num_analysed / 12 / 3600, 2),
        "duration_s": round(time.monotonic() - began_s),
        "rss_mb": memory,
        "log_entries": log,
    }


def rss_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["naming", "latency", "four", "long"])
    parts: dict[str, Callable[[], dict[str, Any]]] = {"latency": latency, "four": four}
    parser.add_argument("--choices", type=int, nargs=2, default=[0, 10], help="of who is enrolled: from, to")
    parser.add_argument("--long-s", type=float, default=240.0, help="the long loop at most, seconds")
    parser.add_argument(
        "--long-frames", type=int, default=24 * 3600 * 12, help="the long loop at most: a day at 12/s"
    )
    given = parser.parse_args()
    parts |= {"naming": lambda: naming(*given.choices), "long": lambda: long(given.long_s, given.long_frames)}
    found: dict[str, Any] = {"machine": machine()}
    for name in given.parts:
        found[name] = parts[name]()
        print(name, json.dumps({k: v for k, v in found[name].items() if k != "rows"}, indent=1))
    write_json("live", found)


if __name__ == "__main__":
    main()
