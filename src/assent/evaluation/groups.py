"""Error rates by group at the audit's one threshold, between groups, and how unequal they are.

One threshold for all, never one for each: what a group meets in use is the threshold in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assent.calibration.comparisons import Block
from assent.calibration.draws import DrawOptions, Universe, share_draws, weights
from assent.calibration.intervals import clopper_pearson_upper
from assent.evaluation.bootstrap import WeightedRows, false_match_draws
from assent.evaluation.evidence import Evidence, MatedByProbe, by_subject, listed_pairs, pairs_of_people
from assent.evaluation.gallery import largest_gallery
from assent.evaluation.inequality import GroupRates, group_measures
from assent.evaluation.rates import estimate, make_rate
from assent.evaluation.result import Cell, Estimate, GroupAttribute, GroupRow, Note, Rate, WorstGroup
from assent.evaluation.searches import NonmatedSearches
from assent.evaluation.universe import SummedPairs
from assent.types import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class Grouping:
    """Pictures by one attribute, and what was compared within and between its groups.

    Attributes:
        evidence: the comparisons.
        attribute: a column's name, or several joined by ``+``.
        threshold: the audit's.
        options: of the draws.
        confidence: of intervals.
    """

    evidence: Evidence
    attribute: str
    threshold: float
    options: DrawOptions
    confidence: float = 0.95

    @cached_property
    def coded(self) -> tuple[Int64, tuple[str, ...]]:
        """Each picture's group, -1 for none, and the names."""
        return self.evidence.samples.codes(self.attribute)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups."""
        return self.coded[1]

    def members(self, group: int) -> Bool:
        """(N,) bool: the compared pictures of a group."""
        return np.asarray((self.coded[0] == group) & self.evidence.is_compared, np.bool_)

    def num_subjects(self, pictures: Bool) -> int:
        """People with one of these pictures."""
        return len(np.unique(self.evidence.samples.subjects[pictures]))

    @cached_property
    def of_joint(self) -> Int64:
        """(J,) int64: the group that each joint group belongs to."""
        groups = np.full(self.evidence.by_group.shape[1], -1, np.int64)
        groups[self.evidence.joint_groups] = self.coded[0]
        return groups

    @cached_property
    def false_matches(self) -> tuple[WeightedRows, Int64, Int64]:
        """False matches, and both groups of each, the lower number first; a sample where not all were kept."""
        evidence = self.evidence
        kept = evidence.tail
        if not evidence.is_complete_at(self.threshold):
            kept = Block.joined([kept, evidence.rest])
        kept = kept.take(kept.scores >= self.threshold)
        first, second = pairs_of_people(evidence.samples, kept.probes, kept.references)
        a, b = self.coded[0][kept.probes], self.coded[0][kept.references]
        rows = WeightedRows(first, second, np.full(len(first), np.inf), kept.shares)
        return rows, np.minimum(a, b), np.maximum(a, b)

    @cached_property
    def num_false(self) -> Float64:
        """(G, G) float64: false matches between groups, counted where all comparisons were kept, else estimated."""
        evidence, size = self.evidence, len(self.names)
        rows, a, b = self.false_matches
        if evidence.is_complete_at(self.threshold) or evidence.stored is None:
            return _counts(a, b, size, rows.shares)
        total = np.zeros((size, size))
        for part in evidence.stored.chunks():
            matches = ~part.mated & (part.scores >= self.threshold)
            a, b = self.coded[0][part.probes[matches]], self.coded[0][part.references[matches]]
            total += _counts(np.minimum(a, b), np.maximum(a, b), size)
        return total

    @cached_property
    def mated(self) -> MatedByProbe:
        """The mated comparisons, by the probe."""
        return self.evidence.mated_by_probe(self.threshold)

    def compared(self, g: int, h: int) -> Float64:
        """(S,) float64: each person's nonmated comparisons between two groups (or within one)."""
        counts, of_joint, codes = self.evidence.by_group, self.of_joint, self.coded[0]
        of_sample = np.where(codes == g, counts[:, of_joint == h].sum(1), 0)
        if g != h:
            of_sample += np.where(codes == h, counts[:, of_joint == g].sum(1), 0)
        return by_subject(self.evidence.samples, of_sample)

    def universe(self, g: int, h: int, counts: Float64) -> Universe:
        """The comparisons between two groups, pair by pair where they are few."""
        whole, codes = self.evidence.whole, self.coded[0]
        if whole is not None:
            a, b = codes[whole.probes], codes[whole.references]
            rows = ((a == g) & (b == h)) | ((a == h) & (b == g))
            listed = listed_pairs(self.evidence.samples, whole, rows & ~whole.mated & ~np.isnan(whole.scores))
            if listed is not None:
                return listed
        return SummedPairs(counts)

    def fmr(self, g: int, h: int) -> tuple[Rate, Float64]:
        """The false match rate between two groups, and its draws (B,)."""
        counts = self.compared(g, h)
        trials = round(float(counts.sum()) / 2)
        rows, a, b = self.false_matches
        num_errors = float(self.num_false[g, h])
        draws = np.zeros(self.options.num_replicates)
        if num_errors and trials:
            own = rows.take((a == g) & (b == h))
            found = false_match_draws(own, self.universe(g, h, counts), np.array([0.0]), self.options)
            draws = found.about(np.array([min(num_errors / trials, 1.0)]))[:, 0]
        people = int(np.count_nonzero(counts))
        rate = make_rate(
            num_errors, trials, people, draws=draws, confidence=self.confidence, is_of_pairs=True
        )
        return rate, draws

    def fnmr(self, group: int) -> tuple[Rate, Float64]:
        """The misses of a group's mated comparisons (by the probe's group), and their draws."""
        own = self.coded[0] == group
        return self._share(self.mated.num_missed * own, self.mated.num_trials * own)

    def fta(self, group: int) -> Rate:
        """Pictures of a group without a score in any comparison."""
        pictures = self.members(group)
        return self._share(pictures & ~self.evidence.acquired, pictures)[0]

    def fpir(self, group: int, searches: NonmatedSearches | None) -> Rate | None:
        """Nonmated searches for a group's people that return anybody, in the whole gallery."""
        if searches is None:
            return None
        own = self.coded[0][searches.probes] == group
        errors, trials = np.zeros(len(self.evidence.samples)), np.zeros(len(self.evidence.samples))
        errors[searches.probes] = searches.false_share(searches.gallery_size) * own
        trials[searches.probes] = own
        return self._share(errors, trials)[0]

    def _share(self, errors: Float64 | Int64 | Bool, trials: Float64 | Int64 | Bool) -> tuple[Rate, Float64]:
        """A share of trials, both (N,) of each picture, and its draws."""
        in_error, of_person = (by_subject(self.evidence.samples, x) for x in (errors, trials))
        draws = share_draws(in_error[:, None], of_person, self.options)[:, 0]
        rate = make_rate(
            float(in_error.sum()),
            round(float(of_person.sum())),
            int(np.count_nonzero(of_person)),
            draws=draws,
            confidence=self.confidence,
        )
        return rate, draws

    def median_ms(self, group: int) -> Estimate | None:
        """The middle time of a group's pictures, with draws of their people."""
        samples = self.evidence.samples
        if samples.times_ms is None:
            return None
        rows = np.flatnonzero(self.members(group) & ~np.isnan(samples.times_ms))
        if not len(rows):
            return None
        rows = rows[np.argsort(samples.times_ms[rows])]
        times, people = samples.times_ms[rows], samples.subjects[rows]
        draws = np.empty(self.options.num_replicates)
        for k, own in enumerate(weights(samples.num_subjects, self.options)):
            upto = np.cumsum(own[people])
            draws[k] = times[min(int(np.searchsorted(upto, upto[-1] / 2)), len(times) - 1)]
        return estimate(float(np.median(times)), draws, confidence=self.confidence)

    @cached_property
    def _score_sums(self) -> tuple[Float64, Float64, Float64]:
        """Finite mated scores of each picture as the probe, (N,) each: how many, their sum, their squares' sum.

        Less the mean of all, so that squares lose no digits.
        """
        counts, size = self.evidence.mated_counts, len(self.evidence.samples)
        finite = np.isfinite(counts.values)
        mean = np.average(counts.values[finite], weights=counts.counts[finite]) if finite.any() else 0.0
        sums = np.zeros((3, size))
        for part in self.evidence.mated.chunks():
            rows = np.isfinite(part.scores)
            scores = part.scores[rows] - mean
            for total, of_row in zip(sums, (np.ones(len(scores)), scores, scores**2), strict=True):
                total += np.bincount(part.probes[rows], of_row, minlength=size)
        return sums[0], sums[1], sums[2]

    def score_shift(self, group: int) -> Estimate | None:
        """How much higher the group's mated scores are than all, in standard deviations, with draws of people."""
        num, total, squares = self._score_sums
        own = self.coded[0] == group
        columns = [by_subject(self.evidence.samples, x) for x in (num * own, total * own, total, squares)]
        of_person = by_subject(self.evidence.samples, num)
        if not columns[0].sum():
            return None
        table = np.stack(columns, 1)
        point = _shift(table.sum(0, keepdims=True) / of_person.sum())[0]
        if not np.isfinite(point):
            return None
        return estimate(
            float(point), _shift(share_draws(table, of_person, self.options)), confidence=self.confidence
        )


