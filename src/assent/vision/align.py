"""From five landmarks to the chip a network was trained on.

A chip is an (S, S, 3) uint8 RGB square whose landmarks sit on a template. The map is the least-squares
similarity (rotation, one scale, translation; no reflection) of Umeyama, IEEE TPAMI 13(4), 1991.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from assent.errors import ModelUnsupported
from assent.types import Float32, Float64, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class ChipTemplate:
    """Where landmarks belong in a chip.

    Attributes:
        name: as in the manifest's ``alignment``.
        size_px: side of the square chip.
        points_xy: (5, 2) float64 for the detector's landmarks: eyes, nose, mouth corners, left to right.
        tree_points_xy: (5, 2) float64 for the regression trees' points (right eye's outer and inner corner,
            left eye's outer and inner corner, nose base; right and left as in the image), or None where
            the network was not trained on them.
    """

    name: str
    size_px: int
    points_xy: Float64
    tree_points_xy: Float64 | None = None


# dlib's mean positions of its five points in a tight face square (image_transforms/interpolation.h,
# get_face_chip_details), and the padding that its ResNet was trained with.
_DLIB_TREE_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
_DLIB_PADDING = 0.25

_TEMPLATES = (
    ChipTemplate(
        "dlib-150",
        150,
        # dlib's mean 68-point shape at padding 0.25, reduced to eye centres, nose tip and mouth corners.
        np.array([[47.55, 46.60], [100.48, 46.60], [74.01, 76.56], [50.41, 103.02], [97.61, 103.02]]),
        # dlib measures a chip from its edge, so that its first pixel's centre is at 0.5; OpenCV's is at 0.
        150 * (_DLIB_TREE_POINTS + _DLIB_PADDING) / (1 + 2 * _DLIB_PADDING) - 0.5,
    ),
    ChipTemplate(
        "arcface-112",
        112,
        # InsightFace's arcface_dst, the reference points of the ArcFace family.
        np.array(
            [
                [38.2946, 51.6963],
                [73.5318, 51.5014],
                [56.0252, 71.7366],
                [41.5493, 92.3655],
                [70.7299, 92.2041],
            ]
        ),
    ),
)
TEMPLATES = MappingProxyType({template.name: template for template in _TEMPLATES})


def chip_template(name: str) -> ChipTemplate:
    """The template called ``name``.

    Raises:
        ModelUnsupported: no such template.
    """
    if name not in TEMPLATES:
        raise ModelUnsupported(
            f"alignment must be one of {', '.join(TEMPLATES)}, got {name!r}; correct the manifest entry"
        )
    return TEMPLATES[name]


def similarity_transform(source_xy: Float64, target_xy: Float64) -> Float64:
    """Least-squares similarities from points (..., P, 2) to points (..., P, 2), as (..., 2, 3) matrices.

    In the plane Umeyama's solution without reflection is one complex division:
    with centred points z, w the rotation and scale are ``sum(conj(z) w) / sum(|z|^2)``. Coincident source
    points give scale 1 without rotation, so that the result is always finite.
    """
    source, target = np.asarray(source_xy, np.float64), np.asarray(target_xy, np.float64)
    mean_s, mean_t = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    z, w = _as_complex(source - mean_s), _as_complex(target - mean_t)
    spread = (z.real**2 + z.imag**2).sum(-1)
    flat = spread < 1e-12
    factor = np.where(flat, 1, (z.conj() * w).sum(-1) / np.where(flat, 1, spread))
    linear = np.stack(
        [np.stack([factor.real, -factor.imag], -1), np.stack([factor.imag, factor.real], -1)], -2
    )
    shift = np.swapaxes(mean_t, -1, -2) - linear @ np.swapaxes(mean_s, -1, -2)
    return np.concatenate([linear, shift], axis=-1)


def _as_complex(points_xy: Float64) -> np.ndarray[tuple[int, ...], np.dtype[np.complex128]]:
    return np.asarray(points_xy[..., 0] + 1j * points_xy[..., 1], np.complex128)


def invert_similarity(matrix: Float64) -> Float64:
    """The inverses (..., 2, 3) of similarities (..., 2, 3) whose scale is not 0."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.asarray(np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1), np.float64)


