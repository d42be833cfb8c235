from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.calibration import comparisons
from assent.calibration.profile import ReferenceKind
from assent.calibration.samples import Samples, reference_sizes
from assent.calibration.trials import GRID, mated_trials, nonmated_trials
from assent.errors import UsageError
from tests.unit.calibration.builders import make_samples, mated, nonmated

KINDS = list(ReferenceKind)


def slow_nonmated(samples, kind):
    """Every comparison of different people: {pair of people: [scores]}, one at a time."""
    people = defaultdict(list)
    for row in np.flatnonzero(samples.acquired):
        people[samples.groups[row], samples.subjects[row]].append(samples.templates[row])
    scores: defaultdict[object, list[float]] = defaultdict(list)
    for probe, probes in people.items():
        for other, references in people.items():
            if probe == other or probe[0] != other[0]:
                continue
            if kind == ReferenceKind.SINGLE:
                if probe < other:
                    scores[probe, other] += [float(p @ r) for p in probes for r in references]
            elif len(references) > 1:
                mean = np.mean(references, axis=0)
                mean /= np.linalg.norm(mean)
                scores[tuple(sorted((probe, other)))] += [float(p @ mean) for p in probes]
    return scores


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", [1, 2])
def test_all_pairs_are_the_slow_ones(kind, groups, monkeypatch):
    monkeypatch.setattr(comparisons, "_BLOCK_ELEMENTS", 100)  # several blocks
    samples = make_samples(3, num_subjects=15, groups=groups, missing=0.1)
    slow = slow_nonmated(samples, kind)
    found = nonmated(samples, kind)
    assert found.num_subject_pairs == len(slow)
    assert found.num_trials == sum(len(scores) for scores in slow.values())
    assert found.matches.shares.sum() == pytest.approx(len(slow))
    flat = sorted((s for scores in slow.values() for s in scores), reverse=True)
    assert found.matches.scores == pytest.approx(flat, abs=1e-6)
    for at in (-0.5, 0.0, 0.3, 0.6):
        rate = np.mean([np.mean(np.array(scores) >= at) for scores in slow.values()])
        assert found.fmr_on_grid[np.searchsorted(GRID, at)] == pytest.approx(rate, abs=1e-9)
    assert found.top_pairs[0].score == pytest.approx(flat[0], abs=1e-6)
    assert len(found.top_pairs) == min(50, len(slow))


