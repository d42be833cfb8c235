"""95 % intervals hold the truth 93 to 97 times in 100 where people differ; counting pairs alone does not."""

import numpy as np
import pytest
from scipy import special

from assent.calibration.draws import DrawOptions
from assent.calibration.intervals import clopper_pearson_lower, clopper_pearson_upper
from assent.evaluation.bootstrap import WeightedRows, false_match_draws
from assent.evaluation.rates import make_rate, share_rate
from assent.evaluation.universe import SummedPairs

REPEATS = 1000
PERSON_VARIANCE = 0.2
"""Of a score's variance, each side's part; the rest is the pair's own."""


def holds(rate, truth):
    return rate.lower <= truth <= rate.upper


def naive_holds(errors, trials, truth):
    low = clopper_pearson_lower(errors, trials, 0.975)
    return bool(low <= truth <= clopper_pearson_upper(errors, trials, 0.975))


@pytest.mark.slow
@pytest.mark.parametrize(("num_people", "truth"), [(150, 0.01), (150, 0.1), (300, 0.003)])
def test_false_match_rates_are_covered(num_people, truth):
    rng = np.random.default_rng(num_people)
    threshold = float(special.ndtri(1 - truth))
    first, second = np.triu_indices(num_people, 1)
    universe = SummedPairs(np.full(num_people, num_people - 1.0))
    covered = naive = 0
    for repeat in range(REPEATS):
        people = rng.normal(0, np.sqrt(PERSON_VARIANCE), num_people)
        scores = people[first] + people[second]
        scores += rng.normal(0, np.sqrt(1 - 2 * PERSON_VARIANCE), len(first))
        found = np.flatnonzero(scores >= threshold)
        found = found[np.argsort(-scores[found])]
        rows = WeightedRows(first[found], second[found], scores[found], np.ones(len(found)))
        draws = false_match_draws(rows, universe, np.array([threshold]), DrawOptions(300, repeat))
        rate = make_rate(len(found), len(first), num_people, draws=draws.rates[:, 0], is_of_pairs=True)
        covered += holds(rate, truth)
        naive += naive_holds(len(found), len(first), truth)
    print(f"fmr {truth}, {num_people} people: {covered / REPEATS:.3f}, pair counting {naive / REPEATS:.3f}")
    assert 0.93 <= covered / REPEATS <= 0.97
    assert naive / REPEATS < 0.80


@pytest.mark.slow
def test_miss_rates_are_covered():
    """People with 10 mated comparisons each, some much harder than others: miss rates Beta(0.5, 4.5)."""
    rng = np.random.default_rng(5)
    num_people, each, truth = 300, 10, 0.1
    trials = np.full(num_people, float(each))
    covered = naive = 0
    for repeat in range(REPEATS):
        errors = rng.binomial(each, rng.beta(0.5, 4.5, num_people)).astype(float)
        (rate,) = share_rate(errors[:, None], trials, DrawOptions(300, repeat))
        covered += holds(rate, truth)
        naive += naive_holds(errors.sum(), trials.sum(), truth)
    print(f"fnmr: {covered / REPEATS:.3f}, comparison counting {naive / REPEATS:.3f}")
    assert 0.93 <= covered / REPEATS <= 0.97
    assert naive / REPEATS < 0.90
