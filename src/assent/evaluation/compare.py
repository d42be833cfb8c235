"""Two systems on the same trials: what each misses at the same rate of false matches, and the difference.

Both are drawn with the same people, so that what is hard about a person cancels. Each system's threshold is
drawn anew with them, since it is as uncertain as the misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assent.calibration.draws import weights
from assent.errors import TooFewTrials, UsageError
from assent.evaluation.audit import AuditOptions, Steps, method, summarise
from assent.evaluation.bootstrap import WeightedRows
from assent.evaluation.collecting import Collector
from assent.evaluation.evidence import Evidence
from assent.evaluation.points import Points
from assent.evaluation.rates import RULE_OF_30, estimate
from assent.evaluation.result import Comparison, Difference, Note
from assent.evaluation.spill import MAX_IN_MEMORY, PART_ROWS, TrialStore
from assent.evaluation.trials import SampleTable, Trials
from assent.types import Float64

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """The comparisons that two systems have in common, row for row.

    Attributes:
        first: the first system's.
        second: the second system's, of the same pictures under the same numbers.
        num_common: comparisons in each.
        num_only_first: comparisons of the first system alone.
        num_only_second: comparisons of the second system alone.
    """

    first: Evidence
    second: Evidence
    num_common: int
    num_only_first: int
    num_only_second: int


def compare(
    first: Evidence,
    second: Evidence,
    names: tuple[str, str],
    options: AuditOptions | None = None,
    *,
    notes: Sequence[Note] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two systems.

    Args:
        first: one system's comparisons.
        second: the other's; ids say which are the same.
        names: of the two.
        options: intervals; ``target_fmr`` is reported beside the usual ones.
        notes: what a reader must know of the data.
        progress: called with (steps done, steps in all).

    Raises:
        TooFewTrials: nothing in common, or one class only.
        UsageError: a comparison that is mated in one and nonmated in the other.
    """
    options = options or AuditOptions()
    paired = pair(first, second)
    systems = [Points(own, options.draws, options.confidence) for own in (paired.first, paired.second)]
    step = Steps(progress, 4)
    step.after(None)
    differences = [*step.after(_misses(systems, options)), step.after(_equal_error(systems, options))]
    return Comparison(
        names=names,
        data=summarise(paired.first, options, ()),
        method=method(options),
        differences=tuple(differences),
        dets=step.after((systems[0].det(), systems[1].det())),
        num_common=paired.num_common,
        num_only_first=paired.num_only_first,
        num_only_second=paired.num_only_second,
        notes=(*notes, *_notes(paired)),
    )


