"""Where a clip is cut, and where it is black.

A cut shows in little pictures (``THUMB_WH``) of the frames before and after it. Either they neither correlate nor have
like colours: correlation is blind to a flash, colours to motion. Or, in a scene that stays, much more changes at once
than in any of the frames before: so one person is put in another's place. Over the signers' clips, cut together in one
room, such a change is 2.8 to 24 times the largest of the eight frames before; within a clip it is 2.3 times at most.
Dissolves are no cuts here: faces are lost in them and found again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from assent.types import Float32, JsonObject, UInt8
from assent.video.types import BlackSpan, Shot

THUMB_WH: Final = (48, 32)
_CUT: Final = 0.5  # of what _Difference gives
_USUAL_TIMES: Final = 2.5  # a cut stands out from the motion before it by this much
_MEMORY: Final = 0.8  # of the usual difference, from frame to frame
_JUMP: Final = 5.0  # mean change of a pixel, of 255
_JUMP_TIMES: Final = 2.5  # the largest change of the frames before
_STILL: Final = 1.2  # changes below it are noise
_JUMP_FRAMES: Final = 8
_LEAST_STRUCTURE: Final = 0.008  # a flash changes as much but leaves the structure
_BLACK_LUMA: Final = 32  # of 255; a black frame as encoded comes out at 16 at most
_BLACK_SHARE: Final = 0.98
_TOO_BRIGHT: Final = _BLACK_SHARE * _BLACK_LUMA + (1 - _BLACK_SHARE) * 255
"""The largest mean that so many dark pixels leave room for."""


def thumbnail(image_rgb: UInt8) -> UInt8:
    """The little picture of (H, W, 3) uint8 that cuts are looked for in."""
    points = at_points(image_rgb, (4 * THUMB_WH[0], 4 * THUMB_WH[1]))
    return np.asarray(cv2.resize(points, THUMB_WH, interpolation=cv2.INTER_AREA), np.uint8)


def at_points(image_rgb: UInt8, size_wh: tuple[int, int]) -> UInt8:
    """The pixels of (H, W, 3) uint8 at so many columns and rows; all of them where there are no more than that.

    To mean over all pixels of a large frame would take longer than whatever is done with the means.
    """
    if image_rgb.shape[1] <= size_wh[0] or image_rgb.shape[0] <= size_wh[1]:
        return image_rgb
    return np.asarray(cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)


class _Little:
    """A thumbnail, and what is asked of its luma twice: as the later of two frames, and as the earlier."""

    def __init__(self, thumb_rgb: UInt8) -> None:
        self.rgb = thumb_rgb
        luma = cv2.cvtColor(thumb_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        self.mean = float(cv2.mean(luma)[0])
        self.centred: Float32 = luma - np.float32(self.mean)
        self.length = float(cv2.norm(self.centred))
        self.std = self.length / luma.size**0.5


class ShotFinder:
    """Told each frame in turn, says how surely a cut is before it.

    Attributes:
        change: mean change of a pixel from the last frame to this one, of 255.
    """

    def __init__(self) -> None:
        self._before: _Little | None = None
        self._usual = 0.0
        self._changes: deque[float] = deque(maxlen=_JUMP_FRAMES)
        self._jumped: float | None = None
        self._missing = 0
        self.change = 0.0
        self._starts: list[tuple[int, float]] = []
        self._blacks = _Blacks()
        self._num_frames = 0

    def add(self, thumb_rgb: UInt8 | None) -> float:
        """The confidence, 0 to 1, of a cut between the last frame and this one; 0 for none.

        Args:
            thumb_rgb: the frame's ``thumbnail``; None for one that could not be read, which is no cut.
        """
        index, self._num_frames = self._num_frames, self._num_frames + 1
        self._blacks.add(index, thumb_rgb)
        if not self._starts:
            self._starts.append((0, 1.0))
        if thumb_rgb is None:
            self._missing += 1
            return 0.0
        missing, self._missing = self._missing, 0
        after = _Little(thumb_rgb)
        before, self._before = self._before, after
        if before is None:
            return 0.0
        confidence = max(self._replaced(before, after), self._jump(before, after, missing))
        if confidence > 0:
            self._starts.append((index, confidence))
        return confidence

    def state(self) -> JsonObject:
        """All that is known but the last frame's little picture, for JSON."""
        return {
            "usual": self._usual,
            "changes": list(self._changes),
            "jumped": self._jumped,
            "missing": self._missing,
            "change": self.change,
            "starts": self._starts,
            "num_frames": self._num_frames,
            "blacks": [(span.first_frame, span.last_frame, span.confidence) for span in self.black_spans()],
        }

    def restore(self, state: JsonObject, last_rgb: UInt8 | None) -> None:
        """Goes on from a ``state`` and the ``thumbnail`` of the last frame that could be read."""
        self._before = None if last_rgb is None else _Little(last_rgb)
        self._usual, self._jumped, self._missing = state["usual"], state["jumped"], state["missing"]
        self._changes = deque(state["changes"], maxlen=_JUMP_FRAMES)
        self.change, self._num_frames = state["change"], state["num_frames"]
        self._starts = [(int(start), float(confidence)) for start, confidence in state["starts"]]
        self._blacks = _Blacks([BlackSpan(*span) for span in state["blacks"]])

    def _replaced(self, before: _Little, after: _Little) -> float:
        """The confidence that all of the picture is another."""
        change = _difference(before, after)
        usual, self._usual = self._usual, _MEMORY * self._usual + (1 - _MEMORY) * min(change, _CUT)
        if change < _CUT or change < usual * _USUAL_TIMES:
            return 0.0
        return min(1.0, 0.5 + (change - _CUT) / (2 * _CUT))

    def _jump(self, before: _Little, after: _Little, missing: int) -> float:
        """The confidence that a part is another. Two jumps on end are motion, and so is more after missing frames."""
        change = self.change = cv2.norm(before.rgb, after.rgb, cv2.NORM_L1) / before.rgb.size
        usual = max(_STILL, *self._changes) if self._changes else change
        last, self._jumped = self._jumped, None
        if change < _JUMP or change < _JUMP_TIMES * (1 + missing) * usual or len(self._changes) < 2:
            self._changes.append(change)
            return 0.0
        if _structure(before, after) < _LEAST_STRUCTURE:
            return 0.0
        self._jumped = change
        if last is not None:
            self._changes.extend((last, change))
            self._jumped = None
            return 0.0
        return min(0.9, 0.4 + 0.05 * change / usual)

    def shots(self) -> tuple[Shot, ...]:
        """Of all frames so far."""
        if not self._starts:
            return ()
        ends = [start - 1 for start, _ in self._starts[1:]] + [self._num_frames - 1]
        return tuple(
            Shot(start, end, confidence) for (start, confidence), end in zip(self._starts, ends, strict=True)
        )

    def black_spans(self) -> tuple[BlackSpan, ...]:
        """Of all frames so far."""
        return self._blacks.spans()


