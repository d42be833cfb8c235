"""What an audit found: every number with its interval and where it comes from. Reports read this and no more.

``AuditResult`` is of one system, ``Comparison`` of two on the same trials. Both are trees of frozen
dataclasses of plain values (numbers, strings, tuples), and ``as_json`` gives the same tree for a file: field
names are the keys, tuples are lists, and a number that is not finite is null.

Words: a comparison is a match when ``score >= threshold``; higher is more alike. Distances are negated when
read (``DataSummary.is_distance``), and ``threshold`` is then the negated distance. Rates are shares in
[0, 1], never per cent. A ``mated`` comparison is of one subject with itself. Intervals are two-sided at
``Method.confidence`` unless the text says bound, which is one-sided. Where nothing can be known the value is
None, and a note says why.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assent.calibration.trials import TopPair
from assent.types import JsonObject

__all__ = [
    "AuditResult",
    "Badge",
    "Cell",
    "CmcPoint",
    "Comparison",
    "DataSummary",
    "Det",
    "Difference",
    "Estimate",
    "GalleryClaim",
    "GalleryRow",
    "GroupAttribute",
    "GroupMeasure",
    "GroupRow",
    "Identification",
    "Method",
    "Note",
    "OperatingPoint",
    "Rate",
    "Requirement",
    "Source",
    "TopPair",
    "WorstGroup",
    "as_json",
]

SCHEMA_VERSION = 1
"""Of the JSON twin."""


class Badge(StrEnum):
    """What the number of errors allows to say; shown beside a rate."""

    RULE_OF_3 = "no error: rule of 3"
    """None was seen; ``Rate.optimistic`` and ``Rate.pessimistic`` are the range of its upper bound."""
    BELOW_RULE_OF_30 = "below rule of 30"
    """Fewer than 30 errors: the rate is not known to within 30 % (Doddington, 90 % confidence)."""
    RULE_OF_30 = "rule of 30"
    """30 errors or more: within 30 % of the truth at 90 % confidence, if trials were independent."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the data or the numbers that a reader must know.

    Attributes:
        code: stable name, kebab case, such as ``one-class``, ``ties``, ``symmetric-matrix``.
        text: one sentence for people.
        is_warning: whether a number may mislead because of it.
    """

    code: str
    text: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with a two-sided interval; the interval is None where it cannot be computed.

    Attributes:
        value: the point estimate; None where undefined.
        lower: lower end.
        upper: upper end.
        is_at_least: show as "≥ value": a group had no error and its upper bound stands in for its rate.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None
    is_at_least: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of trials, with every interval that is worth telling apart.

    Attributes:
        value: errors / trials; None where there is no trial.
        lower: lower end of the interval to report: subject-level bootstrap, at each end at least as wide as
            Clopper-Pearson.
        upper: upper end of the same.
        bound: one-sided upper bound at the same confidence; what promises are held to.
        wilson_lower: two-sided Wilson interval as if trials were independent: for display beside the other, too
            narrow for pairs.
        wilson_upper: upper end of the same.
        num_errors: comparisons (or searches) in error; fractional where averaged over galleries.
        num_trials: comparisons (or searches).
        num_subjects: people in them.
        optimistic: only where no error was seen: 3 / trials.
        pessimistic: only where no error was seen: 3 / disjoint pairs of people (3 / people for mated trials and
            searches).
        badge: what the number of errors allows to say; None where there is no trial.
    """

    value: float | None
    lower: float | None
    upper: float | None
    bound: float | None
    wilson_lower: float | None
    wilson_upper: float | None
    num_errors: float
    num_trials: int
    num_subjects: int
    optimistic: float | None = None
    pessimistic: float | None = None
    badge: Badge | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file (or run) that scores came from.

    Attributes:
        name: of the file, without its folder.
        format: such as ``csv``, ``matrix``, ``bob-4col``, ``bob-5col``, ``bfw``, ``npy``, ``run``.
        num_rows: comparisons in it, failures included.
        sha256: of the file's bytes; empty of a run.
    """

    name: str
    format: str
    num_rows: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """On what it was measured.

    Attributes:
        description: in words, from the user; may be empty.
        sources: the files or runs.
        is_distance: scores were distances and have been negated.
        num_probes: different probe ids.
        num_references: different reference ids.
        num_subjects: different people.
        num_mated: mated comparisons, failures included.
        num_nonmated: nonmated comparisons, failures included.
        num_mated_failures: mated comparisons without a score; they count as not matched.
        num_nonmated_failures: nonmated comparisons without a score; left out of fmr.
        fta: failures to acquire, of samples (pictures): those without a score in any comparison.
        score_min: lowest finite score; None where there is none.
        score_max: highest finite score; None where there is none.
    """

    description: str
    sources: tuple[Source, ...]
    is_distance: bool
    num_probes: int
    num_references: int
    num_subjects: int
    num_mated: int
    num_nonmated: int
    num_mated_failures: int
    num_nonmated_failures: int
    fta: Rate
    score_min: float | None
    score_max: float | None


@dataclass(frozen=True, slots=True)
class Method:
    """How numbers were computed.

    Attributes:
        confidence: of every interval, such as 0.95.
        num_replicates: bootstrap draws.
        seed: of the draws.
        text: sentences for people on intervals and definitions.
        versions: package name to version.
        created: the moment, ISO 8601, UTC.
    """

    confidence: float
    num_replicates: int
    seed: int
    text: tuple[str, ...]
    versions: dict[str, str]
    created: str


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Error rates at one threshold.

    Attributes:
        threshold: matches score at least this; None where no finite score gives it.
        chosen_by: in words, such as "given" or "lowest with fmr at most 0.0001".
        target_fmr: what it was chosen for; None where the threshold was given.
        is_supported: whether the data can show the target at all (30 expected false matches or more).
        fmr: false matches of nonmated comparisons that have a score.
        fnmr: misses of mated comparisons, failures counted in.
        fnmr_acquired: misses of mated comparisons that have a score.
        gfar: fmr × (1 - share of nonmated comparisons without a score), ISO/IEC 19795-1's generalised rate.
    """

    threshold: float | None
    chosen_by: str
    target_fmr: float | None
    is_supported: bool
    fmr: Rate
    fnmr: Rate
    fnmr_acquired: Rate
    gfar: float | None


