"""1:1: every comparison of a list through a system, resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assent.errors import TooFewTrials
from assent.evaluation.runs.facts import RunFacts, counted, latencies_by_group
from assent.evaluation.runs.systems import Comparer
from assent.evaluation.runs.trials import TrialList
from assent.evaluation.runs.workfile import WorkFile, answer_of, is_final
from assent.types import Bool, Float64, JsonObject

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


@dataclass(frozen=True, slots=True, eq=False)
class VerifyRun:
    """What the comparisons scored.

    Attributes:
        trials: as asked for.
        scores: (T,) float64; nan where there is none.
        is_error: (T,) bool: the service failed, which says nothing of the pictures; in no rate.
        times_ms: (N,) float64, of each sample: its template, or the middle one of its comparisons as a probe; nan
            where not measured.
        facts: how it went.
    """

    trials: TrialList
    scores: Float64
    is_error: Bool
    times_ms: Float64
    facts: RunFacts


def run_verify(
    system: Comparer,
    trials: TrialList,
    *,
    work: Path | None = None,
    progress: Progress | None = None,
) -> VerifyRun:
    """Compare every pair of the list.

    Args:
        system: what is measured.
        trials: what to compare.
        work: where answers are kept while the run goes on; a stopped run goes on from it. Scores, reasons and times
            only: never a template.
        progress: called after each comparison.

    Raises:
        TooFewTrials: not one comparison gave a score.
        UsageError: a picture cannot be opened, or ``work`` is of another run.
        EndpointError: the service refuses, throttles for too long, or does not answer.
    """
    run = {"run": "verify", "system": system.identity, "trials": trials.digest()}
    with WorkFile(work, run) as done:
        for number in range(len(trials)):
            if not is_final(done.get("compare", number)):
                done.add("compare", number, _ask(system, trials, number))
            if progress is not None:
                progress(number + 1, len(trials))
        return _collected(system, trials, done)


def _ask(system: Comparer, trials: TrialList, number: int) -> JsonObject:
    probe = trials.samples[int(trials.probes[number])]
    reference = trials.samples[int(trials.references[number])]
    one = system.compare(probe.path, reference.path)
    return answer_of(one.failure, one.error, one.ms, score=one.score, censored=one.is_censored or None)


def _collected(system: Comparer, trials: TrialList, done: WorkFile) -> VerifyRun:
    answers = [done.get("compare", number) or {} for number in range(len(trials))]
    scores = np.array([np.nan if a.get("score") is None else a["score"] for a in answers], np.float64)
    if np.isnan(scores).all():
        reasons = counted(str(a.get("failure") or a.get("error") or "") for a in answers)
        said = ", ".join(f"{reason} ({number})" for reason, number in reasons.items())
        raise TooFewTrials(
            f"expected pictures with a face; none of {len(trials)} comparisons gave a score: {said}."
        )
    times_ms, calls = _times(system, trials, answers)
    timed = [
        (sample, None if np.isnan(ms) else float(ms))
        for sample, ms in zip(trials.samples, times_ms, strict=True)
    ]
    facts = RunFacts(
        system=system.identity,
        scale=str(system.scale),
        calls=calls,
        num_questions=len(trials),
        failures=counted(str(a.get("failure", "")) for a in answers),
        errors=counted(str(a.get("error", "")) for a in answers),
        num_censored=sum("censored" in a for a in answers),
        num_resumed=done.num_resumed,
        num_throttled=getattr(getattr(system, "calls", None), "num_throttled", 0),
        latencies=latencies_by_group(timed, trials.attributes),
    )
    is_error = np.array(["error" in a for a in answers], np.bool_)
    return VerifyRun(trials, scores, is_error, times_ms, facts)


def _times(system: Comparer, trials: TrialList, answers: list[JsonObject]) -> tuple[Float64, str]:
    """(N,) milliseconds of each sample, and what they are of."""
    pictures = [system.picture_ms(sample.path) for sample in trials.samples]
    if any(ms is not None for ms in pictures):
        return np.array([np.nan if ms is None else ms for ms in pictures]), "pictures read"
    taken: dict[int, list[float]] = {}
    for probe, answer in zip(trials.probes, answers, strict=True):
        if "ms" in answer:
            taken.setdefault(int(probe), []).append(answer["ms"])
    times = [float(np.median(taken[row])) if row in taken else np.nan for row in range(len(trials.samples))]
    return np.array(times), "comparisons"
