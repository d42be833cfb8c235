"""From templates and labels to trials: which comparisons there are, and what they scored.

All pairs are compared, in blocks, so that memory stays bounded; of the nonmated ones only the highest
scores are kept one by one, the rest as counts over a grid of scores. Every pair of people counts the same,
however many pictures there are of them, because people are what is sampled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from assent.calibration.intervals import FalseMatches, PairUniverse
from assent.calibration.profile import ReferenceKind
from assent.errors import UsageError
from assent.types import Bool, Float32, Float64, Int64

GRID_STEP = 0.0002
GRID: Float64 = np.linspace(-1.0, 1.0, 10_001)
"""The scores at which rates are counted; some networks' scores fall by a decade of FMR within 0.015."""

MAX_TAIL = 300_000
"""Nonmated comparisons kept one by one: the highest this many."""

Person = tuple[str, str]
"""A group and a subject in it."""

_BLOCK_ELEMENTS = 8_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures with labels, as parallel arrays of length N.

    Attributes:
        templates: (N, D) float32, unit norm; zeros where none could be made.
        subjects: (N,) str, whose face, unique within the group.
        groups: (N,) str, data set. People of different groups are never compared, since one person may
            be in both under different labels.
        image_ids: (N,) str, to find a picture again.
        acquired: (N,) bool, whether there is a template.
    """

    templates: Float32
    subjects: np.ndarray
    groups: np.ndarray
    image_ids: np.ndarray
    acquired: Bool

    def __post_init__(self) -> None:
        n = len(self.templates)
        lengths = {len(x) for x in (self.subjects, self.groups, self.image_ids, self.acquired)}
        if self.templates.ndim != 2 or lengths - {n}:
            raise UsageError(
                f"expected (N, D) templates and N labels; got {self.templates.shape}, {lengths}."
            )
        norms = np.linalg.norm(self.templates[self.acquired], axis=1)
        if len(norms) and not np.allclose(norms, 1.0, atol=1e-3):
            raise UsageError("expected templates of unit norm where a face was acquired.")

    def __len__(self) -> int:
        return len(self.templates)

    def take(self, index: Int64 | Bool) -> Samples:
        """The samples at ``index`` (integers or a mask), in that order."""
        return Samples(
            self.templates[index],
            self.subjects[index],
            self.groups[index],
            self.image_ids[index],
            self.acquired[index],
        )

    def in_first_half(self, seed: int) -> Bool:
        """(N,) bool: whether the subject is in the half to choose on; by a hash of the name and ``seed``."""
        half = {
            name: hashlib.sha256(f"{seed}:{name}".encode()).digest()[0] % 2 == 0
            for name in set(self.subjects)
        }
        return np.array([half[name] for name in self.subjects], np.bool_)


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


@dataclass(frozen=True, slots=True, eq=False)
class _References:
    """What probes are compared with: templates, their subjects, and the picture that stands for each."""

    templates: Float32
    codes: Int64
    rows: Int64


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some comparisons: parallel arrays of probe row, reference row, score and share."""

    probes: Int64
    references: Int64
    scores: Float32
    shares: Float64

    def take(self, index: Int64 | Bool) -> _Block:
        return _Block(self.probes[index], self.references[index], self.scores[index], self.shares[index])

    @classmethod
    def joined(cls, blocks: list[_Block]) -> _Block:
        return cls(
            np.concatenate([block.probes for block in blocks]),
            np.concatenate([block.references for block in blocks]),
            np.concatenate([block.scores for block in blocks]),
            np.concatenate([block.shares for block in blocks]),
        )


@dataclass(slots=True)
class _Tail:
    """Keeps the highest ``limit`` scores of blocks that arrive one after the other."""

    limit: int
    complete_above: float = -np.inf
    _blocks: list[_Block] = field(default_factory=list)

    def add(self, block: _Block) -> None:
        self._blocks.append(block.take(block.scores > self.complete_above))
        if sum(len(kept.scores) for kept in self._blocks) > 2 * self.limit:
            self._prune()

    def result(self) -> _Block:
        """What was kept, highest score first."""
        self._prune()
        (block,) = self._blocks
        return block.take(np.argsort(-block.scores, kind="stable"))

    def _prune(self) -> None:
        block = _Block.joined(self._blocks)
        if len(block.scores) > self.limit:
            # Strictly above the first that is too many, so that ties are in or out together.
            cut = len(block.scores) - self.limit - 1
            self.complete_above = float(np.partition(block.scores, cut)[cut])
            block = block.take(block.scores > self.complete_above)
        self._blocks = [block]


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
    codes, universe = _subjects(acquired, kind)
    num_pairs = round(universe.weight(np.ones(universe.num_subjects)))
    if not num_pairs:
        return None
    tail, counts, num_trials = _Tail(max_tail), np.zeros(len(GRID)), 0
    for block in _blocks(acquired, codes, kind):
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
        people=_people(acquired),
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
    codes, _ = _subjects(samples, kind)
    compare = _mated_with_single if kind == ReferenceKind.SINGLE else _mated_with_mean
    scores = [compare(samples, np.flatnonzero(codes == code)) for code in range(codes.max(initial=-1) + 1)]
    people = tuple(person for person, found in zip(_people(samples), scores, strict=True) if len(found))
    if not people:
        return None
    found = [own for own in scores if len(own)]
    subjects = np.repeat(np.arange(len(found)), [len(own) for own in found])
    return MatedTrials(subjects, np.concatenate(found), people)


