"""Every metric keeps its invariants, and every metric claims some."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.evaluation import inequality, registry
from assent.evaluation.registry import INEQUALITY_METRICS, TRIAL_METRICS, Invariant
from assent.evaluation.trials import Trials

OF_TRIALS = {Invariant.ORDER, Invariant.MONOTONE, Invariant.DUPLICATION, Invariant.TIES}
OF_GROUPS = {Invariant.ORDER, Invariant.SCALE, Invariant.DUPLICATION}
EXCEPT = {
    # n / (n - 1) corrects for few groups: two of each are not few
    ("gini", Invariant.DUPLICATION),
    ("garbe", Invariant.DUPLICATION),
    # differences, not ratios
    ("fdr", Invariant.SCALE),
}

trial_metrics = pytest.mark.parametrize("metric", TRIAL_METRICS, ids=lambda m: m.name)
group_metrics = pytest.mark.parametrize("metric", INEQUALITY_METRICS, ids=lambda m: m.name)


def test_the_properties_cover_the_registry():
    claimed = {(m.name, i) for m in (*TRIAL_METRICS, *INEQUALITY_METRICS) for i in m.invariants}
    needed = {(m.name, i) for m in TRIAL_METRICS for i in OF_TRIALS}
    needed |= {(m.name, i) for m in INEQUALITY_METRICS for i in OF_GROUPS} - EXCEPT
    assert claimed == needed
    names = [m.name for m in (*TRIAL_METRICS, *INEQUALITY_METRICS)]
    assert len(set(names)) == len(names)
    assert set(registry.BY_NAME) == {m.name for m in INEQUALITY_METRICS}


def test_every_measure_of_the_result_is_in_the_registry():
    rates = inequality.GroupRates(
        ("a", "b"),
        [make(5), make(10)],
        np.array([[0.04, 0.05, 0.06], [0.09, 0.1, 0.11]]),
    )
    found = inequality.group_measures(rates, rates, 0.95)
    assert {m.name for m in found} == {m.name for m in INEQUALITY_METRICS}


def make(errors):
    from assent.evaluation.rates import make_rate

    return make_rate(errors, 100, 50)


@st.composite
def searches(draw):
    """Up to six probes against three to six references, whole numbers so that ties are common; some failures."""
    num_probes, num_references = draw(st.integers(3, 6)), draw(st.integers(4, 6))
    n = num_probes * num_references
    scores = np.array(draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n)), float)
    failed = np.array(draw(st.lists(st.booleans(), min_size=num_probes, max_size=num_probes)))
    failed[0] = False
    rows, columns = np.divmod(np.arange(n), num_references)
    scores[failed[rows]] = np.nan
    trials = Trials(rows, columns + num_probes, scores, rows == columns)
    return trials, float(draw(st.integers(-4, 5)))


def value(metric, trials, threshold):
    return pytest.approx(metric.compute(trials, threshold), abs=1e-12, nan_ok=True)


@trial_metrics
@given(searches(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(metric, drawn, random):
    trials, threshold = drawn
    rows = list(range(len(trials)))
    random.shuffle(rows)
    assert metric.compute(trials.take(np.array(rows)), threshold) == value(metric, trials, threshold)


@trial_metrics
@given(searches())
def test_a_rising_transform_changes_nothing(metric, drawn):
    trials, threshold = drawn

    def f(x):
        return np.exp(x / 2) * 3 - 7

    moved = Trials(trials.probes, trials.references, f(trials.scores), trials.mated)
    assert metric.compute(moved, float(f(threshold))) == value(metric, trials, threshold)


@trial_metrics
@given(searches())
def test_everything_twice_changes_nothing(metric, drawn):
    trials, threshold = drawn
    offset = int(max(trials.probes.max(), trials.references.max())) + 1 if metric.is_of_searches else 0
    twice = Trials(
        np.concatenate([trials.probes, trials.probes + offset]),
        np.concatenate([trials.references, trials.references]),
        np.concatenate([trials.scores, trials.scores]),
        np.concatenate([trials.mated, trials.mated]),
    )
    assert metric.compute(twice, threshold) == value(metric, trials, threshold)


@trial_metrics
@given(searches(), st.randoms(use_true_random=False))
def test_ties_are_in_or_out_together(metric, drawn, random):
    """All scores alike: at the threshold all match, above it none; nothing depends on which came first."""
    trials, _ = drawn
    scores = np.where(np.isnan(trials.scores), np.nan, 1.0)
    same = Trials(trials.probes, trials.references, scores, trials.mated)
    expected_at = {"fmr": 1.0, "fpir": 1.0, "cmc": 0.0, "fnir": 1.0}
    expected_above = {"fmr": 0.0, "fnmr": 1.0, "fpir": 0.0, "selectivity": 0.0, "fnir": 1.0}
    if metric.name in expected_at:
        assert metric.compute(same, 1.0) == expected_at[metric.name]
    if metric.name in expected_above:
        assert metric.compute(same, np.nextafter(1.0, 2)) == expected_above[metric.name]
    rows = list(range(len(same)))
    random.shuffle(rows)
    assert metric.compute(same.take(np.array(rows)), 1.0) == value(metric, same, 1.0)


rates = st.lists(st.tuples(st.floats(1e-6, 0.5), st.floats(1e-3, 0.5)), min_size=2, max_size=6)


@group_metrics
@given(rates, st.randoms(use_true_random=False))
def test_order_of_groups_changes_nothing(metric, drawn, random):
    x = np.array(drawn)
    rows = list(range(len(x)))
    random.shuffle(rows)
    y = x[rows]
    assert metric.compute(y[:, 0], y[:, 1]) == pytest.approx(metric.compute(x[:, 0], x[:, 1]))


@group_metrics
@given(rates)
def test_scale_and_groups_twice(metric, drawn):
    x = np.array(drawn)
    at = pytest.approx(metric.compute(x[:, 0], x[:, 1]))
    if Invariant.SCALE in metric.invariants:
        assert metric.compute(0.3 * x[:, 0], 0.3 * x[:, 1]) == at
    if Invariant.DUPLICATION in metric.invariants:
        y = np.concatenate([x, x])
        assert metric.compute(y[:, 0], y[:, 1]) == at


@group_metrics
@given(st.floats(1e-6, 0.5), st.integers(2, 6))
def test_equal_groups_give_the_equal_value(metric, rate, num_groups):
    x = np.full(num_groups, rate)
    assert metric.compute(x, x) == pytest.approx(metric.equal_value)
