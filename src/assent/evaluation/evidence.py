"""What all numbers of an audit are computed of, in memory that comparisons do not fill, only pictures do.

``assent.evaluation.collecting`` makes it from comparisons in parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assent.calibration.comparisons import Block
from assent.calibration.draws import Universe
from assent.evaluation.counts import ScoreCounts
from assent.evaluation.searches import Ranks
from assent.evaluation.spill import TrialStore
from assent.evaluation.trials import SampleTable, Trials
from assent.evaluation.universe import MAX_LISTED_PAIRS, ListedPairs
from assent.types import Bool, Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything that an audit's numbers are computed of.

    Attributes:
        samples: the pictures.
        nonmated: scores of nonmated comparisons.
        tail: the highest of these one by one, highest first; ``probes`` and ``references`` are pictures.
        complete_above: every nonmated comparison that scored more than this is in ``tail``.
        rest: random sample of the others, highest first; ``shares`` say how many each stands for.
        mated: all mated comparisons, those without a score too.
        mated_counts: scores of those that have one.
        low_mated: the lowest of them one by one, lowest first; one without a score is at minus infinity.
        other_mated: random sample of the others, lowest first, as ``rest``.
        as_probe: (N,) int64, nonmated comparisons with a score of each picture as the probe.
        as_reference: (N,) int64, the same as the reference.
        universe: nonmated comparisons with a score, by people.
        by_group: (N, J) int64, nonmated comparisons with a score of each picture, by the joint group of the other
            one; J is 1 and all are in it where no groups were given.
        joint_groups: (N,) int64, each picture's joint group: one number for all its attributes together.
        ranks: of the mates, where each part held all comparisons of its probes; None otherwise.
        stored: all comparisons; None of a large matrix, whose searches and ranks are known without.
        whole: the same where there are few enough to be looked at together; None otherwise.
        num_mated_failures: mated comparisons without a score.
        num_nonmated_failures: nonmated comparisons without a score.
        acquired: (N,) bool, whether the picture has a score in any comparison.
        is_compared: (N,) bool, whether the picture is in any comparison.
        is_probe: (N,) bool.
        is_reference: (N,) bool.
        num_duplicates: comparisons of the same probe and reference beyond the first.
        num_infinite: comparisons with an infinite score.
    """

    samples: SampleTable
    nonmated: ScoreCounts
    tail: Block
    complete_above: float
    rest: Block
    mated: TrialStore
    mated_counts: ScoreCounts
    low_mated: Block
    other_mated: Block
    as_probe: Int64
    as_reference: Int64
    universe: Universe
    by_group: Int64
    joint_groups: Int64
    ranks: Ranks | None
    stored: TrialStore | None
    whole: Trials | None
    num_mated_failures: int
    num_nonmated_failures: int
    acquired: Bool
    is_compared: Bool
    is_probe: Bool
    is_reference: Bool
    num_duplicates: int
    num_infinite: int

    def is_complete_at(self, threshold: float) -> bool:
        """Whether every nonmated comparison at or above a threshold is in ``tail``."""
        return threshold > self.complete_above or not np.isfinite(self.complete_above)

    @property
    def is_undirected(self) -> bool:
        """Whether each pair of pictures was compared once, in an order that means nothing: all pairs of a list.

        Told by pictures that are on both sides, and by some being the probe far more often than others.
        """
        both = self.is_probe & self.is_reference
        if both.sum() <= 0.5 * self.is_compared.sum():
            return False
        as_probe = self.as_probe[both]
        return bool(as_probe.std() > 0.25 * max(float(as_probe.mean()), 1e-12))

    def false_matches(self, threshold: float) -> tuple[Int64, Int64] | None:
        """Nonmated comparisons at or above a threshold of each picture, (N,) as the probe and as the reference.

        None where they were not all kept.
        """
        size, tail = len(self.samples), self.tail
        if self.is_complete_at(threshold):
            rows = slice(0, int(np.count_nonzero(tail.scores >= threshold)))
            sides = (tail.probes[rows], tail.references[rows])
            return np.bincount(sides[0], minlength=size), np.bincount(sides[1], minlength=size)
        if self.stored is None:
            return None
        as_probe, as_reference = np.zeros(size, np.int64), np.zeros(size, np.int64)
        for part in self.stored.chunks():
            matches = ~part.mated & (part.scores >= threshold)
            as_probe += np.bincount(part.probes[matches], minlength=size)
            as_reference += np.bincount(part.references[matches], minlength=size)
        return as_probe, as_reference

    def mated_by_probe(self, threshold: float) -> MatedByProbe:
        """The mated comparisons of each picture as the probe, at a threshold."""
        size = len(self.samples)
        num_trials, num_failed, num_below = (np.zeros(size, np.int64) for _ in range(3))
        for part in self.mated.chunks():
            num_trials += np.bincount(part.probes, minlength=size)
            num_failed += np.bincount(part.probes[np.isnan(part.scores)], minlength=size)
            num_below += np.bincount(part.probes[part.scores < threshold], minlength=size)
        return MatedByProbe(num_trials, num_failed, num_below)


@dataclass(frozen=True, slots=True, eq=False)
class MatedByProbe:
    """Mated comparisons of each picture as the probe, each (N,) int64.

    Attributes:
        num_trials: all.
        num_failed: without a score.
        num_below: with one, below the threshold.
    """

    num_trials: Int64
    num_failed: Int64
    num_below: Int64

    @property
    def num_missed(self) -> Int64:
        """Below the threshold or without a score."""
        return self.num_failed + self.num_below


def pairs_of_people(samples: SampleTable, probes: Int64, references: Int64) -> tuple[Int64, Int64]:
    """The two people of each comparison, the lower number first."""
    a, b = samples.subjects[probes], samples.subjects[references]
    return np.minimum(a, b), np.maximum(a, b)


def by_subject(samples: SampleTable, of_sample: Float64 | Int64 | Bool) -> Float64:
    """(S,) float64: a count of each picture, summed over each person's."""
    return np.bincount(samples.subjects, of_sample, minlength=samples.num_subjects).astype(np.float64)


def listed_pairs(samples: SampleTable, trials: Trials, rows: Bool) -> ListedPairs | None:
    """The pairs of people in some comparisons, or None where there are more than ``MAX_LISTED_PAIRS``."""
    first, second = pairs_of_people(samples, trials.probes[rows], trials.references[rows])
    keys, counts = np.unique(first * np.int64(samples.num_subjects) + second, return_counts=True)
    if len(keys) > MAX_LISTED_PAIRS:
        return None
    return ListedPairs(
        keys // samples.num_subjects,
        keys % samples.num_subjects,
        counts.astype(np.float64),
        samples.num_subjects,
    )
