"""From templates and labels to trials: which comparisons there are, and what they scored.

All pairs are compared, in blocks, so that memory stays bounded; of the nonmated ones only the highest
scores are kept one by one, the rest as counts over a grid of scores. Every pair of people counts the same,
however many pictures there are of them, because people are what is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from assent.calibration.comparisons import Block, Tail, compare_all
from assent.calibration.curve import ReferenceKind
from assent.calibration.intervals import FalseMatches
from assent.calibration.samples import Person, Samples, number_subjects, people_of, unit_mean
from assent.types import Float64, Int64

GRID_STEP = 0.0002
GRID: Float64 = np.linspace(-1.0, 1.0, 10_001)
"""The scores at which rates are counted; some networks' scores fall by a decade of FMR within 0.015."""

MAX_TAIL = 300_000
"""Nonmated comparisons kept one by one: the highest this many."""


@dataclass(frozen=True, slots=True)
class TopPair:
    """Two pictures under different names that look most alike; a label error until a person has looked."""

    score: float
    first_image: str
    second_image: str
    first_subject: str
    second_subject: str


@dataclass(frozen=True, slots=True, eq=False)
class NonmatedTrials:
    """Comparisons of different people.

    Attributes:
        matches: the highest scores one by one.
        complete_above: every comparison that scored more than this is in ``matches``.
        fmr_on_grid: (10,001,) share of comparisons at or above each score of ``GRID``, pairs of people
            counting alike.
        num_trials: comparisons.
        num_subject_pairs: pairs of people.
        people: (group, subject) of each subject index in ``matches``.
        top_pairs: the highest score of each pair of people, highest first, at most 50.
    """

    matches: FalseMatches
    complete_above: float
    fmr_on_grid: Float64
    num_trials: int
    num_subject_pairs: int
    people: tuple[Person, ...]
    top_pairs: tuple[TopPair, ...]

    @property
    def num_subjects(self) -> int:
        """People in these comparisons."""
        return len(self.people)


@dataclass(frozen=True, slots=True, eq=False)
class MatedTrials:
    """Comparisons of people with themselves, as parallel arrays of length M.

    Attributes:
        subjects: (M,) int64, index into ``people``, each present.
        scores: (M,) float64; minus infinity where a picture gave no template.
        people: (group, subject) of those with pictures enough.
    """

    subjects: Int64
    scores: Float64
    people: tuple[Person, ...]

    @property
    def num_subjects(self) -> int:
        """People compared with themselves."""
        return len(self.people)

    def failed_shares(self, thresholds: Float64) -> Float64:
        """(num_subjects, K) share of each person's comparisons below each of K thresholds."""
        totals = np.bincount(self.subjects, minlength=self.num_subjects)
        failed = np.empty((self.num_subjects, len(thresholds)))
        for k, threshold in enumerate(thresholds):
            below = self.subjects[self.scores < threshold]
            failed[:, k] = np.bincount(below, minlength=self.num_subjects) / totals
        return failed


def nonmated_trials(
    samples: Samples, kind: ReferenceKind, *, max_tail: int = MAX_TAIL
) -> NonmatedTrials | None:
    """Compare everybody with everybody else of the same group.

    Args:
        samples: pictures without a template take no part.
        kind: single: every pair of pictures. Mean: every picture with the mean of all pictures of each
            other person who has at least two.
        max_tail: comparisons kept one by one.

    Returns:
        The trials, or None where there is no pair of people to compare.
    """
    acquired = samples.take(samples.acquired)
    codes, universe = number_subjects(acquired, kind)
    num_pairs = round(universe.weight(np.ones(universe.num_subjects)))
    if not num_pairs:
        return None
    tail, counts, num_trials = Tail(max_tail), np.zeros(len(GRID)), 0
    for block in compare_all(acquired, codes, kind):
        tail.add(block)
        bins = np.clip(((block.scores.astype(np.float64) + 1) / GRID_STEP).astype(np.int64), 0, len(GRID) - 1)
        counts += np.bincount(bins, block.shares, minlength=len(GRID))
        num_trials += len(block.scores)
    kept = tail.result()
    first, second = codes[kept.probes], codes[kept.references]
    matches = FalseMatches(
        np.minimum(first, second),
        np.maximum(first, second),
        kept.scores.astype(np.float64),
        kept.shares,
        universe,
    )
    return NonmatedTrials(
        matches=matches,
        complete_above=tail.complete_above,
        fmr_on_grid=np.minimum(counts[::-1].cumsum()[::-1] / num_pairs, 1.0),
        num_trials=num_trials,
        num_subject_pairs=num_pairs,
        people=people_of(acquired),
        top_pairs=_top_pairs(acquired, kept, matches),
    )


def mated_trials(samples: Samples, kind: ReferenceKind) -> MatedTrials | None:
    """Compare everybody with themselves.

    Args:
        samples: pictures without a template score minus infinity.
        kind: single: every pair of a person's pictures. Mean: every picture with the mean of the person's
            other pictures, where at least two of them gave a template.

    Returns:
        The trials, or None where nobody has pictures enough.
    """
    codes, _ = number_subjects(samples, kind)
    compare = _mated_with_single if kind == ReferenceKind.SINGLE else _mated_with_mean
    scores = [compare(samples, np.flatnonzero(codes == code)) for code in range(codes.max(initial=-1) + 1)]
    people = tuple(person for person, found in zip(people_of(samples), scores, strict=True) if len(found))
    if not people:
        return None
    found = [own for own in scores if len(own)]
    subjects = np.repeat(np.arange(len(found)), [len(own) for own in found])
    return MatedTrials(subjects, np.concatenate(found), people)


def _top_pairs(samples: Samples, kept: Block, matches: FalseMatches, limit: int = 50) -> tuple[TopPair, ...]:
    return tuple(
        TopPair(
            score=float(kept.scores[row]),
            first_image=str(samples.image_ids[kept.probes[row]]),
            second_image=str(samples.image_ids[kept.references[row]]),
            first_subject=str(samples.subjects[kept.probes[row]]),
            second_subject=str(samples.subjects[kept.references[row]]),
        )
        for row in np.flatnonzero(matches.is_new_pair())[:limit]
    )


def _mated_with_single(samples: Samples, rows: Int64) -> Float64:
    pairs = np.array(list(combinations(rows, 2)), np.int64).reshape(-1, 2)
    first, second = pairs[:, 0], pairs[:, 1]
    scores = np.einsum("nd,nd->n", samples.templates[first], samples.templates[second]).astype(np.float64)
    return np.where(samples.acquired[first] & samples.acquired[second], scores, -np.inf)


def _mated_with_mean(samples: Samples, rows: Int64) -> Float64:
    scores = []
    for row in rows:
        others = rows[(rows != row) & samples.acquired[rows]]
        if len(others) > 1:
            score = float(samples.templates[row] @ unit_mean(samples.templates[others]))
            scores.append(score if samples.acquired[row] else -np.inf)
    return np.array(scores, np.float64)
