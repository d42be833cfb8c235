import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.calibration.similarity import ANCHORS, fmr_at_similarity, similarity_at_fmr
from assent.errors import UsageError


@pytest.mark.parametrize(
    ("fmr", "similarity"),
    [(1, 0), (1e-3, 80), (1e-4, 90), (1e-5, 95), (1e-6, 99), (1e-7, 100), (1e-9, 100), (10**-3.5, 85)],
)
def test_the_published_function(fmr, similarity):
    assert similarity_at_fmr(fmr) == pytest.approx(similarity)


def test_empty_keeps_its_shape():
    assert similarity_at_fmr(np.zeros((0, 3))).shape == (0, 3)
    assert fmr_at_similarity([]).shape == (0,)


@given(st.floats(0, 100))
def test_the_inverse(similarity):
    assert similarity_at_fmr(fmr_at_similarity(similarity)) == pytest.approx(similarity, abs=1e-9)


@given(st.floats(-7, 0), st.floats(-7, 0))
def test_a_higher_rate_never_has_a_higher_similarity(a, b):
    low, high = sorted((a, b))
    assert similarity_at_fmr(10**low) >= similarity_at_fmr(10**high)


@pytest.mark.parametrize("bad", [0.0, -1e-3, 1.1, float("nan")])
def test_refuses_what_is_no_rate(bad):
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        similarity_at_fmr([0.5, bad])


@pytest.mark.parametrize("bad", [-0.1, 100.1, float("nan")])
def test_refuses_what_is_no_similarity(bad):
    with pytest.raises(UsageError, match="from 0 to 100"):
        fmr_at_similarity(bad)


def test_anchors_descend_in_rate():
    rates = [fmr for fmr, _ in ANCHORS]
    assert rates == sorted(rates, reverse=True)
