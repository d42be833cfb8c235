"""A report as one HTML file that needs nothing else, and its JSON twin."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from assent.errors import UsageError
from assent.evaluation.report.contents import PairPicture, Report, RuleResult
from assent.evaluation.report.figures import Figure, figures_of, groups_figure, require_matplotlib
from assent.evaluation.report.headline import headline
from assent.evaluation.report.rows import (
    cmc_rows,
    data_words,
    failure_rows,
    gallery_rows,
    group_table,
    latency_rows,
    point_rows,
    ratio_line,
    requirement_rows,
    rule_rows,
    run_words,
    source_rows,
)
from assent.evaluation.report.words import (
    badge_cell,
    counts_cell,
    estimate_cell,
    percent,
    rate_cell,
    threshold,
)
from assent.evaluation.result import GroupAttribute, Method, Note
from assent.models.files import write_atomically
from assent.types import JsonObject

_CAPTIONS = {
    "det": "The nearer the curve is to the lower left corner, the better; bands are 95 % intervals that count people.",
    "gallery": "Both axes are logarithmic.",
}


def write_report(report: Report, path: Path) -> Path:
    """Write the page, and its numbers beside it as ``NAME.json``.

    Args:
        report: what to say.
        path: of the page, ending in ``.html``.

    Returns:
        The JSON file.

    Raises:
        UsageError: ``path`` ends otherwise, or the extra ``audit`` is not installed.
        ModelError: the folder cannot be written.
    """
    check_name(path)
    return write_both(render_page(report), report.twin(), path)


def check_name(path: Path) -> None:
    """Raise UsageError where ``path`` does not end in ``.html``."""
    if path.suffix != ".html":
        raise UsageError(f"expected a name that ends in .html for the report, got {path.name!r}.")


def write_both(page: str, twin: JsonObject, path: Path) -> Path:
    """Write a page, and its numbers beside it; the JSON file is returned."""
    beside = path.with_suffix(".json")
    text = json.dumps(twin, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(beside, text.encode())
    write_atomically(path, page.encode())
    return beside


def render_page(report: Report) -> str:
    """The page's HTML.

    Raises:
        UsageError: the extra ``audit`` is not installed.
    """
    return render("page.html.j2", _values(report))


def render(template: str, values: Mapping[str, Any]) -> str:
    """One of the folder's templates, with the page's style in it.

    Raises:
        UsageError: the extra ``audit`` is not installed.
    """
    require_matplotlib()
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = resources.files("assent.evaluation.report")

    def text_of(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(text_of), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(values, style=text_of("style.css"))


def _values(report: Report) -> dict[str, Any]:
    result = report.result
    one_to_many = result.identification
    return {
        "title": report.title,
        "about": _about(report),
        "findings": headline(report),
        "limits": report.limits,
        "rules": [_rule(rule) for rule in report.rules],
        "rule_columns": ["rule", "threshold", "gallery", "strangers named", "", "members missed"],
        "rule_rows": rule_rows(report.rules),
        "figures": [figure_values(figure) for figure in figures_of(result)],
        "point_columns": ["chosen by", "threshold", "fmr", "false matches", "evidence", "fnmr (misses)"],
        "point_rows": point_rows(result),
        "eer": f"Equal error rate: {percent(result.eer.value)}"
        + (
            f" [{percent(result.eer.lower)} to {percent(result.eer.upper)}]"
            if result.eer.lower is not None
            else ""
        )
        + f", at a threshold of {threshold(result.eer_threshold)}.",
        "groups": [_group(attribute) for attribute in result.groups],
        "gallery_rows": gallery_rows(one_to_many) if one_to_many else [],
        "requirement_rows": requirement_rows(result.claim),
        "cmc_rows": cmc_rows(one_to_many) if one_to_many else [],
        "top_pairs": _pictures(report.top_pairs),
        "top_rows": [
            (n, threshold(pair.score), pair.first_image, pair.second_image)
            for n, pair in enumerate(result.top_nonmated, start=1)
        ],
        "data": data_words(result.data),
        "source_rows": source_rows(result.data),
        "run": run_words(report.facts) if report.facts else [],
        "failure_rows": failure_rows(report.facts) if report.facts else [],
        "latency_rows": latency_rows(report.facts) if report.facts else [],
        **small_print(result.notes, result.method),
    }


def small_print(notes: Sequence[Note], method: Method) -> dict[str, Any]:
    """What a reader must know, and how the numbers were made, as the templates take it."""
    return {
        "warnings": [note.text for note in notes if note.is_warning],
        "notes": [note.text for note in notes if not note.is_warning],
        "method": method.text,
        "created": method.created[:16].replace("T", " ") + " UTC",
        "versions": ", ".join(f"{name} {version}" for name, version in method.versions.items()),
    }


def _about(report: Report) -> str:
    data = report.result.data
    system = report.result.system or "An unnamed system"
    words = f"{system}. {data.num_subjects:,} people, {data.num_mated + data.num_nonmated:,} comparisons."
    return f"{words} {data.description}".strip()


def figure_values(figure: Figure) -> dict[str, str]:
    """A drawing as the templates take it."""
    caption = _CAPTIONS.get(figure.name, "")
    return {"name": figure.name, "title": figure.title, "svg": figure.svg, "caption": caption}


def _group(attribute: GroupAttribute) -> dict[str, Any]:
    columns, rows = group_table(attribute)
    drawn = [
        groups_figure(attribute, lambda row: row.fpir, "Strangers named"),
        groups_figure(attribute, lambda row: row.fmr, "False matches (fmr)"),
        groups_figure(attribute, lambda row: row.fnmr, "Misses (fnmr)"),
    ]
    return {
        "attribute": attribute.attribute,
        "threshold": threshold(attribute.threshold),
        "figures": [figure_values(figure) for figure in drawn if figure is not None],
        "columns": columns,
        "rows": rows,
        "measures": [
            (m.name, m.of, estimate_cell(m.estimate), f"{m.equal_value:g}", m.text)
            for m in attribute.measures
        ],
        "worst": [
            (w.of, w.name, percent(w.rate), percent(w.bound), "" if w.n_max is None else f"{w.n_max:,}")
            for w in attribute.worst
        ],
        "cells": [
            (c.first, c.second, rate_cell(c.fmr), counts_cell(c.fmr), badge_cell(c.fmr))
            for c in attribute.cells
        ],
        "notes": [note.text for note in attribute.notes],
    }


def _rule(rule: RuleResult) -> dict[str, Any]:
    return {
        "name": rule.name,
        "text": rule.text,
        "ratios": [ratio_line(ratio) for ratio in rule.ratios],
        "pictures": _pictures(rule.pictures),
    }


def _pictures(pictures: Sequence[PairPicture]) -> list[dict[str, str]]:
    return [
        {
            "data": base64.b64encode(picture.jpeg).decode(),
            "first": picture.pair.first_image,
            "second": picture.pair.second_image,
            "score": threshold(picture.pair.score),
        }
        for picture in pictures
    ]