def _shift(means: Float64) -> Float64:
    """(B,) from (B, 4) means over all: members, their scores, all scores, their squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.maximum(means[:, 3] - means[:, 2] ** 2, 0.0))
        return np.asarray((means[:, 1] / means[:, 0] - means[:, 2]) / spread, np.float64)


def _counts(a: Int64, b: Int64, size: int, shares: Float64 | None = None) -> Float64:
    """(G, G) how often each pair of groups is there; those of no group are left out."""
    known = (a >= 0) & (b >= 0)
    flat = np.bincount(a[known] * size + b[known], None if shares is None else shares[known], size**2)
    return flat.reshape(size, size).astype(np.float64)


def group_attribute(
    grouping: Grouping, searches: NonmatedSearches | None, fpir_target: float
) -> GroupAttribute:
    """Everything about one attribute's groups.

    Args:
        grouping: the groups.
        searches: the nonmated searches; None where the data hold none.
        fpir_target: for the gallery that the worst group supports.
    """
    number = range(len(grouping.names))
    fmr = {(g, h): grouping.fmr(g, h) for g in number for h in number if g <= h}
    fnmr = [grouping.fnmr(g) for g in number]
    rows = tuple(
        GroupRow(
            name=grouping.names[g],
            num_subjects=grouping.num_subjects(grouping.members(g)),
            num_samples=int(grouping.members(g).sum()),
            fmr=fmr[g, g][0],
            fnmr=fnmr[g][0],
            fta=grouping.fta(g),
            fpir=grouping.fpir(g, searches),
            median_ms=grouping.median_ms(g),
            score_shift=grouping.score_shift(g),
        )
        for g in number
    )
    cells = tuple(
        Cell(grouping.names[g], grouping.names[h], rate)
        for (g, h), (rate, _) in fmr.items()
        if rate.num_trials
    )
    matches = GroupRates(
        grouping.names, [fmr[g, g][0] for g in number], np.array([fmr[g, g][1] for g in number])
    )
    misses = GroupRates(grouping.names, [rate for rate, _ in fnmr], np.array([own for _, own in fnmr]))
    worst = [
        _worst("fmr", matches, grouping.confidence, fpir_target),
        _worst("fnmr", misses, grouping.confidence, None),
    ]
    return GroupAttribute(
        attribute=grouping.attribute,
        threshold=grouping.threshold if np.isfinite(grouping.threshold) else None,
        rows=rows,
        cells=cells,
        measures=group_measures(matches, misses, grouping.confidence),
        worst=tuple(found for found in worst if found is not None),
        notes=_notes(grouping, rows),
    )


def _worst(of: str, rates: GroupRates, confidence: float, fpir_target: float | None) -> WorstGroup | None:
    """The highest bound over groups, each at the level that makes all hold together."""
    known = [k for k, rate in enumerate(rates.rates) if rate.num_trials]
    if len(known) < 2:
        return None
    each = 1 - (1 - confidence) / len(known)
    bounds = {}
    for k in known:
        rate = rates.rates[k]
        exact = float(clopper_pearson_upper(rate.num_errors, rate.num_trials, each))
        bounds[k] = max(exact, float(np.quantile(rates.draws[k], each)))
    top = max(bounds, key=lambda k: bounds[k])
    return WorstGroup(
        of=of,
        name=rates.names[top],
        rate=rates.rates[top].value,
        bound=min(bounds[top], 1.0),
        confidence_each=each,
        n_max=None if fpir_target is None else largest_gallery(bounds[top], fpir_target),
    )


def _notes(grouping: Grouping, rows: tuple[GroupRow, ...]) -> tuple[Note, ...]:
    notes = []
    unknown = int(((grouping.coded[0] < 0) & grouping.evidence.is_compared).sum())
    if unknown:
        notes.append(Note("group-unknown", f"{unknown:,} pictures have no {grouping.attribute}: in no row."))
    for row in rows:
        if row.num_subjects == 1:
            notes.append(
                Note(
                    "group-of-one",
                    f"{row.name!r} is one person: there is no nonmated comparison within it, and its misses "
                    "say nothing about others.",
                    is_warning=True,
                )
            )
        elif not row.fmr.num_trials:
            notes.append(Note("group-not-compared", f"no two people of {row.name!r} were compared."))
        if not row.fnmr.num_trials:
            notes.append(Note("group-without-mates", f"{row.name!r} has no mated comparison."))
    if len(rows) < 2:
        notes.append(Note("one-group", f"fewer than two groups of {grouping.attribute}: nothing to compare."))
    return tuple(notes)
