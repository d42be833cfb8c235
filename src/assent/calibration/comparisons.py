"""All comparisons of different people, some at a time, and the highest of them: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from assent.calibration.curve import ReferenceKind
from assent.calibration.samples import Samples, unit_mean
from assent.types import Bool, Float32, Float64, Int64

_BLOCK_ELEMENTS = 8_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _References:
    """What probes are compared with: templates, their subjects, and the picture that stands for each."""

    templates: Float32
    codes: Int64
    rows: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some comparisons: parallel arrays of probe row, reference row, score and share."""

    probes: Int64
    references: Int64
    scores: Float32 | Float64
    shares: Float64

    def take(self, index: Int64 | Bool) -> Block:
        """The comparisons at ``index`` (integers or a mask), in that order."""
        return Block(self.probes[index], self.references[index], self.scores[index], self.shares[index])

    @classmethod
    def joined(cls, blocks: list[Block]) -> Block:
        """The comparisons of all blocks, one after the other."""
        return cls(
            np.concatenate([block.probes for block in blocks]),
            np.concatenate([block.references for block in blocks]),
            np.concatenate([block.scores for block in blocks]),
            np.concatenate([block.shares for block in blocks]),
        )


@dataclass(slots=True)
class Tail:
    """Keeps the highest ``limit`` scores of blocks that arrive one after the other."""

    limit: int
    complete_above: float = -np.inf
    _blocks: list[Block] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Keep of a block what may be among the highest."""
        self._blocks.append(block.take(block.scores > self.complete_above))
        if sum(len(kept.scores) for kept in self._blocks) > 2 * self.limit:
            self._prune()

    def result(self) -> Block:
        """What was kept, highest score first."""
        self._prune()
        (block,) = self._blocks
        return block.take(np.argsort(-block.scores, kind="stable"))

    def _prune(self) -> None:
        block = Block.joined(self._blocks)
        if len(block.scores) > self.limit:
            # Strictly above the first that is too many, so that ties are in or out together.
            cut = len(block.scores) - self.limit - 1
            self.complete_above = float(np.partition(block.scores, cut)[cut])
            block = block.take(block.scores > self.complete_above)
        self._blocks = [block]


def compare_all(samples: Samples, codes: Int64, kind: ReferenceKind) -> Iterator[Block]:
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
    means = [unit_mean(samples.templates[own]) for own in by_subject]
    dim = samples.templates.shape[1]
    return _References(
        np.array(means, np.float32).reshape(-1, dim),
        np.array([codes[own[0]] for own in by_subject], np.int64),
        np.array([own[0] for own in by_subject], np.int64),
    )


def _compare(
    samples: Samples, codes: Int64, counts: Int64, probes: Int64, references: _References, kind: ReferenceKind
) -> Block:
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
    return Block(
        probes[at_probe],
        references.rows[at_reference],
        scores[at_probe, at_reference],
        1.0 / num_between[at_probe, at_reference],
    )
