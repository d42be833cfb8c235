"""The parts that an index is made of, of two kinds, as one.

New templates go into an *open* segment (``assent.gallery.open_segment``); a *coded* one is made once of many
(``assent.gallery.coded_segment``). What may be among the best of all segments is read, to be scored by the templates
themselves. Rows of both kinds are only ever added and marked as gone, so that a search needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import numpy as np

from assent.gallery.candidates import Found
from assent.gallery.coded_segment import CodedSegment
from assent.gallery.index import Keys, Rows, begin_with, held_twice, not_held
from assent.gallery.key_filter import fingerprints
from assent.gallery.open_segment import OpenSegment
from assent.gallery.originals import read_together
from assent.types import Bool, Int64, UInt64

_FEW_KEYS: Final = 4

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
