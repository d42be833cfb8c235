import doctest

import pytest

from assent.evaluation.report import words
from assent.evaluation.report.words import number, one_in, percent, span_one_in, threshold


def test_the_examples_are_true():
    assert doctest.testmod(words) == (0, 9)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (1.0, "100 %"),
        (0.5, "50 %"),
        (0.4, "1 in 2"),
        (0.01, "1 in 100"),
        (1 / 480_123, "1 in 480,000"),
        (1e-9, "1 in 1,000,000,000"),
    ],
)
def test_a_rate_is_one_in_so_many(rate, said):
    assert one_in(rate) == said


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0.999999, "100 %"), (0.345, "34 %"), (0.05, "5.0 %"), (1e-4, "0.010 %"), (1e-9, "under 0.000001 %")],
)
def test_a_per_cent_keeps_two_digits(rate, said):
    assert percent(rate) == said.replace("5.0 %", "5 %")


def test_what_is_not_known_is_said_so():
    assert (number(float("nan")), number(float("inf")), number(None)) == ("unknown", "∞", "unknown")
    assert (threshold(float("inf")), span_one_in(None, 0.1)) == ("above every score", "unknown")
