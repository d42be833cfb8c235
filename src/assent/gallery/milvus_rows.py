"""Which row of which segment a number in Milvus stands for, and whose it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.gallery.candidates import Found
from assent.gallery.kept import KeptSegment
from assent.gallery.milvus_server import Collection
from assent.gallery.open_segment import OpenSegment
from assent.types import Int64

_ROW_BITS: Final = 32

Segment = OpenSegment | KeptSegment


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a search goes on with from its beginning to its end.

    Attributes:
        collection: in Milvus; None while nothing is held.
        segments: what is kept here; a row's number is its segment's place and its row there. The last is open.
    """

    collection: Collection | None
    segments: tuple[Segment, ...]


def numbers_of(place: int, rows: Int64) -> Int64:
    """What rows (N,) of the segment at ``place`` are called in Milvus."""
    return rows + (np.int64(place) << _ROW_BITS)


def live_rows(state: State, numbers: Int64, now_s: float, dim: int) -> Found:
    """Those of some numbers that may be returned: a number that is nobody's, or of somebody who left, is none."""
    numbers = np.unique(numbers)
    places = numbers >> _ROW_BITS
    parts = [
        state.segments[place].live(numbers[places == place] & (2**_ROW_BITS - 1), now_s)
        for place in np.unique(places).tolist()
        if 0 <= place < len(state.segments)
    ]
    if not parts:
        return Found(np.zeros(0, "S1"), np.zeros((0, dim), np.float32))
    return Found(
        np.concatenate([part.keys for part in parts]), np.concatenate([part.templates for part in parts])
    )
