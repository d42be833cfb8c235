"""What each step from photo to template takes, and how detection holds against roll, size, and what hides a face.

``python -m benchmarks.detect``: the first table needs the demo's photographs only; the others read the labelled
photographs beside the project (``../shared/data/lfw``) where they are, and are left out where they are not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from assent.demo.photos import fetch_photos
from assent.models.store import ModelStore
from assent.types import Detections, Face, Float32, Float64, JsonObject, Quality, UInt8
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine, largest_face
from assent.vision.finder import LookSettings
from assent.vision.redact import RedactMethod, redact
from benchmarks.common import (
    MODELS_DIR,
    REPOSITORY,
    machine,
    print_machine,
    print_rows,
    time_side_by_side,
    write_json,
)

PHOTOS_DIR = REPOSITORY / "build" / "photos"
LFW_DIR = REPOSITORY.parent / "shared" / "data" / "lfw"
ROLLS_DEG = (0, 20, 40, 60, 80, 90, 120, 150, 180, 270)
FACE_WIDTHS_PX = (60, 40, 24, 14)
_FACE_SHARE = 0.38  # of an LFW picture's width


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A photograph whose face lies upright, with the landmarks found in it."""

    image_rgb: UInt8
    face: Face
    subject: str


def main(argv: Sequence[str]) -> int:
    """Measures, prints tables, writes ``build/bench/detect.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each step")
    parser.add_argument("--faces", type=int, default=40, help="faces for the tables of roll and hiding")
    options = parser.parse_args(argv)
    facts = machine()
    store = ModelStore(MODELS_DIR)
    store.pull()
    engine = FaceEngine.open(store, threads=2)
    print_machine(facts)
    results: JsonObject = {"machine": facts, "steps_ms": _steps(engine, options.rounds)}
    if LFW_DIR.is_dir():
        pairs = _pairs(engine, options.faces)
        results["roll"] = _rolls(store, [pair[0] for pair in pairs])
        results["size"] = _sizes(store, [pair[0] for pair in pairs])
        results["hidden"] = _hidden(engine, pairs)
    else:
        print("no ../shared/data/lfw beside the project: roll, size and hiding left out", file=sys.stderr)
    write_json("detect", results)
    return 0


def _steps(engine: FaceEngine, rounds: int) -> JsonObject:
    """Milliseconds of each step on a 1280 x 960 photograph with one face, two threads."""
    photo = decode_image((fetch_photos(PHOTOS_DIR) / "obama.jpg").read_bytes()).image_rgb
    scaled = cv2.resize(
        photo, (round(photo.shape[1] * 960 / photo.shape[0]), 960), interpolation=cv2.INTER_AREA
    )
    image = np.full((960, 1280, 3), 90, np.uint8)
    image[:, 250 : 250 + scaled.shape[1]] = scaled
    jpeg = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    faces = engine.faces(image)
    landmarks = np.stack([face.landmarks_xy for face in faces])
    chips = engine.chips(image, landmarks)[0]

    def all_steps() -> Float32:
        decoded = decode_image(jpeg).image_rgb
        return engine.templates(decoded, engine.faces(decoded))

    timings = time_side_by_side(
        {
            "decode": lambda: decode_image(jpeg),
            "detect": lambda: engine.detect(image),
            "detect and judge": lambda: engine.faces(image),
            "align (trees, two chips)": lambda: engine.chips(image, landmarks),
            "embed two chips": lambda: engine.embed_chips(chips),
            "photo to template": all_steps,
            "thorough detection": lambda: engine.detect(image, thorough=True),
        },
        rounds=rounds,
    )
    rows = [(name, f"{t.median_s * 1e3:.1f}", f"{t.fastest_s * 1e3:.1f}") for name, t in timings.items()]
    print_rows("1280 x 960, one face, two threads", ("step", "median ms", "fastest ms"), rows)
    return {name: {"median": t.median_s * 1e3, "fastest": t.fastest_s * 1e3} for name, t in timings.items()}


def _pairs(engine: FaceEngine, count: int) -> list[tuple[Sample, Sample]]:
    """Two photographs each of ``count`` people."""
    pairs: list[tuple[Sample, Sample]] = []
    for folder in sorted(LFW_DIR.iterdir()):
        samples = [_sample(engine, path) for path in sorted(folder.glob("*.jpg"))[:2]]
        if len(samples) == 2 and samples[0] is not None and samples[1] is not None:
            pairs.append((samples[0], samples[1]))
        if len(pairs) == count:
            break
    return pairs


def _sample(engine: FaceEngine, path: Path) -> Sample | None:
    image = decode_image(path.read_bytes()).image_rgb
    face = largest_face(engine.faces(image))
    return None if face is None else Sample(image, face, path.parent.name)


def _rolls(store: ModelStore, samples: list[Sample]) -> list[JsonObject]:
    """Faces whose landmarks are off by more than 0.15 eye distances, or not found, with and without second looks."""
    looks = {
        "one look": FaceEngine.open(store, threads=2, looks=LookSettings(max_roll_deg=360, doubtful_score=0)),
        "second looks": FaceEngine.open(store, threads=2),
    }
    results: list[JsonObject] = []
    for degrees in ROLLS_DEG:
        row: JsonObject = {"roll_deg": degrees}
        for name, engine in looks.items():
            row[name] = sum(_is_off(engine, sample, degrees) for sample in samples)
        results.append(row)
    print_rows(
        f"faces missed or with bad landmarks, of {len(samples)}",
        ("roll", *looks),
        [(f"{row['roll_deg']}°", *(row[name] for name in looks)) for row in results],
    )
    return results


def _is_off(engine: FaceEngine, sample: Sample, degrees: float) -> bool:
    height, width = sample.image_rgb.shape[:2]
    side = int(np.hypot(height, width)) + 1
    matrix: Float64 = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), np.float64)
    matrix[:, 2] += [side / 2 - width / 2, side / 2 - height / 2]
    found = engine.detect(np.asarray(cv2.warpAffine(sample.image_rgb, matrix, (side, side)), np.uint8))
    wanted = sample.face.landmarks_xy @ matrix[:, :2].T + matrix[:, 2]
    eyes = float(np.linalg.norm(wanted[1] - wanted[0]))
    off = np.linalg.norm(found.landmarks_xy - wanted, axis=2).mean(1) / eyes
    return not len(off) or bool(off.min() > 0.15)


def _sizes(store: ModelStore, samples: list[Sample]) -> list[JsonObject]:
    """Faces found of 96 in a picture of 1920 x 1280, by their width."""
    engine = FaceEngine.open(store, threads=2)
    once = FaceEngine.open(store, threads=2, looks=LookSettings(tiny_face_px=0, closer_px=640))
    results: list[JsonObject] = []
    for width_px in FACE_WIDTHS_PX:
        image, centres = _crowd(samples, width_px)
        results.append(
            {
                "face_px": width_px,
                "faces": len(centres),
                "640 only": _num_found(once.detect(image), centres, width_px),
                "default": _num_found(engine.detect(image), centres, width_px),
                "thorough": _num_found(engine.detect(image, thorough=True), centres, width_px),
            }
        )
    columns = ("face_px", "faces", "640 only", "default", "thorough")
    print_rows("faces found in 1920 x 1280", columns, [[row[c] for c in columns] for row in results])
    return results


def _crowd(samples: list[Sample], width_px: int) -> tuple[UInt8, Float32]:
    """A grid of 12 x 8 portraits whose faces have a width, and the faces' centres."""
    size = min(round(width_px / _FACE_SHARE), 160)
    image, centres = np.zeros((1280, 1920, 3), np.uint8), []
    for place in range(96):
        sample = samples[place % len(samples)]
        x, y = place % 12 * 160, place // 12 * 160
        image[y : y + size, x : x + size] = cv2.resize(
            sample.image_rgb, (size, size), interpolation=cv2.INTER_AREA
        )
        box = sample.face.box_xyxy * (size / sample.image_rgb.shape[1])
        centres.append(box.reshape(2, 2).mean(0) + np.array([x, y]))
    return image, np.array(centres, np.float32)


