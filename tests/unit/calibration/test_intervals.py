from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assent.calibration.intervals import (
    PairUniverse,
    clopper_pearson_lower,
    clopper_pearson_upper,
    fmr_interval,
    fnmr_interval,
    wilson,
    zero_error_bounds,
)
from assent.errors import UsageError
from tests.unit.calibration.builders import make_matches


def slow_weight(universe, weights):
    return sum(
        weights[i] * weights[j]
        for i, j in combinations(range(universe.num_subjects), 2)
        if universe.groups[i] == universe.groups[j] and (universe.is_reference[i] or universe.is_reference[j])
    )


def slow_rate(matches, threshold, weights):
    """The formula as it is written, one pair at a time."""
    total = sum(
        weights[a] * weights[b] * share
        for a, b, score, share in zip(
            matches.first, matches.second, matches.scores, matches.shares, strict=True
        )
        if score >= threshold
    )
    return total / slow_weight(matches.universe, weights)


@st.composite
def universes(draw):
    n = draw(st.integers(2, 12))
    groups = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    is_reference = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return PairUniverse(np.array(groups), np.array(is_reference)), np.array(weights, float)


@given(universes())
def test_pairs_are_counted_as_if_listed(drawn):
    universe, weights = drawn
    assert universe.weight(weights) == pytest.approx(slow_weight(universe, weights))


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    # The two-sided 95 % interval of scipy.stats.binomtest is the oracle below; these are from tables.
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (28, 535, 0.0351, 0.0748), (10, 10, 0.6915, 1.0)],
)
def test_clopper_pearson_against_tables(errors, trials, low, high):
    assert clopper_pearson_lower(errors, trials, 0.975) == pytest.approx(low, abs=1e-4)
    assert clopper_pearson_upper(errors, trials, 0.975) == pytest.approx(high, abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_and_wilson_against_scipy(drawn):
    errors, trials = drawn
    exact = stats.binomtest(errors, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson_lower(errors, trials, 0.975) == pytest.approx(exact.low, abs=1e-9)
    assert clopper_pearson_upper(errors, trials, 0.975) == pytest.approx(exact.high, abs=1e-9)
    score = stats.binomtest(errors, trials).proportion_ci(0.95, method="wilson")
    assert wilson(errors, trials) == pytest.approx((score.low, score.high), abs=1e-9)


@pytest.mark.parametrize(("errors", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(errors, trials):
    for bound in (clopper_pearson_lower, clopper_pearson_upper):
        with pytest.raises(UsageError):
            bound(errors, trials, 0.95)
    with pytest.raises(UsageError):
        wilson(errors, trials)


def test_no_error_seen_gives_a_range():
    bounds = zero_error_bounds(199_990, 633)
    assert bounds.optimistic == pytest.approx(3 / 199_990)
    assert bounds.pessimistic == pytest.approx(3 / 316)
    assert zero_error_bounds(1, 2).pessimistic == 1.0
    with pytest.raises(UsageError):
        zero_error_bounds(0, 5)


def test_no_false_match_at_all():
    interval = fmr_interval(make_matches([], num_subjects=40), [0.1, 0.9], num_replicates=20)
    assert interval.rate.tolist() == [0, 0]
    assert interval.lower.tolist() == [0, 0]
    assert interval.bound == pytest.approx([1 - 0.05 ** (1 / 780)] * 2)


def test_the_rate_is_the_slow_one_and_ties_match():
    pairs = [(0, 1, 0.5, 1.0), (0, 2, 0.5, 0.5), (3, 4, 0.4, 0.25), (3, 4, 0.3, 0.25)]
    matches = make_matches(pairs, num_subjects=6)
    thresholds = [0.51, 0.5, 0.4, 0.3, 0.0]
    interval = fmr_interval(matches, thresholds, num_replicates=10)
    slow = [slow_rate(matches, t, np.ones(6)) for t in thresholds]
    assert interval.rate == pytest.approx(slow)
    assert slow == pytest.approx([0, 1.5 / 15, 1.75 / 15, 2 / 15, 2 / 15])


def test_the_bootstrap_is_the_slow_one():
    rng = np.random.default_rng(5)
    pairs = [(a, b, rng.random(), 1.0) for a, b in combinations(range(12), 2)]
    matches = make_matches(pairs, num_subjects=12)
    fast = fmr_interval(matches, [0.5], num_replicates=400, seed=3)
    drawing = np.random.default_rng(3)
    draws = []
    for _ in range(400):
        weights = np.bincount(drawing.integers(0, 12, 12), minlength=12)
        draws.append(slow_rate(matches, 0.5, weights))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert fast.lower[0] == pytest.approx(
        min(low, float(clopper_pearson_lower(sum(matches.scores >= 0.5), 66, 0.975)))
    )
    assert fast.upper[0] == pytest.approx(
        max(high, float(clopper_pearson_upper(sum(matches.scores >= 0.5), 66, 0.975)))
    )


def test_one_dominant_subject_widens_the_interval():
    spread = make_matches([(2 * i, 2 * i + 1, 0.9, 1.0) for i in range(20)], num_subjects=60)
    hub = make_matches([(0, i, 0.9, 1.0) for i in range(1, 21)], num_subjects=60)
    assert fmr_interval(spread, [0.5]).rate == fmr_interval(hub, [0.5]).rate
    assert fmr_interval(hub, [0.5]).bound > 1.3 * fmr_interval(spread, [0.5]).bound


@pytest.mark.parametrize("copies", [2, 5])
def test_more_pictures_of_the_same_people_do_not_narrow_the_interval(copies):
    once = make_matches([(i, i + 1, 0.6, 1.0) for i in range(10)], num_subjects=30)
    many = make_matches(
        [(i, i + 1, 0.6, 1.0 / copies) for i in range(10) for _ in range(copies)], num_subjects=30
    )
    for field in ("rate", "lower", "upper", "bound"):
        a, b = (getattr(fmr_interval(m, [0.5, 0.7], num_replicates=50), field) for m in (once, many))
        assert a == pytest.approx(b)


@given(st.integers(0, 1000))
def test_only_the_order_of_scores_matters(seed):
    rng = np.random.default_rng(seed)
    pairs = [(a, b, float(rng.integers(0, 6)) / 10, 1.0) for a, b in combinations(range(9), 2)]
    moved = [(a, b, float(np.exp(score)), share) for a, b, score, share in pairs]
    thresholds = np.array([0.0, 0.2, 0.5])
    plain = fmr_interval(make_matches(pairs, num_subjects=9), thresholds, num_replicates=5)
    other = fmr_interval(make_matches(moved, num_subjects=9), np.exp(thresholds), num_replicates=5)
    assert plain.bound == pytest.approx(other.bound)
    assert (np.diff(plain.rate) <= 0).all()
    assert (np.diff(plain.bound) <= 0).all()
    assert (plain.lower <= plain.rate).all()
    assert (plain.rate <= plain.bound).all()
    assert (plain.bound <= plain.upper).all()


def test_misses_are_counted_by_person():
    shares = np.array([[0.0, 1.0], [0.5, 1.0], [0.0, 1.0], [0.0, 0.0]])
    interval = fnmr_interval(shares, num_replicates=200)
    assert interval.rate == pytest.approx([0.125, 0.75])
    assert (interval.lower <= interval.rate).all()
    assert (interval.upper <= 1).all()
    # No error among few people is not no error: Clopper-Pearson on people, not on pictures.
    assert fnmr_interval(np.zeros((10, 1))).upper[0] == pytest.approx(0.3085, abs=1e-4)


def test_the_bound_covers_the_truth_where_treating_pairs_as_independent_does_not():
    """300 worlds in which a quarter of the people are nine times as easily taken for another."""
    rng = np.random.default_rng(0)
    num_subjects, num_worlds, base_rate = 100, 300, 0.002
    first, second = np.triu_indices(num_subjects, 1)
    true_rate = base_rate * 1.5**2  # proneness is 1.5 in the mean
    covered = naively_covered = 0
    for world in range(num_worlds):
        prone = rng.choice([0.5, 4.5], size=num_subjects, p=[0.75, 0.25])
        hit = np.flatnonzero(rng.random(len(first)) < base_rate * prone[first] * prone[second])
        matches = make_matches([(first[k], second[k], 1.0, 1.0) for k in hit], num_subjects=num_subjects)
        covered += bool(fmr_interval(matches, [0.5], num_replicates=80, seed=world).bound[0] >= true_rate)
        naively_covered += bool(clopper_pearson_upper(len(hit), len(first), 0.95) >= true_rate)
    assert covered / num_worlds > 0.93
    assert naively_covered / num_worlds < 0.91