def transform_points(matrix: Float64, points_xy: Float64) -> Float64:
    """Points (..., P, 2) moved by matrices (..., 2, 3)."""
    moved = points_xy @ np.swapaxes(matrix[..., :2], -1, -2) + np.swapaxes(matrix[..., 2:], -1, -2)
    return np.asarray(moved, np.float64)


def zoom_about_centre(matrix: Float64, *, zoom: float, size_px: int) -> Float64:
    """The map to a chip framed ``zoom`` times tighter (above 1) or looser (below 1) about its centre."""
    zoomed = np.array(matrix, np.float64) * zoom
    zoomed[..., 2] += size_px * (1 - zoom) / 2
    return zoomed


def cut_chip(image_rgb: UInt8, matrix: Float64, *, size_px: int) -> UInt8:
    """The (S, S, 3) uint8 chip under ``matrix`` (2, 3), source pixels to chip pixels; black outside.

    When the face is shrunk by two or more, the region is first smoothed and halved as often as fits: bilinear
    sampling alone would skip source pixels and alias, and dlib, with which the default network was trained, halves
    in the same way.
    """
    matrix = np.asarray(matrix, np.float64)
    shrink = 1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-9)
    region = image_rgb
    if shrink >= 2:
        region, matrix = _region_under(image_rgb, matrix, size_px)
    while shrink >= 2 and max(region.shape[:2]) > 1:
        # The five-tap binomial filter of dlib's pyramid_down<2>. Pixel c of the half is pixel 2c of the whole.
        region = np.asarray(cv2.pyrDown(region), np.uint8)
        matrix = matrix * [[2, 2, 1], [2, 2, 1]]
        shrink /= 2
    chip = cv2.warpAffine(region, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    return np.asarray(chip, np.uint8)


def _region_under(image_rgb: UInt8, matrix: Float64, size_px: int) -> tuple[UInt8, Float64]:
    """The part of the image that a chip shows, with room for smoothing, and the matrix from its pixels."""
    corners = np.array([[0, 0], [size_px, 0], [size_px, size_px], [0, size_px]], np.float64)
    under = transform_points(invert_similarity(matrix), corners)
    room = 0.1 * (under.max(0) - under.min(0))
    height, width = image_rgb.shape[:2]
    x0, y0 = np.clip(np.floor(under.min(0) - room), 0, [width - 1, height - 1]).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(under.max(0) + room), [x0 + 1, y0 + 1], [width, height]).astype(int).tolist()
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (x0, y0)
    return image_rgb[y0:y1, x0:x1], moved


def cut_chips(image_rgb: UInt8, matrices: Sequence[Float64] | Float64, *, size_px: int) -> UInt8:
    """One chip for each matrix: (N, S, S, 3) uint8; N may be 0."""
    chips = np.zeros((len(matrices), size_px, size_px, 3), np.uint8)
    for chip, matrix in zip(chips, matrices, strict=True):
        chip[:] = cut_chip(image_rgb, matrix, size_px=size_px)
    return chips


def mirror_chips(chips_rgb: UInt8) -> UInt8:
    """Chips (N, S, S, 3) mirrored left to right."""
    return np.ascontiguousarray(chips_rgb[:, :, ::-1])


def chip_matrices(points_xy: Float32 | Float64, template_points_xy: Float64) -> Float64:
    """Maps (N, 2, 3) from source to chip pixels for points (N, P, 2) that belong at (P, 2) in the chip.

    The fit is from the template to the source and then inverted, as dlib does: its residual is in source
    pixels, and a face that fits badly (turned, grimacing) is framed tighter by it, never looser, which the
    default network forgives far better.
    """
    points = np.asarray(points_xy, np.float64)
    fitted = similarity_transform(np.broadcast_to(template_points_xy, points.shape), points)
    # Landmarks that all fall on one point fit with scale 0; frame about a pixel instead of dividing by it.
    flat = np.hypot(fitted[:, 0, 0], fitted[:, 1, 0]) < 1e-6
    fitted[flat, :, :2] = np.eye(2) * 1e-6
    return invert_similarity(fitted)
