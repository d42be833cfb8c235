"""Runs as comparisons: nothing compared is lost, nothing is counted twice, and labels agree."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assent.calibration.draws import DrawOptions
from assent.evaluation.audit import AuditOptions, audit, collect
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.identify import run_identify
from assent.evaluation.runs.tables import table_of_comparisons, table_of_searches
from assent.evaluation.runs.trials import trials_of_folders
from assent.evaluation.runs.verify import run_verify
from tests.unit.evaluation.paper import paper
from tests.unit.evaluation.runs.builders import Refusal
from tests.unit.evaluation.runs.conftest import endpoint_of
from tests.unit.evaluation.runs.test_identify import folders, plan_of

__all__ = ["folders"]

OPTIONS = AuditOptions(threshold=0.9, draws=DrawOptions(100, 0))


def test_comparisons_become_an_audit(people):
    run = run_verify(EngineSystem(paper()), trials_of_folders([people], {}))
    table = table_of_comparisons(run)
    result = audit(collect(table.samples, table.trials), OPTIONS)
    assert (result.data.num_mated, result.data.num_nonmated, result.data.num_subjects) == (6, 60, 6)
    assert result.point.fnmr.num_errors == (run.scores[run.trials.mated] < 0.9).sum()
    assert result.point.fmr.num_errors == (run.scores[~run.trials.mated] >= 0.9).sum()
    assert table.samples.times_ms is not None


def test_errors_of_a_service_are_in_no_rate(people, stub):
    stub.faults = [Refusal("InternalServerError", status=500)]
    run = run_verify(endpoint_of(stub), trials_of_folders([people], {}))
    assert len(table_of_comparisons(run).trials) == len(run.trials) - 1


def test_searches_become_all_pairs_that_were_compared(folders):
    run = run_identify(EngineSystem(paper()), plan_of(folders))
    table = table_of_searches(run)
    assert len(table.trials) == 5 * 6
    assert table.trials.mated.sum() == 3
    assert not np.isnan(table.trials.scores).any()
    result = audit(collect(table.samples, table.trials), OPTIONS)
    searches = result.identification
    assert searches is not None
    assert (searches.num_nonmated_searches, searches.num_mated_searches) == (5, 3)
    named = [
        s for s in run.searches if not s.is_mated and any(score >= 0.9 for _, score in s.candidates or ())
    ]
    assert searches.fpir.num_errors == pytest.approx(len(named), abs=1)


def test_an_endpoints_two_galleries_give_each_pair_once(folders, stub):
    run = run_identify(endpoint_of(stub), plan_of(folders))
    trials = table_of_searches(run).trials
    pairs = list(zip(trials.probes, trials.references, strict=True))
    assert len(pairs) == len(set(pairs)) == 5 * 3 + 3
    ours = table_of_searches(run_identify(EngineSystem(paper()), plan_of(folders))).trials
    known = dict(zip(zip(ours.probes, ours.references, strict=True), ours.scores, strict=True))
    assert set(np.bincount(trials.probes[~trials.mated])) == {3}
    assert trials.scores == pytest.approx([50 * (1 + known[pair]) for pair in pairs], abs=1e-4)


def test_what_a_search_did_not_return_is_the_lowest_score(folders, stub):
    stub.withhold_below = 60.0
    trials = table_of_searches(run_identify(endpoint_of(stub), plan_of(folders))).trials
    assert 0 < (trials.scores == 0).sum() < len(trials)


def test_a_picture_without_a_face_has_no_score_and_its_mate_is_missed(folders):
    Image.new("RGB", (32, 32)).save(folders / "gallery" / "g0.png")
    run = run_identify(EngineSystem(paper()), plan_of(folders))
    trials = table_of_searches(run).trials
    lost = np.isnan(trials.scores)
    assert lost.sum() == 5
    assert (lost & trials.mated).sum() == 1
