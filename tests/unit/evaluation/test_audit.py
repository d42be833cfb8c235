"""The whole result: against slow twins, and on data that are nearly not there."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from assent.calibration.draws import DrawOptions, weights
from assent.errors import UsageError
from assent.evaluation.audit import AuditOptions, audit, collect
from assent.evaluation.bootstrap import WeightedRows, false_match_draws, thinned
from assent.evaluation.collecting import Collector
from assent.evaluation.compare import compare
from assent.evaluation.gallery import gallery_claim, largest_gallery, people_for, requirement
from assent.evaluation.rates import make_rate
from assent.evaluation.result import Badge, Estimate
from assent.evaluation.searches import nonmated_searches, ranks_of, share_without
from assent.evaluation.trials import SampleTable, Trials
from assent.evaluation.universe import ListedPairs, SummedPairs
from tests.unit.evaluation.builders import make_evidence, make_system, make_trials

FEW = DrawOptions(100)
GOLDEN = Path(__file__).parent / "golden" / "bob_measure.json"


def run(evidence, **options):
    return audit(evidence, AuditOptions(draws=FEW, **options))


def people(n, groups=None):
    return SampleTable.of_subjects([f"p{k}" for k in range(n)], groups)


def test_counts_by_hand():
    samples, trials = make_system(missing=0.1)
    result = run(collect(samples, trials), threshold=1.0, gallery_size=100)
    scores, mated = trials.scores, trials.mated
    assert result.point.fmr.num_errors == np.sum(~mated & (scores >= 1.0))
    assert result.point.fmr.num_trials == np.sum(~mated & ~np.isnan(scores))
    assert result.point.fnmr.num_errors == np.sum(mated & ~(scores >= 1.0))
    assert result.point.fnmr.num_trials == 60
    lost = int(np.isnan(scores[mated]).sum())
    assert result.point.fnmr_acquired.num_trials == 60 - lost
    assert result.data.fta.num_errors == lost  # their references have other scores
    assert result.point.gfar == pytest.approx(result.point.fmr.value * (1 - lost / 60))
    assert result.data.num_subjects == 60


def test_groups_by_hand():
    samples, trials = make_system()
    (found,) = run(collect(samples, trials), threshold=1.0).groups
    sex = samples.groups["sex"]
    for row in found.rows:
        within = (sex[trials.probes] == row.name) & (sex[trials.references] == row.name)
        own = within & ~trials.mated
        assert (row.num_subjects, row.num_samples) == (30, 60)
        assert row.fmr.num_trials == own.sum()
        assert row.fmr.num_errors == (own & (trials.scores >= 1.0)).sum()
        assert row.fnmr.num_trials == 30
    between = next(cell for cell in found.cells if cell.first != cell.second)
    assert between.fmr.num_trials == 2 * 30 * 30
    assert sum(cell.fmr.num_trials for cell in found.cells) == 60 * 59
    assert {worst.of for worst in found.worst} == {"fmr", "fnmr"}
    worst = found.worst[0]
    assert worst.confidence_each == pytest.approx(0.975)
    assert worst.bound >= max(row.fmr.value for row in found.rows)
    assert [m.name for m in found.measures if m.of == "fmr"] == ["max/min", "max/geomean", "gini"]


def test_a_group_without_an_error_gives_at_least():
    samples, trials = make_system(spread=0.0)
    women = (samples.groups["sex"][trials.probes] == "f") & ~trials.mated
    quiet = Trials(trials.probes, trials.references, np.where(women, -9, trials.scores), trials.mated)
    (found,) = run(collect(samples, quiet), threshold=1.0).groups
    ratio = next(m for m in found.measures if (m.name, m.of) == ("max/min", "fmr"))
    women_row, men_row = found.rows
    assert women_row.fmr.badge == Badge.RULE_OF_3
    assert ratio.estimate.is_at_least
    assert ratio.estimate.upper is None
    assert ratio.estimate.value == pytest.approx(men_row.fmr.value / women_row.fmr.bound)


def test_a_ratio_that_can_only_be_bounded_is_not_below_one():
    samples, trials = make_system(num_people=8, spread=0.0, separation=9.0)
    first = trials.mated & (trials.probes == 0)
    one_miss = Trials(trials.probes, trials.references, np.where(first, -9, trials.scores), trials.mated)
    (found,) = run(collect(samples, one_miss), threshold=4.0).groups
    bounded = [m.estimate.value for m in found.measures if m.estimate.is_at_least]
    assert bounded
    assert min(bounded) >= 1.0


def test_a_group_of_one_and_people_of_no_group():
    samples, trials = make_system(num_people=6)
    sex = np.array(["f", "m", "m", "m", "", "m"] * 2)
    result = run(
        collect(SampleTable(samples.ids, samples.subjects, samples.subject_names, {"sex": sex}), trials)
    )
    (found,) = result.groups
    assert [row.name for row in found.rows] == ["f", "m"]
    assert found.rows[0].fmr.num_trials == 0
    assert found.rows[0].fmr.value is None
    assert {note.code for note in found.notes} == {"group-of-one", "group-unknown"}


def test_attributes_together():
    samples, trials = make_system(num_people=8)
    groups = {**samples.groups, "age": np.array(["young"] * 4 + ["old"] * 4 + ["young"] * 4 + ["old"] * 4)}
    evidence = collect(SampleTable(samples.ids, samples.subjects, samples.subject_names, groups), trials)
    result = run(evidence, groups=["sex+age"])
    assert [row.name for row in result.groups[0].rows] == ["f, old", "f, young", "m, old", "m, young"]
    with pytest.raises(UsageError, match="sex, age"):
        run(evidence, groups=["height"])


def test_searches_against_drawing_every_gallery():
    _, trials = make_system(num_people=7, separation=1.0)
    result = run(make_evidence(num_people=7, separation=1.0), threshold=1.0, gallery_size=50)
    scores = trials.scores.reshape(7, 7)
    found = result.identification
    assert (found.gallery_size, found.num_mated_searches, found.num_nonmated_searches) == (6, 7, 7)
    by_size = {row.gallery_size: row for row in found.by_size}
    assert set(by_size) == {1, 6, 10, 50}
    others = [np.delete(scores[k], k) for k in range(7)]
    for size in (1, 6):
        galleries = list(combinations(range(6), size))
        fpir = np.mean([[(own[list(g)] >= 1.0).any() for g in galleries] for own in others])
        assert by_size[size].fpir.value == pytest.approx(fpir)
        with_mate = list(combinations(range(6), size - 1))
        fnir = np.mean(
            [
                [not (scores[k, k] >= 1.0 and (others[k][list(g)] < scores[k, k]).all()) for g in with_mate]
                for k in range(7)
            ]
        )
        assert by_size[size].fnir.value == pytest.approx(fnir)
    assert by_size[50].fpir is None
    assert by_size[50].fpir_at_most == min(1.0, 50 * result.point.fmr.value)
    for rank in found.cmc:
        within = np.mean([(others[k] >= scores[k, k]).sum() < rank.rank for k in range(7)])
        assert rank.rate.value == pytest.approx(within)
    assert found.selectivity.value == pytest.approx(np.mean([(own >= 1.0).sum() for own in others]))


@pytest.mark.parametrize(
    ("num_others", "size", "left_out"),
    [
        ([6] * 5, 6, 0),
        ([961, 962, 962, 962], 961, 0),  # its own mate is not among the others
        ([950, 960, 962, 962], 960, 1),
        ([500, 990, 1000, 1000, 1000], 990, 1),
        ([1, 2, 2], 2, 1),
    ],
)
def test_searches_of_nearly_as_many_references_are_of_one_gallery(num_others, size, left_out):
    found = nonmated_searches(np.zeros(len(num_others), np.int64), np.array(num_others))
    assert found is not None
    assert (found.gallery_size, found.num_left_out) == (size, left_out)
    assert len(found.probes) == len(num_others) - left_out


def test_what_is_left_out_of_searches_is_said():
    samples, trials = make_system(num_people=20)
    few = np.ones(len(trials), bool)
    few[:10] = False  # half of the first probe's comparisons
    result = run(collect(samples, trials.take(few)))
    assert result.identification.num_left_out == 1
    assert "searches-left-out" in {note.code for note in result.notes}


def test_progress_ends_where_it_said_it_would():
    said = []
    audit(make_evidence(num_people=10), AuditOptions(draws=FEW), progress=lambda *step: said.append(step))
    assert said == [(k, len(said)) for k in range(1, len(said) + 1)]


def test_bob_measures_searches():
    case = json.loads(GOLDEN.read_text())["searches"]
    rows, threshold = list(zip(case["negatives"], case["positives"], strict=True)), case["threshold"]
    probes = [k for k, (n, p) in enumerate(rows) for _ in (*n, *p)]
    scores = [s for n, p in rows for s in (*n, *p)]
    mated = [is_mate for n, p in rows for is_mate in [False] * len(n) + [True] * len(p)]
    trials = make_trials(scores, mated, probes, np.arange(len(scores)))
    ranks = ranks_of(trials)
    for rank, expected in enumerate(case["cmc"], start=1):
        assert np.mean(ranks.num_better < rank) == pytest.approx(expected, abs=1e-9)
    for rank, expected in zip((1, 2, 5), case["detection_identification_rate"], strict=True):
        found = (ranks.mate_scores >= threshold) & (ranks.num_better < rank)
        assert found.mean() == pytest.approx(expected, abs=1e-9)
    without = [n for n, p in rows if not p]
    false = np.mean([max(n) >= threshold for n in without])
    assert false == pytest.approx(case["false_alarm_rate"], abs=1e-9)
    num_false = np.array([sum(s >= threshold for s in n) for n in without])
    shares = 1 - share_without(num_false, np.array([len(n) for n in without]), 12)
    assert shares.mean() == pytest.approx(case["false_alarm_rate"], abs=1e-9)


@pytest.mark.parametrize(
    ("last_mate", "last_stranger", "found", "false_alarms"),
    [(1.0, 0.0, 1.0, 0.0), (-0.1, 0.0, 6 / 7, 0.0), (-0.1, 10.0, 6 / 7, 0.5)],
)
def test_the_open_set_cases_of_bob_measures_own_tests(last_mate, last_stranger, found, false_alarms):
    """Seven probes with a mate and two without, at 0.5; the rates are those that bob.measure's tests expect."""
    searches = [([0.0, 0.0], [1.0])] * 6 + [([0.0, 0.0], [last_mate]), ([0.0] * 3, [])]
    searches.append(([0.0, 0.0, last_stranger], []))
    probes = [k for k, (n, p) in enumerate(searches) for _ in (*n, *p)]
    scores = [s for n, p in searches for s in (*n, *p)]
    mated = [is_mate for n, p in searches for is_mate in [False] * len(n) + [True] * len(p)]
    trials = make_trials(scores, mated, probes, len(searches) + np.arange(len(scores)))
    ranks = ranks_of(trials)
    assert np.mean((ranks.mate_scores >= 0.5) & (ranks.num_better == 0)) == pytest.approx(found, abs=1e-9)
    strangers = np.isin(trials.probes, [7, 8])
    num_false = np.bincount(trials.probes[strangers & (trials.scores >= 0.5)], minlength=9)[7:]
    assert (1 - share_without(num_false, np.array([3, 3]), 3)).mean() == pytest.approx(false_alarms, abs=1e-9)


