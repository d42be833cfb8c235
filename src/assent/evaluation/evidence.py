"""From comparisons in parts to what all numbers are computed of, in memory that the nonmated ones do not fill.

Of the nonmated comparisons are kept: how often each score occurs, the highest two million one by one, a
random sample of the others, and how many each picture took part in. Mated ones are few and all kept. Up to
twenty million comparisons are also kept whole until the end, to find duplicates and the mates' ranks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from assent.calibration.comparisons import Block, Tail
from assent.calibration.intervals import Universe
from assent.errors import UsageError
from assent.evaluation.counts import ScoreCounter, ScoreCounts
from assent.evaluation.searches import Ranks, ranks_of
from assent.evaluation.trials import SampleTable, Trials
from assent.evaluation.universe import MAX_LISTED_PAIRS, ListedPairs, SummedPairs
from assent.types import Bool, Float64, Int64

MAX_TAIL = 2_000_000
MAX_WHOLE = 20_000_000
MAX_SAMPLE = 400_000


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
        as_probe: (N,) int64, nonmated comparisons with a score of each picture as the probe.
        as_reference: (N,) int64, the same as the reference.
        universe: nonmated comparisons with a score, by people.
        by_group: (N, J) int64, nonmated comparisons with a score of each picture, by the joint group of the other
            one; J is 1 and all are in it where no groups were given.
        joint_groups: (N,) int64, each picture's joint group: one number for all its attributes together.
        ranks: of the mates, where each part held all comparisons of its probes; None otherwise.
        whole: all comparisons where there are few enough; None otherwise.
        num_nonmated_failures: nonmated comparisons without a score.
        acquired: (N,) bool, whether the picture has a score in any comparison.
        is_compared: (N,) bool, whether the picture is in any comparison.
        is_probe: (N,) bool.
        is_reference: (N,) bool.
        num_duplicates: comparisons of the same probe and reference beyond the first; None where not looked for.
        num_infinite: comparisons with an infinite score.
    """

    samples: SampleTable
    nonmated: ScoreCounts
    tail: Block
    complete_above: float
    rest: Block
    mated: Trials
    as_probe: Int64
    as_reference: Int64
    universe: Universe
    by_group: Int64
    joint_groups: Int64
    ranks: Ranks | None
    whole: Trials | None
    num_nonmated_failures: int
    acquired: Bool
    is_compared: Bool
    is_probe: Bool
    is_reference: Bool
    num_duplicates: int | None
    num_infinite: int

    @property
    def mated_scores(self) -> Float64:
        """Scores of mated comparisons that have one, in any order."""
        return self.mated.scores[~np.isnan(self.mated.scores)]

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

    @property
    def num_mated_failures(self) -> int:
        """Mated comparisons without a score."""
        return int(np.isnan(self.mated.scores).sum())


