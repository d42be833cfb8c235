"""Fakes and small images for the vision tests."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from assent.types import Detections, UInt8


@dataclass
class FakeTensor:
    name: str
    type: str = "tensor(float)"
    shape: Sequence[int | str | None] = ()


@dataclass
class FakeSession:
    """A session that answers with given arrays and keeps what it was fed."""

    answers: Mapping[str, npt.NDArray[Any]]
    fed: list[npt.NDArray[Any]] = field(default_factory=list)

    @property
    def inputs(self) -> Sequence[FakeTensor]:
        return [FakeTensor("input")]

    @property
    def outputs(self) -> Sequence[FakeTensor]:
        return [FakeTensor(name) for name in self.answers]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        self.fed.append(inputs["input"])
        return list(self.answers.values())


@dataclass
class FakeDetector:
    """Finds nothing, or what a function says, and keeps the sizes it was asked to look at."""

    answer: Detections = field(default_factory=Detections.empty)
    looks: list[int] = field(default_factory=list)

    def detect(self, image_rgb: UInt8, *, long_side_px: int, min_score: float | None = None) -> Detections:
        self.looks.append(long_side_px)
        return self.answer


def noise_image(height_px: int, width_px: int, *, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