def reference_sizes(samples: Samples) -> dict[int, int]:
    """How many mean references are made of how many templates: {templates: references}."""
    acquired = samples.take(samples.acquired)
    codes, _ = _subjects(acquired, ReferenceKind.MEAN)
    sizes, numbers = np.unique(np.bincount(codes), return_counts=True)
    return {int(size): int(number) for size, number in zip(sizes, numbers, strict=True) if size > 1}


def _subjects(samples: Samples, kind: ReferenceKind) -> tuple[Int64, PairUniverse]:
    """Each sample's subject as a number, ascending by group, and who of them is compared with whom."""
    _, group_codes = np.unique(samples.groups, return_inverse=True)
    names, name_codes = np.unique(samples.subjects, return_inverse=True)
    keys, codes, counts = np.unique(
        group_codes.astype(np.int64) * len(names) + name_codes, return_inverse=True, return_counts=True
    )
    is_reference = counts >= (1 if kind == ReferenceKind.SINGLE else 2)
    return codes.astype(np.int64), PairUniverse(keys // max(len(names), 1), is_reference)


def _people(samples: Samples) -> tuple[Person, ...]:
    """Group and subject, in the order of the numbers that ``_subjects`` gives."""
    return tuple(sorted({(str(g), str(s)) for g, s in zip(samples.groups, samples.subjects, strict=True)}))


def _blocks(samples: Samples, codes: Int64, kind: ReferenceKind) -> Iterator[_Block]:
    """All nonmated comparisons, some rows of probes at a time, each group apart."""
    counts = np.bincount(codes)
    for group in np.unique(samples.groups):
        rows = np.flatnonzero(samples.groups == group)
        references = _references(samples, codes, rows, kind)
        step = max(1, _BLOCK_ELEMENTS // max(len(references.codes), 1))
        for start in range(0, len(rows), step):
            yield _compare(samples, codes, counts, rows[start : start + step], references, kind)


def _references(samples: Samples, codes: Int64, rows: Int64, kind: ReferenceKind) -> _References:
    if kind == ReferenceKind.SINGLE:
        return _References(samples.templates[rows], codes[rows], rows)
    by_subject = [rows[codes[rows] == code] for code in np.unique(codes[rows])]
    by_subject = [own for own in by_subject if len(own) > 1]
    means = [_mean(samples.templates[own]) for own in by_subject]
    dim = samples.templates.shape[1]
    return _References(
        np.array(means, np.float32).reshape(-1, dim),
        np.array([codes[own[0]] for own in by_subject], np.int64),
        np.array([own[0] for own in by_subject], np.int64),
    )


def _compare(
    samples: Samples, codes: Int64, counts: Int64, probes: Int64, references: _References, kind: ReferenceKind
) -> _Block:
    """One block's comparisons, and of how many between the same two people each is one."""
    own, other = codes[probes][:, None], references.codes[None, :]
    if kind == ReferenceKind.SINGLE:
        is_trial = own < other  # every pair of pictures once
        num_between = counts[own] * counts[other]
    else:
        is_trial = own != other
        num_between = counts[own] + counts[other] * (counts[own] > 1)
    at_probe, at_reference = np.nonzero(is_trial)
    # Single precision may give a little more than 1 for the same picture.
    scores = np.clip(samples.templates[probes] @ references.templates.T, -1.0, 1.0)
    return _Block(
        probes[at_probe],
        references.rows[at_reference],
        scores[at_probe, at_reference],
        1.0 / num_between[at_probe, at_reference],
    )


def _top_pairs(samples: Samples, kept: _Block, matches: FalseMatches, limit: int = 50) -> tuple[TopPair, ...]:
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
            score = float(samples.templates[row] @ _mean(samples.templates[others]))
            scores.append(score if samples.acquired[row] else -np.inf)
    return np.array(scores, np.float64)


def _mean(templates: Float32) -> Float32:
    """The unit-norm mean of unit-norm templates, as a person's stored mean is made."""
    mean = templates.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