@pytest.mark.parametrize(
    ("target", "size", "of_3", "of_30"),
    [(0.01, 1000, 775, 2450), (0.01, 25_000, 3873, 12_248), (0.001, 25_000, 12_248, 38_730)],
)
def test_what_a_gallery_takes(target, size, of_3, of_30):
    """The published table, which rounds to whole people where this rounds up."""
    found = requirement(size, target)
    assert found.subjects_rule_of_3 in {of_3, of_3 + 1}
    assert found.subjects_rule_of_30 in {of_30, of_30 + 1}
    assert people_for(found.comparisons_rule_of_3) == found.subjects_rule_of_3
    assert found.fmr_needed == pytest.approx(target / size)


def test_the_case_of_2018():
    """28 of 535 searches in 25,000: fpir 5.2 %, 95 % Clopper-Pearson 3.5 to 7.5 %; and at least 2.1e-6 each."""
    rate = make_rate(28, 535, 535)
    assert (rate.value, rate.lower, rate.upper) == pytest.approx((0.0523, 0.0351, 0.0748), abs=1e-4)
    assert (rate.value or 0) / 25_000 == pytest.approx(2.1e-6, abs=1e-7)
    assert rate.badge == Badge.BELOW_RULE_OF_30


def test_no_error_is_a_range():
    rate = make_rate(0, 199_990, 633, is_of_pairs=True)
    assert rate.optimistic == pytest.approx(3 / 199_990)
    assert rate.pessimistic == pytest.approx(3 / 316)
    claim = gallery_claim(rate, 1000, 0.01)
    assert claim.n_max == largest_gallery(rate.bound, 0.01) > 0
    assert claim.fpir == Estimate(0.0, 0.0, min(1.0, 1000 * (rate.upper or 0)))
    assert claim.is_supported == (claim.n_max >= 1000)
    assert make_rate(0, 0, 0).value is None


