"""Searches (1:N): ranks of the mates, and what smaller galleries would have done.

A probe's comparisons are its search: with its mates in the gallery it is a mated search, with them left out
a nonmated one. Ties count against the mate. Smaller galleries are averages over all that can be drawn from
the one searched, computed exactly (hypergeometric).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special

from assent.evaluation.trials import Trials
from assent.types import Bool, Float64, Int64

TOLERANCE = 0.01
"""A search of fewer references than most by this share of them is taken as one of the same gallery."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Mated searches, as parallel arrays of length P, one for each probe with a mated comparison.

    Attributes:
        probes: (P,) int64, the picture.
        mate_scores: (P,) float64, the best of its mates; minus infinity where none has a score.
        num_better: (P,) int64, nonmated references that score at least as much; its rank is one more.
        num_others: (P,) int64, nonmated references compared.
        num_rows: comparisons that this was made of.
    """

    probes: Int64
    mate_scores: Float64
    num_better: Int64
    num_others: Int64
    num_rows: int

    def take(self, rows: Bool) -> Ranks:
        """Some of the searches."""
        return Ranks(
            self.probes[rows],
            self.mate_scores[rows],
            self.num_better[rows],
            self.num_others[rows],
            self.num_rows,
        )

    @classmethod
    def joined(cls, parts: list[Ranks]) -> Ranks:
        """The searches of all parts."""
        return cls(
            np.concatenate([part.probes for part in parts]),
            np.concatenate([part.mate_scores for part in parts]),
            np.concatenate([part.num_better for part in parts]),
            np.concatenate([part.num_others for part in parts]),
            sum(part.num_rows for part in parts),
        )


def ranks_of(trials: Trials) -> Ranks:
    """The mates' ranks.

    Args:
        trials: all comparisons of each probe in it.
    """
    size = int(trials.probes.max(initial=-1)) + 1
    others = ~trials.mated & ~np.isnan(trials.scores)
    num_others = np.bincount(trials.probes[others], minlength=size)
    return ranks_in_parts([trials.take(trials.mated)], [trials], num_others, num_rows=len(trials))


def ranks_in_parts(
    mated: Iterable[Trials],
    parts: Iterable[Trials],
    num_others: Int64,
    *,
    num_rows: int,
    is_undirected: bool = False,
) -> Ranks:
    """The mates' ranks, from comparisons in parts and in any order.

    Args:
        mated: the mated comparisons.
        parts: all comparisons.
        num_others: (N,) nonmated comparisons with a score of each picture as the probe.
        num_rows: comparisons.
        is_undirected: both pictures of a comparison are searched for; ``num_others`` is then of both.
    """
    size = len(num_others)
    has_mate, best = np.zeros(size, np.bool_), np.full(size, -np.inf)
    for part in mated:
        for probes in (part.probes, part.references)[: 1 + is_undirected]:
            has_mate[probes] = True
            np.fmax.at(best, probes, part.scores)
    limit = np.where(has_mate, best, np.nan)  # nothing is better than no mate
    num_better = np.zeros(size, np.int64)
    for part in parts:
        for probes in (part.probes, part.references)[: 1 + is_undirected]:
            is_better = (part.scores >= limit[probes]) & ~part.mated
            num_better += np.bincount(probes[is_better], minlength=size)
    rows = np.flatnonzero(has_mate)
    return Ranks(rows, best[rows], num_better[rows], num_others[rows], num_rows=num_rows)


def share_without(num_bad: Int64, num_others: Int64, size: int) -> Float64:
    """The share of the galleries of ``size`` out of ``num_others`` references that have none of the bad ones.

    Args:
        num_bad: (P,) references that spoil a gallery.
        num_others: (P,) references to draw from, each at least ``size``.
        size: references drawn.

    Returns:
        (P,) float64 in [0, 1].

    Example:
        >>> share_without(np.array([0, 1, 9]), np.array([10, 10, 10]), 5).tolist()
        [1.0, 0.5, 0.0]
    """
    rest = num_others - num_bad
    log_share = (
        special.gammaln(rest + 1)
        - special.gammaln(np.maximum(rest - size, 0) + 1)
        - special.gammaln(num_others + 1)
        + special.gammaln(num_others - size + 1)
    )
    share = np.where(rest >= size, np.exp(np.minimum(log_share, 0.0)), 0.0)
    return np.asarray(np.where(num_bad == 0, 1.0, share), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class NonmatedSearches:
    """Searches with the mates left out, as parallel arrays of length P.

    Attributes:
        probes: (P,) int64, the picture searched for.
        num_false: (P,) int64, references of other people at or above the threshold.
        num_others: (P,) int64, references of other people compared, each at least ``gallery_size``.
        gallery_size: references that every search here has.
        num_left_out: searches of fewer references, not here.
    """

    probes: Int64
    num_false: Int64
    num_others: Int64
    gallery_size: int
    num_left_out: int

    def false_share(self, gallery_size: int) -> Float64:
        """(P,) share of the galleries of a size in which the search returns somebody."""
        return 1.0 - share_without(self.num_false, self.num_others, gallery_size)


def nonmated_searches(num_false: Int64, num_others: Int64) -> NonmatedSearches | None:
    """The searches that comparisons hold, or None where a probe meets a single reference or none.

    Where probes met different numbers of references, those of much fewer than the median are left out: of
    fewer by more than ``TOLERANCE`` of it, and by more than one (a probe's own mates are not among the others).
    The size is the smallest number of the rest; searches of more are averaged over galleries of that size.

    Args:
        num_false: (N,) false matches of each picture as the probe.
        num_others: (N,) its nonmated comparisons with a score.
    """
    probes = np.flatnonzero(num_others)
    if not len(probes):
        return None
    middle = int(np.median(num_others[probes]))
    if middle < 2:
        return None
    rows = probes[num_others[probes] >= middle - max(1, int(TOLERANCE * middle))]
    size = int(num_others[rows].min())
    if size < 2:
        rows = rows[num_others[rows] >= middle]
        size = int(num_others[rows].min())
    return NonmatedSearches(rows, num_false[rows], num_others[rows], size, len(probes) - len(rows))
