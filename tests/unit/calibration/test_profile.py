import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.calibration.profile import (
    CalibrationProfile,
    ReferenceKind,
    builtin_profile,
    builtin_profiles,
)
from assent.errors import CalibrationError, GalleryBeyondEvidence, NoCalibration, TooFewTrials, UsageError
from tests.unit.calibration.builders import DIGEST, make_curve, make_profile

PROFILE = make_profile()
SCORES = st.floats(-1, 1)


def test_a_file_round_trips():
    text = PROFILE.to_json()
    assert CalibrationProfile.from_json(text) == PROFILE
    assert CalibrationProfile.from_json(text.encode()) == PROFILE
    assert json.loads(text)["curves"][1]["kind"] == "mean"


def _without(data, *path):
    *parents, last = path
    for key in parents:
        data = data[key]
    del data[last]


def _with(data, value, *path):
    *parents, last = path
    for key in parents:
        data = data[key]
    data[last] = value


CONTRADICTIONS = {
    "no digest": lambda d: _without(d, "model_digest"),
    "another version": lambda d: _with(d, 2, "schema_version"),
    "an unknown field": lambda d: _with(d, 1, "surprise"),
    "a rate above 1": lambda d: _with(d, 1.5, "curves", 0, "fmr", 0),
    "a bound of 0": lambda d: _with(d, 0.0, "curves", 0, "fmr_upper", 5),
    "a bound that rises": lambda d: _with(d, 0.5, "curves", 0, "fmr_upper", 3),
    "a bound that stands still": lambda d: _with(d, 1e-2, "curves", 0, "fmr_upper", 3),
    "a bound below the estimate": lambda d: _with(d, 0.9, "curves", 0, "fmr", 1),
    "an estimate that rises": lambda d: _with(d, 0.0, "curves", 0, "fmr", 2),
    "scores out of order": lambda d: _with(d, 0.05, "curves", 0, "scores", 3),
    "a first score above -1": lambda d: _with(d, -0.9, "curves", 0, "scores", 0),
    "a column too short": lambda d: _without(d, "curves", 0, "fnmr", 0),
    "misses that fall": lambda d: _with(d, 0.0, "curves", 0, "fnmr", 3),
    "misses outside their interval": lambda d: _with(d, 0.9, "curves", 0, "fnmr_lower", 1),
    "more evidence than pairs": lambda d: _with(d, 1000, "curves", 0, "num_subject_pairs"),
    "top scores that ascend": lambda d: _with(d, [0.1, 0.2], "curves", 0, "top_scores"),
    "two curves of a kind": lambda d: _with(d, "single", "curves", 1, "kind"),
    "an unknown kind": lambda d: _with(d, "median", "curves", 1, "kind"),
    "no curve": lambda d: _with(d, [], "curves"),
    "more subjects than people": lambda d: _with(d, 3, "population", "num_subjects"),
    "not a number": lambda d: _with(d, float("nan"), "curves", 0, "scores", 2),
    "text for a number": lambda d: _with(d, "many", "population", "num_images"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradictory_file_is_refused(name):
    data = json.loads(PROFILE.to_json())
    CONTRADICTIONS[name](data)
    with pytest.raises(CalibrationError, match="Make it again with `assent calibrate`"):
        CalibrationProfile.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0\0", '{"schema_version": 1}'])
def test_a_garbled_file_is_refused(text):
    with pytest.raises(CalibrationError, match="expected a calibration profile of schema version 1"):
        CalibrationProfile.from_json(text)


@pytest.mark.parametrize(
    ("score", "fmr"),
    [(-1.0, 1.0), (0.1, 1e-1), (0.3, 1e-3), (0.35, 10**-3.5), (0.5, 1e-5), (0.7, 1e-5), (1.0, 1e-5)],
)
def test_the_bound_is_log_linear_and_ends(score, fmr):
    assert PROFILE.fmr_at_score(score, "single") == pytest.approx(fmr)


def test_shapes_are_kept():
    assert PROFILE.fmr_at_score(np.zeros((0, 4)), "mean").shape == (0, 4)
    assert PROFILE.similarity(np.zeros((2, 3)), "mean").shape == (2, 3)
    assert PROFILE.expected_false_candidates(np.zeros(5), 10, "mean").shape == (5,)


def test_similarity_saturates_where_evidence_ends():
    assert PROFILE.similarity([0.3, 0.4, 0.5, 0.9], "single") == pytest.approx([80, 90, 95, 95])
    assert PROFILE.similarity([0.5, 0.9], "mean") == pytest.approx([90, 90])
    assert PROFILE.max_similarity("mean") == pytest.approx(90)


@given(SCORES, SCORES)
def test_a_higher_score_never_means_less(a, b):
    low, high = sorted((a, b))
    similarity = PROFILE.similarity([low, high], "single")
    assert similarity[0] <= similarity[1]
    if 0.5 >= high > low + 1e-9 and high > -0.999:
        assert similarity[0] < similarity[1]


@given(st.floats(1e-5, 1.0))
def test_a_threshold_keeps_its_promise_and_is_the_lowest(target):
    threshold = PROFILE.threshold_for_fmr(target, "single")
    assert PROFILE.fmr_at_score(threshold.value, "single") <= target
    if threshold.value > -1 + 1e-6:
        assert PROFILE.fmr_at_score(threshold.value - 1e-6, "single") > target


def test_a_threshold_says_where_it_comes_from():
    threshold = PROFILE.threshold_for_fmr(1e-3, "mean")
    assert threshold.value == pytest.approx(0.3)
    assert (threshold.kind, threshold.model_digest) == (ReferenceKind.MEAN, DIGEST)
    assert (threshold.trials, threshold.subjects) == (4_000_000, 1500)
    assert threshold.measured_on == date(2026, 1, 2)


def test_nothing_is_promised_beyond_the_evidence():
    with pytest.raises(TooFewTrials, match="1500 people support 1e-05"):
        PROFILE.threshold_for_fmr(9.9e-6, "single")
    with pytest.raises(TooFewTrials):
        PROFILE.score_at_similarity(95.1, "single")
    assert PROFILE.score_at_similarity(90, "single") == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("target", "kinds", "n_max"),
    [
        (0.01, ["single"], 1000),
        (0.01, ["mean"], 100),
        (0.01, ["single", "mean"], 100),
        (0.01, None, 100),
        (0.001, ["single"], 100),
        (1e-6, ["single"], 0),
    ],
)
def test_the_largest_gallery(target, kinds, n_max):
    assert PROFILE.n_max(target, kinds) == n_max


@given(st.integers(0, 1000), st.floats(1e-4, 1.0), st.sampled_from(["single", "mean"]))
def test_the_floor_keeps_the_policy_or_refuses(size, target, kind):
    n_max = PROFILE.n_max(target, [kind])
    if max(size, 1) <= n_max:
        floor = PROFILE.floor(size, target, kind)
        assert size * PROFILE.fmr_at_score(floor.value, kind) <= target
        assert PROFILE.expected_false_candidates(floor.value, size, kind) <= target
    else:
        with pytest.raises(GalleryBeyondEvidence) as caught:
            PROFILE.floor(size, target, kind)
        assert (caught.value.gallery_size, caught.value.n_max) == (size, n_max)


@given(st.integers(1, 999), st.floats(0.001, 1.0))
def test_a_larger_gallery_or_a_stricter_policy_never_lowers_the_floor(size, target):
    if size < PROFILE.n_max(target / 2, ["single"]):
        floor = PROFILE.floor(size, target, "single").value
        assert PROFILE.floor(size + 1, target, "single").value >= floor
        assert PROFILE.floor(size, target / 2, "single").value >= floor


@pytest.mark.parametrize("target", [0.0, -0.1, 1.1, float("nan")])
def test_a_target_that_is_no_rate_is_refused(target):
    for call in (
        lambda: PROFILE.floor(5, target, "single"),
        lambda: PROFILE.n_max(target),
        lambda: PROFILE.threshold_for_fmr(target, "single"),
    ):
        with pytest.raises(UsageError, match="above 0 and at most 1"):
            call()


def test_other_arguments_that_make_no_sense_are_refused():
    with pytest.raises(UsageError):
        PROFILE.floor(-1, 0.01, "single")
    with pytest.raises(UsageError):
        PROFILE.expected_false_candidates(0.5, -1, "single")
    with pytest.raises(UsageError, match="NaN"):
        PROFILE.fmr_at_score(float("nan"), "single")


def test_a_kind_that_was_not_measured_is_refused():
    profile = make_profile(make_curve())
    with pytest.raises(NoCalibration, match="no curve for 'mean' references"):
        profile.floor(1, 0.5, ReferenceKind.MEAN)


def test_between_rows_a_miss_rate_is_interpolated_and_beyond_them_unknown():
    curve = make_curve()
    assert curve.fnmr_at(0.5) == pytest.approx(0.2)
    assert 0 < curve.fnmr_at(0.25) < 0.2
    assert np.isnan(curve.fnmr_at(0.6))


def test_no_builtin_profile_for_an_unknown_model():
    assert builtin_profile("0" * 64) is None


def test_builtin_profiles_read_and_are_found():
    for profile in builtin_profiles():
        assert builtin_profile(profile.model_digest) is profile
        assert CalibrationProfile.from_json(profile.to_json()) == profile