@dataclass(slots=True)
class Collector:
    """Takes comparisons in parts. Pictures are numbered as the parts come; ``result`` is told whose they are.

    Attributes:
        max_tail: nonmated comparisons kept one by one.
        max_whole: comparisons kept whole until the end.
        max_sample: size of the random sample of the other nonmated ones.
        seed: of that sample.
    """

    max_tail: int = MAX_TAIL
    max_whole: int = MAX_WHOLE
    max_sample: int = MAX_SAMPLE
    seed: int = 0
    _nonmated: ScoreCounter = field(default_factory=ScoreCounter)
    _tail: Tail = field(init=False)
    _sample: _Sample = field(init=False)
    _mated: list[Trials] = field(default_factory=list)
    _whole: list[Trials] | None = field(default_factory=list)
    _ranks: list[Ranks] = field(default_factory=list)
    _num_rows: int = 0
    _num_infinite: int = 0
    _num_nonmated_failures: int = 0
    _seen: dict[str, Int64] = field(default_factory=dict)
    _by_group: Int64 = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    _joint: Int64 | None = None

    def __post_init__(self) -> None:
        self._tail = Tail(self.max_tail)
        self._sample = _Sample(self.max_sample, np.random.default_rng(self.seed))

    def add(self, trials: Trials, joint_groups: Int64 | None = None) -> None:
        """Take some comparisons.

        Args:
            trials: the comparisons.
            joint_groups: at least one for each picture numbered until now: a number for all its attributes
                together. None where there are no groups.
        """
        self._num_rows += len(trials)
        failed = np.isnan(trials.scores)
        self._count_rows(trials, failed)
        if joint_groups is not None:
            self._count_groups(trials, ~failed & ~trials.mated, joint_groups)
        self._mated.append(trials.take(trials.mated))
        self._keep_nonmated(trials, ~trials.mated & ~failed)
        if trials.has_whole_probes:
            self._ranks.append(ranks_of(trials))
        if self._whole is not None:
            self._whole.append(trials)
            if self._num_rows > self.max_whole:
                self._whole = None

    def result(self, samples: SampleTable) -> Evidence:
        """What was collected.

        Args:
            samples: at least the pictures that the parts numbered.

        Raises:
            UsageError: there is no comparison.
        """
        if not self._num_rows:
            raise UsageError("expected comparisons; got none. Give a file with a row for each.")
        n = len(samples)
        seen = {key: np.pad(counts, (0, n - len(counts))) for key, counts in self._seen.items()}
        whole = Trials.joined(self._whole) if self._whole is not None else None
        tail = self._tail.result()
        as_probe, as_reference = seen["probe"], seen["reference"]
        acquired = seen["acquired"] > 0
        joint, by_group = np.zeros(n, np.int64), (as_probe + as_reference)[:, None]
        if self._joint is not None:
            joint = np.pad(self._joint, (0, n - len(self._joint)))
            by_group = np.pad(self._by_group, ((0, n - len(self._by_group)), (0, 0)))
        return Evidence(
            samples=samples,
            nonmated=self._nonmated.result(),
            tail=tail,
            complete_above=self._tail.complete_above,
            rest=self._sample.result(self._tail.complete_above),
            mated=Trials.joined(self._mated),
            as_probe=as_probe,
            as_reference=as_reference,
            universe=_universe(samples, whole, as_probe + as_reference),
            by_group=by_group,
            joint_groups=joint,
            ranks=self._all_ranks(),
            whole=whole,
            num_nonmated_failures=self._num_nonmated_failures,
            acquired=acquired,
            is_compared=(seen["any_probe"] + seen["any_reference"]) > 0,
            is_probe=seen["any_probe"] > 0,
            is_reference=seen["any_reference"] > 0,
            num_duplicates=None if whole is None else _num_duplicates(whole),
            num_infinite=self._num_infinite,
        )

    def _all_ranks(self) -> Ranks | None:
        known = sum(ranks.num_rows for ranks in self._ranks)
        return Ranks.joined(self._ranks) if known == self._num_rows else None

    def _count_rows(self, trials: Trials, failed: Bool) -> None:
        """What each picture took part in, and failures."""
        scored = ~failed
        nonmated = scored & ~trials.mated
        self._num_nonmated_failures += int((failed & ~trials.mated).sum())
        self._num_infinite += int(np.isinf(trials.scores).sum())
        self._bump("any_probe", trials.probes)
        self._bump("any_reference", trials.references)
        if scored.all():
            self._bump("acquired", trials.probes)
            self._bump("acquired", trials.references)
        else:
            self._bump("acquired", trials.probes[scored])
            self._bump("acquired", trials.references[scored])
        self._bump("probe", trials.probes[nonmated])
        self._bump("reference", trials.references[nonmated])

    def _count_groups(self, trials: Trials, rows: Bool, joint: Int64) -> None:
        probes, references = trials.probes[rows], trials.references[rows]
        width = max(int(joint.max(initial=0)) + 1, self._by_group.shape[1])
        size = max(len(joint), len(self._by_group))
        more = np.bincount(probes * width + joint[references], minlength=size * width)
        more += np.bincount(references * width + joint[probes], minlength=size * width)
        grown = more.reshape(size, width)
        grown[: len(self._by_group), : self._by_group.shape[1]] += self._by_group
        self._by_group = grown
        self._joint = joint

    def _bump(self, key: str, rows: Int64) -> None:
        counts = self._seen.get(key, np.zeros(0, np.int64))
        more = np.bincount(rows, minlength=len(counts))
        more[: len(counts)] += counts
        self._seen[key] = more

    def _keep_nonmated(self, trials: Trials, rows: Bool) -> None:
        scores = trials.scores[rows]
        self._nonmated.add(scores)
        before = self._tail.complete_above
        high = rows & (trials.scores > before)
        self._tail.add(_block(trials, high))
        self._sample.add(trials, rows)


@dataclass(slots=True)
class _Sample:
    """Each row is kept with the same chance, halved whenever there are too many."""

    limit: int
    rng: np.random.Generator
    _blocks: list[Block] = field(default_factory=list)
    _num_kept: int = 0
    _stride: int = 1

    def add(self, trials: Trials, rows: Bool) -> None:
        index = np.flatnonzero(rows)
        if self._stride > 1:
            index = index[self.rng.random(len(index)) < 1 / self._stride]
        self._blocks.append(_block(trials, index))
        self._num_kept += len(index)
        while self._num_kept > 2 * self.limit:
            kept = Block.joined(self._blocks)
            kept = kept.take(self.rng.random(len(kept.scores)) < 0.5)
            self._blocks, self._num_kept = [kept], len(kept.scores)
            self._stride *= 2

    def result(self, up_to: float) -> Block:
        """The rows that scored at most ``up_to``, highest first, each standing for as many as were skipped."""
        block = Block.joined(self._blocks)
        block = block.take(block.scores <= up_to)
        block = block.take(np.argsort(-block.scores, kind="stable"))
        return Block(
            block.probes, block.references, block.scores, np.full(len(block.scores), float(self._stride))
        )


def _block(trials: Trials, index: Int64 | Bool) -> Block:
    scores = trials.scores[index]
    return Block(trials.probes[index], trials.references[index], scores, np.ones(len(scores)))


def pairs_of_people(samples: SampleTable, probes: Int64, references: Int64) -> tuple[Int64, Int64]:
    """The two people of each comparison, the lower number first."""
    a, b = samples.subjects[probes], samples.subjects[references]
    return np.minimum(a, b), np.maximum(a, b)


def _universe(samples: SampleTable, whole: Trials | None, of_sample: Int64) -> Universe:
    """Pairs one by one where they are few, else summed up."""
    listed = None if whole is None else listed_pairs(samples, whole, ~whole.mated & ~np.isnan(whole.scores))
    if listed is not None:
        return listed
    return SummedPairs(by_subject(samples, of_sample))


def by_subject(samples: SampleTable, of_sample: Int64) -> Float64:
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


def _num_duplicates(whole: Trials) -> int:
    keys = whole.probes * np.int64(max(int(whole.references.max(initial=0)) + 1, 1)) + whole.references
    return len(keys) - len(np.unique(keys))
