"""Recorded rates as cells of a page."""

from __future__ import annotations

from assent.evaluation.report.words import percent
from assent.types import JsonObject


def counted_cell(rate: JsonObject) -> str:
    """Errors of trials, and the share with its interval."""
    return f"{round(rate['num_errors']):,} of {rate['num_trials']:,}, {percent_cell(rate)}"


def percent_cell(rate: JsonObject) -> str:
    """The share with its interval."""
    low, high = (percent(rate[end]).removesuffix(" %") for end in ("lower", "upper"))
    return f"{percent(rate['value'])} [{low}, {high}]"
