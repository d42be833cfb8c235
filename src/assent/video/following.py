"""Moves a face's box from one picture to the next along with its pixels.

Points on a grid in the box are followed there and back with pyramidal Lucas-Kanade (Bouguet 2001); those that do not
come back to where they started are dropped (Kalal et al. 2010, "Forward-backward error"), and the box takes the median
of the others' motion and the median change of their distances. Where that fails, as in fast motion, the face is
searched around its place by normalised correlation. Both work on a cut-out in which the face has one size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from assent.types import Float32, UInt8

_FACE_PX: Final = 36  # of the longer side in the cut-out: finer costs more and follows no better
_MAX_ENLARGED: Final = 2.0
_AROUND: Final = 1.0  # box sides kept on each side: the farthest a face may move in one frame
_GRID: Final = 5
_WINDOW_PX: Final = 11
_LEVELS: Final = 2
_MAX_ERROR_PX: Final = 1.5  # there and back, in the cut-out
_LEAST_GOOD: Final = 9  # of _GRID**2 points
_MAX_SCALE: Final = 1.15
_LEAST_LIKENESS: Final = 0.7  # of the best place in a search by correlation
_PATCH_WH: Final = (16, 20)
_GRID_XY: Final = np.stack(np.meshgrid(*[(np.arange(_GRID) + 0.5) / _GRID] * 2), 2).reshape(-1, 2) * 0.8 + 0.1
_PAIRS: Final = np.triu_indices(_GRID**2, k=1)
_LK_CRITERIA: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.03)


@dataclass(frozen=True, slots=True, eq=False)
class Luma:
    """A picture's brightness: as it is, and reduced once for all faces that are large in it.

    Attributes:
        full: (H, W) uint8.
        half: (H / 2, W / 2) uint8, rounded down, at least 1.
    """

    full: UInt8
    half: UInt8

    @classmethod
    def of(cls, gray: UInt8) -> Luma:
        """Of (H, W) uint8."""
        height, width = gray.shape
        size = (max(1, width // 2), max(1, height // 2))
        return cls(gray, np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where a box went.

    Attributes:
        box_xyxy: (4,) float32, in the pixels of both pictures.
        patch: what is there now, see ``patch``.
    """

    box_xyxy: Float32
    patch: Float32


@dataclass(frozen=True, slots=True)
class _Window:
    """A cut-out: what lies where, and how much it is scaled."""

    x0: int
    y0: int
    x1: int
    y1: int
    ratio: float

    def cut(self, gray: UInt8) -> UInt8:
        """The cut-out of (H, W) uint8."""
        part = gray[self.y0 : self.y1, self.x0 : self.x1]
        size = (max(1, round(part.shape[1] * self.ratio)), max(1, round(part.shape[0] * self.ratio)))
        how = cv2.INTER_AREA if self.ratio < 1 else cv2.INTER_LINEAR
        return (
            part
            if size == part.shape[::-1]
            else np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)
        )

    def inside(self, box_xyxy: Float32) -> Float32:
        """A box in the cut-out's pixels."""
        return (box_xyxy - self._corner) * np.float32(self.ratio)

    def outside(self, box_xyxy: Float32) -> Float32:
        """A box of the cut-out in the picture's pixels."""
        return box_xyxy / np.float32(self.ratio) + self._corner

    @property
    def _corner(self) -> Float32:
        return np.array([self.x0, self.y0, self.x0, self.y0], np.float32)


