from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from assent.console import wording
from assent.types import QualityReason


@pytest.mark.parametrize(
    ("fmr", "text"),
    [
        (0.0, "more than can be told"),
        (1.0, "1"),
        (0.7, "1"),
        (0.3, "3"),
        (0.1, "10"),
        (0.001, "1,000"),
        (1e-4, "10,000"),
        (1e-5, "100,000"),
        (8.1e-5, "12,000"),
        (1 / 12_999, "12,000"),
    ],
)
def test_one_in_is_never_too_good(fmr: float, text: str) -> None:
    assert wording.one_in(fmr) == text
    if fmr:
        assert int(text.replace(",", "")) <= 1 / fmr * (1 + 1e-9)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0.0, "0"),
        (0.00312, "0.0032"),
        (0.01, "0.010"),
        (0.5, "0.50"),
        (1.0, "1.0"),
        (9.91, "10"),
        (123.0, "130"),
    ],
)
def test_expected_is_never_too_good(count: float, text: str) -> None:
    assert wording.expected(count) == text
    assert float(text) >= count * (1 - 1e-9)


def test_every_reason_for_a_refusal_has_words_and_a_remedy() -> None:
    for name in [*QualityReason, "too-many-faces"]:
        assert wording.reason(name).endswith(".")
        assert wording.remedy(name).endswith(".")
    assert wording.reason("a new one") == "a new one"
    assert wording.remedy("a new one") == ""


def test_the_last_day_of_a_term_is_the_day_before_midnight() -> None:
    midnight = datetime(2027, 3, 1, tzinfo=UTC)
    assert wording.last_day(midnight) == "2027-02-28"
    assert wording.last_day(midnight + timedelta(hours=1)) == "2027-03-01"


def test_counts_have_their_nouns() -> None:
    assert wording.plural(1, "entry", "entries") == "1 entry"
    assert wording.plural(0, "photo") == "0 photos"
    assert wording.plural(1200, "person", "people") == "1,200 people"