@dataclass(frozen=True, slots=True)
class Det:
    """The detection error trade-off, as parallel tuples, threshold ascending; thinned for drawing, ends kept.

    Attributes:
        threshold: the last is above every score (null in JSON): nothing matches.
        fmr: falling.
        fmr_lower: bands, two-sided, subject-level.
        fmr_upper: the same.
        fnmr: rising, failures counted in.
        fnmr_lower: bands.
        fnmr_upper: bands.
        fmr_floor: the lowest fmr that the data can show, 1 / nonmated comparisons: where the axis may end.
    """

    threshold: tuple[float, ...]
    fmr: tuple[float, ...]
    fmr_lower: tuple[float, ...]
    fmr_upper: tuple[float, ...]
    fnmr: tuple[float, ...]
    fnmr_lower: tuple[float, ...]
    fnmr_upper: tuple[float, ...]
    fmr_floor: float


@dataclass(frozen=True, slots=True)
class CmcPoint:
    """The share of mated searches whose mate is among the first ``rank`` candidates, at no threshold."""

    rank: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """What a gallery of one size does at the audit's threshold.

    Attributes:
        gallery_size: N.
        fpir: measured: the mean over all galleries of this size that can be drawn from the one searched; None
            where N is larger than that one.
        fpir_at_most: N × fmr (Boole), at most 1: from comparisons, whatever the dependence.
        fpir_bound: N × the upper bound of fmr, at most 1; what can be promised.
        selectivity: N × fmr: candidates that a search for a stranger gives on average.
        fnir: mated searches that miss at the threshold at rank 1, in such galleries; None as for ``fpir``.
    """

    gallery_size: int
    fpir: Rate | None
    fpir_at_most: float | None
    fpir_bound: float | None
    selectivity: float | None
    fnir: Rate | None


