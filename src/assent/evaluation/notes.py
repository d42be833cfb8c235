"""What a reader must know of the data before believing the numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assent.evaluation.evidence import Evidence
from assent.evaluation.gallery import largest_gallery
from assent.evaluation.result import Note, OperatingPoint
from assent.evaluation.searches import NonmatedSearches

_MANY_TIES, _MANY_LEFT_OUT = 0.5, 0.05


def notes_on(
    evidence: Evidence, point: OperatingPoint, fpir_target: float, searches: NonmatedSearches | None = None
) -> tuple[Note, ...]:
    """Notes on the comparisons and on the headline.

    Args:
        evidence: the comparisons.
        point: rates at the audit's threshold.
        fpir_target: of the user's gallery.
        searches: the nonmated ones; None where the data hold none.
    """
    return (
        *_on_data(evidence),
        *_on_scores(evidence),
        *_on_point(evidence, point, fpir_target),
        *_on_searches(searches),
    )


def _on_searches(searches: NonmatedSearches | None) -> Iterator[Note]:
    if searches is not None and searches.num_left_out:
        total = searches.num_left_out + len(searches.probes)
        yield Note(
            "searches-left-out",
            f"{searches.num_left_out:,} of {total:,} searches compared fewer than the {searches.gallery_size:,} "
            "references that most did: they are in no figure of searches.",
            is_warning=searches.num_left_out > _MANY_LEFT_OUT * total,
        )


def _on_data(evidence: Evidence) -> Iterator[Note]:
    if not len(evidence.mated):
        yield Note("no-mated", "there is no mated comparison: nothing is known of misses.", is_warning=True)
    if not evidence.nonmated.total:
        yield Note(
            "no-nonmated",
            "there is no nonmated comparison: nothing is known of false matches.",
            is_warning=True,
        )
    if evidence.num_duplicates:
        yield Note(
            "duplicates",
            f"{evidence.num_duplicates:,} comparisons repeat a probe and a reference; each row counts, so rates "
            "lean towards what is repeated.",
            is_warning=True,
        )
    failures = evidence.num_mated_failures + evidence.num_nonmated_failures
    if failures:
        yield Note(
            "failures",
            f"{failures:,} comparisons have no score (failure to acquire): {evidence.num_mated_failures:,} mated "
            f"ones count as missed, {evidence.num_nonmated_failures:,} nonmated ones are left out of fmr.",
        )
    if evidence.is_undirected:
        yield Note("undirected", "each pair is listed once: both its pictures count as the one searched for.")


def _on_scores(evidence: Evidence) -> Iterator[Note]:
    if evidence.num_infinite:
        yield Note(
            "infinite",
            f"{evidence.num_infinite:,} scores are infinite; they are below or above every threshold.",
            is_warning=True,
        )
    values = np.union1d(evidence.nonmated.values, evidence.mated_counts.values)
    total = evidence.nonmated.total + evidence.mated_counts.total
    if total and len(values) == 1:
        yield Note("constant", "all scores are the same: no threshold tells people apart.", is_warning=True)
    elif total and len(values) < _MANY_TIES * min(total, 10_000):
        yield Note(
            "ties",
            f"{total:,} scores have {len(values):,} different values: rates move in steps, and equal scores are "
            "in or out together.",
        )
    if np.isfinite(evidence.nonmated.exact_from):
        yield Note(
            "steps",
            f"of more than 8 million different scores, those below {evidence.nonmated.exact_from:.6g} were "
            "rounded up to steps; fmr there may be high by one step.",
        )
    if np.isfinite(evidence.mated_counts.exact_from):
        yield Note(
            "mated-steps",
            f"of more than 8 million different mated scores, those above {-evidence.mated_counts.exact_from:.6g} "
            "were rounded down to steps; misses there may be high by one step.",
        )


def _on_point(evidence: Evidence, point: OperatingPoint, fpir_target: float) -> Iterator[Note]:
    fmr = point.fmr
    if fmr.num_trials and not fmr.num_errors and fmr.optimistic and fmr.pessimistic:
        strict = largest_gallery(fmr.pessimistic, fpir_target)
        yield Note(
            "no-false-match",
            f"no false match was seen: the bound lies between {fmr.optimistic:.2g}, as if all comparisons were "
            f"independent, and {fmr.pessimistic:.2g}, from disjoint pairs alone; n_max rests on the first, on the "
            f"second it is {strict:,}.",
            is_warning=True,
        )
    if point.target_fmr is not None and not point.is_supported:
        yield Note(
            "target-unsupported",
            f"{fmr.num_trials:,} nonmated comparisons are too few for a false match rate of {point.target_fmr:g}: "
            f"it would be {point.target_fmr * fmr.num_trials:.1f} of them, and 30 are needed.",
            is_warning=True,
        )
    is_low = point.threshold is not None and not evidence.is_complete_at(point.threshold)
    if is_low and evidence.stored is None:
        yield Note(
            "threshold-low",
            "the threshold is below the two million highest nonmated scores of a large matrix: searches are not "
            "reported, and false matches by group are estimated from a sample.",
            is_warning=True,
        )
    mated, nonmated = evidence.mated_counts, evidence.nonmated
    if mated.total and nonmated.total and mated.middle < nonmated.middle:
        yield Note(
            "upside-down",
            "most mated scores are lower than most nonmated ones: are these distances?",
            is_warning=True,
        )
