"""Reads dlib's shape predictor (an ensemble of regression trees) into plain arrays.

The file (``dlib/image_processing/shape_predictor.h``, version 1) is a list of integers: the initial shape,
the forests, and for every cascade the pixels it looks at, each given as an offset from one of the points.
Evaluating the trees is ``assent.vision.landmarks``'s business.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields

import numpy as np

from assent.errors import ModelUnsupported
from assent.models.dlib_stream import decode_all_ints
from assent.types import Float32, Int64


@dataclass(frozen=True, slots=True, eq=False)
class ShapeTrees:
    """A cascade of forests that moves P points from a mean shape to where they are in an image.

    C cascades of T trees; every tree is a complete binary tree of S splits and L = S + 1 leaves, stored by
    levels: the children of node i are 2i + 1 and 2i + 2, and a walk that ends at node i has reached leaf
    i - S. Points are in the unit square of the face box: (0, 0) is its top left corner, (1, 1) its bottom
    right.

    Cascade c looks at F pixels: pixel f lies at point ``anchor_index[c, f]`` plus ``deltas[c, f]``, the
    latter turned and scaled by the similarity transform from the initial to the current shape. A split goes
    to child 2i + 1 when ``pixel[split_pixels[..., 0]] - pixel[split_pixels[..., 1]] > split_thresholds``
    (grey levels 0 to 255), else to 2i + 2. Every tree's leaf is added to the current shape.

    Attributes:
        initial_shape: (P, 2) float32, x and y.
        split_pixels: (C, T, S, 2) int32, indices into the cascade's F pixels.
        split_thresholds: (C, T, S) float32, grey levels.
        leaf_values: (C, T, L, P, 2) float32, what the leaf adds to the shape.
        anchor_index: (C, F) int32, a point's index.
        deltas: (C, F, 2) float32, x and y.
    """

    initial_shape: Float32
    split_pixels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    split_thresholds: Float32
    leaf_values: Float32
    anchor_index: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    deltas: Float32

    @property
    def num_points(self) -> int:
        """P."""
        return len(self.initial_shape)

    @property
    def num_cascades(self) -> int:
        """C."""
        return len(self.split_pixels)


class _IntCursor:
    """Takes counted blocks from the file's integers."""

    def __init__(self, values: Int64, name: str) -> None:
        self._values = values
        self._name = name
        self._next = 0

    def unsupported(self, expected: str, got: str) -> ModelUnsupported:
        return ModelUnsupported(
            f"{self._name}: expected {expected} at integer {self._next} of {len(self._values)}, got {got}; "
            "this is not a shape predictor of the supported kind. Pull or copy the model again."
        )

    def block(self, count: int) -> Int64:
        if self._next + count > len(self._values):
            raise self.unsupported(f"{count} more integers", str(len(self._values) - self._next))
        taken = self._values[self._next : self._next + count]
        self._next += count
        return taken

    def peek(self, ahead: int = 0) -> int:
        if self._next + ahead >= len(self._values):
            raise self.unsupported("more integers", "the end")
        return int(self._values[self._next + ahead])

    def size(self, meaning: str, upper: int = 1_000_000) -> int:
        value = int(self.block(1)[0])
        if not 1 <= value <= upper:
            raise self.unsupported(f"{meaning} (1 to {upper})", str(value))
        return value

    def expect_end(self) -> None:
        if self._next != len(self._values):
            raise self.unsupported("the end", f"{len(self._values) - self._next} more integers")


def _floats(pairs: Int64) -> Float32:
    """Mantissas and exponents, (..., 2) int64, to float32 of shape (...)."""
    return np.ldexp(pairs[..., 0].astype(np.float64), pairs[..., 1]).astype(np.float32)


def _column(cursor: _IntCursor, block: Int64, num_rows: int) -> Int64:
    """The (..., num_rows, 2) float pairs of column vectors stored as -rows, -1, then the floats."""
    if not (np.all(block[..., 0] == -num_rows) and np.all(block[..., 1] == -1)):
        raise cursor.unsupported(f"column vectors of {num_rows} rows", "other dimensions")
    return block[..., 2:].reshape(*block.shape[:-1], num_rows, 2)


