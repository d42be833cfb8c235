"""The two kinds of part that a ``FaissIndex`` is made of.

An *open* segment takes new templates as they are and compares every one. A *coded* segment is made once of many: a
search takes the nearest by short codes (``assent.gallery.short_codes``) and scores these again by 8 bits an axis, whose
greatest error is known. What may then still be among the best of all segments is read, to be scored by the templates
themselves. Rows of both are only ever added and marked as gone, so that a search needs no lock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from assent.errors import IndexUnavailable
from assent.gallery.held_keys import HeldKeys
from assent.gallery.index import SCORE_ERROR, Keys, Rows, begin_with, held_twice, not_held
from assent.gallery.key_filter import fingerprints
from assent.gallery.originals import FileOriginals, MemoryOriginals, Originals, RowCipher, read_together
from assent.gallery.short_codes import WHOLE, Effort, Share, ShortCodes
from assent.types import Bool, Float32, Float64, Int64, UInt8, UInt64

_ROWS_AT_ONCE = 8192
_FEW_KEYS: Final = 4
_FEW = 1 / 64
"""Where fewer of a segment's rows may be returned, these are looked at one by one instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """What may be a hit of one probe in one segment.

    Attributes:
        rows: (C,) int64.
        scores: (C,) float32, about.
        off_by: how much a score may be off.
    """

    rows: Int64
    scores: Float32
    off_by: float

    def at(self, chosen: Bool) -> Near:
        """Some of them."""
        return Near(self.rows[chosen], self.scores[chosen], self.off_by)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Candidates of one probe in one segment.

    Attributes:
        keys: (C,) theirs.
        templates: (C, dim) float32, theirs.
    """

    keys: Keys
    templates: Float32


class LiveRows:
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
        """These are gone; one thread at a time may say so."""
        self.expires_s[rows] = -math.inf
        known, self._num_ended = self._known, self._num_ended + 1
        if known is None or known[4] != self._num_ended - 1 or not len(rows):
            return
        # the bits of these only, in place: a search that reads them now may miss who has just gone
        from_s, until_s, num_live, bits, _ = known
        rows = np.unique(rows)
        places, masks = rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8)
        num_live -= int(np.count_nonzero(bits[places] & masks))
        np.bitwise_and.at(bits, places, ~masks)
        self._known = (from_s, until_s, num_live, bits, self._num_ended)


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
    def num_rows(self) -> int:
        """Rows, with those that are gone."""
        return self.size

    @property
    def memory_bytes(self) -> int:
        """What it takes, about."""
        return self._templates.nbytes + self._expires_s.nbytes + 200 * self.size

    @property
    def bytes_read(self) -> int:
        """Of memory by a search for one probe, about."""
        return self.size * self._templates.shape[1] * 4

    def shares(self, _wanted: int, _limit: int, _now_s: float, _effort: Effort) -> Sequence[Share]:
        """The parts of a search: it is in one."""
        return [WHOLE]

    def may_hold(self, _print: int) -> bool:
        """Whether it does is asked as fast as it could be guessed."""
        return True

    def rows_of(self, keys: Keys, _prints: UInt64) -> Int64:
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

    def skip(self, count: int) -> None:
        """Leave rows out for good."""
        self._keys.extend([b""] * count)
        self.size += count

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

    def near(
        self,
        probes: Float32,
        limit: int,
        min_score: float,
        now_s: float,
        _effort: Effort,
        _share: Share = WHOLE,
    ) -> list[Near]:
        """Everything that may be among the best ``limit``, for each probe; always all of it, in one share."""
        size = self.size
        templates, live = self._templates[:size], self._expires_s[:size] > now_s
        found = []
        for scores in probes @ templates.T:
            rows = np.flatnonzero(live & (scores >= min_score - SCORE_ERROR))
            found.append(best_of([Near(rows, scores[rows], SCORE_ERROR)], limit)[0])
        return found

    def found(self, rows: Int64) -> Found:
        """The templates of rows, but of those that ended meanwhile."""
        return self.live(rows, -math.inf)

    def live(self, rows: Int64, now_s: float) -> Found:
        """Which of these rows may be returned at that moment, with their templates."""
        rows = rows[rows < self.size]
        templates = self._templates[rows]
        # ``end`` marks a row before it overwrites it: whole rows only are left after this
        kept = self._expires_s[rows] > now_s
        rows, templates = rows[kept], templates[kept]
        keys = np.array([self._keys[row] for row in rows], np.bytes_) if len(rows) else np.zeros(0, "S1")
        return Found(keys, templates)

    def held_rows(self) -> Int64:
        """Which rows are held."""
        return np.array(sorted(self._row_of.values()), np.int64)

    def in_order(self) -> Rows:
        """Every row by its number; one that is gone has no key."""
        held = self._expires_s[: self.size] > -math.inf
        keys = [key if kept else b"" for key, kept in zip(self._keys, held.tolist(), strict=True)]
        return Rows(np.array(keys, np.bytes_), self._templates[: self.size], self._expires_s[: self.size])


