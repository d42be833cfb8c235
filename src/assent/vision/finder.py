"""Finds all faces of an image: at which scales to look, and the second look for rolled faces.

A detector sees one scale and upright faces. Here is decided when that is not enough:

- the first look has the longer side at 640 px, which finds faces of about 1/40 of it;
- a larger image gets a closer look when nothing or only tiny faces were found, or when ``thorough``;
- a face whose landmarks lie rolled is detected again on an upright crop of it;
- where nothing was found (or when ``thorough``) the image is turned by quarters.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assent.types import Bool, Detections, Float64, Int64, UInt8
from assent.vision.align import cut_chip, invert_similarity, similarity_transform, transform_points
from assent.vision.boxes import merge_detections
from assent.vision.chips import roll_deg
from assent.vision.detect import Detector
from assent.vision.landmarks import FACE_SQUARE_POINTS

_TILE_PX = 960
_TILE_OVERLAP_PX = 128
_CROP_SQUARE_PX = 128  # a face of this size in a crop twice as large is easy for every detector here
_MAX_ROUNDS = 3
_SETTLED_DEG = 6.0


@dataclass(frozen=True, slots=True)
class LookSettings:
    """When to look again.

    Attributes:
        first_px: longer side of the first look; smaller images are looked at as they are.
        min_px: images smaller than this are enlarged to it: a face of 12 px is found then (0 of 94 otherwise), and
            landmarks of faces of 36 px are a third closer.
        closer_px: longer side at most of the closer look after a poor first one.
        thorough_px: longer side at most of the thorough look.
        tiny_face_px: a face narrower than this, in pixels of the first look, calls for the closer one. Of
            faces of 20 px the first look finds all, of 13 px two thirds, of 11 px almost none.
        max_roll_deg: a face rolled further is detected again, upright.
        far_roll_deg: a face rolled further is tried in all four quarter turns.
        doubtful_score: a face scored lower may lie on its side unnoticed (of upright portraits 1 in 200 is); it
            is tried in all quarter turns too.
        min_doubtful_px: but only if it is at least this wide in the source,
        max_doubtful: and only the best so many.
        max_iou: two boxes overlapping by more are one face.
    """

    first_px: int = 640
    min_px: int = 240
    closer_px: int = 1280
    thorough_px: int = 1920
    tiny_face_px: float = 24.0
    max_roll_deg: float = 12.0
    far_roll_deg: float = 50.0
    doubtful_score: float = 0.8
    min_doubtful_px: float = 40.0
    max_doubtful: int = 4
    max_iou: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class _CropLook:
    """One face as found in a turned crop, in the source's pixels, and how far from upright it lay in the crop."""

    face: Detections
    left_over_deg: float


