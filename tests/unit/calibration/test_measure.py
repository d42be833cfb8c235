import numpy as np
import pytest

from assent.calibration.intervals import fmr_interval
from assent.calibration.measure import check_promise
from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.calibration.table import evidence_end, rounded_up
from assent.calibration.trials import GRID
from assent.errors import CalibrationContradicted, TooFewTrials
from tests.unit.calibration.builders import DIGEST, make_matches, make_measurement, make_samples, nonmated


@pytest.fixture(scope="module")
def samples():
    return make_samples(1, num_subjects=150, missing=0.03)


@pytest.fixture(scope="module")
def measurement(samples):
    return make_measurement(samples)


def test_a_profile_of_both_kinds_comes_out_and_round_trips(measurement, samples):
    profile = measurement.profile
    assert profile.kinds == (ReferenceKind.SINGLE, ReferenceKind.MEAN)
    assert profile.model_digest == DIGEST
    assert profile.population.num_subjects == len(set(samples.subjects[samples.acquired]))
    assert CalibrationProfile.from_json(profile.to_json()) == profile
    assert len(measurement.top_pairs) == 50


@pytest.mark.parametrize("kind", list(ReferenceKind))
def test_the_bound_is_nowhere_below_what_was_seen(measurement, samples, kind):
    """Also between the table's rows, and at the very scores that occurred (a tie is a match)."""
    found = nonmated(samples, kind)
    scores = np.unique(found.matches.scores)
    scores = scores[scores <= measurement.profile.curve(kind).evidence_end]
    seen = np.concatenate([[0], np.cumsum(found.matches.shares)])[found.matches.num_at(scores)]
    bounds = measurement.profile.fmr_at_score(scores, kind)
    assert (bounds >= seen / found.num_subject_pairs - 1e-12).all()


@pytest.mark.parametrize("kind", list(ReferenceKind))
def test_the_table_adds_little_to_the_bound(measurement, samples, kind):
    """The price of being conservative between rows: a row's 3 %, or one pair of people where they are few."""
    found = nonmated(samples, kind)
    curve = measurement.profile.curve(kind)
    scores = found.matches.scores[found.matches.is_new_pair()][200:2000:50]
    exact = fmr_interval(found.matches, scores, num_replicates=50).bound
    assert (curve.bound(scores) <= 1.12 * exact).all()


def test_ten_pairs_reach_the_end_of_the_evidence(measurement, samples):
    found = nonmated(samples, ReferenceKind.SINGLE)
    end = measurement.profile.curve("single").evidence_end
    best = found.matches.scores[found.matches.is_new_pair()]
    assert 10 <= (best >= end - 0.00021).sum() <= 40
    assert measurement.profile.curve("single").fmr_upper_at_end > 10 * found.matches.shares.min() / len(best)


def test_the_report_is_of_people_who_chose_nothing(measurement, samples):
    half = samples.in_first_half(0)
    reporting = set(samples.subjects[~half & samples.acquired])
    assert measurement.profile.report
    for point in measurement.profile.report:
        assert point.num_subjects == len(reporting)
        assert point.fmr_lower <= point.fmr <= point.fmr_upper
        assert point.fmr_lower <= point.target_fmr


def test_the_same_seed_gives_the_same_profile(measurement, samples):
    assert make_measurement(samples).profile == measurement.profile
    assert make_measurement(samples, seed=1).profile != measurement.profile


def test_more_people_support_a_larger_gallery():
    sizes = [
        make_measurement(make_samples(2, num_subjects=n, max_images=2), replicates=30).profile.n_max(0.5)
        for n in (60, 240)
    ]
    assert sizes[1] > 4 * sizes[0]


def test_more_pictures_of_the_same_people_do_not():
    few = make_samples(2, num_subjects=60, max_images=1, noise=0.0)
    many = few.take(np.sort(np.tile(np.arange(len(few)), 4)))
    one, other = (make_measurement(s).profile.curve("single") for s in (few, many))
    assert one.fmr_upper_at_end == pytest.approx(other.fmr_upper_at_end, rel=1e-3)