class CodedSegment:
    """Many templates as short codes (see the module); made once.

    Args:
        rows: at least some thousands.
        folder: where the templates themselves are kept, encrypted; None for memory.
        cipher: for the index's files.

    Attributes:
        may_hold: see ``Holding``.
        originals: the templates themselves.

    Raises:
        IndexUnavailable: the disk refuses.
    """

    def __init__(self, rows: Rows, folder: Path | None, cipher: RowCipher) -> None:
        order = np.argsort(rows.keys)
        self._whose = HeldKeys(rows.keys[order])
        self.may_hold = self._whose.may_hold
        templates = np.ascontiguousarray(rows.templates[order])
        self._live = LiveRows(rows.expires_s[order].copy())
        self._short = ShortCodes(templates)
        self._code_bytes(templates)
        self.originals: Originals = (
            MemoryOriginals(templates) if folder is None else FileOriginals(templates, folder, cipher)
        )

    def __len__(self) -> int:
        return len(self._whose)

    @property
    def num_rows(self) -> int:
        """Rows, with those that are gone."""
        return len(self._whose.keys)

    @property
    def memory_bytes(self) -> int:
        """What it takes, without the templates themselves."""
        kept = self._codes.nbytes + self._whose.memory_bytes + self._live.expires_s.nbytes
        return self._short.memory_bytes + kept

    @property
    def bytes_read(self) -> int:
        """Of memory by a search for one probe, about."""
        return self._short.code_bytes

    def shares(self, wanted: int, limit: int, now_s: float, effort: Effort) -> Sequence[Share]:
        """The parts of a search, at most ``wanted``, which may be done beside each other."""
        few = self._are_few(self.num_live(now_s), limit, effort)
        count = 1 if few else min(wanted, self._short.num_cells)
        return [WHOLE] if count == 1 else [Share(number, count) for number in range(count)]

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here."""
        return self._whose.rows_of(keys, prints)

    def num_live(self, now_s: float) -> int:
        """How many may be returned."""
        return self._live.at(now_s)[0]

    def end(self, rows: Int64) -> None:
        """Drop rows; what was there is overwritten, short codes too."""
        self._whose.end(rows)
        self._live.end(rows)
        self._codes[rows] = 0
        self._short.overwrite(rows)
        self.originals.erase(rows)

    def held(self, part: slice = slice(None)) -> Rows:
        """What is held, by key."""
        at, templates = self._whole(np.flatnonzero(self._whose.held[part]) + (part.start or 0))
        return Rows(self._whose.keys[at], templates, self._live.expires_s[at])

    def _whole(self, rows: Int64) -> tuple[Int64, Float32]:
        """These rows and their templates, but of those that ended while they were read."""
        return self._still(rows, self.originals.read(rows))

    def _still(self, rows: Int64, templates: Float32) -> tuple[Int64, Float32]:
        # ``end`` marks a row before it overwrites it
        kept = self._whose.held[rows]
        return (rows, templates) if kept.all() else (rows[kept], templates[kept])

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        wanted = begin_with(self._whose.keys, prefix)
        for start in range(wanted.start, wanted.stop, _ROWS_AT_ONCE):
            yield self.held(slice(start, min(start + _ROWS_AT_ONCE, wanted.stop)))

    def held_keys(self) -> Keys:
        """The keys of what is held, in order."""
        return self._whose.keys[self._whose.held]

    def near(
        self,
        probes: Float32,
        limit: int,
        min_score: float,
        now_s: float,
        effort: Effort,
        share: Share = WHOLE,
    ) -> list[Near]:
        """What may be among the best ``limit``, for each probe; all shares together have it all."""
        num_live, bits = self._live.at(now_s)
        if num_live == 0:
            return [Near(np.zeros(0, np.int64), np.zeros(0, np.float32), 0.0) for _ in probes]
        # in each of several shares, too: that somebody left between them must not take anybody along
        if self._are_few(num_live, limit, effort):
            live = np.flatnonzero(np.unpackbits(bits, count=self.num_rows, bitorder="little"))
            return [self._scored(probe, live, limit, min_score) for probe in probes]
        nearest = self._short.nearest(
            probes,
            effort,
            share,
            limit=limit,
            min_score=min_score,
            bits=None if num_live == self.num_rows else bits,
        )
        return [
            self._scored(probe, np.sort(rows[rows >= 0]), limit, min_score)
            for probe, rows in zip(probes, nearest, strict=True)
        ]

    def still(self, rows: Int64, templates: Float32) -> Found:
        """Of rows that were read, those that did not end meanwhile."""
        at, templates = self._still(rows, templates)
        return Found(self._whose.keys[at], templates)

    def short_codes(self, rows: Int64) -> UInt8:
        """(len(rows), B) the short codes of rows, as they are now."""
        return self._short.codes(rows)

    def check(self) -> None:
        """Whether codes and templates agree. Raises ``IndexUnavailable``."""
        for start in range(0, self.num_rows, 65536):
            held = np.flatnonzero(self._whose.held[start : start + 65536]) + start
            codes = self._codes[held]
            at, templates = self._whole(held)
            error = templates - self._short.mean - codes[np.searchsorted(held, at)] * self._step - self._low
            if not np.all(np.linalg.norm(error, axis=1) <= self._max_error * 1.01 + 1e-6):
                raise IndexUnavailable(
                    "codes and templates of an index disagree; make it anew from the records"
                )

    def _are_few(self, num_live: int, limit: int, effort: Effort) -> bool:
        """Whether so many that may be returned are looked at one by one."""
        return num_live <= max(effort.candidates(self.num_rows, limit), self.num_rows * _FEW)

    def _code_bytes(self, templates: Float32) -> None:
        """Eight bits an axis, and the most that a score can be off by."""
        centred = templates - self._short.mean
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

    def _scored(self, probe: Float32, rows: Int64, limit: int, min_score: float) -> Near:
        """The rows that may be hits, judged by eight bits an axis."""
        # with a mode that checks nothing ``take`` is three times as fast as an index
        codes = np.take(self._codes, rows, axis=0, mode="clip")
        scores = codes @ (self._step * probe) + float(probe @ (self._short.mean + self._low))
        off_by = self._max_error + SCORE_ERROR
        enough = scores >= min_score - off_by
        return best_of([Near(rows[enough], scores[enough], off_by)], limit)[0]


Segment = OpenSegment | CodedSegment


def read_rows(parts: Sequence[tuple[Segment, Int64]]) -> Found:
    """Whose rows are, and the templates, but of those that ended meanwhile; of all segments at once."""
    coded = [(segment, rows) for segment, rows in parts if isinstance(segment, CodedSegment)]
    found = [segment.found(rows) for segment, rows in parts if isinstance(segment, OpenSegment)]
    if coded:
        templates = read_together([(segment.originals, rows) for segment, rows in coded])
        ends = np.cumsum([len(rows) for _, rows in coded])
        found += [
            segment.still(rows, templates[end - len(rows) : end])
            for (segment, rows), end in zip(coded, ends.tolist(), strict=True)
        ]
    if len(found) == 1:
        return found[0]
    return Found(
        np.concatenate([part.keys for part in found]), np.concatenate([part.templates for part in found])
    )


def best_of(parts: Sequence[Near], limit: int) -> list[Near]:
    """Of each part, what may be among the best ``limit`` of all; ties with the last are."""
    if sum(len(part.rows) for part in parts) <= limit:
        return list(parts)
    at_least = np.concatenate([part.scores - part.off_by for part in parts])
    kth = np.partition(at_least, -limit)[-limit]
    return [part.at(part.scores + part.off_by >= kth) for part in parts]


def together(shares: Sequence[Near]) -> Near:
    """What several shares of one search found in one segment."""
    if len(shares) == 1:
        return shares[0]
    # cells that are as near as each other may be in two of them
    rows, at = np.unique(np.concatenate([share.rows for share in shares]), return_index=True)
    scores = np.concatenate([share.scores for share in shares])[at]
    return Near(rows, scores, max(share.off_by for share in shares))


class Holding(Protocol):
    """Some of an index's rows."""

    def may_hold(self, print_: int) -> bool:
        """False where the key of that fingerprint is surely not held here; soon said."""
        ...

    def rows_of(self, keys: Keys, prints: UInt64) -> Int64:
        """(N,) the row of each key, -1 where it is not held here; ``prints`` are their ``fingerprints``."""
        ...