def patch(gray: UInt8, box_xyxy: Float32) -> Float32:
    """What a face looks like, in little: (20, 16) float32 of mean 0 and length 1; zeros where it is flat."""
    left, top, right, bottom = box_xyxy.tolist()
    matrix = np.array(
        [[(right - left) / _PATCH_WH[0], 0, left], [0, (bottom - top) / _PATCH_WH[1], top]], np.float32
    )
    small = cv2.warpAffine(
        gray,
        matrix,
        _PATCH_WH,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    small -= cv2.mean(small)[0]
    length = float(cv2.norm(small))
    return np.asarray(small / length if length > 1e-3 else np.zeros_like(small), np.float32)


def likeness(patch_a: Float32, patch_b: Float32) -> float:
    """Correlation of two patches, -1 to 1."""
    return float(np.vdot(patch_a, patch_b))


def follow(before: Luma, after: Luma, box_xyxy: Float32) -> Step | None:
    """Where the face in ``box_xyxy`` of one picture is in the next; None where the pixels do not say.

    Args:
        before: of (H, W).
        after: of the same size.
        box_xyxy: (4,) in their pixels.
    """
    if 0.5 * float((box_xyxy[2:] - box_xyxy[:2]).max()) >= _FACE_PX:
        # the cut-out is reduced further anyway: from the half it takes a quarter of the time
        (height, width), (full_height, full_width) = before.half.shape, before.full.shape
        x, y = width / full_width, height / full_height
        to_half = np.array([x, y, x, y])
        moved = _moved(before.half, after.half, np.asarray(box_xyxy * to_half, np.float32))
        moved = None if moved is None else np.asarray(moved / to_half, np.float32)
    else:
        moved = _moved(before.full, after.full, box_xyxy)
    return None if moved is None else Step(moved, patch(after.full, moved))


def _moved(before: UInt8, after: UInt8, box_xyxy: Float32) -> Float32 | None:
    """The box in the next picture."""
    window = _window(before.shape, box_xyxy)
    if window is None:
        return None
    here, there = window.cut(before), window.cut(after)
    box = window.inside(box_xyxy)
    moved = _moved_by_points(here, there, box)
    if moved is None:
        moved = _moved_by_search(here, there, box)
    return None if moved is None else window.outside(moved)


def _window(shape: tuple[int, ...], box_xyxy: Float32) -> _Window | None:
    """The cut-out around a box; None where less than a fifth of the box lies in the picture."""
    height, width = shape
    # plain numbers: of four NumPy is no quicker
    left, top, right, bottom = box_xyxy.tolist()
    across, down = right - left, bottom - top
    if not (min(across, down) >= 2 and math.isfinite(across) and math.isfinite(down)):
        return None
    seen_across = min(right, width) - max(left, 0.0)
    seen_down = min(bottom, height) - max(top, 0.0)
    if min(seen_across, seen_down) <= 0 or seen_across * seen_down < 0.2 * across * down:
        return None
    return _Window(
        math.floor(max(left - across * _AROUND, 0.0)),
        math.floor(max(top - down * _AROUND, 0.0)),
        math.ceil(min(right + across * _AROUND, width)),
        math.ceil(min(bottom + down * _AROUND, height)),
        min(_MAX_ENLARGED, _FACE_PX / max(across, down)),
    )


def _moved_by_points(here: UInt8, there: UInt8, box: Float32) -> Float32 | None:
    """The box moved and scaled as its points do; None where too few come back."""
    start = (box[:2] + _GRID_XY * (box[2:] - box[:2])).astype(np.float32)
    inside = ((start > 1) & (start < np.array(here.shape[::-1]) - 2)).all(1)
    start = start[inside][:, None]
    if len(start) < _LEAST_GOOD:
        return None
    lk = {"winSize": (_WINDOW_PX, _WINDOW_PX), "maxLevel": _LEVELS, "criteria": _LK_CRITERIA}
    ends, found, _ = cv2.calcOpticalFlowPyrLK(here, there, start, None, **lk)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(there, here, ends, None, **lk)  # type: ignore[call-overload]
    error = ((back - start) ** 2).sum(axis=2)[:, 0]
    good = (found[:, 0] == 1) & (found_back[:, 0] == 1) & (error < _MAX_ERROR_PX**2)
    if np.count_nonzero(good) < _LEAST_GOOD:
        return None
    start, ends = start[good, 0], ends[good, 0]
    shifts = ends - start
    with_it = ((shifts - _median(shifts)) ** 2).sum(axis=1) < (0.1 * _FACE_PX) ** 2
    if np.count_nonzero(with_it) < _LEAST_GOOD:
        return None
    start, ends, shifts = start[with_it], ends[with_it], shifts[with_it]
    scale = _change_of_scale(start, ends)
    centre = (box[:2] + box[2:]) / 2
    # About the points' own middle: they need not lie evenly in the box.
    middle = start.sum(axis=0) / len(start)
    new_centre = middle + _median(shifts) + (centre - middle) * scale
    half = (box[2:] - box[:2]) / 2 * scale
    return np.concatenate([new_centre - half, new_centre + half]).astype(np.float32)


def _change_of_scale(start: Float32, ends: Float32) -> float:
    """The median change of the distances between points."""
    num = len(start)
    i, j = _PAIRS if num == _GRID**2 else np.triu_indices(num, k=1)
    before = ((start[i] - start[j]) ** 2).sum(axis=1)
    far = before > (_FACE_PX / 4) ** 2
    if np.count_nonzero(far) < 8:
        return 1.0
    ratios = ((ends[i] - ends[j]) ** 2).sum(axis=1)[far] / before[far]
    middle = float(np.partition(ratios, len(ratios) // 2)[len(ratios) // 2])
    return min(_MAX_SCALE, max(1 / _MAX_SCALE, math.sqrt(middle)))


def _median(rows: Float32) -> Float32:
    """Of each column, the upper one of an even number: ``np.median`` takes several times as long."""
    half = len(rows) // 2
    return np.asarray(np.partition(rows, half, axis=0)[half], np.float32)


def _moved_by_search(here: UInt8, there: UInt8, box: Float32) -> Float32 | None:
    """The box at the place that looks most like it; None where none does, or two do."""
    limits = np.array(here.shape[::-1])
    low = np.clip(np.round(box[:2]), 0, limits).astype(int)
    high = np.clip(np.round(box[2:]), 0, limits).astype(int)
    template = here[low[1] : high[1], low[0] : high[0]]
    if min(template.shape) < 8 or float(template.std()) < 4:
        return None
    scores = cv2.matchTemplate(there, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    if best < _LEAST_LIKENESS:
        return None
    rivals = scores.copy()
    reach = max(2, min(template.shape) // 3)
    rivals[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = -1
    if float(rivals.max()) > best - 0.1:
        return None
    shift = np.array([x, y]) - low
    return np.asarray(box + np.tile(shift, 2), np.float32)
