"""Two systems on one page, and its JSON twin."""

from __future__ import annotations

from pathlib import Path

from assent.evaluation.report.figures import two_dets_figure
from assent.evaluation.report.headline import Sentence
from assent.evaluation.report.page import check_name, figure_values, render, small_print, write_both
from assent.evaluation.report.rows import data_words
from assent.evaluation.report.words import FIXED, percent, points
from assent.evaluation.result import Comparison, Difference, Estimate


def write_comparison(result: Comparison, path: Path) -> Path:
    """Write the page, and its numbers beside it as ``NAME.json``.

    Args:
        result: what was found.
        path: of the page, ending in ``.html``.

    Returns:
        The JSON file.

    Raises:
        UsageError: ``path`` ends otherwise, or the extra ``audit`` is not installed.
        ModelError: the folder cannot be written.
    """
    check_name(path)
    return write_both(render_comparison(result), {"title": _title(result), "result": result.as_json()}, path)


def render_comparison(result: Comparison) -> str:
    """The page's HTML.

    Raises:
        UsageError: the extra ``audit`` is not installed.
    """
    first, second = result.names
    figure = two_dets_figure(result.dets, result.names)
    data = result.data
    values = {
        "title": _title(result),
        "about": f"{data.num_subjects:,} people, {result.num_common:,} comparisons that both have.",
        "findings": [_sentence(difference, result.names) for difference in result.differences],
        "figure": None if figure is None else figure_values(figure),
        "columns": ["rate", "at", first, second, "difference", "clear"],
        "rows": [_row(difference) for difference in result.differences],
        "data": data_words(data),
        **small_print(result.notes, result.method),
    }
    return render("comparison.html.j2", values)


def _title(result: Comparison) -> str:
    return f"{result.names[0]} and {result.names[1]} compared"


def _sentence(found: Difference, names: tuple[str, str]) -> Sentence:
    """One rate in words: which is lower, by how much, and whether that may be chance."""
    value, ends = found.difference.value or 0.0, _span(found.difference)
    where = f"With {found.at}" if found.metric == "fnmr" else f"At {found.at}"
    both = f"{percent(found.first.value)} and {percent(found.second.value)}"
    if not value:
        return Sentence("no difference", f"{where}, both are alike: {both} ({ends}).")
    better, by = names[1] if value < 0 else names[0], points(abs(value), sign=False)
    what = (
        f"misses {by} percentage points fewer" if found.metric == "fnmr" else f"errs {by} points less often"
    )
    doubt = "" if found.is_clear else " The interval includes 0: it may be chance."
    return Sentence(
        f"{by} points" if found.is_clear else "not clear",
        f"{where}, {better} {what}: {both}, difference {ends}.{doubt}",
    )


def _row(found: Difference) -> tuple[object, ...]:
    return (
        "misses (fnmr)" if found.metric == "fnmr" else "equal error rate",
        found.at,
        _cell(found.first),
        _cell(found.second),
        _points_cell(found.difference),
        "yes" if found.is_clear else "no: may be chance",
    )


def _cell(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return percent(estimate.value)
    low, high = (percent(end).removesuffix(" %") for end in (estimate.lower, estimate.upper))
    return f"{percent(estimate.value)} [{low}, {high}]".replace(" ", FIXED)


def _points_cell(estimate: Estimate) -> str:
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        return "unknown"
    cell = f"{points(estimate.value)} [{points(estimate.lower)}, {points(estimate.upper)}]"
    return cell.replace(" ", FIXED)


def _span(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return "interval unknown"
    return f"95 % interval {points(estimate.lower)} to {points(estimate.upper)}"
