"""What a report is made of, and the JSON that lies beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from assent.evaluation.result import AuditResult, TopPair, as_json
from assent.evaluation.runs.facts import RunFacts
from assent.types import JsonObject


@dataclass(frozen=True, slots=True)
class PairPicture:
    """One pair of pictures to look at.

    Attributes:
        pair: which, and how alike.
        jpeg: the two faces side by side, a JPEG file.
    """

    pair: TopPair
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as often one group is in error as another.

    Attributes:
        attribute: what the groups are of.
        more: the group with the higher rate.
        less: the group with the lower one.
        value: the ratio; None where the lower rate is 0.
        lower: lower end of its interval; None as for ``value``.
        upper: upper end.
    """

    attribute: str
    more: str
    less: str
    value: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule for matching does on the same searches.

    Attributes:
        name: short.
        text: what the rule is and where it comes from; and what a refusal means.
        is_refused: Assent itself refuses to search at this rule; the numbers are of the highest supported threshold.
        result: at the rule's threshold; None where no score can reach it: nobody is ever named.
        ratios: between groups, of false positive searches.
        false_matches: the false matches at the rule, most alike first.
        pictures: the first of these, where they are drawn.
    """

    name: str
    text: str
    is_refused: bool
    result: AuditResult | None
    ratios: tuple[Ratio, ...] = ()
    false_matches: tuple[TopPair, ...] = ()
    pictures: tuple[PairPicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        title: of the page.
        result: what was found; the first screen is of it.
        facts: how the run went, where there was one.
        top_pairs: the most alike nonmated pairs, where the pictures are at hand.
        rules: other rules on the same searches.
        limits: what the numbers do not show, in sentences.
        threshold_name: what the threshold is called, where a bare score says nothing to a reader.
    """

    title: str
    result: AuditResult
    facts: RunFacts | None = None
    top_pairs: tuple[PairPicture, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    limits: tuple[str, ...] = ()
    threshold_name: str = ""

    def twin(self) -> JsonObject:
        """Every number of the report as plain JSON values; pictures are left out, their pairs are there."""
        return {
            "title": self.title,
            "result": as_json(self.result),
            "run": None if self.facts is None else dataclasses.asdict(self.facts),
            "rules": [_rule(rule) for rule in self.rules],
            "limits": list(self.limits),
        }


def _rule(rule: RuleResult) -> JsonObject:
    return {
        "name": rule.name,
        "text": rule.text,
        "is_refused": rule.is_refused,
        "result": None if rule.result is None else as_json(rule.result),
        "ratios": [dataclasses.asdict(ratio) for ratio in rule.ratios],
        "false_matches": [dataclasses.asdict(pair) for pair in rule.false_matches],
    }