def test_a_mean_needs_people_with_several_pictures():
    profile = make_measurement(make_samples(3, num_subjects=60, max_images=1)).profile
    assert profile.kinds == (ReferenceKind.SINGLE,)
    curve = profile.curve("single")
    assert (curve.num_mated_trials, set(curve.fnmr), set(curve.fnmr_upper)) == (0, {0.0}, {1.0})


@pytest.mark.parametrize("num_subjects", [2, 19])
def test_too_few_people(num_subjects):
    with pytest.raises(TooFewTrials, match=f"at least 20 people; got {num_subjects}"):
        make_measurement(make_samples(num_subjects=num_subjects))


def test_halves_that_disagree_are_refused(samples, monkeypatch):
    """One half all alike: a threshold chosen on the other cannot hold."""
    half = samples.in_first_half(0)
    templates = samples.templates.copy()
    templates[~half & samples.acquired] += 3 * np.eye(1, templates.shape[1], dtype=np.float32)
    lengths = np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), 1e-9)
    alike = type(samples)(
        templates / lengths, samples.subjects, samples.groups, samples.image_ids, samples.acquired
    )
    with pytest.raises(CalibrationContradicted, match="Look for label errors"):
        make_measurement(alike)


def test_a_promise_is_broken_only_when_surely_broken():
    check_promise(ReferenceKind.SINGLE, 1e-3, 0.5, realised_lower=1e-3)
    with pytest.raises(CalibrationContradicted):
        check_promise(ReferenceKind.SINGLE, 1e-3, 0.5, realised_lower=1.01e-3)


def test_one_person_alone_is_no_evidence():
    spread = [(2 * i, 2 * i + 1, 0.5, 1.0) for i in range(12)]
    hub = [(30, 31 + i, 0.8, 1.0) for i in range(12)]
    end = evidence_end(make_matches(spread, num_subjects=50), GRID)
    assert end is not None
    assert GRID[end] == pytest.approx(0.5)
    assert evidence_end(make_matches(hub, num_subjects=50), GRID) is None
    both = evidence_end(make_matches(hub + spread, num_subjects=50), GRID, max_share=0.5)
    assert both is not None
    assert GRID[both] == pytest.approx(0.5)
    assert evidence_end(make_matches(spread[:9], num_subjects=50), GRID) is None


def test_bounds_of_two_pictures_of_one_pair_count_once():
    twice = [(2 * i, 2 * i + 1, 0.5, 0.5) for i in range(5) for _ in range(2)]
    assert evidence_end(make_matches(twice, num_subjects=20), GRID) is None


def test_everybody_the_same_face_still_gives_a_true_bound():
    """Ten thousand and one scores of 1.0: the table must not run past the highest score there is."""
    samples = make_samples(num_subjects=25, max_images=1)
    same = np.tile(samples.templates[:1], (len(samples), 1))
    alike = type(samples)(same, samples.subjects, samples.groups, samples.image_ids, samples.acquired)
    profile = make_measurement(alike).profile
    assert profile.fmr_at_score(1.0, "single") == pytest.approx(1.0)
    assert profile.n_max(0.01) == 0


def test_rounding_goes_up():
    assert rounded_up(np.array([1.23449e-5, 1.0, 0.99999])) == (1.235e-5, 1.0, 1.0)


def test_no_false_match_on_the_other_half_is_reported_as_a_range():
    """The choosing half has lookalikes, the reporting half has nobody like anybody."""
    samples = make_samples(4, num_subjects=240, max_images=1, dim=8)
    reporting = np.flatnonzero(~samples.in_first_half(0))
    templates = np.zeros((len(samples), 8 + len(reporting)), np.float32)
    templates[:, :8] = samples.templates
    templates[reporting] = np.eye(len(reporting), templates.shape[1], 8)
    apart = type(samples)(templates, samples.subjects, samples.groups, samples.image_ids, samples.acquired)
    points = make_measurement(apart).profile.report
    assert points
    for point in points:
        assert point.num_false_pairs == 0
        assert point.fmr_pessimistic == pytest.approx(3 / (len(reporting) // 2))
        assert 3 / point.num_subject_pairs < point.fmr_upper < 3 / (len(reporting) // 2)


def test_a_seen_false_match_needs_no_range(measurement):
    assert all((p.fmr_pessimistic is None) == (p.num_false_pairs > 0) for p in measurement.profile.report)
