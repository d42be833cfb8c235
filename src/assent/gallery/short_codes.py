"""Short codes of many templates: what is nearest by them is looked at again by somebody more exact.

Each template is turned into the axes along which the others differ most, cut to the first 32, 64 ... that hold 97 % of
the spread, and coded in 4 bits for each two axes (FAISS's fast-scan product quantizer). Where there are many, they lie
in cells of some two thousand, and a search that asks only for who is near leaves out the farther cells.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from assent.errors import UsageError
from assent.types import Float32, Int64, UInt8

_TRAIN_ROWS: Final = 40_000
_LEAST_TRAINED: Final = 16 * 39
_SPREAD: Final = 0.97
_AXES_STEP: Final = 32
_ROWS_AT_ONCE: Final = 65536
_ROWS_OF_CELL: Final = 2048
_LEAST_CELLS: Final = 256
"""Fewer cells are so large that the nearer ones would have to be nearly all."""
_CELLS_POWER: Final = 0.35
"""Of the spread along an axis: by how much the axes along which people differ count more for who is in which cell."""
_NEAR: Final = 0.45
"""Where hits are within this share of the mean squared distance, the nearer cells will do (see ``Effort``)."""
_SURE: Final = 4.5
"""Standard deviations by which a code may be farther than a hit is, and be looked at again."""
_FEW_PROBES: Final = 8
_ONE_BY_ONE: Final = 11
"""FAISS's number for searching each cell for each probe with a reservoir: a quarter faster for a single one."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is looked at again; docs/decisions/0009-index.md says what less would miss.

    Attributes:
        num_candidates: of 2**20 rows, the nearest by the short codes, where ten hits are wanted.
        cells_share: of the cells, the nearest ones; all where hits may be far.
    """

    num_candidates: int
    cells_share: float

    def candidates(self, num_rows: int, limit: int) -> int:
        """How many of so many rows are looked at again, where so many hits are wanted.

        The powers are measured: with ten times as many rows the place that a hit has by its code goes up 2.2 times, and
        where ten times as many hits are wanted, that of the last of them 4.7 times.
        """
        share = math.pow(num_rows / 2**20, 0.35) * math.pow(max(limit, 10) / 10, 0.67)
        return math.ceil(self.num_candidates * share)


THOROUGH: Final = Effort(3072, 0.9)
"""For galleries of some millions."""
QUICK: Final = Effort(768, 0.6)
"""For larger ones, where the best are nearer."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a segment's work: of so many, the one with this number, from 0."""

    number: int
    of: int


WHOLE: Final = Share(0, 1)


