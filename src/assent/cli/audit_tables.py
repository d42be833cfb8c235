"""An audit for people at a terminal: the headline in words, then tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assent.cli.output import print_table, rate, say

if TYPE_CHECKING:
    from assent.evaluation.result import (
        AuditResult,
        Comparison,
        Estimate,
        GroupAttribute,
        Identification,
        Note,
        OperatingPoint,
        Rate,
    )

_WARNING = {True: "Warning", False: "Note"}


def print_audit(result: AuditResult) -> None:
    """Everything but the trade-off curve, which the JSON twin has."""
    data = result.data
    say(
        f"{data.num_subjects:,} people, {data.num_nonmated:,} nonmated and {data.num_mated:,} mated comparisons, "
        f"of which {data.num_nonmated_failures + data.num_mated_failures:,} have no score. "
        f"Threshold {_threshold(result.point, data.is_distance)}: {result.point.chosen_by}."
    )
    say(headline(result))
    _print_points(result)
    if result.identification is not None:
        _print_searches(result.identification)
    _print_claim(result)
    for attribute in result.groups:
        _print_groups(attribute)
    print_notes(result.notes)


def headline(result: AuditResult) -> str:
    """What the rate of false matches means for a person who is searched for."""
    fmr, claim = result.point.fmr, result.claim
    if fmr.value is None:
        return "Nothing is known of false matches: there is no nonmated comparison."
    if claim.gallery_size is None or claim.fpir is None:
        return f"False matches: {_of(fmr)}."
    most = claim.fpir
    if most.value == 1.0:
        return (
            f"In a gallery of {claim.gallery_size:,} a search for a person who is not in it can be expected to name "
            f"{fmr.value * claim.gallery_size:,.3g} people."
        )
    return (
        f"In a gallery of {claim.gallery_size:,}, at most {_in(most.value)} searches for a person who is not in it "
        f"name somebody ({_span(most.lower, most.upper)})."
    )


def print_comparison(result: Comparison) -> None:
    """Both systems side by side, with the interval of the difference."""
    say(f"{result.num_common:,} comparisons that both have, of {result.data.num_subjects:,} people.")
    print_table(
        "Per cent, 95 % intervals in brackets",
        ["", "at", f"{result.names[0]}>", f"{result.names[1]}>", "difference>", "clear"],
        [
            (
                row.metric,
                row.at,
                percent(row.first),
                percent(row.second),
                percent(row.difference, sign=True),
                "yes" if row.is_clear else "no",
            )
            for row in result.differences
        ],
    )
    print_notes(result.notes)


def print_notes(notes: Sequence[Note]) -> None:
    """One line each."""
    for note in notes:
        say(f"{_WARNING[note.is_warning]}: {note.text}")


def percent(value: Rate | Estimate, *, sign: bool = False) -> str:
    """A share in per cent with its interval."""
    if value.value is None:
        return "unknown"
    number = f"{100 * value.value:+.3g}" if sign else f"{100 * value.value:.3g}"
    if value.lower is None or value.upper is None:
        return number
    return f"{number} [{100 * value.lower:.3g}, {100 * value.upper:.3g}]"


def _print_points(result: AuditResult) -> None:
    rows = [_point_row("this threshold", result.point, result.data.is_distance)]
    rows += [
        _point_row(f"fmr at most {point.target_fmr:g}", point, result.data.is_distance)
        if point.is_supported
        else (f"fmr at most {point.target_fmr:g}", "", "beyond the data", "", "", "")
        for point in result.points
    ]
    print_table(
        "One against one; per cent, 95 % intervals that draw people in brackets",
        ["", "threshold>", "fmr %>", "false matches>", "fnmr %>", "badge"],
        rows,
    )
    if result.eer.value is not None:
        say(f"Equal error rate: {percent(result.eer)} %.")


def _point_row(name: str, point: OperatingPoint, is_distance: bool) -> tuple[str, ...]:
    fmr = point.fmr
    return (
        name,
        _threshold(point, is_distance),
        percent(fmr),
        f"{fmr.num_errors:,.0f} of {fmr.num_trials:,}",
        percent(point.fnmr),
        str(fmr.badge or ""),
    )


def _print_searches(found: Identification) -> None:
    print_table(
        f"Searches of {found.gallery_size:,} references: {found.num_nonmated_searches:,} nonmated, "
        f"{found.num_mated_searches:,} mated; per cent",
        ["gallery>", "fpir measured>", "fpir at most>", "fpir bound>", "candidates>", "fnir, rank 1>"],
        [
            (
                f"{row.gallery_size:,}",
                "" if row.fpir is None else percent(row.fpir),
                _plain_percent(row.fpir_at_most),
                _plain_percent(row.fpir_bound),
                "" if row.selectivity is None else f"{row.selectivity:.3g}",
                "" if row.fnir is None else percent(row.fnir),
            )
            for row in found.by_size
        ],
    )
    if found.cmc:
        ranks = ", ".join(f"{point.rank}: {percent(point.rate)}" for point in found.cmc)
        say(f"Found within rank, per cent: {ranks}.")
    if found.worst_probe_share is not None and found.silent_probe_share is not None:
        say(
            f"The worst 5 % of searches give {found.worst_probe_share:.0%} of the false candidates; "
            f"{found.silent_probe_share:.0%} of searches give none."
        )


def _print_claim(result: AuditResult) -> None:
    claim = result.claim
    say(f"At fpir {claim.fpir_target:g} the data support galleries of up to {claim.n_max:,} people.")
    if not claim.requirements:
        return
    print_table(
        f"What it takes to show a gallery of {claim.requirements[0].gallery_size:,}, all pairs compared",
        ["fpir>", "fmr needed>", "people, no error>", "people, 30 errors>"],
        [
            (
                f"{row.fpir_target:g}",
                f"{row.fmr_needed:.2g}",
                f"{row.subjects_rule_of_3:,}",
                f"{row.subjects_rule_of_30:,}",
            )
            for row in claim.requirements
        ],
    )


def _print_groups(found: GroupAttribute) -> None:
    print_table(
        f"By {found.attribute}, at the one threshold; per cent",
        ["group", "people>", "fmr within>", "fnmr>", "fta>", "fpir>", "ms>"],
        [
            (
                row.name,
                f"{row.num_subjects:,}",
                percent(row.fmr),
                percent(row.fnmr),
                percent(row.fta),
                "" if row.fpir is None else percent(row.fpir),
                "" if row.median_ms is None else f"{row.median_ms.value:.3g}",
            )
            for row in found.rows
        ],
    )
    print_table(
        None,
        ["how unequal", "of", "value>", "95 % interval", "equal is>"],
        [
            (
                row.name,
                row.of,
                ("≥ " if row.estimate.is_at_least else "") + f"{row.estimate.value or 0:.3g}",
                _span(row.estimate.lower, row.estimate.upper, digits=3),
                f"{row.equal_value:g}",
            )
            for row in found.measures
        ],
    )
    for worst in found.worst:
        n_max = "" if worst.n_max is None else f"; supports galleries of up to {worst.n_max:,}"
        say(f"Worst {worst.of}: {worst.name}, at most {worst.bound:.3g} (all groups together){n_max}.")
    print_notes(found.notes)


def _threshold(point: OperatingPoint, is_distance: bool) -> str:
    if point.threshold is None:
        return "none"
    return f"{-point.threshold if is_distance else point.threshold:.6g}"


def _of(fmr: Rate) -> str:
    lower, upper = fmr.lower, fmr.upper
    assert fmr.value is not None
    if not fmr.num_errors:
        return f"none in {fmr.num_trials:,} (upper bound {fmr.optimistic:.2g} to {fmr.pessimistic:.2g})"
    return f"{rate(fmr.value)} comparisons of different people ({_span(lower, upper)})"


def _in(share: float | None) -> str:
    if not share:
        return "0"
    return rate(share) if share <= 0.5 else f"{share:.0%} of"


def _span(lower: float | None, upper: float | None, digits: int = 2) -> str:
    low = "0" if lower is None else f"{lower:.{digits}g}"
    return f"{low} to " + ("unbounded" if upper is None else f"{upper:.{digits}g}")


def _plain_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3g}"
