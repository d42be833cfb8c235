"""An engine of paper instead of networks, and people of coloured squares for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import Image

from assent.types import Face, Quality, QualityReason
from assent.vision.engine import FaceEngine
from assent.vision.quality import QualityGate
from assent.vision.recipe import LANDMARK_RECIPE


def make_face(box=(0, 0, 32, 32), reasons=()):
    quality = Quality(20.0, 1.0, 100.0, 0.0, 0.9, reasons)
    return Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), 0.9, quality)


@dataclass
class PaperEngine:
    """Sees a face in every picture that is not black, and refuses dark ones; a face is its coarse pattern."""

    model_digest: str = "p" * 64
    dim: int = 48
    recipe: object = LANDMARK_RECIPE
    gates: list[QualityGate] = field(default_factory=list)

    def faces(self, image_rgb, *, gate):
        self.gates.append(gate)
        if image_rgb.max() < 5:
            return []
        return [make_face(reasons=(QualityReason.DARK,) if image_rgb.mean() < 30 else ())]

    def templates(self, image_rgb, faces):
        cells = cv2.resize(image_rgb, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() - 128
        return np.repeat((cells / np.linalg.norm(cells))[None], len(faces), axis=0)

    def chips(self, image_rgb, landmarks_xy):
        return cv2.resize(image_rgb, (150, 150))[None, None]


def paper() -> FaceEngine:
    return cast(FaceEngine, PaperEngine())


def write_people(folder: Path, num_people: int, *, seed=0, pictures=3):
    rng = np.random.default_rng(seed)
    for person in range(num_people):
        pattern = rng.integers(40, 216, (4, 4, 3))
        for picture in range(pictures):
            pixels = np.kron(pattern, np.ones((8, 8, 1))) + rng.normal(0, 60, (4, 4, 1)).repeat(8, 0).repeat(
                8, 1
            )
            pixels += rng.normal(0, 8, (32, 32, 3))  # else all hashes would be of flat cells
            path = folder / f"person{person:03}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