def test_a_top_pair_names_two_pictures_of_different_people_that_score_it():
    samples = make_samples(4, num_subjects=12)
    rows = {image: row for row, image in enumerate(samples.image_ids)}
    for pair in nonmated(samples, ReferenceKind.SINGLE).top_pairs:
        first, second = rows[pair.first_image], rows[pair.second_image]
        assert pair.first_subject == samples.subjects[first] != samples.subjects[second]
        assert pair.score == pytest.approx(
            float(samples.templates[first] @ samples.templates[second]), abs=1e-6
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_tail_keeps_the_highest_and_says_what_it_left_out(kind, monkeypatch):
    monkeypatch.setattr(comparisons, "_BLOCK_ELEMENTS", 100)
    samples = make_samples(5, num_subjects=30)
    everything = nonmated(samples, kind).matches.scores
    short = nonmated(samples, kind, max_tail=20)
    assert short.matches.scores.tolist() == everything[: len(short.matches.scores)].tolist()
    assert 15 <= len(short.matches.scores) <= 20
    assert everything[len(short.matches.scores)] == short.complete_above


def test_ties_at_the_end_of_the_tail_are_out_together():
    templates = np.tile(np.eye(4, dtype=np.float32)[:1], (10, 1))
    labels = np.array([f"s{i}" for i in range(10)])
    samples = Samples(templates, labels, np.full(10, "a"), labels, np.ones(10, bool))
    found = nonmated(samples, ReferenceKind.SINGLE, max_tail=7)
    assert len(found.matches.scores) == 0
    assert found.complete_above == 1.0
    assert found.fmr_on_grid[-1] == 1.0


@given(st.integers(0, 10_000))
def test_the_order_of_pictures_does_not_matter(seed):
    samples = make_samples(seed, num_subjects=8, groups=2)
    shuffled = samples.take(np.random.default_rng(seed).permutation(len(samples)))
    for kind in KINDS:
        one, other = nonmated_trials(samples, kind), nonmated_trials(shuffled, kind)
        assert (one is None) == (other is None)
        if one is None or other is None:
            continue
        assert one.matches.scores == pytest.approx(other.matches.scores, abs=1e-6)
        assert one.num_trials == other.num_trials


@pytest.mark.parametrize("kind", KINDS)
def test_twice_the_same_pictures_change_no_rate(kind):
    samples = make_samples(6, num_subjects=20, max_images=3)
    samples = samples.take(np.sort(np.tile(np.arange(len(samples)), 2)))  # all have two at least
    doubled = samples.take(np.sort(np.tile(np.arange(len(samples)), 2)))
    one, two = nonmated(samples, kind), nonmated(doubled, kind)
    assert one.num_subject_pairs == two.num_subject_pairs
    assert one.fmr_on_grid == pytest.approx(two.fmr_on_grid, abs=1e-3)


def test_people_of_different_sets_are_never_compared():
    samples = make_samples(7, num_subjects=2, max_images=1)
    apart = Samples(
        samples.templates, samples.subjects, np.array(["a", "b"]), samples.image_ids, samples.acquired
    )
    assert nonmated(samples, ReferenceKind.SINGLE).num_trials == 1
    assert nonmated_trials(apart, ReferenceKind.SINGLE) is None


def test_nobody_and_nothing():
    empty = make_samples().take(np.zeros(0, np.int64))
    for kind in KINDS:
        assert nonmated_trials(empty, kind) is None
        assert mated_trials(empty, kind) is None
    assert reference_sizes(empty) == {}


def _labelled(rows):
    """Samples from (subject, template or None)."""
    return Samples(
        np.array([np.zeros(2) if t is None else t for _, t in rows], np.float32),
        np.array([s for s, _ in rows]),
        np.full(len(rows), "a"),
        np.array([f"i{i}" for i in range(len(rows))]),
        np.array([t is not None for _, t in rows]),
    )


def test_mated_comparisons_by_hand():
    east, north, west = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)
    samples = _labelled([("x", east), ("x", north), ("x", west), ("y", east), ("z", east), ("z", None)])
    single = mated(samples, ReferenceKind.SINGLE)
    assert single.num_subjects == 2
    assert single.scores.tolist() == [0.0, -1.0, 0.0, -np.inf]
    assert single.subjects.tolist() == [0, 0, 0, 1]
    assert single.failed_shares(np.array([-1.0, 0.0, 0.5])) == pytest.approx(
        np.array([[0, 1 / 3, 1], [1, 1, 1]])
    )
    mean = mated(samples, ReferenceKind.MEAN)
    assert mean.num_subjects == 1
    assert mean.scores == pytest.approx([-np.sqrt(0.5), 0.0, -np.sqrt(0.5)], abs=1e-6)


def test_a_picture_without_a_template_is_a_miss_and_no_reference():
    east = (1.0, 0.0)
    samples = _labelled([("x", east), ("x", east), ("x", None), ("y", east), ("y", None)])
    assert sorted(mated(samples, ReferenceKind.SINGLE).scores) == [-np.inf, -np.inf, -np.inf, 1.0]
    assert mated(samples, ReferenceKind.MEAN).scores.tolist() == [-np.inf]
    assert reference_sizes(samples) == {2: 1}


def test_halves_are_by_subject_and_by_seed():
    samples = make_samples(8, num_subjects=200)
    half = samples.in_first_half(0)
    for subject in set(samples.subjects):
        assert len(set(half[samples.subjects == subject])) == 1
    assert 0.35 < half.mean() < 0.65
    assert (half != samples.in_first_half(1)).any()


def test_arrays_of_unlike_length_and_long_templates_are_refused():
    samples = make_samples()
    with pytest.raises(UsageError, match="N labels"):
        Samples(samples.templates, samples.subjects[1:], samples.groups, samples.image_ids, samples.acquired)
    with pytest.raises(UsageError, match="unit norm"):
        Samples(samples.templates * 2, samples.subjects, samples.groups, samples.image_ids, samples.acquired)


def test_no_score_is_above_one():
    """Single precision gives 1.0000001 for some templates with themselves."""
    samples = make_samples(9, num_subjects=300, max_images=1, dim=128)
    rows = np.tile(np.arange(len(samples)), 2)
    names = np.array([f"{name}-{copy}" for copy in (0, 1) for name in samples.subjects])
    doubled = Samples(
        samples.templates[rows], names, samples.groups[rows], samples.image_ids[rows], samples.acquired[rows]
    )
    found = nonmated(doubled, ReferenceKind.SINGLE)
    assert found.matches.scores.max() == 1.0
    assert found.top_pairs[0].score == 1.0
