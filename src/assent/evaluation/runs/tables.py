"""Runs as comparisons: what the statistics take, whichever way the scores were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assent.evaluation.runs.identify import IdentifyRun, Search
from assent.evaluation.runs.samples import Sample
from assent.evaluation.runs.systems import Scale
from assent.evaluation.runs.verify import VerifyRun
from assent.evaluation.trials import SampleTable, Trials
from assent.types import Float64

LOWEST = {Scale.COSINE: -1.0, Scale.SIMILARITY: 0.0, Scale.DISTANCE: -np.inf}
"""What a comparison counts as that a system did not return, since it was below what it returned."""


@dataclass(frozen=True, slots=True, eq=False)
class RunTable:
    """Samples, and the comparisons between them.

    Attributes:
        samples: the pictures; of searches the probes, then the references.
        trials: the comparisons that say something of the pictures; errors of the service are left out.
    """

    samples: SampleTable
    trials: Trials


def table_of_comparisons(run: VerifyRun) -> RunTable:
    """The comparisons of a 1:1 run."""
    listed, keep = run.trials, ~run.is_error
    trials = Trials(listed.probes[keep], listed.references[keep], run.scores[keep], listed.mated[keep])
    return RunTable(_samples(listed.samples, listed.attributes, run.times_ms), trials)


def table_of_searches(run: IdentifyRun) -> RunTable:
    """Every probe with every reference that it was searched among.

    Other people's mates, which a service's nonmated searches were made without, take no part: else some probes would
    be compared with more people than others. A reference that a search did not return scored below what it did
    return: it counts as the lowest score there is. A reference or a probe without a template has no score, which a
    mated comparison counts as a miss.
    """
    plan = run.plan
    count, lowest = len(plan.probes), LOWEST[Scale(run.facts.scale)]
    by_kind = {(search.probe, search.is_mated): search for search in run.searches}
    parts: list[Trials] = []
    for probe, mates in enumerate(plan.mates):
        scores: dict[int, float] = {}
        mated_search = by_kind.get((probe, True))
        if mated_search is not None and not mated_search.error:
            scores |= _scores(mated_search, run.enrolled & (mates | run.nonmated_rows), lowest)
        nonmated_search = by_kind[probe, False]
        if not nonmated_search.error:
            scores |= _scores(nonmated_search, run.nonmated_rows - mates, lowest)
        if not scores:
            continue
        lost = set(range(len(plan.references))) - run.enrolled
        scores |= dict.fromkeys(lost, np.nan)
        rows = np.array(sorted(scores), np.int64)
        values = np.array([scores[row] for row in rows], np.float64)
        is_mate = np.array([row in mates for row in rows], np.bool_)
        parts.append(Trials(np.full(len(rows), probe), count + rows, values, is_mate, has_whole_probes=True))
    times = np.full(count + len(plan.references), np.nan)
    for search in run.searches:
        if search.ms is not None:
            times[search.probe] = search.ms
    samples = _samples((*plan.probes, *plan.references), plan.attributes, times)
    return RunTable(samples, _joined(parts))


def _scores(search: Search, compared: frozenset[int], lowest: float) -> dict[int, float]:
    """The score of each reference that a search was compared with."""
    if search.candidates is None:
        return dict.fromkeys(compared, np.nan)
    found = dict(search.candidates)
    return {row: found.get(row, lowest) for row in compared}


def _samples(samples: Sequence[Sample], attributes: Sequence[str], times_ms: Float64) -> SampleTable:
    names = list(dict.fromkeys(sample.subject for sample in samples))
    rows = {name: row for row, name in enumerate(names)}
    return SampleTable(
        ids=np.array([sample.sample_id for sample in samples]),
        subjects=np.array([rows[sample.subject] for sample in samples], np.int64),
        subject_names=tuple(names),
        groups={name: np.array([sample.groups.get(name, "") for sample in samples]) for name in attributes},
        times_ms=None if np.isnan(times_ms).all() else times_ms,
    )


def _joined(parts: Sequence[Trials]) -> Trials:
    return Trials(
        np.concatenate([part.probes for part in parts]),
        np.concatenate([part.references for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.mated for part in parts]),
        has_whole_probes=True,
    )
