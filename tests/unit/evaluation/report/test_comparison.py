"""Two systems on one page."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from assent.calibration.draws import DrawOptions
from assent.evaluation.audit import AuditOptions, collect
from assent.evaluation.compare import compare
from assent.evaluation.report.comparison import render_comparison, write_comparison
from assent.evaluation.trials import Trials
from tests.unit.evaluation.builders import make_system
from tests.unit.evaluation.report.test_page import CHROMIUM, Elements, browser, open_page

__all__ = ["browser"]  # a fixture


@pytest.fixture(scope="module")
def comparison():
    samples, trials = make_system(num_people=80, separation=2.5)
    better = Trials(trials.probes, trials.references, trials.scores + 1.5 * trials.mated, trials.mated)
    systems = [collect(samples, one) for one in (trials, better)]
    return compare(systems[0], systems[1], ("old <v1>", "new"), AuditOptions(draws=DrawOptions(100)))


def test_the_page_says_who_is_better_and_whether_it_is_clear(comparison):
    text = render_comparison(comparison)
    assert "old &lt;v1&gt; and new compared" in text
    assert "<v1>" not in text
    assert re.search(r"With fmr at most 0.01, new misses \d+ percentage points fewer: ", text)
    assert "The interval includes 0" not in text
    assert text.count("<svg") == 1
    assert "new dashed" in text
    heads = [attributes for name, attributes in Elements(text).found if name == "th"]
    assert heads
    assert all(attributes.get("scope") in ("row", "col") for attributes in heads)
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in Elements(text).found}


def test_what_may_be_chance_is_said(comparison):
    unclear = [replace(row, is_clear=False) for row in comparison.differences]
    text = render_comparison(replace(comparison, differences=tuple(unclear), dets=(None, None)))
    assert text.count("it may be chance") == len(unclear)
    assert "no: may be chance" in text
    assert "<svg" not in text


def test_the_twin_has_both_trade_offs(comparison, tmp_path):
    twin = json.loads(write_comparison(comparison, tmp_path / "difference.html").read_text())
    assert twin["result"]["names"] == ["old <v1>", "new"]
    assert all(len(det["fmr"]) == len(det["fnmr"]) > 10 for det in twin["result"]["dets"])
    assert twin["result"]["differences"][0]["is_clear"]


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium on this machine (/usr/bin/chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screen_readers_find_nothing_wrong(browser, comparison, tmp_path, scheme):
    from axe_core_python.sync_playwright import Axe

    write_comparison(comparison, tmp_path / "difference.html")
    page = open_page(browser, tmp_path / "difference.html", color_scheme=scheme)
    assert [one["id"] for one in Axe().run(page)["violations"]] == []
