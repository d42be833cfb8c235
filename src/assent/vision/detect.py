"""Face detectors: one pass of a network over one image at one scale.

Three families, all giving boxes, five landmarks (image left to right) and scores in source pixels:

- CenterFace (Xu et al. 2019, arXiv:1911.03599): one heat map at stride 4, anchor-free.
- YuNet (Wu et al. 2023, Mach. Intell. Res. 20): strides 8, 16, 32, anchor-free, class times objectness.
- SCRFD (Guo et al. 2021, arXiv:2105.04714): strides 8, 16, 32, two anchors a cell.

Which scales to look at, and whether to turn the image, is decided in ``assent.vision.finder``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from assent.errors import ModelUnsupported
from assent.models.sessions import ModelSession
from assent.types import Detections, Float32, Int64, UInt8
from assent.vision.boxes import non_maximum_suppression

STRIDES_PX = (8, 16, 32)
GRID_PX = 32  # every network here halves the image five times


class Detector(Protocol):
    """Finds upright faces in one pass."""

    def detect(self, image_rgb: UInt8, *, long_side_px: int, min_score: float | None = None) -> Detections:
        """Faces of (H, W, 3) uint8, looked at with its longer side scaled to ``long_side_px``.

        ``min_score`` is the lowest score returned; None takes the detector's own.
        """
        ...


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What a detector's network expects of its pixels.

    Attributes:
        colour_order: "rgb" or "bgr".
        mean: subtracted from each channel, in the order of ``colour_order``.
        std: divides each channel after that.
        fixed_wh: width and height where the network takes one size only.
    """

    colour_order: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fixed_wh: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """A network's input and how to come back from its pixels to the source's."""

    blob: Float32
    scale_xy: Float32
    width_px: int
    height_px: int


def _canvas(image_rgb: UInt8, long_side_px: int, fmt: InputFormat) -> _Canvas:
    """Scale, pad right and bottom to the network's grid, and lay out as (1, 3, H, W) float32."""
    height, width = image_rgb.shape[:2]
    ratio = long_side_px / max(height, width)
    if fmt.fixed_wh is not None:
        ratio = min(fmt.fixed_wh[0] / width, fmt.fixed_wh[1] / height)
    new_w, new_h = max(1, round(width * ratio)), max(1, round(height * ratio))
    if (new_w, new_h) != (width, height):
        # Area averaging when shrinking: point sampling loses small faces to aliasing.
        how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        image_rgb = np.asarray(cv2.resize(image_rgb, (new_w, new_h), interpolation=how), np.uint8)
    pad_w, pad_h = fmt.fixed_wh or (_on_grid(new_w), _on_grid(new_h))
    blob = np.zeros((1, 3, pad_h, pad_w), np.float32)
    pixels = image_rgb if fmt.colour_order == "rgb" else image_rgb[..., ::-1]
    blob[0, :, :new_h, :new_w] = pixels.transpose(2, 0, 1)
    if any(fmt.mean):
        blob -= np.array(fmt.mean, np.float32)[:, None, None]
    if fmt.std != (1.0, 1.0, 1.0):
        blob /= np.array(fmt.std, np.float32)[:, None, None]
    scale = np.array([width / new_w, height / new_h], np.float32)
    return _Canvas(blob, scale, pad_w, pad_h)