class FaceFinder:
    """Looks at an image as often as it takes. Holds no state between calls."""

    def __init__(self, detector: Detector, settings: LookSettings | None = None) -> None:
        self._detector = detector
        self._settings = settings or LookSettings()

    def find(self, image_rgb: UInt8, *, thorough: bool = False) -> Detections:
        """All faces of (H, W, 3) uint8, best score first.

        Args:
            image_rgb: the image, upright.
            thorough: spend several times the time to miss fewer small and rolled faces, as hiding everyone
                needs.

        Returns:
            Boxes, landmarks (left to right of the face held upright), scores.
        """
        if min(image_rgb.shape[:2]) < 1:
            return Detections.empty()
        found = self._scales(image_rgb, thorough=thorough)
        if thorough or not len(found):
            found = self._merge([found, *self._quarter_turns(image_rgb)])
        return self._straightened(image_rgb, found)

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        """Upright faces of (H, W, 3) uint8 at one scale, without a second look: for the frames of a clip.

        Args:
            image_rgb: the image.
            long_side_px: what its longer side is scaled to; in tiles where that is more than memory allows.
            min_score: the lowest score returned; whoever knows where a face was may take less than ``find``.
        """
        if long_side_px <= _TILE_PX:
            return self._detector.detect(image_rgb, long_side_px=long_side_px, min_score=min_score)
        return self._merge(self._closer_look(image_rgb, long_side_px, min_score=min_score))

    def _merge(self, parts: list[Detections]) -> Detections:
        return merge_detections(parts, max_iou=self._settings.max_iou)

    def _scales(self, image_rgb: UInt8, *, thorough: bool) -> Detections:
        """The first look and, where called for, the closer one."""
        settings, long_side = self._settings, max(image_rgb.shape[:2])
        first_px = min(max(long_side, settings.min_px), settings.first_px)
        found = self._detector.detect(image_rgb, long_side_px=first_px)
        closer_px = min(long_side, settings.thorough_px if thorough else settings.closer_px)
        if closer_px <= first_px * 1.2 or not (thorough or self._is_poor(found, first_px / long_side)):
            return found
        return self._merge([found, *self._closer_look(image_rgb, closer_px)])

    def _closer_look(
        self, image_rgb: UInt8, long_side_px: int, *, min_score: float | None = None
    ) -> list[Detections]:
        """What is found at a larger scale, tile by tile: one pass would take memory by the square of its size.

        Tiles overlap by more than any face that the first look could have missed, so a box cut by the edge of a
        tile is dropped: its face is whole in the next tile, or was found before.
        """
        height, width = image_rgb.shape[:2]
        ratio = long_side_px / max(height, width)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        scaled = np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        parts = []
        for y0, y1 in _spans(size[1]):
            for x0, x1 in _spans(size[0]):
                found = self._detector.detect(
                    scaled[y0:y1, x0:x1], long_side_px=max(y1 - y0, x1 - x0), min_score=min_score
                )
                whole = found.take(_is_whole(found, (x0, y0, x1, y1), size))
                parts.append(_moved(whole, np.array([[1, 0, x0], [0, 1, y0]]) / ratio))
        return parts

    def _is_poor(self, found: Detections, ratio: float) -> bool:
        """Whether nothing was found, or something so small that its neighbours may have been missed."""
        if not len(found):
            return True
        widths = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
        return bool(widths.min() * ratio < self._settings.tiny_face_px)

    def _quarter_turns(self, image_rgb: UInt8) -> list[Detections]:
        """What is found with the image turned by 90, 180 and 270 degrees, in the source's pixels."""
        height, width = image_rgb.shape[:2]
        long_side = min(max(height, width, self._settings.min_px), self._settings.first_px)
        parts = []
        for turns in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(image_rgb, turns))
            found = self._detector.detect(turned, long_side_px=long_side)
            parts.append(_turned_back(found, turns, width_px=width, height_px=height))
        return parts

    def _straightened(self, image_rgb: UInt8, found: Detections) -> Detections:
        """Rolled faces replaced by what is found on an upright crop of each."""
        again = self._worth_another_look(found)
        if not len(again):
            return found
        boxes, points, scores = found.boxes_xyxy.copy(), found.landmarks_xy.copy(), found.scores.copy()
        for face in again:
            better = self._upright_look(image_rgb, found.take(slice(face, face + 1)))
            boxes[face], points[face] = better.boxes_xyxy[0], better.landmarks_xy[0]
            scores[face] = max(scores[face], better.scores[0])
        return self._merge([Detections(boxes, points, scores)])

    def _worth_another_look(self, found: Detections) -> Int64:
        """Indices of rolled faces, and of the first few doubtful ones large enough to learn more from."""
        settings = self._settings
        rolled = np.abs(roll_deg(found.landmarks_xy)) > settings.max_roll_deg
        widths = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
        doubtful = ~rolled & (found.scores < settings.doubtful_score) & (widths >= settings.min_doubtful_px)
        chosen = np.concatenate([np.flatnonzero(rolled), np.flatnonzero(doubtful)[: settings.max_doubtful]])
        return np.asarray(np.sort(chosen), np.int64)

    def _upright_look(self, image_rgb: UInt8, face: Detections) -> Detections:
        """One face, detected again on crops turned by what is known of its roll, until it is upright in one.

        The detector underestimates roll, so one correction is not enough; far from upright it may be wrong by a
        quarter turn or two, so those are tried too and the best score decides.
        """
        settings = self._settings
        far = abs(roll_deg(face.landmarks_xy)[0]) > settings.far_roll_deg
        far |= face.scores[0] < settings.doubtful_score
        tries = [self._crop_look(image_rgb, face, turn) for turn in ((0, 90, 180, 270) if far else (0,))]
        look = max((t for t in tries if t is not None), key=lambda t: t.face.scores[0], default=None)
        for _ in range(_MAX_ROUNDS):
            if look is None:
                return face
            if look.left_over_deg < _SETTLED_DEG:
                return look.face
            face = look.face
            look = self._crop_look(image_rgb, face, 0)
        return face if look is None else look.face

    def _crop_look(self, image_rgb: UInt8, face: Detections, turn_deg: float) -> _CropLook | None:
        """The face nearest to the middle of an upright crop around ``face``, in the source's pixels.

        ``turn_deg`` turns the crop further, for a face whose landmarks are not believed.
        """
        side, size = _CROP_SQUARE_PX, 2 * _CROP_SQUARE_PX
        turn = np.deg2rad(turn_deg)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        places = (FACE_SQUARE_POINTS - 0.5) @ spin.T * side + size / 2
        to_crop = similarity_transform(face.landmarks_xy[0].astype(np.float64), places)
        found = self._detector.detect(cut_chip(image_rgb, to_crop, size_px=size), long_side_px=size)
        centres = (found.boxes_xyxy[:, :2] + found.boxes_xyxy[:, 2:]) / 2
        off_middle = np.linalg.norm(centres - size / 2, axis=1)
        if not len(found) or off_middle.min() > side / 2:
            return None
        nearest = int(np.argmin(off_middle))
        in_crop = found.take(slice(nearest, nearest + 1))
        left_over = float(np.abs(roll_deg(in_crop.landmarks_xy)[0]))
        return _CropLook(_moved(in_crop, invert_similarity(to_crop)), left_over)