class Batched(Holding, Protocol):
    """Rows made once, and kept where they are read in parts."""

    def batches(self, prefix: str) -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time."""
        ...


def require_new(segments: Sequence[Holding], keys: Keys) -> None:
    """Raises ``UsageError`` where one of these is held already."""
    prints = fingerprints(keys)
    for place in _may_hold(segments, prints):
        held = np.flatnonzero(segments[place].rows_of(keys, prints) >= 0)
        if len(held):
            raise held_twice(keys[held[0]].decode())


def rows_in(segments: Sequence[Holding], keys: Keys) -> list[tuple[int, Int64]]:
    """The places of the segments that hold any of these keys, each with their rows, in no order.

    Raises:
        UsageError: one is held by none.
    """
    prints = fingerprints(keys)
    missing, found = np.ones(len(keys), np.bool_), []
    for place in _may_hold(segments, prints):
        rows = segments[place].rows_of(keys, prints)
        held = rows >= 0
        if held.any():
            missing &= ~held
            found.append((place, rows[held]))
    if missing.any():
        raise not_held([key.decode() for key in keys[missing]])
    return found


def are_held(segments: Sequence[Holding], keys: Keys, prints: UInt64 | None = None) -> Bool:
    """(N,) whether any of these holds each key; ``prints`` are their ``fingerprints``, where known."""
    prints = fingerprints(keys) if prints is None else prints
    held = np.zeros(len(keys), np.bool_)
    for place in _may_hold(segments, prints):
        held |= segments[place].rows_of(keys, prints) >= 0
    return held


def _may_hold(segments: Sequence[Holding], prints: UInt64) -> Sequence[int]:
    """Which ones may hold one of these: of a few keys this is known of most segments in no time."""
    if len(prints) > _FEW_KEYS:
        return range(len(segments))
    if len(prints) == 1:
        [one] = prints.tolist()
        return [place for place, segment in enumerate(segments) if segment.may_hold(one)]
    few = prints.tolist()
    return [place for place, segment in enumerate(segments) if any(map(segment.may_hold, few))]


def held_open(segments: Sequence[OpenSegment | Batched]) -> list[Rows]:
    """What the open ones hold, read at once: nobody may change them meanwhile."""
    return [segment.held() for segment in segments if isinstance(segment, OpenSegment)]


def batches_of(
    segments: Sequence[OpenSegment | Batched], opened: Sequence[Rows], prefix: str
) -> Iterator[Rows]:
    """What is held under keys that begin so, some thousands at a time.

    Args:
        segments: all of them.
        opened: what ``held_open`` gave of these.
        prefix: of the keys.
    """
    for rows in opened:
        wanted = begin_with(rows.keys, prefix)
        yield Rows(rows.keys[wanted], rows.templates[wanted], rows.expires_s[wanted])
    for segment in segments:
        if not isinstance(segment, OpenSegment):
            yield from segment.batches(prefix)


def concatenated(parts: Sequence[Rows], dim: int) -> Rows:
    """Rows of several segments in one."""
    if not parts:
        return Rows(np.zeros(0, "S1"), np.zeros((0, dim), np.float32), np.zeros(0))
    return Rows(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.templates for part in parts]),
        np.concatenate([part.expires_s for part in parts]),
    )
