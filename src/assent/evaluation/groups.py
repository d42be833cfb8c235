"""Error rates by group at the audit's one threshold, between groups, and how unequal they are.

One threshold for all, never one for each: what a group meets in use is the threshold in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assent.calibration.intervals import Universe, clopper_pearson_upper
from assent.evaluation.bootstrap import DrawOptions, WeightedRows, false_match_draws
from assent.evaluation.evidence import Evidence, by_subject, listed_pairs, pairs_of_people
from assent.evaluation.gallery import largest_gallery
from assent.evaluation.inequality import GroupRates, group_measures
from assent.evaluation.rates import make_rate, share_draws
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
    def false_matches(self) -> tuple[Int64, Int64, Int64, Int64]:
        """Both people and both groups of each false match, each pair of groups with the lower number first."""
        tail = self.evidence.tail
        rows = slice(0, int(np.count_nonzero(tail.scores >= self.threshold)))
        probes, references = tail.probes[rows], tail.references[rows]
        first, second = pairs_of_people(self.evidence.samples, probes, references)
        a, b = self.coded[0][probes], self.coded[0][references]
        return first, second, np.minimum(a, b), np.maximum(a, b)

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
        first, second, a, b = self.false_matches
        rows = (a == g) & (b == h)
        num_errors = int(rows.sum())
        draws = np.zeros(self.options.num_replicates)
        if num_errors:
            own = WeightedRows(first[rows], second[rows], np.full(num_errors, np.inf), np.ones(num_errors))
            found = false_match_draws(own, self.universe(g, h, counts), np.array([0.0]), self.options)
            draws = found.rates[:, 0]
        people = int(np.count_nonzero(counts))
        rate = make_rate(
            num_errors, trials, people, draws=draws, confidence=self.confidence, is_of_pairs=True
        )
        return rate, draws

    def fnmr(self, group: int) -> tuple[Rate, Float64]:
        """The misses of a group's mated comparisons (by the probe's group), and their draws."""
        mated, samples = self.evidence.mated, self.evidence.samples
        rows = self.coded[0][mated.probes] == group
        people = samples.subjects[mated.probes[rows]]
        missed = ~(mated.scores[rows] >= self.threshold)
        return self._share(people, missed.astype(np.float64))

    def fta(self, group: int) -> Rate:
        """Pictures of a group without a score in any comparison."""
        pictures = self.members(group)
        people = self.evidence.samples.subjects[pictures]
        return self._share(people, (~self.evidence.acquired[pictures]).astype(np.float64))[0]

    def fpir(self, group: int, searches: NonmatedSearches | None) -> Rate | None:
        """Nonmated searches for a group's people that return anybody, in the whole gallery."""
        if searches is None:
            return None
        rows = self.coded[0][searches.probes] == group
        people = self.evidence.samples.subjects[searches.probes[rows]]
        return self._share(people, searches.false_share(searches.gallery_size)[rows])[0]

    def _share(self, people: Int64, errors: Float64) -> tuple[Rate, Float64]:
        size = self.evidence.samples.num_subjects
        trials = np.bincount(people, minlength=size).astype(np.float64)
        in_error = np.bincount(people, errors, minlength=size).astype(np.float64)
        draws = share_draws(in_error[:, None], trials, self.options)[:, 0]
        subjects = int(np.count_nonzero(trials))
        rate = make_rate(float(errors.sum()), len(people), subjects, draws=draws, confidence=self.confidence)
        return rate, draws

    def median_ms(self, group: int) -> Estimate | None:
        """The middle time of a group's pictures, with the order statistics' interval."""
        times = self.evidence.samples.times_ms
        if times is None:
            return None
        own = np.sort(times[self.members(group) & ~np.isnan(times)])
        if not len(own):
            return None
        half = 0.98 * np.sqrt(len(own))
        low, high = (int(np.clip(round(len(own) / 2 + k), 0, len(own) - 1)) for k in (-half - 1, half))
        return Estimate(float(np.median(own)), float(own[low]), float(own[high]))

    def score_shift(self, group: int) -> float | None:
        """How much higher the group's mated scores are than all, in standard deviations."""
        mated = self.evidence.mated
        finite = np.isfinite(mated.scores)
        rows = finite & (self.coded[0][mated.probes] == group)
        spread = float(mated.scores[finite].std()) if finite.any() else 0.0
        if not rows.any() or not spread:
            return None
        return float(mated.scores[rows].mean() - mated.scores[finite].mean()) / spread


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