def _num_found(found: Detections, centres: Float32, width_px: int) -> int:
    boxes = found.boxes_xyxy
    apart = np.linalg.norm(((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None] - centres[None], axis=2)
    return int((apart.min(0, initial=np.inf) < width_px / 2).sum())


def _hidden(engine: FaceEngine, pairs: list[tuple[Sample, Sample]]) -> JsonObject:
    """Chance that a hidden face scores higher with its own person's other photograph than with a stranger's."""
    references = np.concatenate([_template(engine, other, other.image_rgb) for _, other in pairs])
    chances: JsonObject = {}
    for method in (None, *RedactMethod):
        rows = []
        for sample, _ in pairs:
            boxes = sample.face.box_xyxy[None]
            shown = sample.image_rgb if method is None else redact(sample.image_rgb, boxes, method=method)
            rows.append(_template(engine, sample, shown))
        scores = np.concatenate(rows) @ references.T
        strangers = scores[~np.eye(len(scores), dtype=bool)].reshape(len(scores), -1)
        chances[method or "clear"] = round(float(np.mean(np.diag(scores)[:, None] > strangers)), 4)
    print_rows(
        "own person scores above a stranger (0.5 is chance)", ("face", "chance"), list(chances.items())
    )
    return chances


def _template(engine: FaceEngine, sample: Sample, image_rgb: UInt8) -> Float32:
    """The attacker is given the true landmarks, which a hidden face would not show."""
    face = Face(sample.face.box_xyxy, sample.face.landmarks_xy, 1.0, Quality(1, 1, 1, 0, 1))
    return engine.templates(image_rgb, [face])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