@dataclass(frozen=True, slots=True)
class Identification:
    """Searches (1:N).

    Attributes:
        gallery_size: references that a search compared with; the smallest where searches differ.
        threshold: a candidate scores at least this.
        num_mated_searches: searches whose mate is in the gallery.
        num_nonmated_searches: searches whose mate is not, or was left out.
        num_left_out: searches of so few references that they are of another gallery; in no number here.
        fpir: nonmated searches with at least one candidate, at ``gallery_size``.
        fnir: (rank, rate): mated searches without the mate within the rank at the threshold, rank 1, then others.
        selectivity: mean number of candidates of a nonmated search, measured.
        cmc: ranks ascending; ties count against the mate.
        by_size: rows of N, ascending, from 1 to the size that the user has.
        worst_probe_share: share of all false candidates that the worst 5 % of the nonmated searches give.
        silent_probe_share: share of the nonmated searches that give none.
    """

    gallery_size: int
    threshold: float | None
    num_mated_searches: int
    num_nonmated_searches: int
    num_left_out: int
    fpir: Rate
    fnir: tuple[CmcPoint, ...]
    selectivity: Estimate
    cmc: tuple[CmcPoint, ...]
    by_size: tuple[GalleryRow, ...]
    worst_probe_share: float | None
    silent_probe_share: float | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What it would take to certify a gallery: comparisons and people, all pairs compared, optimistic counting.

    Attributes:
        fpir_target: accepted share of strangers' searches that return anybody.
        gallery_size: N.
        fmr_needed: target / N.
        comparisons_rule_of_3: comparisons without any false match.
        subjects_rule_of_3: people whose pairs are that many.
        comparisons_rule_of_30: comparisons with 30 false matches.
        subjects_rule_of_30: people whose pairs are that many.
    """

    fpir_target: float
    gallery_size: int
    fmr_needed: float
    comparisons_rule_of_3: int
    subjects_rule_of_3: int
    comparisons_rule_of_30: int
    subjects_rule_of_30: int


@dataclass(frozen=True, slots=True)
class GalleryClaim:
    """The gallery that the user has: what happens in it at the threshold, and whether the data can show it.

    Attributes:
        gallery_size: as given; None where the user gave none, and then so are the fpir fields.
        fpir_target: as given, or 0.01.
        fpir: N × fmr with its interval, at most 1: "about 1 search in X for a stranger names somebody, at most".
        n_max: the largest gallery that the upper bound of fmr supports at the target; 0 for none.
        is_supported: whether ``gallery_size`` is at most ``n_max``.
        requirements: what it would take, for the targets 1 % and 0.1 % (and the one given).
    """

    gallery_size: int | None
    fpir_target: float
    fpir: Estimate | None
    n_max: int
    is_supported: bool | None
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group at the audit's one threshold.

    Attributes:
        name: of the group, from the user's file.
        num_subjects: people.
        num_samples: pictures.
        fmr: nonmated comparisons within the group.
        fnmr: mated comparisons of its people, failures counted in.
        fta: its pictures without a score.
        fpir: nonmated searches for its people, in the whole gallery; None without searches.
        median_ms: middle time of its pictures, with interval; None without times.
        score_shift: its mean mated score less that of all, in standard deviations of all mated scores; None where
            there is none, or all are the same.
    """

    name: str
    num_subjects: int
    num_samples: int
    fmr: Rate
    fnmr: Rate
    fta: Rate
    fpir: Rate | None
    median_ms: Estimate | None
    score_shift: Estimate | None


@dataclass(frozen=True, slots=True)
class Cell:
    """Nonmated comparisons between two groups (or within one): fmr at the threshold. ``first <= second``."""

    first: str
    second: str
    fmr: Rate


@dataclass(frozen=True, slots=True)
class GroupMeasure:
    """One number for how unequal groups are.

    Attributes:
        name: ``max/min``, ``max/geomean``, ``gini``, ``fdr``, ``inequity-rate``, ``garbe``, ``werm``.
        of: ``fmr``, ``fnmr`` or ``fmr, fnmr``.
        estimate: with the subject-level bootstrap's interval. ``is_at_least`` where a group had no error.
        equal_value: what it is when all groups are equal: 1 for ratios and fdr, 0 for gini and garbe.
        text: what it means, one sentence, formula included.
    """

    name: str
    of: str
    estimate: Estimate
    equal_value: float
    text: str


