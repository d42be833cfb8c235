from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.errors import ModelUnsupported
from assent.types import Float64
from assent.vision.align import (
    TEMPLATES,
    chip_matrices,
    chip_template,
    cut_chip,
    cut_chips,
    invert_similarity,
    mirror_chips,
    similarity_transform,
    transform_points,
    zoom_about_centre,
)
from assent.vision.decode import decode_image
from assent.vision.landmarks import face_rectangles, grey_levels, predict_points
from tests.unit.vision.builders import noise_image

POINTS = chip_template("dlib-150").points_xy


def similarity(*, scale: float, turn_deg: float, x: float, y: float) -> Float64:
    turn = np.deg2rad(turn_deg)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


def umeyama(source: Float64, target: Float64) -> Float64:
    """The paper's equations 40 to 43, by singular values, without the shortcut of the plane."""
    mean_s, mean_t = source.mean(0), target.mean(0)
    cov = (target - mean_t).T @ (source - mean_s) / len(source)
    u, d, vt = np.linalg.svd(cov)
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / ((source - mean_s) ** 2).sum(1).mean()
    return np.column_stack([scale * rotation, mean_t - scale * rotation @ mean_s])


@settings(deadline=None)
@given(
    scale=st.floats(0.05, 20),
    turn_deg=st.floats(-180, 180),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_similarity_is_recovered_exactly(scale: float, turn_deg: float, x: float, y: float) -> None:
    wanted = similarity(scale=scale, turn_deg=turn_deg, x=x, y=y)
    got = similarity_transform(POINTS, transform_points(wanted, POINTS))
    np.testing.assert_allclose(got, wanted, atol=1e-8 * (1 + abs(x) + abs(y) + 100 * scale))
    np.testing.assert_allclose(
        transform_points(invert_similarity(got), transform_points(got, POINTS)), POINTS
    )


@settings(deadline=None)
@given(seed=st.integers(0, 2**31))
def test_noisy_points_are_fitted_as_by_umeyama(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(5, 2)) * 30, rng.normal(size=(5, 2)) * 40
    np.testing.assert_allclose(similarity_transform(source, target), umeyama(source, target), atol=1e-8)


def test_batches_of_any_shape() -> None:
    many = np.random.default_rng(0).normal(size=(3, 2, 5, 2))
    got = similarity_transform(many, np.broadcast_to(POINTS, many.shape))
    assert got.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(got[1, 1], similarity_transform(many[1, 1], POINTS))
    assert chip_matrices(np.zeros((0, 5, 2), np.float32), POINTS).shape == (0, 2, 3)


def test_points_that_coincide_still_give_a_chip() -> None:
    matrix = chip_matrices(np.full((1, 5, 2), 7.0, np.float32), POINTS)[0]
    assert np.isfinite(matrix).all()
    assert cut_chip(noise_image(20, 20), matrix, size_px=150).shape == (150, 150, 3)


def test_a_bad_fit_frames_tighter_not_looser() -> None:
    grimace = POINTS.copy()
    grimace[3:, 1] += 12
    grimace[2, 0] += 15
    exact = np.hypot(*similarity_transform(grimace, POINTS)[:, 0])
    assert np.hypot(*chip_matrices(grimace[None], POINTS)[0, :, 0]) > exact


def test_chips_of_no_face() -> None:
    assert cut_chips(noise_image(10, 10), np.zeros((0, 2, 3)), size_px=112).shape == (0, 112, 112, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 40.0])
def test_chips_of_odd_images(shape: tuple[int, int], scale: float) -> None:
    matrix = similarity(scale=scale, turn_deg=30, x=20, y=10)
    assert cut_chip(noise_image(*shape), matrix, size_px=150).shape == (150, 150, 3)


def test_far_outside_is_black() -> None:
    matrix = similarity(scale=0.1, turn_deg=0, x=-10_000, y=0)
    assert not cut_chip(noise_image(30, 30), matrix, size_px=150).any()


