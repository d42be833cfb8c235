"""Follows a recipe: faces in an image to aligned chips."""

from __future__ import annotations

import numpy as np

from assent.errors import UsageError
from assent.models.shape_predictor import ShapeTrees
from assent.types import Float32, Float64, Int64, UInt8
from assent.vision.align import (
    ChipTemplate,
    chip_matrices,
    cut_chip,
    invert_similarity,
    similarity_transform,
    transform_points,
    zoom_about_centre,
)
from assent.vision.landmarks import FACE_SQUARE_POINTS, face_rectangles, grey_levels, predict_points
from assent.vision.recipe import Alignment, Recipe, Start

# The trees were trained on faces rolled up to about this much; beyond it they see an upright crop instead.
MAX_TREE_ROLL_DEG = 25.0
_DEFAULT_CROP_PX = 200
_CROP_MARGIN = 0.5  # of the square's side, on each side


def roll_deg(landmarks_xy: Float32) -> Float64:
    """Roll (N,) of faces (N, 5, 2) in degrees, (-180, 180]: 0 upright, positive clockwise in the image.

    Measured by the similarity from an upright face to all five landmarks, steadier than the eye line alone.
    """
    points = np.asarray(landmarks_xy, np.float64).reshape(-1, 5, 2)
    matrix = similarity_transform(np.broadcast_to(FACE_SQUARE_POINTS, points.shape), points)
    return np.asarray(np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])), np.float64)


def face_matrices(
    image_rgb: UInt8,
    landmarks_xy: Float32,
    *,
    recipe: Recipe,
    template: ChipTemplate,
    trees: ShapeTrees | None,
) -> dict[Alignment, Float64]:
    """For each alignment that the recipe uses, the maps (N, 2, 3) from source to chip pixels.

    Raises:
        UsageError: the recipe needs trees, and there are none or the template has no place for their points.
    """
    wanted = {view.alignment for view in recipe.views}
    found: dict[Alignment, Float64] = {}
    if Alignment.LANDMARKS in wanted:
        found[Alignment.LANDMARKS] = chip_matrices(landmarks_xy, template.points_xy)
    if Alignment.TREES in wanted:
        if trees is None or template.tree_points_xy is None:
            raise UsageError(
                f"recipe {recipe.name!r} aligns by regression trees, the template {template.name!r} has no "
                "places for them; choose a recipe of landmarks"
            )
        points = tree_points(image_rgb, landmarks_xy, recipe=recipe, trees=trees)
        found[Alignment.TREES] = chip_matrices(points, template.tree_points_xy)
    return found


def recipe_chips(
    image_rgb: UInt8,
    landmarks_xy: Float32,
    *,
    recipe: Recipe,
    template: ChipTemplate,
    trees: ShapeTrees | None,
) -> UInt8:
    """All chips of all faces: (N, V, S, S, 3) uint8 for V views, in the recipe's order."""
    size = template.size_px
    chips = np.zeros((len(landmarks_xy), len(recipe.views), size, size, 3), np.uint8)
    if not len(landmarks_xy):
        return chips
    matrices = face_matrices(image_rgb, landmarks_xy, recipe=recipe, template=template, trees=trees)
    for face in range(len(landmarks_xy)):
        cut: dict[tuple[Alignment, float], UInt8] = {}
        for place, view in enumerate(recipe.views):
            key = (view.alignment, view.zoom)
            if key not in cut:
                matrix = zoom_about_centre(matrices[view.alignment][face], zoom=view.zoom, size_px=size)
                cut[key] = cut_chip(image_rgb, matrix, size_px=size)
            chips[face, place] = cut[key][:, ::-1] if view.mirrored else cut[key]
    return chips


def tree_points(image_rgb: UInt8, landmarks_xy: Float32, *, recipe: Recipe, trees: ShapeTrees) -> Float64:
    """The trees' points (N, 5, 2) in source pixels, averaged over the recipe's starts."""
    points = np.zeros((len(landmarks_xy), trees.num_points, 2))
    rolled = np.abs(roll_deg(landmarks_xy)) > MAX_TREE_ROLL_DEG
    in_crop = rolled | (recipe.crop_px > 0)
    direct = np.flatnonzero(~in_crop)
    if len(direct):
        rectangles = face_rectangles(landmarks_xy[direct])
        points[direct] = _mean_points(trees, image_rgb, rectangles, recipe.starts)
    for face in np.flatnonzero(in_crop):
        side = recipe.crop_px or _DEFAULT_CROP_PX
        points[face] = _points_in_crop(trees, image_rgb, landmarks_xy[face], recipe.starts, side)
    return points


def _mean_points(
    trees: ShapeTrees, image_rgb: UInt8, rectangles: Int64, starts: tuple[Start, ...]
) -> Float64:
    """Points (N, P, 2), averaged over starts, all starts of all faces in one evaluation."""
    left_top = np.maximum(rectangles[:, :2].min(0) - (rectangles[:, 2:] - rectangles[:, :2]).max(), 0)
    right_bottom = rectangles[:, 2:].max(0) + (rectangles[:, 2:] - rectangles[:, :2]).max()
    window = image_rgb[left_top[1] : max(right_bottom[1], 0) + 1, left_top[0] : max(right_bottom[0], 0) + 1]
    if not window.size:
        window, left_top = image_rgb, np.zeros(2, np.int64)
    shift = np.tile(left_top, 2)
    moved = np.stack([_started(rectangles, start) for start in starts], axis=1) - shift
    found = predict_points(trees, grey_levels(window), moved.reshape(-1, 4))
    found = found.reshape(len(rectangles), len(starts), -1, 2).mean(1)
    return np.asarray(found + left_top, np.float64)


def _started(rectangles: Int64, start: Start) -> Int64:
    """Rectangles (N, 4) shifted and scaled as ``start`` says."""
    size = (rectangles[:, 2:] - rectangles[:, :2]).astype(np.float64)
    centre = (rectangles[:, 2:] + rectangles[:, :2]) / 2 + size * (start.shift_x, start.shift_y)
    half = size * start.scale / 2
    return np.asarray(np.rint(np.concatenate([centre - half, centre + half], axis=1)), np.int64)


def _points_in_crop(
    trees: ShapeTrees, image_rgb: UInt8, landmarks_xy: Float32, starts: tuple[Start, ...], side_px: int
) -> Float64:
    """Points (P, 2) of one face, found in an upright crop whose face square has side ``side_px``."""
    margin = round(side_px * _CROP_MARGIN)
    source = np.asarray(landmarks_xy, np.float64)
    to_crop = similarity_transform(source, FACE_SQUARE_POINTS * side_px + margin)
    crop = cut_chip(image_rgb, to_crop, size_px=side_px + 2 * margin)
    rectangle = np.array([[margin, margin, margin + side_px, margin + side_px]], np.int64)
    points = _mean_points(trees, crop, rectangle, starts)[0]
    return transform_points(invert_similarity(to_crop), points)