def _on_grid(size_px: int) -> int:
    """The next multiple of the networks' grid."""
    return -(-size_px // GRID_PX) * GRID_PX


def _to_source(
    boxes_xyxy: Float32, landmarks_xy: Float32, scores: Float32, canvas: _Canvas, max_iou: float
) -> Detections:
    """Drop doubles, sort by score, and scale to source pixels."""
    usable = np.isfinite(boxes_xyxy).all(1) & np.isfinite(landmarks_xy).all((1, 2)) & np.isfinite(scores)
    boxes_xyxy, landmarks_xy, scores = boxes_xyxy[usable], landmarks_xy[usable], scores[usable]
    keep = non_maximum_suppression(boxes_xyxy, scores, max_iou=max_iou)
    return Detections(
        np.asarray(boxes_xyxy[keep] * np.tile(canvas.scale_xy, 2), np.float32),
        np.asarray(landmarks_xy[keep] * canvas.scale_xy, np.float32),
        np.asarray(np.clip(scores[keep], 0, 1), np.float32),
    )


class CenterFaceDetector:
    """CenterFace: heat map, log size, offset and landmarks on one grid of stride 4."""

    _STRIDE_PX = 4

    def __init__(
        self,
        session: ModelSession,
        *,
        fmt: InputFormat | None = None,
        min_score: float = 0.5,
        max_iou: float = 0.3,
    ) -> None:
        self._session = session
        self._fmt = fmt or InputFormat()
        self._min_score = min_score  # 0.7 starts to miss faces; 0.5 costs few false ones
        self._max_iou = max_iou

    def detect(self, image_rgb: UInt8, *, long_side_px: int, min_score: float | None = None) -> Detections:
        """See ``Detector``."""
        least = self._min_score if min_score is None else min_score
        canvas = _canvas(image_rgb, long_side_px, self._fmt)
        heatmap, log_size, offset, points = self._session.run({self._session.inputs[0].name: canvas.blob})
        rows, cols = np.nonzero(heatmap[0, 0] >= least)
        if not len(rows):
            return Detections.empty()
        # Each map holds y before x.
        size_yx = np.exp(log_size[0][:, rows, cols].T) * self._STRIDE_PX
        centre_yx = (offset[0][:, rows, cols].T + np.stack([rows, cols], 1) + 0.5) * self._STRIDE_PX
        origin_yx = centre_yx - size_yx / 2
        boxes = np.concatenate([origin_yx[:, ::-1], (origin_yx + size_yx)[:, ::-1]], axis=1)
        points_yx = points[0][:, rows, cols].T.reshape(-1, 5, 2) * size_yx[:, None] + origin_yx[:, None]
        return _to_source(boxes, points_yx[..., ::-1], heatmap[0, 0, rows, cols], canvas, self._max_iou)


def _cells(canvas: _Canvas, stride_px: int, anchors: int = 1) -> Float32:
    """Cell indices (H/s * W/s * anchors, 2) as x, y, row by row, each repeated for its anchors."""
    ys, xs = np.mgrid[: canvas.height_px // stride_px, : canvas.width_px // stride_px]
    grid = np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32)
    return np.repeat(grid, anchors, axis=0)


class YuNetDetector:
    """YuNet of 2023 and later: outputs ``cls_s``, ``obj_s``, ``bbox_s``, ``kps_s`` at strides 8, 16, 32."""

    def __init__(
        self,
        session: ModelSession,
        *,
        fmt: InputFormat | None = None,
        min_score: float = 0.6,
        max_iou: float = 0.3,
    ) -> None:
        self._session = session
        self._fmt = fmt or InputFormat(colour_order="bgr")
        self._min_score = min_score
        self._max_iou = max_iou
        wanted = {f"{kind}_{s}" for kind in ("cls", "obj", "bbox", "kps") for s in STRIDES_PX}
        missing = wanted - {output.name for output in session.outputs}
        if missing:
            raise ModelUnsupported(
                f"a YuNet detector needs the outputs {sorted(wanted)}, this one lacks {sorted(missing)}; "
                "use the 2023mar file or later, or set another family in the manifest entry"
            )

    def detect(self, image_rgb: UInt8, *, long_side_px: int, min_score: float | None = None) -> Detections:
        """See ``Detector``."""
        least = self._min_score if min_score is None else min_score
        canvas = _canvas(image_rgb, long_side_px, self._fmt)
        values = self._session.run({self._session.inputs[0].name: canvas.blob})
        named = {out.name: value for out, value in zip(self._session.outputs, values, strict=True)}
        boxes, points, scores = [], [], []
        for stride in STRIDES_PX:
            cls, obj, box, kps = (named[f"{k}_{stride}"][0] for k in ("cls", "obj", "bbox", "kps"))
            score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
            found = np.nonzero(score >= least)[0]
            cells = _cells(canvas, stride)[found]
            centre = (cells + box[found, :2]) * stride
            half = np.exp(box[found, 2:]) * stride / 2
            boxes.append(np.concatenate([centre - half, centre + half], axis=1))
            points.append((kps[found].reshape(-1, 5, 2) + cells[:, None]) * stride)
            scores.append(score[found])
        return _to_source(
            np.concatenate(boxes), np.concatenate(points), np.concatenate(scores), canvas, self._max_iou
        )


class ScrfdDetector:
    """SCRFD with landmarks: nine outputs, scores then boxes then landmarks, strides 8, 16, 32 in each."""

    _ANCHORS = 2

    def __init__(
        self,
        session: ModelSession,
        *,
        fmt: InputFormat | None = None,
        min_score: float = 0.5,
        max_iou: float = 0.4,
    ) -> None:
        self._session = session
        self._fmt = fmt or InputFormat(mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0))
        self._min_score = min_score
        self._max_iou = max_iou
        if len(session.outputs) != 3 * len(STRIDES_PX):
            raise ModelUnsupported(
                f"an SCRFD detector needs nine outputs (scores, boxes, landmarks at three strides), this one "
                f"has {len(session.outputs)}; take the variant with key points ('_kps', '_bnkps')"
            )

    def detect(self, image_rgb: UInt8, *, long_side_px: int, min_score: float | None = None) -> Detections:
        """See ``Detector``."""
        least = self._min_score if min_score is None else min_score
        canvas = _canvas(image_rgb, long_side_px, self._fmt)
        outputs = self._session.run({self._session.inputs[0].name: canvas.blob})
        flat = [np.asarray(out, np.float32).reshape(-1, width) for out, width in _scrfd_widths(outputs)]
        boxes, points, scores = [], [], []
        for level, stride in enumerate(STRIDES_PX):
            score, box, kps = flat[level][:, 0], flat[3 + level], flat[6 + level]
            found: Int64 = np.nonzero(score >= least)[0]
            centre = _cells(canvas, stride, self._ANCHORS)[found] * stride
            sides = box[found] * stride
            boxes.append(np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1))
            points.append(kps[found].reshape(-1, 5, 2) * stride + centre[:, None])
            scores.append(score[found])
        return _to_source(
            np.concatenate(boxes), np.concatenate(points), np.concatenate(scores), canvas, self._max_iou
        )


def _scrfd_widths(outputs: list[Float32]) -> list[tuple[Float32, int]]:
    """Each output with the length of its rows: exports differ in whether they keep a batch axis."""
    return list(zip(outputs, (1, 1, 1, 4, 4, 4, 10, 10, 10), strict=True))
