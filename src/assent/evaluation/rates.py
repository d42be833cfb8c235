"""A share of trials with its intervals: draws of people, Clopper-Pearson, Wilson, and what no error means."""

from __future__ import annotations

import numpy as np

from assent.calibration.draws import DrawOptions, share_draws
from assent.calibration.intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
    wilson,
    zero_error_bounds,
)
from assent.evaluation.result import Badge, Estimate, Rate
from assent.types import Float64

RULE_OF_30 = 30
"""Errors that make a rate known to within 30 % at 90 % confidence (Doddington)."""


def make_rate(
    errors: float,
    trials: int,
    num_subjects: int,
    *,
    draws: Float64 | None = None,
    confidence: float = 0.95,
    is_of_pairs: bool = False,
) -> Rate:
    """A rate from counts and draws.

    Args:
        errors: trials in error, fractional where averaged.
        trials: all.
        num_subjects: people in them.
        draws: (B,) the rate under draws of people; None for Clopper-Pearson alone.
        confidence: of the two-sided interval and of the bound.
        is_of_pairs: whether a trial is of two people: disjoint ones are then half as many as people.
    """
    if trials < 1:
        return Rate(None, None, None, None, None, None, 0, 0, num_subjects)
    errors = min(float(errors), float(trials))
    tail = (1 - confidence) / 2
    lower = float(clopper_pearson_lower(errors, trials, 1 - tail))
    upper = float(clopper_pearson_upper(errors, trials, 1 - tail))
    bound = float(clopper_pearson_upper(errors, trials, confidence))
    if draws is not None and errors:
        low, high, one_sided = (float(q) for q in np.quantile(draws, [tail, 1 - tail, confidence]))
        lower, upper, bound = min(low, lower), max(high, upper), max(one_sided, bound)
    low_wilson, high_wilson = wilson(errors, trials, confidence)
    optimistic = pessimistic = None
    if not errors:
        people = num_subjects if is_of_pairs else 2 * num_subjects
        range_of = zero_error_bounds(trials, max(people, 2))
        optimistic, pessimistic = range_of.optimistic, max(range_of.optimistic, range_of.pessimistic)
    return Rate(
        value=errors / trials,
        lower=lower,
        upper=min(upper, 1.0),
        bound=min(bound, 1.0),
        wilson_lower=low_wilson,
        wilson_upper=high_wilson,
        num_errors=errors,
        num_trials=trials,
        num_subjects=num_subjects,
        optimistic=optimistic,
        pessimistic=pessimistic,
        badge=badge(errors),
    )


def badge(errors: float) -> Badge:
    """What that many errors allow to say."""
    if not errors:
        return Badge.RULE_OF_3
    return Badge.RULE_OF_30 if errors >= RULE_OF_30 else Badge.BELOW_RULE_OF_30


def share_rate(
    errors: Float64, trials: Float64, options: DrawOptions, *, confidence: float = 0.95
) -> tuple[Rate, ...]:
    """A rate for each column of ``errors``; arguments as of ``share_draws``."""
    draws = share_draws(errors, trials, options)
    num_trials, num_subjects = round(float(trials.sum())), int(np.count_nonzero(trials))
    return tuple(
        make_rate(
            float(errors[:, k].sum()), num_trials, num_subjects, draws=draws[:, k], confidence=confidence
        )
        for k in range(errors.shape[1])
    )


def estimate(
    value: float, draws: Float64, *, confidence: float = 0.95, is_at_least: bool = False
) -> Estimate:
    """A number with the percentiles of its draws; an end that is not finite is None."""
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        ends = np.quantile(draws, [tail, 1 - tail], method="closest_observation")
    lower, upper = (float(x) if np.isfinite(x) else None for x in ends)
    return Estimate(value, lower, None if is_at_least else upper, is_at_least)
