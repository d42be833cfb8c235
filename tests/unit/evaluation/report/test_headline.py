"""The first screen: what it says of the case of 2018, and of cases where nothing can be said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assent.evaluation.report.contents import Report
from assent.evaluation.report.headline import headline, rate_ratio
from assent.evaluation.result import Badge, Estimate, Rate
from tests.unit.evaluation.report.builders import small_report, small_result


def rate(num_errors: float, num_trials: int) -> Rate:
    value = num_errors / num_trials
    return Rate(value, value / 2, value * 2, value * 2, value, value, num_errors, num_trials, num_trials)


def test_the_ratio_of_2018_has_its_interval():
    """11 of 107 against 17 of 428: 2.6 times, 1.25 to 5.4."""
    ratio, lower, upper = rate_ratio(rate(11, 107), rate(17, 428))
    assert [ratio, lower, upper] == pytest.approx([2.59, 1.25, 5.36], abs=0.01)
    assert rate_ratio(rate(3, 10), rate(0, 10)) == (None, None, None)


def said(report: Report) -> str:
    return "\n".join(sentence.text for sentence in headline(report))


def test_the_first_sentence_is_about_strangers_with_size_threshold_and_interval():
    result = small_result()
    searches = result.identification
    assert searches is not None
    fpir = Rate(28 / 535, 0.035, 0.075, 0.07, 0.03, 0.08, 28, 535, 535, badge=Badge.BELOW_RULE_OF_30)
    result = replace(result, identification=replace(searches, gallery_size=25_000, fpir=fpir), groups=())
    first = headline(Report("x", result, threshold_name="Similarity 80"))[0]
    assert first.figure == "1 in 19"
    assert first.text == (
        "At a threshold of Similarity 80, in a gallery of 25,000, about 1 search in 19 for a person who is not in it "
        "names somebody, and every such answer is wrong (95 % interval: 1 in 29 to 1 in 13; 28 of 535 searches)."
    )


def test_groups_are_compared_with_interval_and_doubt():
    text = said(Report("x", small_result()))
    assert "By sex, women are named falsely" in text
    assert "times as often as men (95 % interval:" in text


def test_a_gallery_that_the_data_cannot_speak_for_is_said_to_be_beyond():
    text = said(Report("x", small_result()))
    assert "In the gallery of 25,000 that was asked about, nothing limits it" in text
    assert "The gallery of 25,000 is beyond that" in text
    claim = replace(small_result().claim, fpir=Estimate(0.02, 0.01, 0.04))
    assert "at most about 1 search in 50" in said(Report("x", replace(small_result(), claim=claim)))


def test_without_searches_comparisons_are_told():
    result = replace(small_result(None), identification=None, groups=())
    assert "two pictures of different people are taken for one person in 1 in " in said(Report("x", result))


def test_rules_are_told_one_by_one():
    text = said(small_report())
    assert "Another rule: " in text
    assert "Assent refuses to search a gallery of this size." in text
    assert "A rule beyond: no score reaches it" in text
