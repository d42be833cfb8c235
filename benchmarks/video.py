"""Hiding every face of a clip, side by side with deface: frames a second, faces left visible, flicker.

``make bench-video`` runs all parts; ``python -m benchmarks.video --part real --clips "b*"`` a few clips of one.
Results of earlier runs are kept in ``build/bench/video.json`` and shown with the new ones, so that the parts may be
run one by one; each says on what machine, and how busy, it was measured. Contact sheets of all leaks are in
``build/bench/video``.

Parts: ``real`` (the clips beside the project), ``hard`` and ``1080p`` (made of them, see ``benchmarks.video_clips``),
``keep`` (one signer shown), ``long`` (time and memory by length; not part of "all": an hour's work).
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import cv2

from assent.models.store import ModelStore
from assent.types import JsonObject
from assent.vision.engine import FaceEngine
from benchmarks.common import (
    BENCH_DIR,
    MODELS_DIR,
    REPOSITORY,
    machine,
    print_machine,
    print_rows,
    write_json,
)
from benchmarks.leaks import Leak, Leakage, Mtcnn, contact_sheet, measure_leaks
from benchmarks.video_clips import hard_clips, large_clips, read_frames, real_clips
from benchmarks.video_keep import measure_keep
from benchmarks.video_long import MINUTES, measure_long
from benchmarks.video_sides import Deface, Ours

VIDEOS = REPOSITORY.parent / "shared" / "data" / "video"
FOLDER = BENCH_DIR / "video"
# Judged by a person on the contact sheets: a skull printed on a shirt, found in two signers' clips and in what was made
# of them. Height of a tile, and where in it no head begins any more, pixels.
NO_FACES = {
    "again": (480, 158),
    "no": (480, 158),
    "sister": (480, 158),  # a hand with a ring
    "hurried": (480, 158),
    "montage": (480, 158),
    "four": (240, 79),
    "small": (160, 52),
    "behind": (480, 158),  # and the hand with the ring
}


def main(argv: Sequence[str]) -> int:
    """Measures what is asked for, prints tables, writes ``build/bench/video.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=__doc__)
    parser.add_argument("--part", choices=["all", "real", "hard", "1080p", "keep", "long"], default="all")
    parser.add_argument("--clips", default="*", help="names of clips, as a pattern")
    parser.add_argument("--sides", default="assent,deface")
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=MINUTES, help="lengths of the part 'long'"
    )
    parser.add_argument("--no-leaks", action="store_true", help="frames a second only")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # what others' packages say of themselves
    if not VIDEOS.is_dir():
        print("no ../shared/data/video beside the project: nothing to measure", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    facts = machine()
    print_machine(facts)
    path = BENCH_DIR / "video.json"
    results: JsonObject = json.loads(path.read_text()) if path.exists() else {}
    if options.part == "long":  # in processes of its own
        results["long"] = {"machine": facts, **measure_long(VIDEOS, options.minutes)}
    else:
        engine = FaceEngine.open(ModelStore(MODELS_DIR), threads=0)
        engine.warm_up()
        if options.part in ("keep", "all"):
            results["keep"] = {"machine": facts, **measure_keep(engine, VIDEOS)}
        _sides(options, engine, results, facts)
    write_json("video", results)
    _print(results)
    return 0


def _clips(part: str) -> Iterator[tuple[str, Path]]:
    if part in ("real", "all"):
        yield from (("real", path) for path in real_clips(VIDEOS, FOLDER / "real"))
    if part in ("hard", "all"):
        yield from (("hard", path) for path in hard_clips(VIDEOS, FOLDER / "hard"))
    if part in ("1080p", "all"):
        yield from (("1080p", path) for path in large_clips(VIDEOS, FOLDER / "large"))


def _sides(options: argparse.Namespace, engine: FaceEngine, results: JsonObject, facts: JsonObject) -> None:
    """Both sides in turn on each clip, so that whatever else the machine does falls on both."""
    makers = {"assent": lambda: Ours(engine), "deface": Deface}
    clips = [item for item in _clips(options.part) if fnmatch(item[1].stem, options.clips)]
    if not clips:
        return
    sides: list[Any] = [makers[name]() for name in options.sides.split(",")]
    finder = None if options.no_leaks else Mtcnn()
    found: dict[str, Any] = {}
    for part, clip in clips:
        for side in sides:
            made = side.hide(clip, FOLDER / f"{side.name}-{clip.stem}.mkv")
            row: JsonObject = {"part": part, "frames": made.frames, "seconds": made.seconds, "machine": facts}
            if finder is not None and part != "1080p":
                row |= _leak_row(
                    side.name,
                    measure_leaks(clip.stem, read_frames(clip), read_frames(made.path), finder, found),
                )
            results.setdefault("sides", {}).setdefault(side.name, {})[clip.stem] = row
            print(f"{side.name:7} {clip.stem:45} {made.frames / made.seconds:6.1f} frames/s", file=sys.stderr)
        write_json("video", results)


def _leak_row(side: str, leakage: Leakage) -> JsonObject:
    sheet = contact_sheet(leakage.leaks + leakage.unseen)
    if sheet is not None:
        name = f"{side}-{leakage.clip}-leaks.png"
        cv2.imwrite(str(FOLDER / name), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    real = [leak for leak in leakage.leaks if not _is_no_face(leak)]
    unseen = [leak for leak in leakage.unseen if not _is_no_face(leak)]
    return {
        "face_frames": leakage.face_frames,
        "leaks": len(real),
        "false_alarms": len(leakage.leaks) - len(real),
        "visible_not_found_again": len(unseen),
        "flickers": leakage.flickers,
    }


def _is_no_face(leak: Leak) -> bool:
    """Whether what was found lies where a person saw that no head is."""
    if leak.clip not in NO_FACES:
        return False
    tile_px, from_px = NO_FACES[leak.clip]
    return bool(leak.box_xyxy[1] % tile_px > from_px)


def _print(results: JsonObject) -> None:
    rows = []
    for part in ("real", "hard", "1080p"):
        for side, clips in results.get("sides", {}).items():
            of_part = [row for row in clips.values() if row["part"] == part]
            if of_part:
                rows.append([f"{part}: {side}", *_summed(of_part)])
    columns = [
        "clips",
        "number",
        "frames/s",
        "face-frames",
        "leaks",
        "per 1,000",
        "visible, not found",
        "flicker",
    ]
    print_rows("Every face hidden", [*columns, "no face"], rows)
    for name in ("keep", "long"):
        if name in results:
            print_rows(name, ["", ""], [[k, v] for k, v in results[name].items() if k != "machine"])


def _summed(rows: list[JsonObject]) -> list[object]:
    def total(key: str) -> int:
        return sum(row.get(key, 0) for row in rows)

    faces = total("face_frames")
    return [
        len(rows),
        f"{total('frames') / sum(row['seconds'] for row in rows):.1f}",
        faces,
        total("leaks"),
        f"{1000 * total('leaks') / faces:.2f}" if faces else "",
        total("visible_not_found_again"),
        total("flickers"),
        total("false_alarms"),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