def test_draws_against_the_formula():
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(12, 1)
    scores = -np.sort(-rng.normal(size=len(first)))
    rows = WeightedRows(first, second, scores, np.ones(len(first)))
    universe = ListedPairs(first, second, np.ones(len(first)), 12)
    found = false_match_draws(rows, universe, np.array([0.5]), FEW)
    for draw, own in zip(found.rates[:, 0], weights(12, FEW), strict=True):
        products = own[first] * own[second]
        assert draw == pytest.approx(products[scores >= 0.5].sum() / max(products.sum(), 1))
    summed = SummedPairs(np.full(400, 399.0))
    drawn = next(weights(400, FEW))
    exact = (drawn.sum() ** 2 - (drawn**2).sum()) / 2
    assert summed.weight(drawn) == pytest.approx(exact, rel=0.01)


def test_thinning_keeps_what_rows_stand_for():
    n = 10_000
    rows = WeightedRows(np.zeros(n, np.int64), np.ones(n, np.int64), -np.arange(n, dtype=float), np.ones(n))
    found = thinned(rows, 3000)
    assert len(found.scores) <= 3000
    assert found.shares.sum() == pytest.approx(n, rel=0.01)
    assert np.array_equal(found.scores[:2000], rows.scores[:2000])


def in_parts(samples, trials, **limits):
    """Evidence as of a file that is far larger than what is kept in memory."""
    collector = Collector(**{"max_tail": 500, "max_whole": 100, "max_sample": 300, **limits})
    for rows in np.array_split(np.arange(len(trials)), 7):
        collector.add(trials.take(rows), np.unique(samples.groups["sex"], return_inverse=True)[1])
    return collector.result(samples)


