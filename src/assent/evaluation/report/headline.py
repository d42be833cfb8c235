"""The first screen: what was found, in sentences for somebody who has never seen an error rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assent.evaluation.report.contents import Ratio, Report, RuleResult
from assent.evaluation.report.words import number, one_in, percent, span, span_one_in, threshold
from assent.evaluation.result import AuditResult, Badge, Estimate, GroupAttribute, Rate

_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Sentence:
    """One finding: a few words set large, and the sentence that they belong to."""

    figure: str
    text: str


def headline(report: Report) -> list[Sentence]:
    """The findings in the order of their weight."""
    result = report.result
    at = f"At a threshold of {report.threshold_name or threshold(result.point.threshold)}"
    found = [*_strangers(result, at), *_groups(result), *_members(result), *_rules(report.rules)]
    found += [] if report.rules else _support(result)
    return [sentence for sentence in found if sentence.text]


def ratios_of(attribute: GroupAttribute) -> list[Ratio]:
    """How many times as often the worst group is named falsely as the best, in searches; empty without searches."""
    rows = [row for row in attribute.rows if row.fpir is not None and row.fpir.num_trials]
    if len(rows) < 2:
        return []
    ordered = sorted(rows, key=lambda row: (_value(row.fpir), row.name))
    low, high = ordered[0], ordered[-1]
    assert low.fpir is not None
    assert high.fpir is not None
    value, lower, upper = rate_ratio(high.fpir, low.fpir)
    return [Ratio(attribute.attribute, high.name, low.name, value, lower, upper)]


def rate_ratio(high: Rate, low: Rate) -> tuple[float | None, float | None, float | None]:
    """One rate over another with its 95 % interval, both of independent trials.

    The log method of Katz, Baptista, Azen and Pike, Biometrics 34 (1978).

    Returns:
        Ratio, lower and upper end; all None where one of the two has no error.
    """
    if not low.num_errors or not high.num_errors:
        return None, None, None
    ratio = (high.num_errors / high.num_trials) / (low.num_errors / low.num_trials)
    variance = sum(1 / rate.num_errors - 1 / rate.num_trials for rate in (high, low))
    spread = math.exp(_Z_95 * math.sqrt(max(variance, 0.0)))
    return ratio, ratio / spread, ratio * spread


def _strangers(result: AuditResult, at: str) -> list[Sentence]:
    """What happens to people who are not in the gallery."""
    found = []
    one_to_many, claim = result.identification, result.claim
    if one_to_many is not None and one_to_many.fpir.num_trials:
        fpir = one_to_many.fpir
        names = f"names somebody, and every such answer is wrong{_interval(fpir, also=f'{_counted(fpir)} searches')}"
        people = f"a person who is not in it {names}."
        if fpir.value:
            text = (
                f"{at}, in a gallery of {one_to_many.gallery_size:,}, about {_share(fpir.value)} for {people}"
            )
        else:
            text = f"{at}, in a gallery of {one_to_many.gallery_size:,}, none of the searches for {people}"
        found.append(Sentence(one_in(fpir.value), text))
    if claim.gallery_size and claim.fpir is not None and claim.fpir.value is not None:
        found.append(_asked_about(claim.gallery_size, claim.fpir))
    if not found and result.point.fmr.value is not None:
        fmr = result.point.fmr
        found.append(
            Sentence(
                one_in(fmr.value),
                f"{at}, two pictures of different people are taken for one person in "
                f"{_of(fmr.value, 'comparison')}{_interval(fmr)}.",
            )
        )
    return found


def _asked_about(gallery_size: int, fpir: Estimate) -> Sentence:
    """The gallery that the user has, of which comparisons alone say something."""
    where = f"In the gallery of {gallery_size:,} that was asked about"
    if fpir.value is None or fpir.value >= 1.0:
        return Sentence(
            "no limit",
            f"{where}, nothing limits it: on average a search for a person who is not in it meets one false match or "
            "more, so that any such search may name somebody.",
        )
    ends = f"95 % interval: {span_one_in(fpir.lower, fpir.upper)}"
    return Sentence(
        f"at most {one_in(fpir.value)}",
        f"{where}, at most about {_share(fpir.value)} for a person who is not in it names somebody ({ends}).",
    )


def _groups(result: AuditResult) -> list[Sentence]:
    found = []
    for attribute in result.groups:
        ratios = ratios_of(attribute)
        found += [_ratio_sentence(attribute, ratio) for ratio in ratios] or _measured(attribute)
    return found


def _ratio_sentence(attribute: GroupAttribute, ratio: Ratio) -> Sentence:
    rows = {row.name: row for row in attribute.rows}
    counts = ", ".join(f"{name}: {_counted(rows[name].fpir)}" for name in (ratio.more, ratio.less))
    if ratio.value is None:
        if not _value(rows[ratio.more].fpir):
            return Sentence(
                "no difference seen", f"No group of {attribute.attribute} was named falsely ({counts})."
            )
        return Sentence(
            f"only {ratio.more}",
            f"Of the groups of {attribute.attribute}, {ratio.more} were named falsely and {ratio.less} were not "
            f"({counts}); with so few errors no ratio can be told.",
        )
    is_sure = ratio.lower is not None and ratio.lower > 1
    doubt = "" if is_sure else " The interval includes 1: it may be chance."
    return Sentence(
        f"{number(ratio.value)} times",
        f"By {attribute.attribute}, {ratio.more} are named falsely {number(ratio.value)} times as often as "
        f"{ratio.less} (95 % interval: {number(ratio.lower)} to {number(ratio.upper)} times; {counts}).{doubt}",
    )


def _measured(attribute: GroupAttribute) -> list[Sentence]:
    """Of comparisons, the ratio that the statistics computed with people resampled."""
    for measure in attribute.measures:
        estimate = measure.estimate
        if (measure.name, measure.of) != ("max/min", "fmr") or estimate.value is None:
            continue
        rows = sorted((row for row in attribute.rows if row.fmr.num_trials), key=lambda row: _value(row.fmr))
        if len(rows) < 2:
            continue
        at_least = "at least " if estimate.is_at_least else ""
        ends = f"95 % interval: {number(estimate.lower)} to {number(estimate.upper)} times"
        return [
            Sentence(
                f"{'≥ ' if estimate.is_at_least else ''}{number(estimate.value)} times",
                f"By {attribute.attribute}, two different people are taken for one {at_least}{number(estimate.value)} "
                f"times as often among {rows[-1].name} as among {rows[0].name} ({ends}).",
            )
        ]
    return []


def _rules(rules: Sequence[RuleResult]) -> list[Sentence]:
    """What the other rules do to the same strangers; the first is the report's own."""
    found = []
    for rule in rules[1:]:
        searches = None if rule.result is None else rule.result.identification
        if searches is None:
            found.append(
                Sentence("nobody", f"{rule.name}: no score reaches it, so that nobody is ever named.")
            )
            continue
        where = f"{rule.name}: {_counted(searches.fpir)} strangers are named{_interval(searches.fpir)}"
        refused = " Assent refuses to search a gallery of this size." if rule.is_refused else ""
        found.append(Sentence(_counted(searches.fpir), f"{where}.{refused}"))
    return found


