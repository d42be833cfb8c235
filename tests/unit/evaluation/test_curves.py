"""Rates over thresholds, against slow twins and other people's programs."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyeer.eer_stats import calculate_roc, get_eer_values

from assent.errors import TooFewTrials, UsageError
from assent.evaluation.counts import ScoreCounter, ScoreCounts
from assent.evaluation.curves import (
    ScoreSet,
    all_thresholds,
    det_thresholds,
    equal_error,
    threshold_at_fmr,
)

GOLDEN = Path(__file__).parent / "golden" / "bob_measure.json"
scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


def slow_rates(mated, nonmated, threshold, failures=0):
    fmr = sum(s >= threshold for s in nonmated) / len(nonmated)
    return fmr, (sum(s < threshold for s in mated) + failures) / (len(mated) + failures)


@given(scores, scores, st.integers(-6, 6), st.integers(0, 3))
def test_rates_against_the_definition(mated, nonmated, threshold, failures):
    found = ScoreSet.of(mated, nonmated, failures)
    fmr, fnmr = slow_rates(mated, nonmated, threshold, failures)
    assert found.fmr(threshold) == pytest.approx(fmr)
    assert found.fnmr(threshold) == pytest.approx(fnmr)


@given(scores, scores)
def test_equal_error_against_every_threshold(mated, nonmated):
    found = equal_error(ScoreSet.of(mated, nonmated))
    every = [slow_rates(mated, nonmated, t) for t in (*sorted({*mated, *nonmated}), 99)]
    smallest = min(abs(a - b) for a, b in every)
    best = min((a + b) / 2 for a, b in every if abs(a - b) <= smallest + 1e-12)
    assert found.value == pytest.approx(best)
    assert (found.fmr, found.fnmr) == pytest.approx(slow_rates(mated, nonmated, found.threshold))


@given(scores, st.floats(0, 1))
def test_threshold_is_the_lowest_that_holds(nonmated, target):
    counts = ScoreCounts.of(nonmated)
    threshold = threshold_at_fmr(counts, target)
    assert counts.num_at_least(threshold) <= target * len(nonmated) + 1e-9
    if np.isfinite(threshold):
        assert counts.num_at_least(np.nextafter(threshold, -np.inf)) > target * len(nonmated)


@pytest.mark.parametrize(
    ("mated", "nonmated", "eer"),
    [([2, 3], [0, 1], 0.0), ([1, 1], [1, 1], 0.5), ([0, 1], [2, 3], 1.0), ([1, 2, 3], [0, 1, 2], 1 / 3)],
)
def test_equal_error_by_hand(mated, nonmated, eer):
    assert equal_error(ScoreSet.of(mated, nonmated)).value == pytest.approx(eer)


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_pyeer_agrees(decimals):
    rng = np.random.default_rng(decimals)
    mated, nonmated = rng.normal(2, 1, 400).round(decimals), rng.normal(0, 1, 3000).round(decimals)
    thresholds, fmr, fnmr = calculate_roc(mated, nonmated)
    found = ScoreSet.of(mated, nonmated)
    assert np.allclose(found.fmr(thresholds), fmr, atol=1e-9)
    assert np.allclose(found.fnmr(thresholds), fnmr, atol=1e-9)
    assert np.array_equal(all_thresholds(found)[:-1], thresholds)
    # FVC2000's rule takes the lower sum of the two points about the crossing, ours the smaller difference.
    _, low, high, theirs = get_eer_values(fmr, fnmr)
    ours = equal_error(found)
    if abs(ours.fmr - ours.fnmr) == pytest.approx(abs(high - low), abs=1e-12):
        assert ours.value == pytest.approx(theirs, abs=1e-9)
    assert abs(ours.fmr - ours.fnmr) <= abs(high - low) + 1e-9


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text())["cases"], ids=lambda c: c["name"])
def test_bob_measure_agrees(case):
    """Computed by bob.measure on the same scores (``golden/make_bob_measure.py``)."""
    found = ScoreSet.of(case["positives"], case["negatives"])
    at = np.array(case["thresholds"])
    assert np.allclose(found.fmr(at), case["far"], atol=1e-9)
    assert np.allclose(found.fnmr(at), case["frr"], atol=1e-9)
    assert equal_error(found).value == pytest.approx(case["eer"], abs=1e-9)
    for target, theirs in zip(case["targets"], case["far_at_far_threshold"], strict=True):
        ours = threshold_at_fmr(found.nonmated, target)
        assert found.fmr(ours) == pytest.approx(theirs, abs=1e-9)


def test_one_class_and_targets_that_cannot_be():
    with pytest.raises(TooFewTrials):
        equal_error(ScoreSet.of([1.0], []))
    with pytest.raises(TooFewTrials):
        threshold_at_fmr(ScoreCounts.of([]), 0.1)
    with pytest.raises(UsageError):
        threshold_at_fmr(ScoreCounts.of([1.0]), 1.5)
    with pytest.raises(UsageError, match="NaN"):
        ScoreCounts.of([float("nan")])
    assert np.isnan(ScoreSet.of([1.0], []).fmr(0.5))


def test_infinite_scores_are_ordered():
    counts = ScoreCounts.of([-np.inf, 0.0, np.inf])
    assert counts.num_at_least([-np.inf, 0.0, 1e300, np.inf]).tolist() == [3, 2, 1, 1]


def test_the_trade_off_keeps_its_ends():
    rng = np.random.default_rng(0)
    found = ScoreSet.of(rng.normal(3, 1, 500), rng.normal(0, 1, 50_000))
    thresholds = det_thresholds(found, 50)
    assert len(thresholds) <= 102
    assert found.fmr(thresholds[0]) == 1.0
    assert found.fmr(thresholds[-1]) == 0.0
    assert found.fnmr(thresholds[-1]) == 1.0


@given(st.lists(st.lists(st.integers(-20, 20).map(float), max_size=20), max_size=6))
def test_counting_in_parts_is_counting_at_once(parts):
    counter = ScoreCounter()
    for part in parts:
        counter.add(np.array(part, float))
    found, expected = counter.result(), ScoreCounts.of([x for part in parts for x in part])
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.counts, expected.counts)


def test_too_many_values_are_rounded_up_below_the_top():
    rng = np.random.default_rng(0)
    all_scores = rng.normal(size=50_000)
    counter = ScoreCounter(max_distinct=4000)
    for part in np.split(all_scores, 20):
        counter.add(part)
    found, exact = counter.result(), ScoreCounts.of(all_scores)
    assert len(found.values) <= 4000
    assert found.total == 50_000
    high = exact.values[exact.values > found.exact_from]
    assert len(high) >= 1000
    assert np.array_equal(found.num_at_least(high), exact.num_at_least(high))
    low = np.linspace(-3, found.exact_from, 50)
    assert (found.num_at_least(low) >= exact.num_at_least(low)).all()
    assert (found.num_at_least(low) <= exact.num_at_least(low - 0.1)).all()
