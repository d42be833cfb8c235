"""From collected comparisons to the result: every number of ``assent audit``, in one place.

``collect`` takes comparisons that are at hand as arrays; large files come in parts through
``assent.evaluation.evidence.Collector``. ``audit`` computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TypeVar

import numpy as np

from assent.calibration.draws import DrawOptions
from assent.errors import UsageError
from assent.evaluation.collecting import Collector
from assent.evaluation.curves import threshold_at_fmr
from assent.evaluation.evidence import Evidence
from assent.evaluation.gallery import DEFAULT_TARGET, gallery_claim
from assent.evaluation.groups import Grouping, group_attribute
from assent.evaluation.identification import SearchOptions, identification, searches_of
from assent.evaluation.notes import notes_on
from assent.evaluation.points import Points
from assent.evaluation.rates import share_rate
from assent.evaluation.result import AuditResult, DataSummary, Method, Note, Source
from assent.evaluation.top import top_pairs
from assent.evaluation.trials import SampleTable, Trials
from assent.types import Int64

DEFAULT_TARGET_FMR = 1e-3
TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False match rates at which misses are reported."""

_VERSIONS_OF = ("assent", "numpy", "scipy")

METHOD = (
    "A comparison matches when its score is at least the threshold; there is one threshold for everybody.",
    "fmr: nonmated comparisons that match, of those that have a score. fnmr: mated comparisons that do not, of "
    "all; one without a template counts as missed.",
    "Intervals draw people, not comparisons, with replacement, on both sides of a pair; each end is at least as "
    "wide as Clopper-Pearson's. Wilson's interval is shown beside it as what pair counting would claim.",
    "Without any error the upper bound lies between 3 / comparisons and 3 / disjoint pairs of people.",
    "fpir is at most gallery size × fmr (Boole); measured searches are shown beside it. Smaller galleries are "
    "means over all that can be drawn from the one searched.",
    "For the worst group the confidence is divided among all groups (Bonferroni).",
)


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What to report, and how.

    Attributes:
        threshold: the system's; None to take the lowest with fmr at most ``target_fmr``.
        target_fmr: used where no threshold is given.
        gallery_size: people in the gallery that the user has; None for unknown.
        fpir_target: accepted share of strangers' searches that return anybody.
        groups: attributes to report by; None for all that the data have.
        confidence: of intervals.
        draws: of people.
        is_distance: scores were distances and have been negated; ``threshold`` is then negated too.
        kind: of run, as in ``AuditResult``.
        system: name of what was measured.
        description: of the data, in words.
    """

    threshold: float | None = None
    target_fmr: float = DEFAULT_TARGET_FMR
    gallery_size: int | None = None
    fpir_target: float = DEFAULT_TARGET
    groups: Sequence[str] | None = None
    confidence: float = 0.95
    draws: DrawOptions = field(default_factory=DrawOptions)
    is_distance: bool = False
    kind: str = "scores"
    system: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if self.threshold is not None and np.isnan(self.threshold):
            raise UsageError("expected a threshold that is a number; got NaN.")
        if self.threshold is None and not 0.0 < self.target_fmr <= 1.0:
            raise UsageError(f"target_fmr must be above 0 and at most 1; got {self.target_fmr}.")
        if not 0.5 < self.confidence < 1.0:
            raise UsageError(f"confidence must be above 0.5 and below 1; got {self.confidence}.")
        if self.gallery_size is not None and self.gallery_size < 1:
            raise UsageError(f"gallery_size must be 1 or more; got {self.gallery_size}.")
        if not 0.0 < self.fpir_target <= 1.0:
            raise UsageError(f"fpir_target must be above 0 and at most 1; got {self.fpir_target}.")


def collect(samples: SampleTable, trials: Trials) -> Evidence:
    """Comparisons that are at hand as arrays.

    Args:
        samples: the pictures.
        trials: the comparisons between them.

    Raises:
        UsageError: no comparison, or a mated one of different people or the other way round.
    """
    same = samples.subjects[trials.probes] == samples.subjects[trials.references]
    if (same != trials.mated).any():
        row = int(np.argmax(same != trials.mated))
        raise UsageError(
            f"comparison {row} is called {'mated' if trials.mated[row] else 'nonmated'}, but its pictures are of "
            f"{'one person' if same[row] else 'different people'}; correct the labels."
        )
    collector = Collector()
    collector.add(trials, joint_groups(samples))
    return collector.result(samples)


def joint_groups(samples: SampleTable) -> Int64 | None:
    """(N,) int64: a number for all of a picture's attributes together; None where there are no attributes."""
    if not samples.groups:
        return None
    columns = np.stack([np.unique(x, return_inverse=True)[1] for x in samples.groups.values()])
    return np.asarray(np.unique(columns, axis=1, return_inverse=True)[1], np.int64).ravel()


