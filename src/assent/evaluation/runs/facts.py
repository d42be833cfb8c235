"""What happened while a run was under way: failures and errors by reason, and times by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from assent.evaluation.runs.samples import Sample
from assent.types import JsonObject


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of a kind of call for one group.

    Attributes:
        attribute: of the group; empty for everybody.
        group: its value; empty for everybody.
        num_calls: with a time; retried ones have none.
        median_ms: the middle one.
        p95_ms: 95 of 100 took at most this.
    """

    attribute: str
    group: str
    num_calls: int
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class RunFacts:
    """How a run went.

    Attributes:
        system: what was measured.
        scale: what its scores are.
        calls: what a time is of: ``CompareFaces``, ``SearchFacesByImage``, or pictures read by our engine.
        num_questions: comparisons or searches.
        failures: why a picture gave no score, with how many comparisons, searches or references it cost.
        errors: what the service answered instead, with how many; not counted in any rate.
        num_censored: comparisons that the service withheld as below its own floor; they count as the lowest score.
        num_resumed: answers that an earlier, stopped run had left.
        num_throttled: how often a call was put off.
        latencies: everybody, then by group.
        notes: anything else that a reader should know.
    """

    system: JsonObject
    scale: str
    calls: str
    num_questions: int
    failures: dict[str, int]
    errors: dict[str, int]
    num_censored: int = 0
    num_resumed: int = 0
    num_throttled: int = 0
    latencies: tuple[Latency, ...] = ()
    notes: tuple[str, ...] = ()


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason is there, most frequent first; empty ones left out."""
    counts = Counter(reason for reason in reasons if reason)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def latencies_by_group(
    timed: Sequence[tuple[Sample, float | None]], attributes: Sequence[str]
) -> tuple[Latency, ...]:
    """Times of calls about samples; those without a time are left out."""
    known = [(sample, ms) for sample, ms in timed if ms is not None]
    if not known:
        return ()
    rows = [_latency("", "", [ms for _, ms in known])]
    for attribute in attributes:
        for group in sorted({sample.groups.get(attribute, "") for sample, _ in known} - {""}):
            own = [ms for sample, ms in known if sample.groups.get(attribute) == group]
            rows.append(_latency(attribute, group, own))
    return tuple(rows)


def _latency(attribute: str, group: str, times_ms: Sequence[float]) -> Latency:
    median, high = np.quantile(times_ms, [0.5, 0.95])
    return Latency(attribute, group, len(times_ms), round(float(median), 2), round(float(high), 2))
