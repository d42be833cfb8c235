"""Moving pictures made of photographs, whose faces are known to the pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from assent.types import Float32, UInt8
from assent.video.analysis import analyse
from assent.video.types import Analysis, VideoFrame
from assent.vision.engine import FaceEngine
from tests.video import FACTS

SIZE_WH = (640, 480)
RATE = 30.0
Path_ = Callable[[int], tuple[float, float]]


class Head:
    """A head cut out of a photograph, and where its face lies in it."""

    def __init__(self, engine: FaceEngine, photo_rgb: UInt8, *, face_px: int = 64) -> None:
        found = engine.detect(photo_rgb).boxes_xyxy[0]
        sides = found[2:] - found[:2]
        ratio = face_px / float(sides[0])
        around = sides * [0.45, 0.4]
        limits = np.array(photo_rgb.shape[1::-1])
        low = np.clip(found[:2] - around, 0, limits).astype(int)
        high = np.clip(found[2:] + around, 0, limits).astype(int)
        part = photo_rgb[low[1] : high[1], low[0] : high[0]]
        self.image_rgb = np.asarray(cv2.resize(part, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA))
        self.face_xyxy: Float32 = ((found - np.tile(low, 2)) * ratio).astype(np.float32)

    def box_at(self, place: tuple[float, float]) -> Float32:
        """The face's box with the cut-out's corner at a place."""
        return np.asarray(self.face_xyxy + np.tile(np.round(place), 2), np.float32)

    def paste(self, image_rgb: UInt8, place: tuple[float, float]) -> None:
        """Puts the head on a picture, as far as it lies inside."""
        x, y = (round(value) for value in place)
        height, width = image_rgb.shape[:2]
        h, w = self.image_rgb.shape[:2]
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        if x0 < x1 and y0 < y1:
            image_rgb[y0:y1, x0:x1] = self.image_rgb[y0 - y : y1 - y, x0 - x : x1 - x]


def background(seed: int = 0) -> UInt8:
    """A wall with something on it, wider and higher than a frame."""
    coarse = np.random.default_rng(seed).integers(40, 200, (20, 27, 3), dtype=np.uint8)
    size = (SIZE_WH[0] + 120, SIZE_WH[1] + 120)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def scene(
    num_frames: int,
    *heads: tuple[Head, Path_],
    seed: int = 0,
    covered: Callable[[int], Float32 | None] | None = None,
) -> list[UInt8]:
    """Frames of heads on their ways in front of a slowly panning wall; later heads in front.

    ``covered`` gives a box that a grey board hides in a frame, or None.
    """
    wall = background(seed)
    frames = []
    for i in range(num_frames):
        shift = min(i, 100)
        image = wall[20 : 20 + SIZE_WH[1], shift : shift + SIZE_WH[0]].copy()
        for head, way in heads:
            head.paste(image, way(i))
        board = covered(i) if covered is not None else None
        if board is not None:
            x0, y0, x1, y1 = np.clip(board, 0, 2000).astype(int)
            image[y0:y1, x0:x1] = (120, 124, 130)
        frames.append(image)
    return frames


def video_frames(images: Iterable[UInt8 | None]) -> Iterator[VideoFrame]:
    """As a reader gives them; None is a frame that could not be decoded."""
    for i, image in enumerate(images):
        yield VideoFrame(i, i / RATE, image, None if image is not None else "could not be decoded")


def analysed(engine: FaceEngine, images: Iterable[UInt8 | None]) -> Analysis:
    """The analysis of pictures."""
    return analyse(video_frames(images), FACTS, engine)


def share_covered(face_xyxy: Float32, boxes_xyxy: Float32) -> float:
    """The share of a face's box that the best of some boxes covers; 0 where there is none."""
    if not len(boxes_xyxy):
        return 0.0
    low = np.maximum(boxes_xyxy[:, :2], face_xyxy[:2])
    high = np.minimum(boxes_xyxy[:, 2:], face_xyxy[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return float(shared.max() / np.prod(face_xyxy[2:] - face_xyxy[:2]))
