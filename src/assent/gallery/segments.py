"""The two kinds of part that a ``FaissIndex`` is made of.

An *open* segment takes new templates as they are and compares every one. A *coded* segment is made once of many:
each template is turned into the axes along which the others differ most, cut to the first 32, 64 ... that
hold 97 % of the spread, and coded in 4 bits for each two axes (FAISS's fast-scan product quantizer). A search takes the
nearest by these codes, again the best of them by 8 bits an axis, and the rest by the templates themselves. Rows of
both are only ever added and marked as gone, so that a search needs no lock.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from assent.errors import IndexUnavailable, UsageError
from assent.gallery.index import SCORE_ERROR, Keys, Rows, begin_with
from assent.gallery.originals import FileOriginals, MemoryOriginals, Originals
from assent.types import Bool, Float32, Float64, Int64, UInt8

NUM_CANDIDATES = 1024
"""Nearest by the short codes that are looked at again; `benchmarks/index.py` says what fewer would miss."""
_ROWS_AT_ONCE = 8192
_TRAIN_ROWS = 40_000
_LEAST_TRAINED = 16 * 39
_SPREAD = 0.97
_AXES_STEP = 32
_FEW = 1 / 64
"""Where fewer of a segment's rows may be returned, these are looked at one by one instead."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Candidates of one probe in one segment.

    Attributes:
        keys: (C,) theirs.
        templates: (C, dim) float32, theirs.
    """

    keys: Keys
    templates: Float32


class _Live:
    """Which rows may be returned, remembered until the next consent ends."""

    def __init__(self, expires_s: Float64) -> None:
        self.expires_s = expires_s
        self._num_ended = 0
        self._known: tuple[float, float, int, UInt8, int] | None = None

    def at(self, now_s: float) -> tuple[int, UInt8]:
        """How many, and a bit for each row, least significant first."""
        # Read before what it counts: who ends meanwhile makes what is remembered here old at once.
        num_ended, known = self._num_ended, self._known
        if known is None or known[4] != num_ended or not known[0] <= now_s < known[1]:
            live = self.expires_s > now_s
            until_s = float(np.min(self.expires_s, where=live, initial=math.inf))
            bits = np.packbits(live, bitorder="little")
            known = (now_s, until_s, int(np.count_nonzero(live)), bits, num_ended)
            self._known = known
        return known[2], known[3]

    def end(self, rows: Int64) -> None:
        """These are gone."""
        self.expires_s[rows] = -math.inf
        self._num_ended += 1


class OpenSegment:
    """Room for some thousands of templates, each compared as it is.

    Only one thread at a time may change it; ``size`` is raised last, so that searches see whole rows.
    """

    def __init__(self, dim: int, capacity: int) -> None:
        self.size = 0
        self._templates = np.zeros((capacity, dim), np.float32)
        self._expires_s = np.full(capacity, -math.inf)
        self._keys: list[bytes] = []
        self._row_of: dict[bytes, int] = {}

    @property
    def room(self) -> int:
        """How many more fit."""
        return len(self._templates) - self.size

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def memory_bytes(self) -> int:
        """What it takes, about."""
        return self._templates.nbytes + self._expires_s.nbytes + 200 * self.size

    def rows_of(self, keys: Keys) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        return np.array([self._row_of.get(bytes(key), -1) for key in keys], np.int64)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return int(np.count_nonzero(self._expires_s[: self.size] > now_s))

    def append(self, rows: Rows) -> None:
        """Take rows, for which there is room."""
        end = self.size + len(rows.keys)
        self._templates[self.size : end] = rows.templates
        self._expires_s[self.size : end] = rows.expires_s
        keys = rows.keys.tolist()
        self._keys.extend(keys)
        self._row_of.update(zip(keys, range(self.size, end), strict=True))
        self.size = end

    def end(self, rows: Int64) -> None:
        """Drop rows."""
        self._expires_s[rows] = -math.inf
        self._templates[rows] = 0
        for row in rows:
            del self._row_of[self._keys[row]]

    def held(self) -> Rows:
        """What is held, by key."""
        pairs = sorted(self._row_of.items())
        at = np.array([row for _, row in pairs], np.int64)
        keys = np.array([key for key, _ in pairs], np.bytes_) if pairs else np.zeros(0, "S1")
        return Rows(keys, self._templates[at], self._expires_s[at])

    def candidates(self, probes: Float32, limit: int, min_score: float, now_s: float) -> list[Found]:
        """Everything that may be among the best ``limit``, for each probe."""
        size = self.size
        templates, live = self._templates[:size], self._expires_s[:size] > now_s
        return [self._best(scores, live, limit, min_score) for scores in probes @ templates.T]

    def _best(self, scores: Float32, live: Bool, limit: int, min_score: float) -> Found:
        rows = np.flatnonzero(live & (scores >= min_score - SCORE_ERROR))
        rows = rows[_may_be_best(scores[rows], limit, SCORE_ERROR)]
        templates = self._templates[rows]
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._expires_s[rows] > -math.inf
        rows, templates = rows[kept], templates[kept]
        keys = np.array([self._keys[row] for row in rows], np.bytes_) if len(rows) else np.zeros(0, "S1")
        return Found(keys, templates)


class CodedSegment:
    """Many templates as short codes (see the module); made once.

    Args:
        rows: at least some thousands.
        folder: where the templates themselves are kept, encrypted; None for memory.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, rows: Rows, folder: Path | None) -> None:
        order = np.argsort(rows.keys)
        self._keys = rows.keys[order]
        templates = np.ascontiguousarray(rows.templates[order])
        self._live = _Live(rows.expires_s[order].copy())
        self._held = np.ones(len(order), np.bool_)
        self._mean = templates[:: max(1, len(templates) // _TRAIN_ROWS)].mean(axis=0)
        self._code_bytes(templates)
        self._code_nearest(templates)
        self._originals: Originals = (
            MemoryOriginals(templates) if folder is None else FileOriginals(templates, folder)
        )

    def __len__(self) -> int:
        return int(np.count_nonzero(self._held))

    @property
    def num_rows(self) -> int:
        """Rows, with those that are gone."""
        return len(self._keys)

    @property
    def memory_bytes(self) -> int:
        """What it takes, without the templates themselves."""
        coded = self._nearest.code_size * self.num_rows
        return int(coded + self._codes.nbytes + self._keys.nbytes + 9 * self.num_rows)

    def rows_of(self, keys: Keys) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((self._keys[at] == keys) & self._held[at], at, -1)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return self._live.at(now_s)[0]

    def end(self, rows: Int64) -> None:
        """Drop rows; what was there is overwritten, short codes too."""
        self._held[rows] = False
        self._live.end(rows)
        self._codes[rows] = 0
        self._overwrite_short_codes(rows)
        self._originals.erase(rows)

    def held(self, part: slice = slice(None)) -> Rows:
        """What is held, by key."""
        at, templates = self._whole(np.flatnonzero(self._held[part]) + (part.start or 0))
        return Rows(self._keys[at], templates, self._live.expires_s[at])

    def _whole(self, rows: Int64) -> tuple[Int64, Float32]:
        """These rows and their templates, but of those that ended while they were read."""
        templates = self._originals.read(rows)
        # ``end`` marks a row before it overwrites it
        kept = self._held[rows]
        return (rows, templates) if kept.all() else (rows[kept], templates[kept])

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        wanted = begin_with(self._keys, prefix)
        for start in range(wanted.start, wanted.stop, _ROWS_AT_ONCE):
            yield self.held(slice(start, min(start + _ROWS_AT_ONCE, wanted.stop)))

    def held_keys(self) -> Keys:
        """The keys of what is held, in order."""
        return self._keys[self._held]

    def candidates(self, probes: Float32, limit: int, min_score: float, now_s: float) -> list[Found]:
        """What may be among the best ``limit``, for each probe."""
        num_live, bits = self._live.at(now_s)
        if num_live == 0:
            return [Found(np.zeros(0, "S1"), probes[:0]) for _ in probes]
        if num_live <= max(NUM_CANDIDATES, self.num_rows * _FEW):
            live = np.flatnonzero(np.unpackbits(bits, count=self.num_rows, bitorder="little"))
            return [self._again(probe, live, limit, min_score) for probe in probes]
        near = self._nearest_rows(probes, limit, None if num_live == self.num_rows else bits)
        return [
            self._again(probe, np.sort(rows[rows >= 0]), limit, min_score)
            for probe, rows in zip(probes, near, strict=True)
        ]

    def check(self) -> None:
        """Whether codes and templates agree. Raises ``IndexUnavailable``."""
        for start in range(0, self.num_rows, 65536):
            held = np.flatnonzero(self._held[start : start + 65536]) + start
            codes = self._codes[held]
            at, templates = self._whole(held)
            error = templates - self._mean - codes[np.searchsorted(held, at)] * self._step - self._low
            if not np.all(np.linalg.norm(error, axis=1) <= self._max_error * 1.01 + 1e-6):
                raise IndexUnavailable(
                    "codes and templates of an index disagree; make it anew from the records"
                )

    def _code_bytes(self, templates: Float32) -> None:
        """Eight bits an axis, and the most that a score can be off by."""
        centred = templates - self._mean
        self._low = centred.min(axis=0)
        self._step = np.maximum((centred.max(axis=0) - self._low) / 255, 1e-9).astype(np.float32)
        self._codes: UInt8 = np.empty(templates.shape, np.uint8)
        self._max_error = 0.0
        for start in range(0, len(templates), 65536):
            part = centred[start : start + 65536] - self._low
            codes = np.rint(part / self._step)
            self._codes[start : start + 65536] = codes
            # the score is off by the product of this error with a probe of unit norm
            self._max_error = max(
                self._max_error, float(np.linalg.norm(part - codes * self._step, axis=1).max())
            )

    def _code_nearest(self, templates: Float32) -> None:
        """Four bits for each two of the axes that matter."""
        sample = templates[:: max(1, len(templates) // _TRAIN_ROWS)] - self._mean
        spread, axes = np.linalg.eigh(np.asarray(sample, np.float64).T @ sample)
        spread, axes = spread[::-1].clip(0), axes[:, ::-1]
        dim, needed = len(axes), int(np.searchsorted(np.cumsum(spread), _SPREAD * spread.sum())) + 1
        kept = min(-(-needed // _AXES_STEP) * _AXES_STEP, dim)
        # turned at random among themselves, so that each pair of axes carries as much as another
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(kept, kept)))[0]
        self._turn = np.ascontiguousarray(axes[:, :kept] @ turn, np.float32)
        num_codes = kept // 2 if kept % 2 == 0 else kept
        # one list: the fast-scan index without lists takes no selector
        self._quantizer = faiss().IndexFlatL2(kept)
        self._nearest = faiss().IndexIVFPQFastScan(self._quantizer, kept, 1, num_codes, 4)
        self._nearest.by_residual = False
        self._nearest.pq.cp.niter = 10
        # the smallest segments have fewer rows than the quantizer wants to see
        enough = np.resize(sample, (max(len(sample), _LEAST_TRAINED), dim))
        self._nearest.train(np.ascontiguousarray(enough @ self._turn))
        for start in range(0, len(templates), 65536):
            part = templates[start : start + 65536] - self._mean
            self._nearest.add(np.ascontiguousarray(part @ self._turn))

    def _overwrite_short_codes(self, rows: Int64) -> None:
        packer, blocks = self._packed()
        nothing = np.zeros(packer.code_size, np.uint8)
        for row in rows.tolist():
            packer.pack_1(nothing, row, blocks)

    def short_codes(self, rows: Int64) -> UInt8:
        """(len(rows), B) the short codes of rows, as they are now."""
        packer, blocks = self._packed()
        return np.stack([packer.unpack_1(blocks, row) for row in rows.tolist()])

    def _packed(self) -> tuple[Any, UInt8]:
        """FAISS's packer, and where it has the short codes, interleaved in blocks of rows; no copy."""
        packer = self._nearest.get_CodePacker()
        num_blocks = -(-self.num_rows // packer.nvec)
        at = int(self._nearest.invlists.get_codes(0))
        flat = (ctypes.c_uint8 * (num_blocks * packer.block_size)).from_address(at)
        return packer, np.ctypeslib.as_array(flat).reshape(num_blocks, packer.block_size)

    def _nearest_rows(self, probes: Float32, limit: int, bits: UInt8 | None) -> Int64:
        """(Q, C) rows nearest by the short codes among those whose bit is set, -1 where there are fewer."""
        turned = np.ascontiguousarray((probes - self._mean) @ self._turn)
        count = min(max(NUM_CANDIDATES, 4 * limit), self.num_rows)
        selector = {} if bits is None else {"sel": faiss().IDSelectorBitmap(bits)}
        # this search has a thread for each segment already; FAISS's own would only wait for each other
        faiss().omp_set_num_threads(1)
        parameters = faiss().IVFSearchParameters(nprobe=1, **selector)
        rows: Int64 = self._nearest.search(turned, count, params=parameters)[1]
        return rows

    def _again(self, probe: Float32, rows: Int64, limit: int, min_score: float) -> Found:
        """The rows that may be hits, judged by eight bits an axis, with their templates."""
        scores = self._codes[rows] @ (self._step * probe) + float(probe @ (self._mean + self._low))
        off_by = self._max_error + SCORE_ERROR
        rows, scores = (values[scores >= min_score - off_by] for values in (rows, scores))
        rows = rows[_may_be_best(scores, limit, off_by)]
        templates = self._originals.read(rows)
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._held[rows]
        return Found(self._keys[rows[kept]], templates[kept])


Segment = OpenSegment | CodedSegment


def _may_be_best(scores: Float32, limit: int, off_by: float) -> Bool:
    """Which may be among the best ``limit`` where each score may be off by ``off_by``; ties with the last are."""
    if len(scores) <= limit:
        return np.ones(len(scores), np.bool_)
    kth = np.partition(scores, -limit)[-limit]
    return np.asarray(scores >= kth - 2 * off_by)


def concatenated(parts: Sequence[Rows], dim: int) -> Rows:
    """Rows of several segments in one."""
    if not parts:
        return Rows(np.zeros(0, "S1"), np.zeros((0, dim), np.float32), np.zeros(0))
    return Rows(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.templates for part in parts]),
        np.concatenate([part.expires_s for part in parts]),
    )