def pair(first: Evidence, second: Evidence) -> Paired:
    """Keep what both have; see ``compare``."""
    a, b = _stored(first), _stored(second)
    numbers = {str(name): number for number, name in enumerate(first.samples.ids)}
    of_second = np.array([numbers.get(str(name), -1) for name in second.samples.ids], np.int64)
    num_parts = -(-max(len(a), len(b)) // PART_ROWS)
    parts = zip(a.split(num_parts), b.split(num_parts, of_second), strict=True)
    # What will not stay in memory at the end is not gathered there first.
    max_whole = MAX_IN_MEMORY if max(len(a), len(b)) <= MAX_IN_MEMORY else 0
    collectors = [Collector(keeps_all=False, max_whole=max_whole) for _ in range(2)]
    num_common = 0
    for part_a, part_b in parts:
        own, other = _paired_part(first.samples, part_a.joined(), part_b.joined())
        num_common += len(own)
        for collector, trials in zip(collectors, (own, other), strict=True):
            collector.add(trials)
    if not num_common:
        raise TooFewTrials("expected comparisons that both have; there is none. The ids must be the same.")
    samples = replace(first.samples, groups={})  # a comparison of systems reports none
    results = [collector.result(samples) for collector in collectors]
    return Paired(results[0], results[1], num_common, len(a) - num_common, len(b) - num_common)


def _paired_part(samples: SampleTable, a: Trials, b: Trials) -> tuple[Trials, Trials]:
    """The comparisons that both have, in the same order; a repeated one once."""
    size = np.int64(len(samples))
    _, rows_a, rows_b = np.intersect1d(
        a.probes * size + a.references, b.probes * size + b.references, return_indices=True
    )
    own, other = a.take(rows_a), b.take(rows_b)
    if (own.mated != other.mated).any():
        row = int(np.argmax(own.mated != other.mated))
        ids = [str(samples.ids[x]) for x in (own.probes[row], own.references[row])]
        raise UsageError(f"{ids[0]!r} with {ids[1]!r} is mated in one file and nonmated in the other.")
    return own, other


def misses_at(
    nonmated: WeightedRows,
    total: float,
    mated: WeightedRows,
    targets: Float64,
    own: Float64,
    own_mated: Float64 | None = None,
) -> Float64:
    """Miss rates where the false match rate is at most each target, with people weighing as they were drawn.

    Args:
        nonmated: the highest nonmated comparisons, highest first.
        total: the weight of all nonmated comparisons under ``own``.
        mated: all mated comparisons, lowest first.
        targets: (T,) false match rates.
        own: (S,) what each person weighs.
        own_mated: the same of the people of ``mated``, where these are numbered otherwise.

    Returns:
        (T,) float64.
    """
    cumulated = np.cumsum(own[nonmated.first] * own[nonmated.second] * nonmated.shares)
    at = np.searchsorted(cumulated, targets * total, side="right")
    thresholds = np.nextafter(nonmated.scores[np.minimum(at, len(cumulated) - 1)], np.inf)
    missed = np.concatenate(
        [[0.0], np.cumsum((own if own_mated is None else own_mated)[mated.first] * mated.shares)]
    )
    return np.asarray(missed[mated.num_below(thresholds)] / max(missed[-1], 1e-12), np.float64)


def _misses(systems: Sequence[Points], options: AuditOptions) -> list[Difference]:
    """The misses at every target that both systems' comparisons can show."""
    total = min(system.scores.nonmated.total for system in systems)
    if not total or any(not system.scores.num_mated for system in systems):
        raise TooFewTrials("expected mated and nonmated comparisons that both have; there is one kind only.")
    wanted = {*TARGETS, options.target_fmr}
    targets = np.array(sorted((t for t in wanted if t * total >= RULE_OF_30), reverse=True))
    if not len(targets):
        return []
    draws, points = [], []
    for system in systems:
        nonmated, mated, universe = system.nonmated, system.mated, system.evidence.universe
        kept = int(np.searchsorted(np.cumsum(nonmated.shares), 3 * targets.max() * total)) + 1
        nonmated = nonmated.take(np.arange(min(kept, len(nonmated.scores))))
        everybody = np.ones(universe.num_subjects)
        points.append(misses_at(nonmated, universe.weight(everybody), mated, targets, everybody))
        draws.append(
            np.array(
                [
                    misses_at(nonmated, universe.weight(own), mated, targets, own)
                    for own in weights(universe.num_subjects, options.draws)
                ]
            )
        )
    return [
        _difference(
            "fnmr",
            f"fmr at most {target:g}",
            (float(points[0][k]), float(points[1][k])),
            (draws[0][:, k], draws[1][:, k]),
            options.confidence,
        )
        for k, target in enumerate(targets)
    ]


def _equal_error(systems: Sequence[Points], options: AuditOptions) -> Difference:
    values = [system.equal_error().estimate.value or 0.0 for system in systems]
    drawn = [system.equal_error_draws() for system in systems]
    at = "the threshold where both rates are equal"
    return _difference("eer", at, (values[0], values[1]), (drawn[0], drawn[1]), options.confidence)


def _difference(
    metric: str, at: str, values: tuple[float, float], draws: tuple[Float64, Float64], confidence: float
) -> Difference:
    found = estimate(values[1] - values[0], draws[1] - draws[0], confidence=confidence)
    low, high = found.lower or 0.0, found.upper or 0.0
    return Difference(
        metric=metric,
        at=at,
        first=estimate(values[0], draws[0], confidence=confidence),
        second=estimate(values[1], draws[1], confidence=confidence),
        difference=found,
        is_clear=low > 0 or high < 0,
    )


def _stored(evidence: Evidence) -> TrialStore:
    if evidence.stored is None:
        raise TooFewTrials("expected all comparisons, to pair them; they were not kept.")
    return evidence.stored


def _notes(paired: Paired) -> list[Note]:
    left_out = paired.num_only_first + paired.num_only_second
    if not left_out:
        return []
    text = (
        f"{left_out:,} comparisons are in one of the two only and left out: {paired.num_only_first:,} of the first, "
        f"{paired.num_only_second:,} of the second."
    )
    return [Note("not-common", text, is_warning=True)]
