"""The measures of ``assent.evaluation.measures`` on measured groups: with intervals, and with groups of no error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assent.calibration.intervals import clopper_pearson_lower
from assent.evaluation import measures
from assent.evaluation.rates import estimate
from assent.evaluation.registry import BY_NAME
from assent.evaluation.result import Estimate, GroupMeasure, Rate
from assent.types import Bool, Float64


@dataclass(frozen=True, slots=True, eq=False)
class GroupRates:
    """One error rate of all groups.

    Attributes:
        names: of the groups.
        rates: one for each.
        draws: (G, B) float64, under the same draws of people for all.
    """

    names: tuple[str, ...]
    rates: list[Rate]
    draws: Float64

    @property
    def is_known(self) -> Bool:
        """(G,) bool: groups with a trial."""
        return np.array([rate.num_trials > 0 for rate in self.rates], np.bool_)

    def take(self, rows: Bool) -> GroupRates:
        """Some of the groups."""
        index = np.flatnonzero(rows)
        return GroupRates(
            tuple(self.names[k] for k in index), [self.rates[k] for k in index], self.draws[index]
        )

    @property
    def values(self) -> Float64:
        """(G,) point estimates, as they are."""
        return np.array([rate.value or 0.0 for rate in self.rates])

    @property
    def has_zero(self) -> bool:
        """Whether a group had no error."""
        return bool((self.values == 0).any())

    @property
    def above_zero(self) -> Float64:
        """(G,) point estimates, the upper bound where there was no error: a ratio over it is at least true."""
        return np.array([rate.value or rate.bound or 1.0 for rate in self.rates])

    @property
    def draws_above_zero(self) -> Float64:
        """(B, G) draws; never below Clopper-Pearson's lower end, or the upper bound where there was no error."""
        floors = [
            float(clopper_pearson_lower(rate.num_errors, rate.num_trials, 0.975)) or rate.bound or 1.0
            for rate in self.rates
        ]
        return np.asarray(np.maximum(self.draws.T, np.array(floors)), np.float64)


def group_measures(matches: GroupRates, misses: GroupRates, confidence: float) -> tuple[GroupMeasure, ...]:
    """All measures that two groups or more allow; none where no group had an error.

    Args:
        matches: fmr within each group.
        misses: fnmr of each group.
        confidence: of intervals.
    """
    found: list[GroupMeasure] = []
    for of, rates in (("fmr", matches), ("fnmr", misses)):
        known = rates.take(rates.is_known)
        if len(known.names) > 1 and known.values.any():
            found += _of_one(of, known, confidence)
    both = matches.is_known & misses.is_known
    first, second = matches.take(both), misses.take(both)
    if len(first.names) > 1 and first.values.any() and second.values.any():
        found += _of_both(first, second, confidence)
    return tuple(found)


def _of_one(of: str, rates: GroupRates, confidence: float) -> list[GroupMeasure]:
    x = rates.above_zero
    top, bottom = np.asarray(rates.values.argmax()), np.asarray(x.argmin())

    def ratio(values: Float64) -> Float64:
        return measures.max_over_min(values, top, bottom)

    def to_mean(values: Float64) -> Float64:
        return measures.max_over_geomean(values, top)

    zero, draws = rates.has_zero, rates.draws_above_zero
    return [
        _measure("max/min", of, _estimated(ratio, x, draws, confidence, zero)),
        _measure("max/geomean", of, _estimated(to_mean, x, draws, confidence, zero)),
        _measure("gini", of, _estimated(measures.gini, rates.values, rates.draws.T, confidence)),
    ]


def _of_both(matches: GroupRates, misses: GroupRates, confidence: float) -> list[GroupMeasure]:
    x, y = matches.above_zero, misses.above_zero
    tops = (np.asarray(matches.values.argmax()), np.asarray(misses.values.argmax()))
    bottoms = (np.asarray(x.argmin()), np.asarray(y.argmin()))
    split = len(x)

    def on_both(measure: Callable[..., Float64], **fixed: object) -> Callable[[Float64], Float64]:
        return lambda values: measure(values[..., :split], values[..., split:], **fixed)

    raw = np.concatenate([matches.values, misses.values])
    raw_draws = np.concatenate([matches.draws.T, misses.draws.T], axis=1)
    above = np.concatenate([x, y])
    above_draws = np.concatenate([matches.draws_above_zero, misses.draws_above_zero], axis=1)
    zero = matches.has_zero or misses.has_zero
    inequity = on_both(measures.inequity_rate, tops=tops, bottoms=bottoms)
    werm = on_both(measures.werm, tops=tops)
    return [
        _measure("fdr", "fmr, fnmr", _estimated(on_both(measures.fdr), raw, raw_draws, confidence)),
        _measure("inequity-rate", "fmr, fnmr", _estimated(inequity, above, above_draws, confidence, zero)),
        _measure("garbe", "fmr, fnmr", _estimated(on_both(measures.garbe), raw, raw_draws, confidence)),
        _measure("werm", "fmr, fnmr", _estimated(werm, above, above_draws, confidence, zero)),
    ]


def _estimated(
    measure: Callable[[Float64], Float64],
    x: Float64,
    draws: Float64,
    confidence: float,
    is_at_least: bool = False,
) -> Estimate:
    value = float(measure(x))
    if is_at_least:  # a bound in place of no error may turn the order round; a ratio is never less than 1
        value = max(value, 1.0)
    return estimate(value, measure(draws), confidence=confidence, is_at_least=is_at_least)


def _measure(name: str, of: str, value: Estimate) -> GroupMeasure:
    metric = BY_NAME[name]
    return GroupMeasure(name, of, value, metric.equal_value, metric.text)