@pytest.mark.parametrize("shrink", [1.0, 2.0, 3.7, 8.0, 21.0])
def test_shrinking_keeps_places(shrink: float) -> None:
    side = int(150 * shrink)
    ys, xs = np.mgrid[:side, :side]
    ramp = np.stack([xs / side * 255, ys / side * 255, np.zeros_like(xs)], -1).astype(np.uint8)
    matrix = similarity(scale=1 / shrink, turn_deg=0, x=0.5 / shrink - 0.5, y=0.5 / shrink - 0.5)
    chip = cut_chip(ramp, matrix, size_px=150).astype(float)
    inner = slice(3, 147)
    wanted = (np.arange(150)[inner] + 0.5) / 150 * 255
    assert np.abs(chip[75, inner, 0] - wanted).max() < 2.5
    assert np.abs(chip[inner, 75, 1] - wanted).max() < 2.5


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = similarity(scale=1 / 8, turn_deg=0, x=0, y=0)
    chip = cut_chip(stripes, matrix, size_px=150)[5:-5, 5:-5]
    plain = cv2.warpAffine(stripes, matrix, (150, 150))[5:-5, 5:-5]
    assert np.abs(chip.astype(float) - 127.5).max() < 3
    assert np.abs(plain.astype(float) - 127.5).max() > 100


def test_zoom_keeps_the_centre() -> None:
    matrix = similarity(scale=0.5, turn_deg=10, x=5, y=6)
    centre = np.array([[75.0, 75.0]])
    source = transform_points(invert_similarity(matrix), centre)
    zoomed = zoom_about_centre(matrix, zoom=1.2, size_px=150)
    np.testing.assert_allclose(transform_points(zoomed, source), centre)
    np.testing.assert_allclose(np.hypot(*zoomed[:, 0]), 0.6)


def test_mirroring() -> None:
    chips = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    mirrored = mirror_chips(chips)
    np.testing.assert_array_equal(mirrored[1, 4, 0], chips[1, 4, 149])
    assert mirrored.flags.c_contiguous


def test_templates() -> None:
    assert set(TEMPLATES) == {"dlib-150", "arcface-112"}
    for template in TEMPLATES.values():
        eyes_left, eyes_right = template.points_xy[0], template.points_xy[1]
        assert eyes_left[0] < eyes_right[0]
        assert (template.points_xy[3:, 1] > template.points_xy[2, 1]).all()
        assert ((template.points_xy > 0) & (template.points_xy < template.size_px)).all()
    with pytest.raises(ModelUnsupported, match="arcface-112"):
        chip_template("unknown")


def test_chips_are_dlibs(demo_photos: Path, models_dir: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin is an optional oracle")
    from assent.models.store import ModelStore

    trees = ModelStore(models_dir).load_trees("dlib-shape-5")
    predictor = dlib.shape_predictor(str(models_dir / "shape_predictor_5_face_landmarks.dat"))
    find = dlib.get_frontal_face_detector()
    tree_points = chip_template("dlib-150").tree_points_xy
    assert tree_points is not None
    for name in ("obama.jpg", "biden.jpg", "obama3.jpg"):
        image = decode_image((demo_photos / name).read_bytes()).image_rgb
        box = find(image, 0)[0]
        theirs = dlib.get_face_chip(image, predictor(image, box), 150, 0.25)
        rectangle = np.array([[box.left(), box.top(), box.right(), box.bottom()]])
        points = np.rint(predict_points(trees, grey_levels(image), rectangle))
        ours = cut_chip(image, chip_matrices(points, tree_points)[0], size_px=150)
        # dlib stretches a chip by half a per cent (149 steps for 150 pixels); the rest agrees to rounding.
        assert np.abs(ours.astype(float) - theirs).mean() < 3.0
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99


def test_face_rectangles_follow_the_face() -> None:
    assert face_rectangles(np.zeros((0, 5, 2), np.float32)).shape == (0, 4)
    points = np.asarray(POINTS, np.float32)
    first = face_rectangles(points[None])[0]
    moved = face_rectangles((points * 2 + 100)[None])[0]
    assert np.abs(moved - (first * 2 + 100)).max() <= 2
    left, top, right, bottom = first.tolist()
    assert left < points[:, 0].min()
    assert right > points[:, 0].max()
    assert top < points[:, 1].min()
    assert bottom > points[:, 1].max()
    assert abs((right - left) - (bottom - top)) <= 1
