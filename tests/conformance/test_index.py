"""What every index must do; each implementation runs through the same tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.errors import UsageError
from assent.gallery import ExactIndex, Hit, Index
from tests.builders import near, unit_templates

IMPLEMENTATIONS: list[Callable[[int], Index]] = [ExactIndex]
NEVER = np.inf


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Callable[[int], Index]:
    return request.param  # type: ignore[no-any-return]


def filled(make: Callable[[int], Index], n: int, dim: int = 16) -> tuple[Index, np.ndarray]:
    index, rows = make(dim), unit_templates(n, dim)
    index.add([f"k{i}" for i in range(n)], rows, expires_s=np.full(n, NEVER))
    return index, rows


def keys(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.key for hit in hits]


def test_an_empty_index_answers_with_nothing(make: Callable[[int], Index]) -> None:
    index = make(16)
    assert len(index) == 0
    assert index.search(unit_templates(2, 16), limit=3, min_score=-1, now_s=0) == [(), ()]
    assert index.search(np.zeros((0, 16), np.float32), limit=3, min_score=-1, now_s=0) == []


def test_a_template_is_found_at_once_and_not_after_removal(make: Callable[[int], Index]) -> None:
    index, rows = filled(make, 50)
    [hits] = index.search(rows[7:8], limit=1, min_score=0.99, now_s=0)
    assert keys(hits) == ["k7"]
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert "k7" in index
    index.remove(["k7"])
    assert "k7" not in index
    assert len(index) == 49
    assert index.search(rows[7:8], limit=1, min_score=0.99, now_s=0) == [()]


def test_a_score_equal_to_the_threshold_is_a_match(make: Callable[[int], Index]) -> None:
    index = make(4)
    probe = np.array([[1, 0, 0, 0]], np.float32)
    index.add(["a"], np.array([[0.5, 0.5, 0.5, 0.5]], np.float32), expires_s=np.array([NEVER]))
    assert keys(index.search(probe, limit=1, min_score=0.5, now_s=0)[0]) == ["a"]
    assert index.search(probe, limit=1, min_score=np.nextafter(0.5, 1), now_s=0) == [()]


def test_equal_scores_come_in_the_order_of_their_keys(make: Callable[[int], Index]) -> None:
    index, row = make(8), unit_templates(1, 8)
    for name in ["c", "a", "b"]:
        index.add([name], row, expires_s=np.array([NEVER]))
    assert keys(index.search(row, limit=2, min_score=-1, now_s=0)[0]) == ["a", "b"]


def test_expired_consent_is_filtered_inside_the_search(make: Callable[[int], Index]) -> None:
    """The best are expired; k results are still k allowed results."""
    index = make(16)
    probe = unit_templates(1, 16)[0]
    rows = np.stack([near(probe, cosine=0.9 - i / 20, seed=i + 1) for i in range(6)])
    index.add(list("abcdef"), rows, expires_s=np.array([10.0, 10, 10, 20, 20, NEVER]))
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=9.9)[0]) == ["a", "b"]
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=10.0)[0]) == ["d", "e"]
    assert keys(index.search(probe[None], limit=2, min_score=-1, now_s=30.0)[0]) == ["f"]


@pytest.mark.parametrize(
    ("templates", "what"),
    [
        pytest.param(unit_templates(1, 8), r"\(N, 16\) float32, got \(1, 8\)", id="wrong dimension"),
        pytest.param(unit_templates(1, 16)[0], r"got \(16,\)", id="not a matrix"),
        pytest.param(np.full((1, 16), np.nan, np.float32), "finite", id="NaN"),
        pytest.param(np.full((1, 16), np.inf, np.float32), "finite", id="infinite"),
        pytest.param(np.ones((1, 16), np.float32), "norm of 4", id="not unit"),
    ],
)
def test_bad_templates_are_refused_and_change_nothing(
    make: Callable[[int], Index], templates: np.ndarray, what: str
) -> None:
    index, rows = filled(make, 3)
    with pytest.raises(UsageError, match=what):
        index.add(["new"], templates, expires_s=np.array([NEVER]))
    with pytest.raises(UsageError, match=what):
        index.search(templates, limit=1, min_score=0, now_s=0)
    assert len(index) == 3
    assert keys(index.search(rows[:1], limit=1, min_score=0.9, now_s=0)[0]) == ["k0"]


def test_keys_are_held_once_and_only_held_keys_are_removed(make: Callable[[int], Index]) -> None:
    index, rows = filled(make, 3)
    with pytest.raises(UsageError, match="'k1' came again"):
        index.add(["k1"], rows[:1], expires_s=np.array([NEVER]))
    with pytest.raises(UsageError, match="came again"):
        index.add(["x", "x"], rows[:2], expires_s=np.full(2, NEVER))
    with pytest.raises(UsageError, match="not held"):
        index.remove(["k0", "zzz"])
    with pytest.raises(UsageError, match="one length"):
        index.add(["y"], rows[:2], expires_s=np.full(2, NEVER))
    with pytest.raises(UsageError, match="NaN"):
        index.add(["y"], rows[:1], expires_s=np.array([np.nan]))
    with pytest.raises(UsageError, match="limit"):
        index.search(rows[:1], limit=0, min_score=0, now_s=0)
    assert len(index) == 3


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 40),
    limit=st.integers(1, 12),
    min_score=st.floats(-1, 1),
    now_s=st.sampled_from([0.0, 1.0, 2.0]),
    removed=st.sets(st.integers(0, 39)),
    seed=st.integers(0, 9),
)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS, ids=lambda make: make.__name__)
def test_it_agrees_with_a_plain_loop(
    implementation: Callable[[int], Index],
    n: int,
    limit: int,
    min_score: float,
    now_s: float,
    removed: set[int],
    seed: int,
) -> None:
    rows, probe = unit_templates(n, 8, seed=seed), unit_templates(1, 8, seed=99)[0]
    expires = np.random.default_rng(seed).choice([1.0, 2.0, NEVER], n)
    index = implementation(8)
    index.add([f"k{i:02}" for i in range(n)], rows, expires_s=expires)
    index.remove([f"k{i:02}" for i in removed if i < n])
    [hits] = index.search(probe[None], limit=limit, min_score=min_score, now_s=now_s)

    expected = []
    for i in range(n):
        score = float(sum(float(a) * float(b) for a, b in zip(rows[i], probe, strict=True)))
        if i not in removed and expires[i] > now_s and score >= min_score:
            expected.append((-score, f"k{i:02}"))
    assert keys(hits) == [key for _, key in sorted(expected)][:limit]