@pytest.mark.parametrize("threshold", [2.5, 0.0])
def test_parts_and_a_short_tail_give_the_same_counts(threshold):
    """In a file, in any order; the lower threshold is below the comparisons kept one by one."""
    samples, trials = make_system(digits=2, missing=0.05)
    order = np.random.default_rng(0).permutation(len(trials))
    whole, parts = collect(samples, trials), in_parts(samples, trials.take(order))
    assert parts.whole is None
    assert not parts.stored.is_in_memory
    assert parts.num_duplicates == 0
    a, b = run(whole, threshold=threshold), run(parts, threshold=threshold)
    assert parts.is_complete_at(threshold) == (threshold == 2.5)
    assert a.point.fmr.value == b.point.fmr.value
    assert a.point.fnmr == b.point.fnmr
    for name in ("fpir", "fnir", "cmc", "selectivity", "worst_probe_share", "silent_probe_share"):
        assert getattr(a.identification, name) == getattr(b.identification, name)
    for size_a, size_b in zip(a.identification.by_size, b.identification.by_size, strict=True):
        assert (size_a.fpir, size_a.fnir) == (size_b.fpir, size_b.fnir)
    rows_a, rows_b = a.groups[0].rows, b.groups[0].rows
    assert [row.fmr.num_errors for row in rows_a] == [row.fmr.num_errors for row in rows_b]
    assert [row.fmr.num_trials for row in rows_a] == [row.fmr.num_trials for row in rows_b]
    assert [row.fnmr for row in rows_a] == [row.fnmr for row in rows_b]
    assert b.eer.value == a.eer.value
    assert b.eer.lower == pytest.approx(a.eer.lower, abs=0.02)