def read_shape_predictor(data: bytes, name: str = "shape predictor") -> ShapeTrees:
    """Reads the file to its last byte.

    Args:
        data: the content of a ``.dat`` file.
        name: what messages call it.

    Returns:
        The trees, as arrays.

    Raises:
        ModelUnsupported: another format or version, trees that are not complete, indices out of range.
    """
    cursor = _IntCursor(decode_all_ints(data, name), name)
    version = int(cursor.block(1)[0])
    if version != 1:
        raise cursor.unsupported("version 1", str(version))
    num_values = -cursor.peek()
    if num_values < 2 or num_values % 2 or num_values > 10_000:
        raise cursor.unsupported("an initial shape of x, y pairs", f"{num_values} values")
    num_points = num_values // 2
    initial = _floats(_column(cursor, cursor.block(2 + 2 * num_values), num_values))

    forests = _read_forests(cursor, num_values)
    num_cascades, num_trees, num_splits = forests.thresholds.shape
    anchors = _read_vectors(cursor, num_cascades, width=1)[..., 0]
    deltas = _floats(_read_vectors(cursor, num_cascades, width=4).reshape(num_cascades, -1, 2, 2))
    cursor.expect_end()

    num_pixels = anchors.shape[1]
    for what, index, limit in (
        ("pixel", forests.pixels, num_pixels),
        ("point", anchors, num_points),
    ):
        if index.min() < 0 or index.max() >= limit:
            raise cursor.unsupported(
                f"{what} indices from 0 to {limit - 1}", f"{index.min()} to {index.max()}"
            )
    if deltas.shape[1] != num_pixels:
        raise cursor.unsupported(f"{num_pixels} offsets in each cascade", str(deltas.shape[1]))
    trees = ShapeTrees(
        initial_shape=initial.reshape(num_points, 2),
        split_pixels=forests.pixels.astype(np.int32),
        split_thresholds=forests.thresholds,
        leaf_values=forests.leaves.reshape(num_cascades, num_trees, num_splits + 1, num_points, 2),
        anchor_index=anchors.astype(np.int32),
        deltas=deltas,
    )
    if not (np.isfinite(trees.leaf_values).all() and np.isfinite(trees.split_thresholds).all()):
        raise cursor.unsupported("finite numbers", "others")
    return trees


@dataclass(frozen=True, slots=True, eq=False)
class _Forests:
    """All trees: pixels (C, T, S, 2) int64, thresholds (C, T, S) and leaves (C, T, L, 2P) float32."""

    pixels: Int64
    thresholds: Float32
    leaves: Float32


def _read_forests(cursor: _IntCursor, num_values: int) -> _Forests:
    """The forests, whose trees must all have the same depth (as dlib's trainer makes them)."""
    num_cascades = cursor.size("cascades", 1000)
    num_trees = cursor.peek()
    num_splits = cursor.peek(1)
    num_leaves = num_splits + 1
    if num_trees < 1 or num_splits < 1 or num_leaves & num_splits:
        raise cursor.unsupported("complete trees", f"{num_trees} trees of {num_splits} splits")
    leaf_width = 2 + 2 * num_values
    tree_width = 1 + 4 * num_splits + 1 + num_leaves * leaf_width
    block = cursor.block(num_cascades * (1 + num_trees * tree_width)).reshape(num_cascades, -1)
    trees = block[:, 1:].reshape(num_cascades, num_trees, tree_width)
    splits_end = 1 + 4 * num_splits
    if not (
        np.all(block[:, 0] == num_trees)
        and np.all(trees[..., 0] == num_splits)
        and np.all(trees[..., splits_end] == num_leaves)
    ):
        raise cursor.unsupported(f"{num_trees} trees of {num_splits} splits everywhere", "uneven trees")
    splits = trees[..., 1:splits_end].reshape(num_cascades, num_trees, num_splits, 4)
    leaves = trees[..., splits_end + 1 :].reshape(num_cascades, num_trees, num_leaves, leaf_width)
    return _Forests(splits[..., :2], _floats(splits[..., 2:]), _floats(_column(cursor, leaves, num_values)))


def _read_vectors(cursor: _IntCursor, num_cascades: int, *, width: int) -> Int64:
    """For each cascade the same number of items of ``width`` integers: (C, F, width) int64."""
    got_cascades = cursor.size("cascades", 1000)
    if got_cascades != num_cascades:
        raise cursor.unsupported(f"{num_cascades} cascades", str(got_cascades))
    num_items = cursor.peek()
    if num_items < 1:
        raise cursor.unsupported("pixels to look at", str(num_items))
    block = cursor.block(num_cascades * (1 + num_items * width)).reshape(num_cascades, -1)
    if not np.all(block[:, 0] == num_items):
        raise cursor.unsupported(f"{num_items} pixels in every cascade", "uneven cascades")
    return block[:, 1:].reshape(num_cascades, num_items, width)


def pack_trees(trees: ShapeTrees) -> bytes:
    """The trees as an uncompressed ``.npz``, which loads in milliseconds; the original takes a second."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(trees, field.name) for field in fields(trees)}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_trees(data: bytes, name: str = "shape predictor") -> ShapeTrees:
    """The inverse of ``pack_trees``.

    Raises:
        ModelUnsupported: not such a file.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return ShapeTrees(**{field.name: arrays[field.name] for field in fields(ShapeTrees)})
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelUnsupported(
            f"{name}: expected packed regression trees, got something else; pull the model again."
        ) from error
