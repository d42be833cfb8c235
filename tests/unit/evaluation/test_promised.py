"""An audit that contradicts the calibration says so; one that does not, does not."""

import numpy as np
import pytest

from assent.calibration.draws import DrawOptions
from assent.calibration.profile import builtin_profiles
from assent.evaluation.audit import AuditOptions, collect
from assent.evaluation.promised import contradictions
from assent.evaluation.trials import SampleTable, Trials

OPTIONS = AuditOptions(draws=DrawOptions(100))


def comparisons(share, threshold, *, num_people=200):
    """All pairs of people, so many of them at the threshold, spread evenly."""
    first, second = np.triu_indices(num_people, 1)
    scores = np.where(np.random.default_rng(0).random(len(first)) < share, threshold, 0.0)
    samples = SampleTable.of_subjects([f"p{k}" for k in range(num_people)])
    return collect(samples, Trials(first, second, scores, np.zeros(len(first), bool)))


@pytest.mark.parametrize(("times", "is_contradicted"), [(0.5, False), (1.0, False), (4.0, True)])
def test_only_what_is_surely_too_low_is_said(times, is_contradicted):
    (profile,) = builtin_profiles()
    threshold = profile.curve("single").lowest_score(1e-2)
    notes = contradictions(comparisons(times * 1e-2, threshold), profile, OPTIONS)
    assert bool(notes) == is_contradicted
    assert {(note.code, note.is_warning) for note in notes} <= {("calibration-contradicted", True)}
    if notes:
        assert "at most 0.01 at" in notes[0].text


def test_nothing_is_said_of_nothing():
    (profile,) = builtin_profiles()
    samples = SampleTable(np.array(["a", "b"]), np.array([0, 0]), ("p",))
    mated = Trials(np.array([0]), np.array([1]), np.array([0.9]), np.array([True]))
    assert contradictions(collect(samples, mated), profile, OPTIONS) == ()
