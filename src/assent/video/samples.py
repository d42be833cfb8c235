"""The few faces of a track that are worth embedding, spread over its time.

A track's length is not known while it grows. Its time is cut into bins of equal length, each keeping its best face;
when there are too many bins, neighbours are joined and the length doubles. So memory stays bounded, and a track that
jumped to another face has samples of both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from assent.types import Face, Float32, JsonObject, UInt8
from assent.video.looking import Looks, look_near
from assent.video.types import Sample
from assent.vision.quality import PROBE_GATE, inter_ocular_px, judge, measure, yaw_ratio

_FIRST_BIN_S: Final = 0.4
_BETTER_BY: Final = 1.1  # of a guessed worth: a look at the frame itself costs milliseconds
_AROUND: Final = 0.5  # of a box's sides, on each side of it in a crop: alignment turns and pads
_LARGE_FACE_PX: Final = 200.0  # beyond it less is needed around it
_ENOUGH_PX: Final = 60.0  # between the eyes: beyond it a larger face is no better


class SampleBins:
    """The best face of each span of a track's time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._length_s = _FIRST_BIN_S
        self._bins: dict[int, tuple[float, Sample, Float32]] = {}

    @property
    def num_bytes(self) -> int:
        """Of pixels."""
        return sum(sample.crop_rgb.nbytes for _, sample, _ in self._bins.values())

    def wants(self, time_s: float, worth: float) -> bool:
        """Whether a face of that guessed worth would be kept."""
        held = self._bins.get(int(time_s / self._length_s))
        return worth > 0 and (held is None or worth > held[0] * _BETTER_BY)

    def add(self, sample: Sample, worth: float, found_xyxy: Float32) -> None:
        """Keeps a face in its bin, in place of a worse one; ``found_xyxy`` (4,) is where it was detected."""
        self._put(int(sample.time_s / self._length_s), (worth, sample, found_xyxy))
        while len(self._bins) > 2 * self._most:
            self._length_s *= 2
            held, self._bins = list(self._bins.values()), {}
            for item in held:
                self._put(int(item[1].time_s / self._length_s), item)

    def _put(self, key: int, item: tuple[float, Sample, Float32]) -> None:
        held = self._bins.get(key)
        if held is None or item[0] > held[0]:
            self._bins[key] = item

    def state(self) -> JsonObject:
        """Where the samples are and what they are worth, for JSON; no pixel of them."""
        return {
            "most": self._most,
            "length_s": self._length_s,
            "held": [
                (key, float(worth), sample.frame_index, box.tolist())
                for key, (worth, sample, box) in self._bins.items()
            ],
        }

    @classmethod
    def restored(cls, state: JsonObject, sample_at: Callable[[int, list[float]], Sample]) -> SampleBins:
        """Goes on from a ``state``; ``sample_at`` gives the samples by frame and box."""
        bins = cls(state["most"])
        bins._length_s = state["length_s"]
        for key, worth, frame, box in state["held"]:
            bins._bins[key] = (worth, sample_at(frame, box), np.array(box, np.float32))
        return bins

    def trim(self, most: int) -> None:
        """Keep at most so many; the track has ended."""
        kept = {id(sample) for sample in self.best_first(most)}
        self._bins = {key: item for key, item in self._bins.items() if id(item[1]) in kept}
        self._most = min(self._most, most)

    def best_first(self, most: int | None = None) -> tuple[Sample, ...]:
        """At most so many (as many as wanted), spread over the time, best first: of neighbours the better."""
        most = self._most if most is None else most
        items = [self._bins[key] for key in sorted(self._bins)]
        if most == 0:
            return ()
        if len(items) > most:
            edges = np.linspace(0, len(items), most + 1).round().astype(int).tolist()
            groups = [items[a:b] for a, b in itertools.pairwise(edges)]
            items = [max(group, key=lambda item: item[0]) for group in groups if group]
        return tuple(sample for _, sample, _ in sorted(items, key=lambda item: -item[0]))


