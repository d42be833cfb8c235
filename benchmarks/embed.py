"""How fast and how true: our ONNX embedder against dlib itself, our CenterFace against the file as published.

Run ``python -m benchmarks.embed``. Contenders take turns in one process; each number of threads has a
process of its own, bound to that many cores, because neither library gives back threads it has once
started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.tools.update_model_dims import update_inputs_outputs_dims
from PIL import Image

from assent.demo.photos import fetch_photos
from assent.models.centerface import OUTPUT_NAMES
from assent.models.manifest import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, DEFAULT_LANDMARKS
from assent.models.sessions import ModelSession, OrtSession
from assent.models.store import ModelStore
from assent.types import Float32, JsonObject, UInt8
from benchmarks.common import (
    MODELS_DIR,
    REPOSITORY,
    machine,
    print_machine,
    print_rows,
    time_side_by_side,
    write_json,
)

BATCHES = (1, 8, 32)
THREADS = (1, 2)
FRAME_WH = (640, 480)
PHOTOS_DIR = REPOSITORY / "build" / "photos"

_CHIP_PX = 150
_CHIP_PADDING = 0.25  # what dlib's network was trained with


def main(argv: Sequence[str]) -> int:
    """Measures, prints two tables, writes ``build/bench/embed.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--worker", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        print(json.dumps(_measure(options.worker, options.rounds)))
        return 0
    facts = machine()
    ModelStore(MODELS_DIR).pull()
    fetch_photos(PHOTOS_DIR)
    measured = {threads: _in_own_process(threads, options.rounds) for threads in THREADS}
    results = {"machine": facts, "threads": {str(threads): result for threads, result in measured.items()}}
    print_machine(facts)
    _print_speed(measured)
    _print_agreement(measured[THREADS[0]])
    write_json("embed", results)
    return 0


def _in_own_process(threads: int, rounds: int) -> JsonObject:
    """One number of threads, for us and for whatever dlib was built with."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DLIB_NUM_THREADS"), str(threads))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.embed", "--worker", str(threads), "--rounds", str(rounds)],
        env=os.environ | limits,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    )
    result: JsonObject = json.loads(done.stdout)
    return result


def _measure(threads: int, rounds: int) -> JsonObject:
    """Everything at one number of threads, in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    store = ModelStore(MODELS_DIR)
    photos = [_read(path) for path in sorted(PHOTOS_DIR.glob("*.[jp][pn]g"))]
    return {
        "embedder": _measure_embedder(store, photos, threads, rounds),
        "detector": _measure_detector(store, photos[0], threads, rounds),
    }


def _measure_embedder(store: ModelStore, photos: list[UInt8], threads: int, rounds: int) -> JsonObject:
    session = store.load_session(DEFAULT_EMBEDDER, threads=threads)
    if find_spec("dlib") is None:
        chips = [np.asarray(Image.fromarray(photo).resize((_CHIP_PX, _CHIP_PX))) for photo in photos]
        return {"chips": len(chips), "faces_per_s": _speed(session, None, chips, rounds)}
    import dlib

    chips = _dlib_chips(photos, store.models_dir / store.entry(DEFAULT_LANDMARKS).file)
    dlib_model = dlib.face_recognition_model_v1(str(store.models_dir / store.entry(DEFAULT_EMBEDDER).file))
    embed: Callable[[list[UInt8]], Any] = dlib_model.compute_face_descriptor
    ours = _embed(session, chips)
    theirs = np.array(embed(chips), np.float32)
    return {
        "chips": len(chips),
        "max_difference": float(np.abs(ours - theirs).max()),
        "min_cosine": float(_cosines(ours, theirs).min()),
        "faces_per_s": _speed(session, embed, chips, rounds),
    }


def _speed(
    session: ModelSession,
    dlib_embed: Callable[[list[UInt8]], Any] | None,
    chips: list[UInt8],
    rounds: int,
) -> JsonObject:
    """Faces a second by contender and batch."""
    speeds: JsonObject = {}
    for batch in BATCHES:
        taken = [chips[index % len(chips)] for index in range(batch)]
        contenders: dict[str, Callable[[], object]] = {"onnx": partial(_embed, session, taken)}
        if dlib_embed is not None:
            contenders["dlib"] = partial(dlib_embed, taken)
        timings = time_side_by_side(contenders, rounds=rounds if batch > 1 else 3 * rounds)
        speeds[str(batch)] = {name: batch / timing.median_s for name, timing in timings.items()}
    return speeds


