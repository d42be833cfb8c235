"""Numbers as people say them."""

from __future__ import annotations

import math

from assent.evaluation.result import Badge, Estimate, Rate

_LEAST_PERCENT = 1e-6
"""Below this a rate is not told in digits."""

FIXED = "\N{NO-BREAK SPACE}"
"""Keeps a number and its interval on one line."""


def one_in(rate: float | None) -> str:
    """A rate in words; small ones as one in so many, never rounded to nothing.

    Example:
        >>> one_in(28 / 535), one_in(0.0), one_in(0.62), one_in(None)
        ('1 in 19', 'none', '62 %', 'unknown')
    """
    if rate is None:
        return "unknown"
    if rate <= 0:
        return "none"
    if rate > 0.4:
        return percent(rate)
    return f"1 in {_rounded(1 / rate):,}"


def percent(rate: float | None) -> str:
    """Per cent with so many digits that two are not zero.

    Example:
        >>> percent(0.0523), percent(2.1e-6), percent(1.0), percent(0.0), percent(None)
        ('5.2 %', '0.00021 %', '100 %', '0 %', 'unknown')
    """
    if rate is None:
        return "unknown"
    value = 100 * rate
    if value < _LEAST_PERCENT:
        return "0 %" if value <= 0 else f"under {_LEAST_PERCENT:.6f} %"
    digits = max(0, 1 - math.floor(math.log10(value))) if value < 99.95 else 0
    return f"{value:.{digits if value < 10 else min(digits, 1)}f} %".replace(".0 %", " %")


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with so many significant digits; a whole one whole.

    Example:
        >>> number(2.588), number(535.0), number(0.00012345), number(None)
        ('2.6', '535', '0.00012', 'unknown')
    """
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    if abs(value) >= 10**digits:
        return f"{round(value):,}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"


def points(difference: float, *, sign: bool = True) -> str:
    """A difference of two rates in percentage points.

    Example:
        >>> points(-0.0123), points(0.0), points(0.0123, sign=False)
        ('-1.2', '0', '1.2')
    """
    value = 100 * difference
    return "0" if not value else f"{value:{'+' if sign else ''}.2g}"


def threshold(value: float | None) -> str:
    """A score, so that two neighbouring thresholds differ.

    Example:
        >>> threshold(0.95812), threshold(80.0), threshold(None)
        ('0.9581', '80', 'above every score')
    """
    if value is None or math.isinf(value):
        return "above every score"
    return f"{value:.4f}".rstrip("0").rstrip(".")


def span(low: float | None, high: float | None) -> str:
    """The two ends of an interval of a rate, in per cent.

    Example:
        >>> span(0.035, 0.075)
        '3.5 % to 7.5 %'
    """
    return "unknown" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def span_one_in(low: float | None, high: float | None) -> str:
    """The two ends of an interval of a rate, the rarer first, as one in so many.

    Example:
        >>> span_one_in(0.035, 0.075), span_one_in(0.0, 0.02)
        ('1 in 29 to 1 in 13', 'none to 1 in 50')
    """
    return "unknown" if low is None or high is None else f"{one_in(low)} to {one_in(high)}"


def rate_cell(rate: Rate | None) -> str:
    """A rate with its interval, for a table.

    Example:
        >>> rate_cell(None)
        ''
    """
    if rate is None or rate.value is None:
        return ""
    if rate.lower is None or rate.upper is None:
        return percent(rate.value)
    low, high = (percent(end).removesuffix(" %") for end in (rate.lower, rate.upper))
    return f"{percent(rate.value)} [{low}, {high}]".replace(" ", FIXED)


def counts_cell(rate: Rate | None) -> str:
    """Errors of trials, for a table.

    Example:
        >>> counts_cell(None)
        ''
    """
    return "" if rate is None else f"{number(rate.num_errors, 3)} of {rate.num_trials:,}".replace(" ", FIXED)


def badge_cell(rate: Rate | None) -> str:
    """What the number of errors allows to say; with the range of bounds where there was none."""
    if rate is None or rate.badge is None:
        return ""
    if rate.badge is Badge.RULE_OF_3 and rate.optimistic is not None and rate.pessimistic is not None:
        return (
            f"{rate.badge.value}: at most {percent(rate.optimistic)} to {percent(min(rate.pessimistic, 1.0))}"
        )
    return rate.badge.value


def estimate_cell(estimate: Estimate | None) -> str:
    """A number with its interval, for a table; "≥" where it can only be bounded from below."""
    if estimate is None or estimate.value is None:
        return "unknown"
    sign = "≥ " if estimate.is_at_least else ""
    if estimate.lower is None or estimate.upper is None:
        return f"{sign}{number(estimate.value)}"
    return f"{sign}{number(estimate.value)} [{number(estimate.lower)}, {number(estimate.upper)}]".replace(
        " ", FIXED
    )


def _rounded(value: float) -> int:
    """To two significant digits from 100 on."""
    if value < 100:
        return round(value)
    scale: int = 10 ** (math.floor(math.log10(value)) - 1)
    return round(value / scale) * scale