def test_a_large_matrix_is_not_kept_and_says_what_it_cannot_tell():
    samples, trials = make_system(digits=2)
    parts = in_parts(samples, trials, keeps_all=False)
    assert parts.stored is None
    low = run(parts, threshold=0.0)
    assert low.identification is None
    assert "threshold-low" in {note.code for note in low.notes}
    assert low.point.fmr.value == run(collect(samples, trials), threshold=0.0).point.fmr.value
    women = low.groups[0].rows[0].fmr
    exact = run(collect(samples, trials), threshold=0.0).groups[0].rows[0].fmr
    assert women.num_errors == pytest.approx(exact.num_errors, rel=0.2)  # a sample of the lower ones


def test_repeated_rows_are_counted_in_a_file_too():
    samples, trials = make_system(num_people=30)
    again = trials.take(np.arange(0, 900, 9))
    twice = Trials.joined([trials, again, again])
    assert in_parts(samples, twice).num_duplicates == collect(samples, twice).num_duplicates == 200


@pytest.mark.parametrize("limit", [10_000, 100])
def test_systems_in_files_are_compared_as_in_memory(monkeypatch, limit):
    samples, trials = make_system(num_people=40, separation=2.5)
    other = Trials(trials.probes, trials.references, trials.scores + trials.mated, trials.mated)
    order = np.random.default_rng(0).permutation(len(trials))[:-50]
    evidence = [(collect(samples, x), in_parts(samples, x)) for x in (trials, other.take(order))]
    options = AuditOptions(draws=FEW)
    expected = compare(evidence[0][0], evidence[1][0], ("a", "b"), options)
    monkeypatch.setattr("assent.evaluation.compare.PART_ROWS", 300)
    monkeypatch.setattr("assent.evaluation.compare.MAX_IN_MEMORY", limit)
    found = compare(evidence[0][1], evidence[1][1], ("a", "b"), options)
    assert (found.num_common, found.num_only_first) == (expected.num_common, 50)
    for one, other_one in zip(found.differences, expected.differences, strict=True):
        a, b = one.difference, other_one.difference
        # Beyond memory, what was compared is summed up for each person: intervals are nearly the same.
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), abs=0.01)
        assert a.value == b.value
    if limit > len(trials):
        assert found.differences == expected.differences


def test_pairs_listed_once_are_searched_both_ways():
    n = 12
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(n, 1)
    trials = Trials(first, second, rng.normal(size=len(first)), np.zeros(len(first), bool))
    result = run(collect(people(n), trials), threshold=0.5)
    assert result.identification.gallery_size == n - 1
    assert result.identification.num_nonmated_searches == n
    assert {"undirected", "no-mated"} <= {note.code for note in result.notes}


@pytest.mark.parametrize(
    ("scores", "mated", "codes"),
    [
        ([0.5] * 6, [1, 1, 1, 0, 0, 0], {"constant"}),
        ([0.5, 0.6, 0.7], [1, 1, 1], {"no-nonmated"}),
        ([0.5, 0.6, 0.7], [0, 0, 0], {"no-mated"}),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], {"upside-down"}),
        ([np.nan, np.nan], [1, 0], {"failures", "no-nonmated"}),
    ],
)
def test_data_that_show_little_say_so(scores, mated, codes):
    n = len(scores)
    samples = SampleTable(
        ids=np.array([f"i{k}" for k in range(2 * n)]),
        subjects=np.concatenate([np.arange(n), [k if m else n + k for k, m in enumerate(mated)]]),
        subject_names=tuple(f"p{k}" for k in range(2 * n)),
    )
    result = run(collect(samples, make_trials(scores, mated)))
    assert codes <= {note.code for note in result.notes}
    text = json.dumps(result.as_json(), allow_nan=False)
    assert json.loads(text)["schema_version"] == 1


