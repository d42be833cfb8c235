"""From comparisons in parts to evidence, in memory that they do not fill.

Of the nonmated comparisons are kept: how often each score occurs, the highest two million one by one, a
random sample of the others, and how many each picture took part in; of the mated ones the same, the lowest
one by one. All of them are kept besides, for what must be looked up again (ranks, repeated rows, misses of
each person): up to twenty million in memory, more in a temporary file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from assent.calibration.comparisons import Block, Tail
from assent.calibration.draws import Universe
from assent.errors import UsageError
from assent.evaluation.counts import ScoreCounter
from assent.evaluation.evidence import Evidence, by_subject, listed_pairs
from assent.evaluation.searches import Ranks, ranks_of
from assent.evaluation.spill import MAX_IN_MEMORY, TrialStore
from assent.evaluation.trials import SampleTable, Trials
from assent.evaluation.universe import SummedPairs
from assent.types import Bool, Int64

MAX_TAIL = 2_000_000
MAX_SAMPLE = 400_000


@dataclass(slots=True)
class Collector:
    """Takes comparisons in parts. Pictures are numbered as the parts come; ``result`` is told whose they are.

    Attributes:
        max_tail: nonmated comparisons kept one by one.
        max_whole: comparisons kept in memory; more go to a temporary file.
        max_sample: size of the random sample of the others.
        seed: of that sample.
        keeps_all: whether more than ``max_whole`` are kept at all. Mated ones always are.
    """

    max_tail: int = MAX_TAIL
    max_whole: int = MAX_IN_MEMORY
    max_sample: int = MAX_SAMPLE
    seed: int = 0
    keeps_all: bool = True
    _nonmated: ScoreCounter = field(default_factory=ScoreCounter)
    _tail: Tail = field(init=False)
    _sample: _Sample = field(init=False)
    _mated: TrialStore = field(init=False)
    _mated_counts: ScoreCounter = field(default_factory=ScoreCounter)
    _low_mated: Tail = field(init=False)
    _mated_sample: _Sample = field(init=False)
    _stored: TrialStore | None = field(init=False)
    _ranks: list[Ranks] = field(default_factory=list)
    _num_rows: int = 0
    _num_infinite: int = 0
    _num_mated_failures: int = 0
    _num_nonmated_failures: int = 0
    _seen: dict[str, Int64] = field(default_factory=dict)
    _by_group: Int64 = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    _joint: Int64 | None = None

    def __post_init__(self) -> None:
        self._tail, self._low_mated = Tail(self.max_tail), Tail(self.max_tail)
        self._sample, self._mated_sample = (
            _Sample(self.max_sample, np.random.default_rng(self.seed)) for _ in range(2)
        )
        self._mated, self._stored = TrialStore(self.max_whole), TrialStore(self.max_whole)

    def add(self, trials: Trials, joint_groups: Int64 | None = None) -> None:
        """Take some comparisons.

        Args:
            trials: the comparisons.
            joint_groups: at least one for each picture numbered until now: a number for all its attributes
                together. None where there are no groups.

        Raises:
            UsageError: there is no room for the temporary file.
        """
        self._num_rows += len(trials)
        failed = np.isnan(trials.scores)
        self._count_rows(trials, failed)
        if joint_groups is not None:
            self._count_groups(trials, ~failed & ~trials.mated, joint_groups)
        self._keep_mated(trials.take(trials.mated))
        self._keep_nonmated(trials, ~trials.mated & ~failed)
        if trials.has_whole_probes:
            self._ranks.append(ranks_of(trials))
        if not self.keeps_all and self._num_rows > self.max_whole:
            self._stored = None
        if self._stored is not None:
            self._stored.add(trials)

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
        stored = self._stored
        whole = stored.joined() if stored is not None and stored.is_in_memory else None
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
            mated=self._mated,
            mated_counts=self._mated_counts.result().flipped(),
            low_mated=_flipped(self._low_mated.result()),
            other_mated=_flipped(self._mated_sample.result(self._low_mated.complete_above)),
            as_probe=as_probe,
            as_reference=as_reference,
            universe=_universe(samples, whole, as_probe + as_reference),
            by_group=by_group,
            joint_groups=joint,
            ranks=self._all_ranks(),
            stored=stored,
            whole=whole,
            num_mated_failures=self._num_mated_failures,
            num_nonmated_failures=self._num_nonmated_failures,
            acquired=acquired,
            is_compared=(seen["any_probe"] + seen["any_reference"]) > 0,
            is_probe=seen["any_probe"] > 0,
            is_reference=seen["any_reference"] > 0,
            # A matrix has each row and each column once.
            num_duplicates=0 if stored is None else stored.num_duplicates(),
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

    def _keep_mated(self, trials: Trials) -> None:
        """Counted and kept upside down, so that the lowest are exact: these are the misses."""
        self._mated.add(trials)
        failed = np.isnan(trials.scores)
        self._num_mated_failures += int(failed.sum())
        self._mated_counts.add(-trials.scores[~failed])
        flipped = replace(trials, scores=np.where(failed, np.inf, -trials.scores))
        rows = np.ones(len(trials), np.bool_)
        self._low_mated.add(_block(flipped, rows))
        self._mated_sample.add(flipped, rows)

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


def _flipped(block: Block) -> Block:
    return Block(block.probes, block.references, -block.scores, block.shares)


def _block(trials: Trials, index: Int64 | Bool) -> Block:
    scores = trials.scores[index]
    return Block(trials.probes[index], trials.references[index], scores, np.ones(len(scores)))


def _universe(samples: SampleTable, whole: Trials | None, of_sample: Int64) -> Universe:
    """Pairs one by one where they are few, else summed up."""
    listed = None if whole is None else listed_pairs(samples, whole, ~whole.mated & ~np.isnan(whole.scores))
    if listed is not None:
        return listed
    return SummedPairs(by_subject(samples, of_sample))
