"""1:1: every comparison of a list through a system, resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assent.errors import TooFewTrials
from assent.evaluation.runs.facts import RunFacts, counted, latencies_by_group
from assent.evaluation.runs.systems import Comparer
from assent.evaluation.runs.trials import TrialList
from assent.evaluation.runs.workfile import WorkFile
from assent.types import Float64, JsonObject

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


@dataclass(frozen=True, slots=True, eq=False)
class VerifyRun:
    """What the comparisons scored.

    Attributes:
        trials: as asked for.
        scores: (T,) float64; nan where there is none.
        is_error: (T,) bool: the service failed, which says nothing of the pictures; in no rate.
        ms: (T,) float64; nan where not measured.
        facts: how it went.
    """

    trials: TrialList
    scores: Float64
    is_error: np.ndarray
    ms: Float64
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
            known = done.get("compare", number)
            if known is None or "error" in known:
                done.add("compare", number, _ask(system, trials, number))
            if progress is not None:
                progress(number + 1, len(trials))
        return _collected(system, trials, done)


def _ask(system: Comparer, trials: TrialList, number: int) -> JsonObject:
    probe = trials.samples[int(trials.probes[number])]
    reference = trials.samples[int(trials.references[number])]
    compared = system.compare(probe.path, reference.path)
    answer: dict[str, Any] = {"score": compared.score}
    if compared.failure:
        answer["failure"] = compared.failure
    if compared.error:
        answer["error"] = compared.error
    if compared.is_censored:
        answer["censored"] = True
    if compared.ms is not None:
        answer["ms"] = round(compared.ms, 2)
    return answer


def _collected(system: Comparer, trials: TrialList, done: WorkFile) -> VerifyRun:
    answers = [done.get("compare", number) or {} for number in range(len(trials))]
    scores = np.array([np.nan if a.get("score") is None else a["score"] for a in answers], np.float64)
    if np.isnan(scores).all():
        reasons = counted(str(a.get("failure") or a.get("error") or "") for a in answers)
        said = ", ".join(f"{reason} ({number})" for reason, number in reasons.items())
        raise TooFewTrials(
            f"expected pictures with a face; none of {len(trials)} comparisons gave a score: {said}."
        )
    ms = np.array([a.get("ms", np.nan) for a in answers], np.float64)
    timed = [
        (trials.samples[int(probe)], None if np.isnan(own) else float(own))
        for probe, own in zip(trials.probes, ms, strict=True)
    ]
    facts = RunFacts(
        system=system.identity,
        scale=str(system.scale),
        calls="comparisons",
        num_questions=len(trials),
        failures=counted(str(a.get("failure", "")) for a in answers),
        errors=counted(str(a.get("error", "")) for a in answers),
        num_censored=sum("censored" in a for a in answers),
        num_resumed=done.num_resumed,
        num_throttled=getattr(getattr(system, "calls", None), "num_throttled", 0),
        latencies=latencies_by_group(timed, trials.attributes),
    )
    return VerifyRun(trials, scores, np.array(["error" in a for a in answers], np.bool_), ms, facts)
