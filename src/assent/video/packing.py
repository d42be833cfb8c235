"""What is kept of an analysis between two runs is numbers; pixels are known by frame and box."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assent.types import Float32
from assent.video.pictures import Picture
from assent.video.types import Sample

Place = tuple[int, bytes]
"""A frame's index, and a box (4,) float32 in it as bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """What was cut anew from the clip.

    Attributes:
        pictures: of frames to follow back through, by index; the last sound one is among them.
        looks: patch and colours of faces as they were last detected.
        samples: of tracks.
    """

    pictures: dict[int, Picture] = field(default_factory=dict)
    looks: dict[Place, tuple[Float32, Float32]] = field(default_factory=dict)
    samples: dict[Place, Sample] = field(default_factory=dict)


def place_of(frame: int, box_xyxy: list[float]) -> Place:
    """Of numbers as they are kept."""
    return int(frame), np.array(box_xyxy, np.float32).tobytes()


def box_of(place: Place) -> Float32:
    """The box (4,) of a place."""
    return np.frombuffer(place[1], np.float32).copy()


def packed(values: npt.NDArray[np.generic]) -> str:
    """An array's numbers, for JSON."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def unpacked(text: str, dtype: str) -> npt.NDArray[np.generic]:
    """The numbers of ``packed``, flat."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype)
