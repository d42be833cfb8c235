"""Nobody is recognised who did not say yes: an audit of strangers' pictures keeps scores, and never a template."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from assent.evaluation.pictures import acquire_picture
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.identify import run_identify
from assent.evaluation.runs.plan import make_plan
from assent.evaluation.runs.tables import table_of_comparisons
from assent.evaluation.runs.trials import trials_of_folders
from assent.evaluation.runs.verify import run_verify
from assent.service.auditing import write_scores
from assent.types import Float32
from tests.unit.evaluation.paper import paper, write_people


@pytest.fixture
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "people"
    write_people(folder, 6, pictures=2)
    return folder


def holds_a_template(data: bytes, templates: list[Float32]) -> bool:
    """Whether the numbers of a template are there in a row, as bytes or as text, to four digits."""
    if any(template[:8].tobytes() in data for template in templates):
        return True
    told = [f"{number:.4f}" for number in map(float, re.findall(rb"-?\d+\.\d+(?:e-?\d+)?", data))]
    runs = {tuple(told[n : n + 4]) for n in range(len(told))}
    return any(tuple(f"{value:.4f}" for value in template[:4]) in runs for template in templates)


def test_what_a_run_writes_holds_scores_and_no_template(people, tmp_path):
    system, trials = EngineSystem(paper()), trials_of_folders([people], {})
    run = run_verify(system, trials, work=tmp_path / "verify.work")
    write_scores(table_of_comparisons(run), tmp_path / "scores.csv")
    pictures = [(path.name, path) for path in sorted(people.glob("*/0.png"))]
    gallery = [(path.name, path) for path in sorted(people.glob("*/1.png"))]
    plan = make_plan(pictures, gallery, [(n, n) for n in range(3)], [{}] * 6, ())
    run_identify(EngineSystem(paper()), plan, work=tmp_path / "identify.work")
    templates = [
        template
        for path in sorted(people.glob("*/*.png"))
        if (template := acquire_picture(paper(), path, system.options).template) is not None
    ]
    assert len(templates) == 12
    assert holds_a_template(json.dumps(templates[0].tolist()).encode(), templates)  # the test can fail
    assert holds_a_template(templates[3].tobytes(), templates)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["identify.work", "scores.csv", "verify.work"]
    for path in tmp_path.iterdir():
        assert not holds_a_template(path.read_bytes(), templates)


def test_a_gallery_is_forgotten_when_the_run_is_over(people):
    system = EngineSystem(paper())
    pictures = [(path.name, path) for path in sorted(people.glob("*/0.png"))]
    run_identify(system, make_plan(pictures, pictures, [], [{}] * 6, ()))
    assert system.search(pictures[0][1], 10).candidates == ()