@cache
def faiss() -> Any:
    """The library, loaded when first needed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import faiss as module
    except ModuleNotFoundError as error:
        raise UsageError("galleries of this size need FAISS; run: pip install 'assent[scale]'") from error
    return module


class ShortCodes:
    """See the module; made once, rows are numbered as they came.

    Args:
        templates: (N, dim) float32, unit norm.

    Attributes:
        mean: (dim,) float32, of some of them.
    """

    def __init__(self, templates: Float32) -> None:
        sample = templates[:: max(1, len(templates) // _TRAIN_ROWS)]
        self.mean: Float32 = sample.mean(axis=0)
        sample = sample - self.mean
        spread, axes = np.linalg.eigh(np.asarray(sample, np.float64).T @ sample)
        spread, axes = spread[::-1].clip(0), axes[:, ::-1]
        dim, needed = len(axes), int(np.searchsorted(np.cumsum(spread), _SPREAD * spread.sum())) + 1
        kept = min(-(-needed // _AXES_STEP) * _AXES_STEP, dim)
        # turned at random among themselves, so that each pair of axes carries as much as another
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(kept, kept)))[0]
        self._turn = np.ascontiguousarray(axes[:, :kept] @ turn, np.float32)
        self._mean_distance_squared = 2 * float(spread.sum()) / len(sample)
        self._num_rows = len(templates)
        turned = np.ascontiguousarray(sample @ self._turn)
        weights = (spread[:kept] / max(spread[0], 1e-12)).clip(1e-6) ** _CELLS_POWER
        self._index = self._trained(turned, np.ascontiguousarray(weights[:, None] * turn.T, np.float32))
        coded = self._index.pq.decode(self._index.pq.compute_codes(turned))
        errors_squared = np.square(turned - coded).sum(axis=1)
        self._error_squared, self._error_spread = float(errors_squared.mean()), float(errors_squared.std())
        for start in range(0, len(templates), _ROWS_AT_ONCE):
            self._index.add(self._turned(templates[start : start + _ROWS_AT_ONCE]))
        self._one_by_one = self._view(_ONE_BY_ONE)
        # where each row's code lies; rows of a cell are in order
        self._cell_of = np.zeros(self._num_rows, np.uint16)
        for cell in range(self.num_cells):
            self._cell_of[self._rows_of_cell(cell)] = cell

    @property
    def memory_bytes(self) -> int:
        """What they take: the codes, and for each its row's number and cell."""
        return self.code_bytes + 10 * self._num_rows

    @property
    def code_bytes(self) -> int:
        """What the codes alone take, which a search reads."""
        return int(self._index.code_size) * self._num_rows

    @property
    def num_cells(self) -> int:
        """In which they lie."""
        return int(self._index.nlist)

    def nearest(
        self,
        probes: Float32,
        effort: Effort,
        share: Share,
        *,
        limit: int,
        min_score: float,
        bits: UInt8 | None,
    ) -> Int64:
        """Rows nearest to each probe by the short codes.

        Args:
            probes: (Q, dim) float32, unit norm.
            effort: how many.
            share: of the cells that are searched, which ones here.
            limit: how many hits are wanted; many ask for more rows.
            min_score: of the hits that are looked for, a cosine.
            bits: one for each row, least significant first: whether it may be returned; None for all.

        Returns:
            (Q, C) int64, -1 where there are fewer, or where one is too far to be a hit.
        """
        selector = {} if bits is None else {"sel": faiss().IDSelectorBitmap(bits)}
        # each segment has a thread already; FAISS's own would only wait for each other
        faiss().omp_set_num_threads(1)
        index = self._one_by_one if len(probes) < _FEW_PROBES else self._index
        count = min(-(-effort.candidates(self._num_rows, limit) // share.of), self._num_rows)
        turned = self._turned(probes)
        how_far, cells = self._quantizer.search(turned, self._num_cells(effort, min_score))
        # every other of the nearest ones, so that each share has as many of the near as the others
        cells = np.ascontiguousarray(cells[:, share.number :: share.of])
        how_far = np.ascontiguousarray(how_far[:, share.number :: share.of])
        distances = np.empty((len(probes), count), np.float32)
        rows = np.empty((len(probes), count), np.int64)
        pointer = faiss().swig_ptr
        # what FAISS's Python calls ``search_preassigned`` takes no selector
        index.search_preassigned_c(
            len(probes),
            pointer(turned),
            count,
            pointer(cells),
            pointer(how_far),
            pointer(distances),
            pointer(rows),
            False,
            faiss().IVFSearchParameters(nprobe=cells.shape[1], **selector),
            None,
        )
        rows[distances > self._farthest(min_score)] = -1
        return rows

    def overwrite(self, rows: Int64) -> None:
        """Nothing is left of these rows' codes, in FAISS's own memory either."""
        packer = self._index.get_CodePacker()
        nothing = np.zeros(packer.code_size, np.uint8)
        for cell, at in self._places(rows):
            packer.pack_1(nothing, at, self._blocks(packer, cell))

    def codes(self, rows: Int64) -> UInt8:
        """(len(rows), B) uint8, as they are now."""
        packer = self._index.get_CodePacker()
        return np.stack([packer.unpack_1(self._blocks(packer, cell), at) for cell, at in self._places(rows)])

    def _trained(self, sample: Float32, to_cells: Float32) -> Any:
        """An empty FAISS index; ``sample`` is turned, ``to_cells`` turns it to where the cells are chosen."""
        num_axes = sample.shape[1]
        num_codes = num_axes // 2 if num_axes % 2 == 0 else num_axes
        num_cells = self._num_rows // _ROWS_OF_CELL
        # one cell where there are few: the fast-scan index without cells takes no selector
        num_cells = num_cells if num_cells >= _LEAST_CELLS else 1
        self._cells = self._trained_cells(sample @ to_cells.T, num_cells)
        self._to_cells = faiss().LinearTransform(num_axes, num_axes, False)
        faiss().copy_array_to_vector(to_cells.ravel(), self._to_cells.A)
        self._to_cells.is_trained = True
        self._quantizer = faiss().IndexPreTransform(self._to_cells, self._cells)
        index = faiss().IndexIVFPQFastScan(self._quantizer, num_axes, num_cells, num_codes, 4)
        index.by_residual = False
        index.pq.cp.niter = 10
        # the smallest segments have fewer rows than the quantizer wants to see
        enough = np.resize(sample, (max(len(sample), _LEAST_TRAINED), num_axes))
        index.train(np.ascontiguousarray(enough))
        return index

    @staticmethod
    def _trained_cells(sample: Float32, num_cells: int) -> Any:
        """Centroids of so many cells."""
        num_axes = sample.shape[1]
        cells, how = faiss().IndexFlatL2(num_axes), faiss().ClusteringParameters()
        how.niter = 10
        faiss().Clustering(num_axes, num_cells, how).train(np.ascontiguousarray(sample), cells)
        return cells

    def _view(self, way: int) -> Any:
        """The same codes, searched in another of FAISS's ways."""
        index = self._index
        view = faiss().IndexIVFPQFastScan(self._quantizer, index.d, index.nlist, index.pq.M, 4)
        view.by_residual, view.is_trained, view.pq, view.ntotal = False, True, index.pq, index.ntotal
        view.replace_invlists(index.invlists, False)
        view.implem = way
        return view

    def _turned(self, templates: Float32) -> Float32:
        return np.ascontiguousarray((templates - self.mean) @ self._turn)

    def _num_cells(self, effort: Effort, min_score: float) -> int:
        """How many of the nearest cells are searched."""
        reach = (2 - 2 * min_score) / max(self._mean_distance_squared, 1e-9)
        return max(1, round(effort.cells_share * self.num_cells)) if reach <= _NEAR else self.num_cells

    def _farthest(self, min_score: float) -> float:
        """The squared distance of a probe to a hit's code that is hardly ever exceeded.

        The code's error adds its own square, and twice its product with the hit's distance, in a random direction.
        """
        reach = 2 - 2 * min_score
        spread = np.sqrt(4 * reach * self._error_squared / self._turn.shape[1] + self._error_spread**2)
        return float(reach + self._error_squared + _SURE * spread)

    def _places(self, rows: Int64) -> list[tuple[int, int]]:
        """Cell of each row, and its place there."""
        cells = self._cell_of[rows].tolist()
        return [
            (cell, int(np.searchsorted(self._rows_of_cell(cell), row)))
            for cell, row in zip(cells, rows.tolist(), strict=True)
        ]

    def _rows_of_cell(self, cell: int) -> Int64:
        """Numbers of the rows in a cell, in order; no copy."""
        lists = self._index.invlists
        size = lists.list_size(cell)
        if size == 0:
            return np.zeros(0, np.int64)
        flat = (ctypes.c_int64 * size).from_address(int(lists.get_ids(cell)))
        return np.ctypeslib.as_array(flat)

    def _blocks(self, packer: Any, cell: int) -> UInt8:
        """The codes of a cell, interleaved in blocks of rows; no copy."""
        lists = self._index.invlists
        num_blocks = -(-lists.list_size(cell) // packer.nvec)
        flat = (ctypes.c_uint8 * (num_blocks * packer.block_size)).from_address(int(lists.get_codes(cell)))
        return np.ctypeslib.as_array(flat).reshape(num_blocks, packer.block_size)