def test_labels_that_contradict_and_options_that_cannot_be():
    with pytest.raises(UsageError, match="correct the labels"):
        collect(people(2), Trials(np.array([0]), np.array([1]), np.array([0.5]), np.array([True])))
    with pytest.raises(UsageError, match="got none"):
        Collector().result(people(1))
    for options in ({"threshold": np.nan}, {"target_fmr": 0}, {"confidence": 0.2}, {"gallery_size": 0}):
        with pytest.raises(UsageError):
            AuditOptions(**options)


def test_the_interval_of_pairs_is_wider_than_pair_counting():
    result = run(make_evidence(num_people=150, spread=0.6), threshold=2.0)
    fmr = result.point.fmr
    naive = stats.binomtest(int(fmr.num_errors), fmr.num_trials).proportion_ci(0.95, method="exact")
    assert fmr.upper - fmr.lower > 2 * (naive.high - naive.low)
    assert fmr.bound <= fmr.upper


def test_times_by_group():
    samples, trials = make_system(num_people=20)
    times = np.where(samples.groups["sex"] == "f", 10.0, 30.0)
    table = SampleTable(samples.ids, samples.subjects, samples.subject_names, samples.groups, times)
    (found,) = run(collect(table, trials)).groups
    assert [row.median_ms for row in found.rows] == [Estimate(10.0, 10.0, 10.0), Estimate(30.0, 30.0, 30.0)]


def test_a_score_shift_has_an_interval_of_people():
    samples, trials = make_system(num_people=100, spread=0.0)
    up = trials.mated & (samples.groups["sex"][trials.probes] == "f")
    shifted = Trials(trials.probes, trials.references, trials.scores + 2 * up, trials.mated)
    mated = shifted.scores[trials.mated]
    (found,) = run(collect(samples, shifted)).groups
    women, men = (row.score_shift for row in found.rows)
    expected = (shifted.scores[up].mean() - mated.mean()) / mated.std()
    assert women.value == pytest.approx(expected)
    assert women.lower < women.value < women.upper
    assert women.lower > 0 > men.upper
    assert women.upper - women.lower < 0.6


def better(samples, trials, by):
    """The same system with mated scores that much higher."""
    return collect(
        samples,
        Trials(trials.probes, trials.references, trials.scores + by * trials.mated, trials.mated),
    )


def test_a_comparison_sees_a_difference_and_none():
    samples, trials = make_system(num_people=120, separation=2.5)
    options = AuditOptions(draws=FEW)
    first = collect(samples, trials)
    same = compare(first, first, ("a", "b"), options)
    assert all(row.difference.value == 0 and not row.is_clear for row in same.differences)
    found = compare(first, better(samples, trials, 1.5), ("a", "b"), options)
    assert all((row.difference.value or 0) < 0 and row.is_clear for row in found.differences)
    assert [row.metric for row in found.differences] == ["fnmr", "eer"]
    result = run(first)
    assert found.differences[0].first.value == pytest.approx(result.points[0].fnmr.value, abs=0.02)


def test_only_common_comparisons_are_compared():
    samples, trials = make_system()
    options = AuditOptions(draws=FEW)
    part = collect(samples, trials.take(np.arange(len(trials) - 60)))
    found = compare(collect(samples, trials), part, ("a", "b"), options)
    assert (found.num_common, found.num_only_first, found.num_only_second) == (len(trials) - 60, 60, 0)
    assert [note.code for note in found.notes] == ["not-common"]
    other = SampleTable(np.char.add(samples.ids, "x"), samples.subjects, samples.subject_names)
    with pytest.raises(Exception, match="there is none"):
        compare(collect(samples, trials), collect(other, trials), ("a", "b"), options)
