"""A track while it grows: compact arrays, and what is needed to go on with it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.types import Float32, JsonObject
from assent.video.packing import Pixels, box_of, packed, place_of, unpacked
from assent.video.samples import SampleBins
from assent.video.types import Sample, Seen, Track

_NUMBERS: Final = (
    "number", "first_frame", "anchor", "sure_at", "began_s", "seen_s", "is_lost", "misses",
)  # fmt: skip


class Trail:
    """One face through consecutive frames. All boxes (4,) float32 are in pixels of the frame.

    Attributes:
        number: in order of beginning, of this clip.
        first_frame: index of its first frame.
        anchor: index of the frame where it was detected last.
        sure_at: index of the last frame in which the detector or the pixels said where it is.
        began_s: time of the frame in which it was first known.
        seen_s: time of ``anchor``.
        model: the face's patch as it was last detected.
        colours: its colours then.
        look: the frame and the box that these two are of.
        is_lost: whether it is only held where it was.
        misses: frames looked at near it in vain since it was last detected or sure.
        crossing: numbers of trails whose boxes it overlaps now.
        bins: the samples.
    """

    def __init__(
        self, number: int, frame: int, time_s: float, box_xyxy: Float32, score: float, bins: SampleBins
    ) -> None:
        self.number = number
        self.first_frame = frame
        self.anchor = frame
        self.sure_at = frame
        self.began_s = time_s
        self.seen_s = time_s
        self.model: Float32 = np.zeros((20, 16), np.float32)
        self.colours: Float32 = np.zeros(0, np.float32)
        self.look = (frame, box_xyxy)
        self.is_lost = False
        self.misses = 0
        self.crossing: frozenset[int] = frozenset()
        self.bins = bins
        self._boxes = array("f")
        self._seen = bytearray()
        self._scores = array("f")
        self.append(box_xyxy, Seen.DETECTED, score)

    @property
    def last_frame(self) -> int:
        """Index of its last frame so far."""
        return self.first_frame + len(self._seen) - 1

    @property
    def box_xyxy(self) -> Float32:
        """In the last frame so far."""
        return np.array(self._boxes[-4:], np.float32)

    @property
    def seen(self) -> Seen:
        """How the last box came about."""
        return Seen(self._seen[-1])

    @property
    def score(self) -> float:
        """The detector's in the last frame; NaN where it did not look or did not see."""
        return float(self._scores[-1])

    def covers(self, frame: int) -> bool:
        """Whether the frame is one of its frames."""
        return self.first_frame <= frame <= self.last_frame

    def box_at(self, frame: int) -> Float32:
        """Its box in a frame that it covers."""
        start = 4 * (frame - self.first_frame)
        return np.array(self._boxes[start : start + 4], np.float32)

    def append(self, box_xyxy: Float32, seen: Seen, score: float = float("nan")) -> None:
        """The next frame's box."""
        self._boxes.extend(box_xyxy.tolist())
        self._seen.append(seen)
        self._scores.append(score)

    def put(self, frame: int, box_xyxy: Float32, seen: Seen, score: float = float("nan")) -> None:
        """Another box for a frame that it covers."""
        at = frame - self.first_frame
        self._boxes[4 * at : 4 * at + 4] = array("f", box_xyxy.tolist())
        self._seen[at] = seen
        self._scores[at] = score

    def lead(self, boxes_xyxy: Sequence[Float32], seen: Sequence[Seen]) -> None:
        """Boxes of the frames before its first one, nearest first."""
        if not boxes_xyxy:
            return
        turned = np.stack(boxes_xyxy[::-1]).astype(np.float32)
        self._boxes = array("f", turned.ravel().tolist()) + self._boxes
        self._seen = bytearray(seen[::-1]) + self._seen
        self._scores = array("f", [float("nan")] * len(seen)) + self._scores
        self.first_frame -= len(seen)

    def settle(self, since: int, box_xyxy: Float32) -> None:
        """Spread over the frames after ``since`` what the last box is off by: it is ``box_xyxy``."""
        steps = self.last_frame - since
        if steps < 2:
            return
        off = box_xyxy - self.box_xyxy
        boxes = np.array(self._boxes[4 * (since - self.first_frame) :], np.float32).reshape(-1, 4)
        boxes += np.linspace(0, 1, steps + 1, dtype=np.float32)[:, None] * off
        self._boxes[4 * (since - self.first_frame) :] = array("f", boxes.ravel().tolist())

    def bridge(self, since: int, box_xyxy: Float32) -> None:
        """Put the frames between ``since`` and the last on the way to ``box_xyxy``, and a little wider."""
        steps = self.last_frame - since
        start = self.box_at(since)
        for step in range(1, steps):
            between = start + (box_xyxy - start) * np.float32(step / steps)
            self.put(since + step, widened(between, 0.1), Seen.BRIDGED)

    def cut_after(self, frame: int) -> None:
        """Drop what comes after a frame; at least the first frame stays."""
        keep = max(1, frame - self.first_frame + 1)
        del self._boxes[4 * keep :]
        del self._seen[keep:]
        del self._scores[keep:]

    def state(self) -> JsonObject:
        """All but pixels, for JSON."""
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            "crossing": sorted(self.crossing),
            "look": (self.look[0], self.look[1].tolist()),
            "boxes": packed(np.array(self._boxes, np.float32)),
            "seen": packed(np.frombuffer(bytes(self._seen), np.uint8)),
            "scores": packed(np.array(self._scores, np.float32)),
            "bins": self.bins.state(),
        }

    @classmethod
    def restored(cls, state: JsonObject, pixels: Pixels) -> Trail:
        """Goes on from a ``state``; of one that has ended ``pixels`` need not have patch and colours."""
        bins = SampleBins.restored(state["bins"], lambda frame, box: pixels.samples[place_of(frame, box)])
        look = place_of(*state["look"])
        trail = cls(state["number"], state["first_frame"], state["began_s"], box_of(look), 0.0, bins)
        for name in _NUMBERS:
            setattr(trail, name, state[name])
        trail.crossing = frozenset(state["crossing"])
        trail.look = (look[0], box_of(look))
        if look in pixels.looks:
            trail.model, trail.colours = pixels.looks[look]
        trail._boxes = array("f", unpacked(state["boxes"], "<f4").tolist())
        trail._seen = bytearray(unpacked(state["seen"], "u1").tobytes())
        trail._scores = array("f", unpacked(state["scores"], "<f4").tolist())
        return trail

    def track(self, index: int, samples: tuple[Sample, ...]) -> Track:
        """As a value."""
        return Track(
            index,
            self.first_frame,
            np.array(self._boxes, np.float32).reshape(-1, 4),
            np.frombuffer(bytes(self._seen), np.uint8),
            np.array(self._scores, np.float32),
            samples,
        )


@dataclass(frozen=True, slots=True, eq=False)
class LiveTrack:
    """A face as it is now.

    Attributes:
        number: of the track, in order of beginning.
        box_xyxy: (4,) float32, pixels of the frame.
        seen: how the box came about.
        score: the detector's; NaN where it did not look or did not see.
        followed_s: since the track began.
        is_lost: whether it is only held where it was seen last.
        samples: the best faces so far, best first.
    """

    number: int
    box_xyxy: Float32
    seen: Seen
    score: float
    followed_s: float
    is_lost: bool
    samples: tuple[Sample, ...]


def live_track(trail: Trail, now_s: float) -> LiveTrack:
    """A trail as it is now."""
    return LiveTrack(
        trail.number,
        trail.box_xyxy,
        trail.seen,
        trail.score,
        now_s - trail.began_s,
        trail.is_lost,
        trail.bins.best_first(),
    )


def widened(box_xyxy: Float32, margin: float) -> Float32:
    """A box with ``margin`` times its sides added on each side."""
    pad = (box_xyxy[2:] - box_xyxy[:2]) * np.float32(margin)
    return np.concatenate([box_xyxy[:2] - pad, box_xyxy[2:] + pad]).astype(np.float32)
