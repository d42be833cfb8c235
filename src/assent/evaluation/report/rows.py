"""The report's tables: rows of text from results."""

from __future__ import annotations

from collections.abc import Sequence

from assent.evaluation.report.contents import Ratio, RuleResult
from assent.evaluation.report.words import (
    badge_cell,
    counts_cell,
    estimate_cell,
    number,
    percent,
    rate_cell,
    threshold,
)
from assent.evaluation.result import (
    AuditResult,
    DataSummary,
    GalleryClaim,
    GroupAttribute,
    Identification,
    OperatingPoint,
)
from assent.evaluation.runs.facts import RunFacts

Cells = tuple[object, ...]


def point_rows(result: AuditResult) -> list[Cells]:
    """The audit's threshold, then the usual rates of false matches."""
    points = [result.point, *(point for point in result.points if point != result.point)]
    return [_point(point) for point in points]


def _point(point: OperatingPoint) -> Cells:
    doubt = "" if point.is_supported or point.target_fmr is None else " (beyond these data)"
    return (
        f"{point.chosen_by}{doubt}",
        threshold(point.threshold),
        rate_cell(point.fmr),
        counts_cell(point.fmr),
        badge_cell(point.fmr),
        rate_cell(point.fnmr),
    )


def group_table(attribute: GroupAttribute) -> tuple[list[str], list[Cells]]:
    """Columns and rows of one attribute's groups; columns that nobody has are left out."""
    with_fpir = any(row.fpir is not None for row in attribute.rows)
    with_time = any(row.median_ms is not None for row in attribute.rows)
    columns = ["group", "people", *(["strangers named"] if with_fpir else [])]
    columns += ["fmr", "false matches", "fnmr (misses)", "score shift", "fta", *(["ms"] if with_time else [])]
    rows: list[Cells] = []
    for row in attribute.rows:
        people = f"{row.num_subjects:,} ({row.num_samples:,} pictures)"
        cells: list[object] = [row.name, people]
        cells += [_two(rate_cell(row.fpir), counts_cell(row.fpir))] if with_fpir else []
        cells += [rate_cell(row.fmr), _two(counts_cell(row.fmr), badge_cell(row.fmr))]
        shift = "" if row.score_shift is None else estimate_cell(row.score_shift)
        cells += [rate_cell(row.fnmr), shift, rate_cell(row.fta)]
        if with_time:
            cells.append("" if row.median_ms is None else estimate_cell(row.median_ms))
        rows.append(tuple(cells))
    return columns, rows


def _two(first: str, second: str) -> str:
    return "; ".join(part for part in (first, second) if part)


def gallery_rows(searches: Identification) -> list[Cells]:
    """Rates against gallery size."""
    return [
        (
            f"{row.gallery_size:,}",
            rate_cell(row.fpir),
            percent(row.fpir_at_most),
            percent(row.fpir_bound),
            number(row.selectivity),
            rate_cell(row.fnir),
        )
        for row in searches.by_size
    ]


def requirement_rows(claim: GalleryClaim) -> list[Cells]:
    """What it takes to show a target."""
    return [
        (
            percent(need.fpir_target),
            f"{need.gallery_size:,}",
            f"{need.fmr_needed:.1e}",
            f"{need.comparisons_rule_of_3:,}",
            f"{need.subjects_rule_of_3:,}",
            f"{need.comparisons_rule_of_30:,}",
            f"{need.subjects_rule_of_30:,}",
        )
        for need in claim.requirements
    ]


def cmc_rows(searches: Identification) -> list[Cells]:
    """How often the mate is among the first candidates, up to the rank at which it always is."""
    found_all = next(
        (n for n, point in enumerate(searches.cmc) if point.rate.value == 1.0), len(searches.cmc)
    )
    return [(point.rank, rate_cell(point.rate)) for point in searches.cmc[: found_all + 1]]


def rule_rows(rules: Sequence[RuleResult]) -> list[Cells]:
    """One row a rule: who is named falsely, who is missed."""
    rows: list[Cells] = []
    for rule in rules:
        searches = None if rule.result is None else rule.result.identification
        if rule.result is None or searches is None:
            rows.append((rule.name, "no score reaches it", "", "nobody", "", "everybody"))
            continue
        refused = " (refused)" if rule.is_refused else ""
        missed = rate_cell(searches.fnir[0].rate) if searches.fnir else ""
        rows.append(
            (
                rule.name,
                f"{threshold(searches.threshold)}{refused}",
                f"{searches.gallery_size:,}",
                counts_cell(searches.fpir),
                rate_cell(searches.fpir),
                missed,
            )
        )
    return rows


def ratio_line(ratio: Ratio) -> str:
    """A ratio between two groups as a sentence."""
    if ratio.value is None:
        return f"By {ratio.attribute}: no ratio, since {ratio.less} had no false match."
    return (
        f"By {ratio.attribute}: {ratio.more} {number(ratio.value)} times as often as {ratio.less} "
        f"(95 % interval {number(ratio.lower)} to {number(ratio.upper)})."
    )


def data_words(data: DataSummary) -> list[tuple[str, str]]:
    """On what it was measured."""
    words = [
        ("description", data.description or "none given"),
        ("people", f"{data.num_subjects:,}"),
        ("pictures", f"{data.num_probes:,} probes, {data.num_references:,} references"),
        ("mated comparisons", f"{data.num_mated:,}, of which {data.num_mated_failures:,} without a score"),
        (
            "nonmated comparisons",
            f"{data.num_nonmated:,}, of which {data.num_nonmated_failures:,} without a score",
        ),
        ("failures to acquire", f"{counts_cell(data.fta)} pictures: {rate_cell(data.fta)}"),
        ("scores", f"{threshold(data.score_min)} to {threshold(data.score_max)}"),
    ]
    return [*words, ("distances", "negated when read")] if data.is_distance else words


def source_rows(data: DataSummary) -> list[Cells]:
    """Where the scores came from."""
    return [(s.name, s.format, f"{s.num_rows:,}", s.sha256 or "not computed") for s in data.sources]


def run_words(facts: RunFacts) -> list[tuple[str, str]]:
    """How a run went."""
    system = ", ".join(f"{name} {value}" for name, value in facts.system.items())
    words = [("system", system), ("scores", facts.scale), ("questions", f"{facts.num_questions:,}")]
    if facts.num_resumed:
        words.append(("taken up again", f"{facts.num_resumed:,} answers were there from before"))
    if facts.num_throttled:
        words.append(("throttled", f"a call was put off {facts.num_throttled:,} times"))
    if facts.num_censored:
        words.append(
            ("withheld", f"{facts.num_censored:,} comparisons below the service's own floor; they count as 0")
        )
    return words + [("note", note) for note in facts.notes]


def failure_rows(facts: RunFacts) -> list[Cells]:
    """Failures of pictures and errors of the service, by reason."""
    rows: list[Cells] = [(reason, f"{count:,}") for reason, count in facts.failures.items()]
    return rows + [(f"error of the service: {name}", f"{count:,}") for name, count in facts.errors.items()]


def latency_rows(facts: RunFacts) -> list[Cells]:
    """Times by group."""
    return [
        (
            f"{row.attribute} {row.group}".strip() or f"all {facts.calls}",
            f"{row.num_calls:,}",
            f"{row.median_ms:,.0f} ms",
            f"{row.p95_ms:,.0f} ms",
        )
        for row in facts.latencies
    ]