def _spans(length_px: int) -> list[tuple[int, int]]:
    """As few equal spans of at most a tile as cover a side, overlapping by at least ``_TILE_OVERLAP_PX``."""
    count = max(1, -(-(length_px - _TILE_OVERLAP_PX) // (_TILE_PX - _TILE_OVERLAP_PX)))
    span = -(-(length_px + (count - 1) * _TILE_OVERLAP_PX) // count)
    starts = np.linspace(0, length_px - span, count).round().astype(int).tolist()
    return [(start, start + span) for start in starts]


def _is_whole(found: Detections, tile_xyxy: tuple[int, int, int, int], size: tuple[int, int]) -> Bool:
    """Mask (N,) of boxes, in the tile's pixels, that no edge shared with another tile cuts."""
    x0, y0, x1, y1 = tile_xyxy
    boxes = found.boxes_xyxy
    cut = (boxes[:, 0] < 1) & (x0 > 0) | (boxes[:, 1] < 1) & (y0 > 0)
    cut |= (boxes[:, 2] > x1 - x0 - 1) & (x1 < size[0]) | (boxes[:, 3] > y1 - y0 - 1) & (y1 < size[1])
    return np.asarray(~cut, np.bool_)


def _moved(found: Detections, matrix: Float64) -> Detections:
    """Detections under a similarity; boxes become the hull of their moved corners."""
    boxes = found.boxes_xyxy.astype(np.float64)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = transform_points(np.broadcast_to(matrix, (len(found), 2, 3)), corners)
    points = transform_points(
        np.broadcast_to(matrix, (len(found), 2, 3)), found.landmarks_xy.astype(np.float64)
    )
    hull = np.concatenate([moved.min(1), moved.max(1)], axis=1)
    return Detections(hull.astype(np.float32), points.astype(np.float32), found.scores)


def _turned_back(found: Detections, turns: int, *, width_px: int, height_px: int) -> Detections:
    """Detections of ``np.rot90(image, turns)`` in the pixels of the (height, width) image itself."""
    matrices = {
        1: [[0, -1, width_px], [1, 0, 0]],
        2: [[-1, 0, width_px], [0, -1, height_px]],
        3: [[0, 1, 0], [-1, 0, height_px]],
    }
    return _moved(found, np.array(matrices[turns], np.float64))
