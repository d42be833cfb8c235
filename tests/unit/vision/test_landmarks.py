from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assent.models.shape_predictor import ShapeTrees
from assent.models.store import ModelStore
from assent.types import Float64, UInt8
from assent.vision.decode import decode_image
from assent.vision.landmarks import grey_levels, predict_points
from tests.unit.vision.builders import noise_image


@pytest.fixture(scope="module")
def trees(models_dir: Path) -> ShapeTrees:
    return ModelStore(models_dir).load_trees("dlib-shape-5")


def slow_points(trees: ShapeTrees, grey: UInt8, rectangle: tuple[int, int, int, int]) -> Float64:
    """One face, one tree, one pixel at a time, as dlib's code reads."""
    left, top, right, bottom = rectangle
    shape = trees.initial_shape.copy()
    for cascade in range(trees.num_cascades):
        start = trees.initial_shape.astype(float) - trees.initial_shape.astype(float).mean(0)
        now = shape.astype(float) - shape.astype(float).mean(0)
        z, w = start @ [1, 1j], now @ [1, 1j]
        factor = (z.conj() * w).sum() / (np.abs(z) ** 2).sum()
        turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]], np.float32)
        levels = []
        for anchor, delta in zip(trees.anchor_index[cascade], trees.deltas[cascade], strict=True):
            place = (turn @ delta + shape[anchor]).astype(float)
            x = int(np.floor(left + place[0] * (right - left) + 0.5))
            y = int(np.floor(top + place[1] * (bottom - top) + 0.5))
            inside = 0 <= x < grey.shape[1] and 0 <= y < grey.shape[0]
            levels.append(float(grey[y, x]) if inside else 0.0)
        for tree in range(trees.split_thresholds.shape[1]):
            node, splits = 0, trees.split_thresholds.shape[2]
            while node < splits:
                first, second = trees.split_pixels[cascade, tree, node]
                left_side = levels[first] - levels[second] > trees.split_thresholds[cascade, tree, node]
                node = 2 * node + (1 if left_side else 2)
            shape = shape + trees.leaf_values[cascade, tree, node - splits]
    return shape.astype(float) * [right - left, bottom - top] + [left, top]


def small_trees(seed: int = 0) -> ShapeTrees:
    rng = np.random.default_rng(seed)
    return ShapeTrees(
        initial_shape=rng.uniform(0.2, 0.8, (5, 2)).astype(np.float32),
        split_pixels=rng.integers(0, 9, (3, 4, 7, 2)).astype(np.int32),
        split_thresholds=rng.uniform(-80, 80, (3, 4, 7)).astype(np.float32),
        leaf_values=rng.normal(0, 0.02, (3, 4, 8, 5, 2)).astype(np.float32),
        anchor_index=rng.integers(0, 5, (3, 9)).astype(np.int32),
        deltas=rng.normal(0, 0.2, (3, 9, 2)).astype(np.float32),
    )


def test_no_face() -> None:
    got = predict_points(small_trees(), np.zeros((5, 5), np.uint8), np.zeros((0, 4), np.int64))
    assert got.shape == (0, 5, 2)


@pytest.mark.parametrize("seed", range(4))
def test_batch_equals_the_obvious_loop(seed: int) -> None:
    trees = small_trees(seed)
    grey = grey_levels(noise_image(60, 80, seed=seed))
    rectangles = [(10, 5, 50, 45), (-20, -10, 30, 40), (60, 30, 110, 80), (500, 500, 520, 520), (5, 5, 5, 5)]
    got = predict_points(trees, grey, np.array(rectangles))
    for points, rectangle in zip(got, rectangles, strict=True):
        np.testing.assert_allclose(points, slow_points(trees, grey, rectangle), atol=1e-3)


def test_points_are_dlibs(trees: ShapeTrees, models_dir: Path, demo_photos: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin is an optional oracle")
    predictor = dlib.shape_predictor(str(models_dir / "shape_predictor_5_face_landmarks.dat"))
    find = dlib.get_frontal_face_detector()
    rng = np.random.default_rng(0)
    for name in ("obama.jpg", "biden.jpg", "obama_partial_face.jpg"):
        image = decode_image((demo_photos / name).read_bytes()).image_rgb
        box = find(image, 0)[0]
        corners = np.array([box.left(), box.top(), box.right(), box.bottom()])
        rectangles = corners + rng.integers(-20, 21, (20, 4))
        rectangles[0] = corners
        ours = np.floor(predict_points(trees, grey_levels(image), rectangles) + 0.5)
        for points, rectangle in zip(ours, rectangles.tolist(), strict=True):
            shape = predictor(image, dlib.rectangle(*rectangle))
            theirs = [[shape.part(i).x, shape.part(i).y] for i in range(5)]
            assert np.abs(points - theirs).max() <= 1
        assert np.abs(ours[0] - [[p.x, p.y] for p in predictor(image, box).parts()]).max() == 0


def test_grey_is_the_mean_rounded_down() -> None:
    image = np.array([[[255, 255, 254], [1, 1, 0], [0, 0, 0]]], np.uint8)
    assert grey_levels(image).tolist() == [[254, 0, 0]]
    assert grey_levels(image).dtype == np.uint8