def _members(result: AuditResult) -> list[Sentence]:
    """What happens to people who are in the gallery."""
    one_to_many = result.identification
    first = one_to_many.fnir[0].rate if one_to_many is not None and one_to_many.fnir else None
    if first is not None and first.value is not None:
        return [
            Sentence(
                f"{percent(first.value)} missed",
                f"A search for a person who is in the gallery comes back without them "
                f"{percent(first.value)} of the time{_interval(first, as_percent=True)}.",
            )
        ]
    fnmr = result.point.fnmr
    if fnmr.value is None:
        return []
    return [
        Sentence(
            f"{percent(fnmr.value)} missed",
            f"Two pictures of one person are not recognised as such {percent(fnmr.value)} of the time"
            f"{_interval(fnmr, as_percent=True)}.",
        )
    ]


def _support(result: AuditResult) -> list[Sentence]:
    """Which gallery these data can speak for."""
    claim, target = result.claim, one_in(result.claim.fpir_target)
    if result.point.fmr.value is None:
        return []
    promise = f"that, at this threshold, at most {target} such searches names somebody"
    if claim.n_max < 1:
        text = f"These data cannot show for a gallery of any size {promise}."
    else:
        text = f"These data show {promise} in a gallery of up to {claim.n_max:,} people."
    if claim.gallery_size and claim.is_supported is False:
        text += f" The gallery of {claim.gallery_size:,} is beyond that: nobody knows whether it keeps to it."
    if result.point.fmr.badge in (Badge.BELOW_RULE_OF_30, Badge.RULE_OF_3):
        text += f" Only {number(result.point.fmr.num_errors, 3)} false matches were seen, too few for a sharp figure."
    return [Sentence(f"up to {claim.n_max:,} people" if claim.n_max else "no gallery", text)]


def _share(rate: float) -> str:
    return (
        f"{one_in(rate).replace('1 in', '1 search in')}"
        if rate <= 0.4
        else f"{percent(rate)} of the searches"
    )


def _of(rate: float | None, what: str) -> str:
    words = one_in(rate)
    return f"{words} {what}s" if words.startswith("1 in") else f"{words} of the {what}s"


def _interval(rate: Rate, *, as_percent: bool = False, also: str = "") -> str:
    if rate.lower is None or rate.upper is None:
        return f" ({also})" if also else ""
    tell = span if as_percent else span_one_in
    return f" (95 % interval: {tell(rate.lower, rate.upper)}{'; ' + also if also else ''})"


def _counted(rate: Rate | None) -> str:
    if rate is None:
        return ""
    # A part of an error is what an average over smaller galleries gives; nobody wants to read it here.
    errors = rate.num_errors if rate.num_errors < 1 else round(rate.num_errors)
    return f"{number(errors)} of {rate.num_trials:,}"


def _value(rate: Rate | None) -> float:
    return (rate.value or 0.0) if rate is not None else 0.0