class SampleBudget:
    """Keeps the samples of ended tracks within a number of bytes, however long the clip.

    When there are too many, every track keeps half as many as before; when one each is too many, those of the smallest
    faces go, and nobody can be shown for those tracks.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._held: list[SampleBins] = []
        self._num_bytes = 0

    def state(self, ended: Sequence[SampleBins]) -> JsonObject:
        """Which of the ended tracks have samples still, for JSON."""
        at = {id(bins): number for number, bins in enumerate(ended)}
        return {"most": self._most, "held": [at[id(bins)] for bins in self._held]}

    def restore(self, state: JsonObject, ended: Sequence[SampleBins]) -> None:
        """Goes on from a ``state``."""
        self._most = state["most"]
        self._held = [ended[number] for number in state["held"]]
        self._num_bytes = sum(held.num_bytes for held in self._held)

    def add(self, bins: SampleBins) -> None:
        """An ended track's."""
        bins.trim(self._most)
        self._held.append(bins)
        self._num_bytes += bins.num_bytes
        while self._num_bytes > self._most_bytes:
            if self._most > 1:
                self._most //= 2
                for held in self._held:
                    held.trim(self._most)
            else:
                # A tenth at a time: sorting for each track would take long.
                self._held.sort(key=lambda held: -held.num_bytes)
                for held in self._held[-max(1, len(self._held) // 10) :]:
                    held.trim(0)
                self._held = [held for held in self._held if held.num_bytes]
            self._num_bytes = sum(held.num_bytes for held in self._held)


def worth_of(landmarks_xy: Float32, score: float) -> float:
    """How good a face promises to be: its size, from the front, as the detector is sure of it; 0 for none."""
    turned = abs(yaw_ratio(landmarks_xy))
    size = min(inter_ocular_px(landmarks_xy), _ENOUGH_PX) / _ENOUGH_PX
    return max(0.0, size * (1 - min(1.0, turned)) * score)


def sample_of(
    engine: Looks, image_rgb: UInt8, box_xyxy: Float32, *, frame_index: int, time_s: float
) -> tuple[Sample, float] | None:
    """A sample of the face in a box (4,), with landmarks found in the frame's own pixels, and what it is worth.

    None where no face is found there on the second look.
    """
    found = look_near(engine, image_rgb, box_xyxy, min_score=0.5)
    if not len(found):
        return None
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2
    centres = (found.boxes_xyxy[:, :2] + found.boxes_xyxy[:, 2:]) / 2
    off = np.linalg.norm(centres - middle, axis=1)
    nearest = int(np.argmin(off))
    if off[nearest] > 0.5 * float((box_xyxy[2:] - box_xyxy[:2]).max()):
        return None
    box, points = found.boxes_xyxy[nearest], found.landmarks_xy[nearest]
    crop, (left, top) = _crop(image_rgb, box)
    score = float(found.scores[nearest])
    in_crop = points - np.array([left, top], np.float32)
    quality = judge(measure(crop, in_crop, score), PROBE_GATE)
    worth = worth_of(points, score) * min(1.0, 0.2 + quality.sharpness)
    face = Face(box, points, score, quality)
    return Sample(frame_index, time_s, face, crop, (left, top)), worth * (1.0 if quality.is_good else 0.5)


def _crop(image_rgb: UInt8, box_xyxy: Float32) -> tuple[UInt8, tuple[int, int]]:
    """A copy of the face with enough around it to align it, and where it lies."""
    height, width = image_rgb.shape[:2]
    sides = box_xyxy[2:] - box_xyxy[:2]
    around = _AROUND * np.minimum(sides, _LARGE_FACE_PX) + 0.4 * np.maximum(sides - _LARGE_FACE_PX, 0)
    low = np.floor(np.clip(box_xyxy[:2] - around, 0, (width - 1, height - 1))).astype(int)
    high = np.ceil(np.clip(box_xyxy[2:] + around, low + 1, (width, height))).astype(int)
    return image_rgb[low[1] : high[1], low[0] : high[0]].copy(), (int(low[0]), int(low[1]))
