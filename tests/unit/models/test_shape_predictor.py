from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from assent.errors import ModelUnsupported
from assent.models.shape_predictor import ShapeTrees, pack_trees, read_shape_predictor, unpack_trees
from tests.unit.models.builders import dlib_float, dlib_int, dlib_ints, shape_predictor_file


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"num_points": 1, "num_cascades": 1, "num_trees": 1, "num_splits": 1, "num_pixels": 1},
        {"num_points": 7, "num_cascades": 3, "num_trees": 5, "num_splits": 7, "num_pixels": 300},
    ],
)
def test_reads_what_was_written(sizes: dict[str, int]) -> None:
    data, arrays = shape_predictor_file(**sizes)
    trees = read_shape_predictor(data)
    for name, expected in arrays.items():
        np.testing.assert_allclose(getattr(trees, name), expected, rtol=1e-6, err_msg=name)
    assert trees.num_points == len(arrays["initial_shape"])
    assert trees.num_cascades == len(arrays["deltas"])


def test_packed_trees_come_back_unchanged() -> None:
    trees = read_shape_predictor(shape_predictor_file()[0])
    back = unpack_trees(pack_trees(trees))
    for field in fields(ShapeTrees):
        before, after = getattr(trees, field.name), getattr(back, field.name)
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize("kept", [0, 2, 30, 200, -1])
def test_a_cut_file_is_refused(kept: int) -> None:
    data, _ = shape_predictor_file()
    with pytest.raises(ModelUnsupported, match=r"some\.dat"):
        read_shape_predictor(data[:kept], "some.dat")


def test_a_longer_file_is_refused() -> None:
    with pytest.raises(ModelUnsupported, match="1 more integers"):
        read_shape_predictor(shape_predictor_file()[0] + b"\x01\x01")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (dlib_int(2), "version 1"),
        (dlib_ints(1, -3, -1, 0, 0), "x, y pairs"),
        (dlib_ints(1, -2, -2, 0, 0, 0, 0), "column vectors of 2 rows"),
        (dlib_ints(1, -2, -1) + dlib_float(0.5) * 2 + dlib_ints(0), "cascades"),
        (dlib_ints(1, -2, -1) + dlib_float(0.5) * 2 + dlib_ints(1, 1, 2), "complete trees"),
        (shape_predictor_file(num_pixels=4)[0][:-3] + dlib_int(32000), "expected"),
    ],
)
def test_other_contents_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        read_shape_predictor(data)
    assert complaint in caught.value.message


def test_indices_out_of_range_are_refused() -> None:
    data, arrays = shape_predictor_file(num_pixels=4, num_cascades=1, num_trees=1, num_splits=1)
    first, second = (int(v) for v in arrays["split_pixels"][0, 0, 0])
    before = dlib_ints(1, 1, 1, first, second)
    assert data.count(before) == 1
    with pytest.raises(ModelUnsupported, match="pixel indices from 0 to 3"):
        read_shape_predictor(data.replace(before, dlib_ints(1, 1, 1, first, 4)))


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 broken", pack_trees(read_shape_predictor(shape_predictor_file()[0]))[:-200]]
)
def test_a_broken_pack_is_refused(data: bytes) -> None:
    with pytest.raises(ModelUnsupported, match="packed regression trees"):
        unpack_trees(data)


def test_the_real_file_is_read_to_its_last_byte(models_dir: Path) -> None:
    file = models_dir / "shape_predictor_5_face_landmarks.dat"
    trees = read_shape_predictor(file.read_bytes(), file.name)
    assert trees.initial_shape.shape == (5, 2)
    assert trees.split_pixels.shape == (15, 500, 15, 2)
    assert trees.leaf_values.shape == (15, 500, 16, 5, 2)
    assert trees.anchor_index.shape == (15, 800)
    assert trees.deltas.shape == (15, 800, 2)
    # Two corners of each eye, then the nose below and between them, in the unit square of the face box.
    assert ((trees.initial_shape > 0.2) & (trees.initial_shape < 0.8)).all()
    assert trees.initial_shape[4, 1] > trees.initial_shape[:4, 1].max()
