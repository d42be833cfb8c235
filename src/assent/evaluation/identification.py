"""Searches in the result: fpir and fnir against gallery size, ranks, and how unevenly false candidates fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assent.calibration.draws import DrawOptions, share_draws
from assent.evaluation.evidence import Evidence
from assent.evaluation.rates import estimate, share_rate
from assent.evaluation.result import CmcPoint, Estimate, GalleryRow, Identification, OperatingPoint, Rate
from assent.evaluation.searches import (
    NonmatedSearches,
    Ranks,
    nonmated_searches,
    ranks_in_parts,
    share_without,
)
from assent.types import Float64, Int64

RANKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
UNLUCKY = 0.05
"""The share of probes whose part of all false candidates is told."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to report of searches.

    Attributes:
        gallery_size: that the user has; None for unknown.
        draws: of people.
        confidence: of intervals.
    """

    gallery_size: int | None
    draws: DrawOptions
    confidence: float


def searches_of(evidence: Evidence, threshold: float) -> NonmatedSearches | None:
    """The nonmated searches at a threshold, or None where the data hold none, or too few references each.

    Of a large matrix, the threshold must be within the comparisons that were kept one by one.
    """
    found = None if np.isnan(threshold) else evidence.false_matches(threshold)
    if found is None:
        return None
    as_probe, as_reference = found
    num_others = evidence.as_probe
    if evidence.is_undirected:
        return nonmated_searches(as_probe + as_reference, num_others + evidence.as_reference)
    return nonmated_searches(as_probe, num_others)


def identification(
    evidence: Evidence,
    searches: NonmatedSearches | None,
    threshold: float,
    point: OperatingPoint,
    options: SearchOptions,
) -> Identification | None:
    """Everything about searches; None where the data hold none.

    Args:
        evidence: the comparisons.
        searches: the nonmated ones at the threshold.
        threshold: a candidate scores at least this.
        point: rates of comparisons there.
        options: what to report.
    """
    if searches is None:
        return None
    shares = _Shares(evidence, options)
    ranks = _complete(_ranks(evidence), searches.gallery_size)
    size = searches.gallery_size
    (fpir,) = shares.rates(searches.probes, searches.false_share(size)[:, None])
    worst, silent = _unevenness(searches.num_false)
    return Identification(
        gallery_size=size,
        threshold=point.threshold,
        num_mated_searches=0 if ranks is None else len(ranks.probes),
        num_nonmated_searches=len(searches.probes),
        num_left_out=searches.num_left_out,
        fpir=fpir,
        fnir=_by_rank(shares, ranks, size, threshold),
        selectivity=shares.mean(searches.probes, searches.num_false * size / searches.num_others),
        cmc=_by_rank(shares, ranks, size, -np.inf),
        by_size=tuple(
            _row(shares, searches, ranks, n, threshold, point.fmr) for n in _sizes(size, options.gallery_size)
        ),
        worst_probe_share=worst,
        silent_probe_share=silent,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Shares of searches, with intervals that draw the people searched for."""

    evidence: Evidence
    options: SearchOptions

    def rates(self, probes: Int64, errors: Float64) -> tuple[Rate, ...]:
        in_error, trials = self._by_person(probes, errors)
        return share_rate(in_error, trials, self.options.draws, confidence=self.options.confidence)

    def mean(self, probes: Int64, numbers: Float64) -> Estimate:
        in_error, trials = self._by_person(probes, numbers[:, None])
        draws = share_draws(in_error, trials, self.options.draws)[:, 0]
        return estimate(float(numbers.mean()), draws, confidence=self.options.confidence)

    def _by_person(self, probes: Int64, errors: Float64) -> tuple[Float64, Float64]:
        people, size = self.evidence.samples.subjects[probes], self.evidence.samples.num_subjects
        columns = [np.bincount(people, errors[:, k], minlength=size) for k in range(errors.shape[1])]
        return np.stack(columns, 1), np.bincount(people, minlength=size).astype(np.float64)


def _ranks(evidence: Evidence) -> Ranks | None:
    """The mated searches; of comparisons in no direction, both pictures are searched for."""
    if evidence.ranks is not None or evidence.stored is None:
        return evidence.ranks
    num_others = evidence.as_probe
    if evidence.is_undirected:
        num_others = num_others + evidence.as_reference
    return ranks_in_parts(
        evidence.mated.chunks(),
        evidence.stored.chunks(),
        num_others,
        is_undirected=evidence.is_undirected,
        num_rows=len(evidence.stored),
    )


def _complete(ranks: Ranks | None, gallery_size: int) -> Ranks | None:
    """The mated searches of at least that many references, the mate's own among them."""
    if ranks is None:
        return None
    found = ranks.take(ranks.num_others >= gallery_size - 1)
    return found if len(found.probes) else None


def _by_rank(shares: _Shares, ranks: Ranks | None, size: int, threshold: float) -> tuple[CmcPoint, ...]:
    """At no threshold: the share found within each rank. At one: the share missed."""
    if ranks is None:
        return ()
    at = [rank for rank in RANKS if rank <= size] or [1]
    is_found = np.isfinite(ranks.mate_scores) & (ranks.mate_scores >= threshold)
    within = np.stack([is_found & (ranks.num_better < rank) for rank in at], 1)
    wanted = within if threshold == -np.inf else ~within
    rates = shares.rates(ranks.probes, wanted.astype(np.float64))
    return tuple(CmcPoint(rank, rate) for rank, rate in zip(at, rates, strict=True))


def _row(
    shares: _Shares,
    searches: NonmatedSearches,
    ranks: Ranks | None,
    size: int,
    threshold: float,
    fmr: Rate,
) -> GalleryRow:
    fpir = fnir = None
    if size <= searches.gallery_size:
        (fpir,) = shares.rates(searches.probes, searches.false_share(size)[:, None])
        if ranks is not None:
            # The mate is one of the references; the others are drawn from those of other people.
            first = share_without(ranks.num_better, ranks.num_others, size - 1)
            missed = 1.0 - first * (ranks.mate_scores >= max(threshold, np.finfo(np.float64).min))
            (fnir,) = shares.rates(ranks.probes, missed[:, None])
    mean = None if fmr.value is None else size * fmr.value
    return GalleryRow(
        gallery_size=size,
        fpir=fpir,
        fpir_at_most=None if mean is None else min(1.0, mean),
        fpir_bound=None if fmr.bound is None else min(1.0, size * fmr.bound),
        selectivity=mean,
        fnir=fnir,
    )


def _sizes(searched: int, asked: int | None) -> Sequence[int]:
    top = max(searched, asked or 0)
    return sorted({size for size in SIZES if size < top} | {searched, asked or searched})


def _unevenness(num_false: Int64) -> tuple[float | None, float]:
    """The share of all false candidates that the worst searches give, and of searches that give none."""
    silent = float((num_false == 0).mean())
    if not num_false.any():
        return None, silent
    worst = np.sort(num_false)[::-1][: max(1, round(UNLUCKY * len(num_false)))]
    return float(worst.sum() / num_false.sum()), silent
