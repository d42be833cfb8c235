"""The portraits' two lists: who is whose mate, who is left out, and what is malformed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from assent.errors import UsageError
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.portraits import known_duplicates, portraits_plan, without_same_pictures
from tests.unit.evaluation.paper import paper


@pytest.fixture
def portraits(people: Path, tmp_path: Path) -> Path:
    """Three probes; the first two have a mate, the second's is the very same picture in another size."""
    for side, names in (("probes", "ABC"), ("gallery", ("1", "2", "3", "4"))):
        (tmp_path / side).mkdir()
        for number, name in enumerate(names):
            picture = 0 if side == "probes" else 1
            with Image.open(people / f"person00{number}" / f"{picture}.png") as image:
                image.save(tmp_path / side / f"{name}.jpg", quality=95)
    with Image.open(tmp_path / "probes" / "B.jpg") as image:
        image.resize((48, 48)).save(tmp_path / "gallery" / "2.jpg", quality=95)
    (tmp_path / "probes.csv").write_text("probe,mate,sex,name\nA,1,F,x\nB,2,M,y\nC,,,z\n")
    (tmp_path / "gallery.csv").write_text("reference,born\n1,1950\n2,1960\n3,1970\n4,1880\n")
    return tmp_path


def test_the_lists_say_who_is_who(portraits):
    plan = portraits_plan(portraits)
    assert [probe.sample_id for probe in plan.probes] == ["probes/A", "probes/B", "probes/C"]
    assert [probe.groups["sex"] for probe in plan.probes] == ["women", "men", ""]
    assert [reference.sample_id for reference in plan.references] == ["gallery/1", "gallery/2", "gallery/3"]
    assert [sorted(mates) for mates in plan.mates] == [[0], [1], []]


def test_the_old_are_left_out_unless_asked_for(portraits):
    assert len(portraits_plan(portraits, born_from=0).references) == 4
    plan = portraits_plan(portraits, born_from=1955)
    assert [sorted(mates) for mates in plan.mates] == [[], [0], []]


def test_the_folder_may_be_the_one_above(portraits, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (above / "congress").symlink_to(portraits)
    assert len(portraits_plan(above).probes) == 3


def test_a_mate_that_is_the_very_same_picture_is_left_out(portraits):
    plan, number = without_same_pictures(portraits_plan(portraits), EngineSystem(paper()))
    assert number == 1
    assert [reference.sample_id for reference in plan.references] == ["gallery/1", "gallery/3"]
    assert [sorted(mates) for mates in plan.mates] == [[0], [], []]
    assert plan.probes[1].groups == {"sex": "men"}


def test_what_is_known_to_be_there_twice_is_left_out(portraits):
    name = min(known_duplicates())
    (portraits / "gallery" / f"{name}.jpg").write_bytes((portraits / "gallery" / "1.jpg").read_bytes())
    with (portraits / "gallery.csv").open("a") as file:
        file.write(f"{name},1950\n")
    assert len(portraits_plan(portraits).references) == 3
    assert len(portraits_plan(portraits, with_exclusions=False).references) == 4
    assert len(known_duplicates()) == 10


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("probes.csv", "probe,sex\nA,F\n", r"probes.csv, line 1: expected the columns probe,mate,sex"),
        ("gallery.csv", "reference,born\n1,long ago\n", "gallery.csv, line 2: expected a year in born"),
        ("probes.csv", "probe,mate,sex\nA,1,F\nD,,F\n", "probes.csv lists D, but probes/D.jpg is not there"),
    ],
)
def test_malformed_lists_are_refused(portraits, file, text, message):
    (portraits / file).write_text(text)
    with pytest.raises(UsageError, match=message):
        portraits_plan(portraits)