def _measure_detector(store: ModelStore, photo: UInt8, threads: int, rounds: int) -> JsonObject:
    """CenterFace as published, with nothing but its shapes freed, and ours."""
    published = (store.models_dir / store.entry(DEFAULT_DETECTOR).file).read_bytes()
    theirs = OrtSession(_free_shapes(published), name="centerface as published", threads=threads)
    ours = store.load_session(DEFAULT_DETECTOR, threads=threads)
    frame = _blob([np.asarray(Image.fromarray(photo).resize(FRAME_WH))])
    runs = {
        "published": partial(theirs.run, {theirs.inputs[0].name: frame}),
        "ours": partial(ours.run, {ours.inputs[0].name: frame}),
    }
    differences = {
        name: float(np.abs(a - b).max())
        for name, a, b in zip(OUTPUT_NAMES, runs["published"](), runs["ours"](), strict=True)
    }
    timings = time_side_by_side(runs, rounds=2 * rounds)
    return {
        "frame_wh": FRAME_WH,
        "median_ms": {name: 1e3 * timing.median_s for name, timing in timings.items()},
        "max_difference": differences,
    }


def _free_shapes(published: bytes) -> bytes:
    """The published file with free batch, height and width: what its own package does before running it."""
    model = onnx.load_from_string(published)
    inputs = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    weights = {initializer.name for initializer in model.graph.initializer}
    image = next(name for name in inputs if name not in weights)
    inputs[image] = ["B", 3, "H", "W"]
    outputs = {v.name: ["B", v.type.tensor_type.shape.dim[1].dim_value, "h", "w"] for v in model.graph.output}
    freed: bytes = update_inputs_outputs_dims(model, inputs, outputs).SerializeToString()
    return freed


def _dlib_chips(photos: list[UInt8], shape_file: Path) -> list[UInt8]:
    """Every face that dlib finds, aligned by dlib: (150, 150, 3) uint8 each."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(shape_file))
    return [
        dlib.get_face_chip(photo, predictor(photo, box), size=_CHIP_PX, padding=_CHIP_PADDING)
        for photo in photos
        for box in detector(photo, 1)
    ]


def _embed(session: ModelSession, chips: Sequence[UInt8]) -> Float32:
    return np.asarray(session.run({session.inputs[0].name: _blob(chips)})[0], np.float32)


def _blob(images_rgb: Sequence[UInt8]) -> Float32:
    return np.ascontiguousarray(np.stack(images_rgb).transpose(0, 3, 1, 2), np.float32)


def _cosines(a: Float32, b: Float32) -> Float32:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("nd,nd->n", a, b) / lengths, np.float32)


def _read(path: Path) -> UInt8:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _print_speed(measured: dict[int, JsonObject]) -> None:
    rows = []
    for threads, result in measured.items():
        for batch, speeds in result["embedder"]["faces_per_s"].items():
            dlib_speed = speeds.get("dlib")
            rows.append(
                (
                    f"embed, batch {batch}, {threads} thread{'s' * (threads > 1)}",
                    f"{speeds['onnx']:.0f}/s",
                    f"{dlib_speed:.1f}/s (dlib)" if dlib_speed else "dlib is not installed",
                    f"{speeds['onnx'] / dlib_speed:.1f}" if dlib_speed else "",
                )
            )
        times = result["detector"]["median_ms"]
        rows.append(
            (
                f"CenterFace {FRAME_WH[0]}x{FRAME_WH[1]}, {threads} thread{'s' * (threads > 1)}",
                f"{times['ours']:.1f} ms",
                f"{times['published']:.1f} ms (as published)",
                f"{times['published'] / times['ours']:.2f}",
            )
        )
    print_rows("Speed, medians of turns side by side", ["what", "ours", "other", "times as fast"], rows)


def _print_agreement(result: JsonObject) -> None:
    embedder, detector = result["embedder"], result["detector"]
    rows = [(f"CenterFace {name}", f"{value:.1e}") for name, value in detector["max_difference"].items()]
    if "max_difference" in embedder:
        rows.insert(0, ("embedding against dlib", f"{embedder['max_difference']:.1e}"))
        rows.insert(1, ("1 - cosine against dlib", f"{1 - embedder['min_cosine']:.1e}"))
    print_rows(f"Agreement, largest difference ({embedder['chips']} chips)", ["what", "difference"], rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
