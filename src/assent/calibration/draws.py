"""Draws of people, and the rates that come out under each: what calibration and audits have in common.

One draw gives every person a weight, as if as many people as there are were drawn with replacement; a comparison
of two people weighs the product of their weights, one of a person with themselves that person's. All draws of one
seed are of the same people in the same order, so that rates, ratios and differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from assent.types import Bool, Float64, Int64

_BATCH_ELEMENTS = 20_000_000
"""Weights in one matrix product, of 100 draws at most."""


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How people are drawn.

    Attributes:
        num_replicates: draws.
        seed: the same seed gives the same draws.
    """

    num_replicates: int = 1000
    seed: int = 0


class Universe(Protocol):
    """Which pairs of people were compared, and how often; never listed where they need not be."""

    @property
    def num_subjects(self) -> int:
        """People in at least one pair are at most this many."""
        ...

    @property
    def num_references(self) -> int:
        """People that others were compared with."""
        ...

    def weight(self, subject_weights: Float64) -> float:
        """Sum of ``w_i w_j`` over what was compared; with weights of 1, its number.

        Args:
            subject_weights: (S,) float64.
        """
        ...


def weights(num_subjects: int, options: DrawOptions) -> Iterator[Float64]:
    """(S,) float64 for each draw: how often each person was drawn."""
    rng = np.random.default_rng(options.seed)
    for _ in range(options.num_replicates):
        drawn = rng.integers(0, num_subjects, num_subjects)
        yield np.bincount(drawn, minlength=num_subjects).astype(np.float64)


def pair_draws(
    first: Int64, second: Int64, shares: Float64, universe: Universe, num_at: Int64, options: DrawOptions
) -> Float64:
    """False match rates under draws of people on both sides.

    Args:
        first: (M,) a person of each comparison, highest score first.
        second: (M,) the other one.
        shares: (M,) what each comparison counts.
        universe: all that were compared.
        num_at: (K,) how many of the comparisons are false matches at each threshold.
        options: the draws.

    Returns:
        (B, K) float64.
    """
    rates = np.empty((options.num_replicates, len(num_at)))
    for draw, own in zip(rates, weights(universe.num_subjects, options), strict=True):
        products = own[first] * own[second] * shares
        draw[:] = sums_at(products, num_at) / max(universe.weight(own), 1.0)
    return rates


def share_draws(errors: Float64, trials: Float64, options: DrawOptions) -> Float64:
    """Shares under draws of people, where each trial is one person's.

    Args:
        errors: (S, K) trials in error of each person, of K kinds of error.
        trials: (S,) each person's trials.
        options: the draws.

    Returns:
        (B, K) float64.
    """
    both = np.concatenate([errors, trials[:, None]], axis=1)
    drawn = weights(len(trials), options)
    size = min(100, max(1, _BATCH_ELEMENTS // max(len(trials), 1)))
    parts = []
    while batch := list(islice(drawn, size)):
        sums = np.stack(batch) @ both
        parts.append(sums[:, :-1] / np.maximum(sums[:, -1:], 1e-12))
    return np.concatenate(parts)


def sums_at(values: Float64, num_at: Int64) -> Float64:
    """The sum of the first ``n`` values for each n in ``num_at``."""
    return np.concatenate([[0.0], np.cumsum(values)])[num_at]


def is_first_of_pair(first: Int64, second: Int64, num_subjects: int) -> Bool:
    """(M,) bool: whether a row is the first of its two people, who are in the same order in each."""
    keys = first * np.int64(num_subjects) + second
    is_first = np.zeros(len(keys), np.bool_)
    is_first[np.unique(keys, return_index=True)[1]] = True
    return is_first
