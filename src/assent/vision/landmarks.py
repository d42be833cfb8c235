"""The five-point regression trees, evaluated for many faces at once.

The method is Kazemi and Sullivan, CVPR 2014; the arithmetic repeats dlib's ``shape_predictor.h`` step by
step, in single precision where dlib has it, so that points agree with dlib's up to the rounding at its end.
"""

from __future__ import annotations

import numpy as np

from assent.models.shape_predictor import ShapeTrees
from assent.types import Float32, Float64, Int64, UInt8
from assent.vision.align import similarity_transform, transform_points

# dlib's frontal face detector puts its square at a fixed place around a face. With that square's side as
# unit, these are the median places of CenterFace's landmarks, made symmetric (449 faces found by both).
FACE_SQUARE_POINTS = np.array(
    [[0.291, 0.2745], [0.709, 0.2745], [0.50, 0.527], [0.322, 0.725], [0.678, 0.725]], np.float64
)
_MAX_OUTSIDE_PX = 1 << 20


def grey_levels(image_rgb: UInt8) -> UInt8:
    """(H, W) uint8: the mean of the three channels rounded down, as dlib converts."""
    total = image_rgb[..., 0].astype(np.uint16)
    total += image_rgb[..., 1]
    total += image_rgb[..., 2]
    return np.asarray(total // 3, np.uint8)


def face_rectangles(landmarks_xy: Float32) -> Int64:
    """Where dlib's detector would put its square, from the detector's landmarks.

    Args:
        landmarks_xy: (N, 5, 2) pixels, eyes, nose, mouth corners, image left to right, roughly upright.

    Returns:
        (N, 4) int64: left, top, right, bottom in pixels, **inclusive** (dlib's convention).
    """
    points = np.asarray(landmarks_xy, np.float64).reshape(-1, 5, 2)
    from_square = similarity_transform(np.broadcast_to(FACE_SQUARE_POINTS, points.shape), points)
    centres = transform_points(from_square, np.full((len(points), 1, 2), 0.5))[:, 0]
    half = np.hypot(from_square[:, 0, 0], from_square[:, 1, 0])[:, None] / 2
    corners = np.concatenate([centres - half, centres + half], axis=1)
    return np.asarray(np.rint(np.clip(corners, -_MAX_OUTSIDE_PX, _MAX_OUTSIDE_PX)), np.int64)


def predict_points(trees: ShapeTrees, grey: UInt8, rectangles: Int64) -> Float64:
    """The trees' points for each face rectangle, before dlib's rounding to whole pixels.

    Args:
        trees: the cascade.
        grey: (H, W) uint8 from ``grey_levels``.
        rectangles: (N, 4) left, top, right, bottom, inclusive; may stick out of the image.

    Returns:
        (N, P, 2) float64 pixels, for the five-point file in its order: right eye's outer and inner corner,
        left eye's outer and inner corner (right and left in the image), nose base.
    """
    num_faces, num_points = len(rectangles), trees.num_points
    origin = rectangles[:, None, :2].astype(np.float64)
    size = (rectangles[:, 2:] - rectangles[:, :2])[:, None].astype(np.float64)
    shapes = np.broadcast_to(trees.initial_shape, (num_faces, num_points, 2)).astype(np.float32)
    if not num_faces:
        return np.zeros((0, num_points, 2))
    for cascade in range(trees.num_cascades):
        levels = _pixel_levels(trees, cascade, grey, shapes, origin, size)
        leaves = _leaves(trees, cascade, levels)
        # Added one after another as in dlib's loop: the rounding decides comparisons in the next cascade.
        shapes = np.add.reduce(np.concatenate([shapes[:, None], leaves], axis=1), axis=1, dtype=np.float32)
    return np.asarray(shapes * size + origin, np.float64)


def _pixel_levels(
    trees: ShapeTrees, cascade: int, grey: UInt8, shapes: Float32, origin: Float64, size: Float64
) -> Float32:
    """The cascade's pixels (N, F) as grey levels, 0 outside the image."""
    start = np.broadcast_to(trees.initial_shape, shapes.shape).astype(np.float64)
    turn = similarity_transform(start, shapes.astype(np.float64))[..., :2].astype(np.float32)
    offsets = trees.deltas[cascade] @ np.swapaxes(turn, -1, -2)
    places = offsets + shapes[:, trees.anchor_index[cascade]]
    pixels = np.floor(places.astype(np.float64) * size + origin + 0.5).astype(np.int64)
    height, width = grey.shape
    x, y = pixels[..., 0], pixels[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    levels = grey[np.where(inside, y, 0), np.where(inside, x, 0)]
    return np.where(inside, levels, 0).astype(np.float32)


def _leaves(trees: ShapeTrees, cascade: int, levels: Float32) -> Float32:
    """What each tree adds, (N, T, P, 2): all trees of all faces walk down together, one level at a time."""
    pixels, thresholds = trees.split_pixels[cascade], trees.split_thresholds[cascade]
    num_trees, num_splits = thresholds.shape
    tree = np.arange(num_trees)[None, :]
    face = np.arange(len(levels))[:, None]
    node = np.zeros((len(levels), num_trees), np.int64)
    for _ in range(int(num_splits + 1).bit_length() - 1):
        first, second = pixels[tree, node, 0], pixels[tree, node, 1]
        goes_left = levels[face, first] - levels[face, second] > thresholds[tree, node]
        node = 2 * node + np.where(goes_left, 1, 2)
    return np.asarray(trees.leaf_values[cascade][tree, node - num_splits], np.float32)