@dataclass(frozen=True, slots=True)
class WorstGroup:
    """The group with the highest rate, held to the confidence of all groups together (Bonferroni).

    Attributes:
        of: ``fmr`` or ``fnmr``.
        name: of the group with the highest upper bound.
        rate: its point estimate.
        bound: the highest one-sided upper bound over groups, each at 1 - (1 - confidence) / groups.
        confidence_each: that level.
        n_max: for fmr, the gallery that the bound supports at the claim's target; None for fnmr.
    """

    of: str
    name: str
    rate: float | None
    bound: float
    confidence_each: float
    n_max: int | None


@dataclass(frozen=True, slots=True)
class GroupAttribute:
    """Rates by one attribute, such as ``sex``; ``sex+age`` where groups are of several at once.

    Attributes:
        attribute: its column's name.
        threshold: the one threshold for all groups.
        rows: groups, by name.
        cells: pairs of groups, by names; those without a comparison are left out.
        measures: how unequal; groups without a trial are left out and noted.
        worst: for fmr and for fnmr, where there are two groups or more.
        notes: about this attribute's groups.
    """

    attribute: str
    threshold: float | None
    rows: tuple[GroupRow, ...]
    cells: tuple[Cell, ...]
    measures: tuple[GroupMeasure, ...]
    worst: tuple[WorstGroup, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """How often one system is wrong, for whom, at which threshold and gallery size, and how sure that is.

    Attributes:
        kind: ``scores``, ``verify``, ``identify`` or ``congress``.
        system: the name of what was measured, from the user; may be empty.
        data: on what.
        method: how.
        point: at the audit's threshold (given, or for the target fmr); the headline.
        points: at fmr 1e-2 to 1e-6; those that the data cannot show are there with ``is_supported`` False.
        eer: equal error rate: the mean of fmr and fnmr where they are closest; with a subject-level interval.
        eer_threshold: the score there.
        det: the trade-off; None with only one class.
        identification: searches; None where the data hold none.
        claim: the gallery that the user has.
        groups: one for each attribute asked for.
        top_nonmated: at most 50 pairs of people, highest score first; label errors gather here.
        notes: what a reader must know.
    """

    kind: str
    system: str
    data: DataSummary
    method: Method
    point: OperatingPoint
    points: tuple[OperatingPoint, ...]
    eer: Estimate
    eer_threshold: float | None
    det: Det | None
    identification: Identification | None
    claim: GalleryClaim
    groups: tuple[GroupAttribute, ...]
    top_nonmated: tuple[TopPair, ...]
    notes: tuple[Note, ...]
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> JsonObject:
        """The tree as plain JSON values; see the module's text."""
        return as_json(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """One rate of two systems on the same trials.

    Attributes:
        metric: such as ``fnmr`` or ``eer``.
        at: in words, such as "fmr at most 0.001"; each system has its own threshold there.
        first: the first system's, with interval.
        second: the second system's, with interval.
        difference: second less first, with the interval of the paired bootstrap.
        is_clear: whether that interval leaves out 0.
    """

    metric: str
    at: str
    first: Estimate
    second: Estimate
    difference: Estimate
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems, or two versions of one, on the same trials.

    Attributes:
        names: of the two.
        data: of the trials that both have.
        method: how.
        differences: rates side by side.
        dets: the trade-off of each; None with only one class.
        num_common: comparisons that both have.
        num_only_first: comparisons left out because only the first has them.
        num_only_second: the same of the second.
        notes: what a reader must know.
    """

    names: tuple[str, str]
    data: DataSummary
    method: Method
    differences: tuple[Difference, ...]
    dets: tuple[Det | None, Det | None]
    num_common: int
    num_only_first: int
    num_only_second: int
    notes: tuple[Note, ...]
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> JsonObject:
        """The tree as plain JSON values; see the module's text."""
        return as_json(self)


def as_json(result: AuditResult | Comparison) -> JsonObject:
    """The tree as plain JSON values: objects, lists, strings, numbers, null."""
    return {field.name: _plain(getattr(result, field.name)) for field in dataclasses.fields(result)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.value if isinstance(value, StrEnum) else value