def audit(
    evidence: Evidence,
    options: AuditOptions | None = None,
    *,
    sources: Sequence[Source] = (),
    notes: Sequence[Note] = (),
    progress: Callable[[int, int], None] | None = None,
) -> AuditResult:
    """Compute everything.

    Args:
        evidence: what was collected.
        options: what to report, and how; None for the defaults.
        sources: where the comparisons came from.
        notes: what a reader must know of them, to stand before what is found here.
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: a group that the data do not have.
    """
    options = options or AuditOptions()
    attributes = evidence.samples.groups if options.groups is None else options.groups
    step = Steps(progress, 5 + len(TARGETS) + len(attributes))
    points = Points(evidence, options.draws, options.confidence)
    threshold, chosen_by = _threshold(evidence, options)
    target = None if options.threshold is not None else options.target_fmr
    point = step.after(points.at(threshold, chosen_by, target))
    searches = step.after(searches_of(evidence, threshold))
    groups = tuple(
        step.after(
            group_attribute(
                Grouping(evidence, name, threshold, options.draws, options.confidence),
                searches,
                options.fpir_target,
            )
        )
        for name in attributes
    )
    eer = step.after(points.equal_error())
    return AuditResult(
        kind=options.kind,
        system=options.system,
        data=summarise(evidence, options, sources),
        method=method(options),
        point=point,
        points=tuple(step.after(points.at_target(target)) for target in TARGETS),
        eer=eer.estimate,
        eer_threshold=eer.threshold,
        det=step.after(points.det()),
        identification=step.after(
            identification(
                evidence,
                searches,
                threshold,
                point,
                SearchOptions(options.gallery_size, options.draws, options.confidence),
            )
        ),
        claim=gallery_claim(point.fmr, options.gallery_size, options.fpir_target),
        groups=groups,
        top_nonmated=top_pairs(evidence),
        notes=(*notes, *notes_on(evidence, point, options.fpir_target, searches)),
    )


@dataclass(slots=True)
class Steps:
    """Says how far a computation is."""

    progress: Callable[[int, int], None] | None
    total: int
    done: int = 0

    def after(self, result: _T) -> _T:
        """Pass on what a step gave."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)
        return result


def _threshold(evidence: Evidence, options: AuditOptions) -> tuple[float, str]:
    if options.threshold is not None:
        return options.threshold, "given"
    if not evidence.nonmated.total:
        return float("nan"), "not to be chosen: there is no nonmated comparison"
    chosen_by = f"lowest with fmr at most {options.target_fmr:g}"
    return threshold_at_fmr(evidence.nonmated, options.target_fmr), chosen_by


def summarise(evidence: Evidence, options: AuditOptions, sources: Sequence[Source]) -> DataSummary:
    """On what it was measured."""
    samples = evidence.samples
    size = samples.num_subjects
    compared = evidence.is_compared
    of_subject = np.bincount(samples.subjects[compared], minlength=size).astype(np.float64)
    without = np.bincount(samples.subjects[compared & ~evidence.acquired], minlength=size)
    (fta,) = share_rate(
        without[:, None].astype(np.float64), of_subject, options.draws, confidence=options.confidence
    )
    scores = np.concatenate([evidence.nonmated.values, evidence.mated_counts.values])
    scores = scores[np.isfinite(scores)]
    return DataSummary(
        description=options.description,
        sources=tuple(sources),
        is_distance=options.is_distance,
        num_probes=int(evidence.is_probe.sum()),
        num_references=int(evidence.is_reference.sum()),
        num_subjects=int(np.count_nonzero(of_subject)),
        num_mated=len(evidence.mated),
        num_nonmated=evidence.nonmated.total + evidence.num_nonmated_failures,
        num_mated_failures=evidence.num_mated_failures,
        num_nonmated_failures=evidence.num_nonmated_failures,
        fta=fta,
        score_min=float(scores.min()) if len(scores) else None,
        score_max=float(scores.max()) if len(scores) else None,
    )


def method(options: AuditOptions) -> Method:
    """How numbers were computed."""
    return Method(
        confidence=options.confidence,
        num_replicates=options.draws.num_replicates,
        seed=options.draws.seed,
        text=METHOD,
        versions={name: metadata.version(name) for name in _VERSIONS_OF},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