def _difference(a: _Little, b: _Little) -> float:
    """How unlike two little pictures are: 0 the same, 1 nothing in common."""
    structure = _structure(a, b)
    if structure < _CUT**2:  # whatever the colours, no cut; almost every frame ends here
        return structure
    return float(np.sqrt(structure * _colours(a.rgb, b.rgb)))


def _structure(a: _Little, b: _Little) -> float:
    """1 minus the correlation of lumas, at most 1; frames without any structure differ by their level."""
    if min(a.std, b.std) < 3:
        return min(1.0, abs(a.mean - b.mean) / 64) if max(a.std, b.std) < 3 else 1.0
    return min(1.0, max(0.0, 1 - float(np.vdot(a.centred, b.centred)) / (a.length * b.length)))


def _colours(a_rgb: UInt8, b_rgb: UInt8) -> float:
    """The share of pixels whose colour (of 8 x 8 x 8) the other picture lacks, neighbouring colours blended."""
    shared = np.minimum(_histogram(a_rgb), _histogram(b_rgb)).sum()
    return float(np.clip(1 - shared, 0, 1))


def _histogram(thumb_rgb: UInt8) -> Float32:
    counts = cv2.calcHist([thumb_rgb], [0, 1, 2], None, [8, 8, 8], [0, 256, 0, 256, 0, 256])
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        parts = [np.take(padded, range(k, k + 8), axis=axis) for k in range(3)]
        counts = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return np.asarray(counts / max(float(counts.sum()), 1e-9), np.float32)


class _Blacks:
    """Collects runs of black frames."""

    def __init__(self, spans: Sequence[BlackSpan] = ()) -> None:
        self._spans = list(spans)

    def add(self, index: int, thumb_rgb: UInt8 | None) -> None:
        """Looks at one frame's little picture."""
        if thumb_rgb is None:
            return
        if cv2.norm(thumb_rgb, cv2.NORM_L1) / thumb_rgb.size > _TOO_BRIGHT:  # almost every frame ends here
            return
        share = float((thumb_rgb.max(axis=2) < _BLACK_LUMA).mean())
        if share < _BLACK_SHARE:
            return
        darkness = 1 - float(thumb_rgb.mean()) / _BLACK_LUMA
        confidence = float(np.clip(0.5 + darkness / 2, 0, 1)) * share
        if self._spans and self._spans[-1].last_frame == index - 1:
            last = self._spans.pop()
            self._spans.append(BlackSpan(last.first_frame, index, min(last.confidence, confidence)))
        else:
            self._spans.append(BlackSpan(index, index, confidence))

    def spans(self) -> tuple[BlackSpan, ...]:
        """In order."""
        return tuple(self._spans)
