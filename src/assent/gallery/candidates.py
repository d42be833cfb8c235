"""What a search of one segment gives, and how it is put together with what the others give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assent.gallery.index import Keys
from assent.gallery.short_codes import Effort
from assent.types import Bool, Float32, Int64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search looks for.

    Attributes:
        limit: the best so many.
        min_score: a hit's score is at least this.
        now_s: the moment at which it may be returned, seconds.
        effort: how much is looked at.
    """

    limit: int
    min_score: float
    now_s: float
    effort: Effort


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


def likeliest(parts: Sequence[Near], limit: int) -> list[Bool]:
    """Of each part, which are the best ``limit`` of all as far as is known, with ties."""
    scores = np.concatenate([part.scores for part in parts])
    if len(scores) <= limit:
        return [np.ones(len(part.rows), np.bool_) for part in parts]
    kth = np.partition(scores, -limit)[-limit]
    return [part.scores >= kth for part in parts]
