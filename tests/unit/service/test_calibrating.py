"""The service that calibrates from folders, with an engine of paper instead of networks."""

import json
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from assent.calibration.profile import CalibrationProfile, ReferenceKind, builtin_profile, builtin_profiles
from assent.calibration.table import MeasureOptions
from assent.calibration.trials import mated_trials, nonmated_trials
from assent.errors import CalibrationContradicted, ModelError, TooFewTrials
from assent.evaluation.labelled import list_images
from assent.service.calibrating import (
    CalibrationOptions,
    acquire,
    calibrate_folders,
)
from assent.vision.engine import FaceEngine
from assent.vision.recipe import DEFAULT_RECIPE, LANDMARK_RECIPE
from tests.unit.evaluation.paper import PaperEngine, paper, write_people

OPTIONS = CalibrationOptions("made-up patterns", measure=MeasureOptions(num_replicates=20))


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "people"
    write_people(folder, 60)
    return folder


def test_folders_become_a_profile_and_a_sheet(people, tmp_path):
    seen = []
    result = calibrate_folders(
        paper(),
        [people],
        out=tmp_path / "new" / "profile.json",
        options=OPTIONS,
        sheet_dir=tmp_path / "sheets",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert CalibrationProfile.from_json(result.path.read_bytes()) == result.profile
    assert result.profile.model_digest == "p" * 64
    assert result.profile.recipe.name == LANDMARK_RECIPE.name
    population = result.profile.population
    assert (population.num_subjects, population.num_images, population.sources) == (60, 180, ("people",))
    assert population.inspection == "not inspected"
    assert seen[0] == (1, 180)
    assert seen[-1] == (180, 180)
    assert result.sheet is not None
    with Image.open(result.sheet) as sheet:
        assert sheet.size == (5 * 306, 10 * 180)
    listed = (tmp_path / "sheets" / "top-nonmated.csv").read_text().splitlines()
    assert len(listed) == 51
    assert result.top_pairs[0].first_image in listed[1]


def test_nothing_of_a_picture_or_a_name_is_in_the_profile(people, tmp_path):
    result = calibrate_folders(paper(), [people], out=tmp_path / "p.json", options=OPTIONS)
    assert "person0" not in result.path.read_text()
    assert ".png" not in result.path.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.json"]


def test_pictures_without_a_template_are_counted_by_reason(tmp_path):
    folder = tmp_path / "people"
    write_people(folder, 20, pictures=2)
    Image.new("RGB", (32, 32)).save(folder / "person000" / "black.png")
    Image.new("RGB", (32, 32), (20, 20, 20)).save(folder / "person001" / "dark.png")
    (folder / "person002" / "broken.jpg").write_bytes(b"no image")
    (folder / "person003" / "notes.txt").write_text("not looked at")
    acquired = acquire(paper(), list_images([folder]), OPTIONS)
    assert acquired.failures == {"dark": 1, "no face": 1, "unreadable": 1}
    assert len(acquired.samples) == 43
    assert acquired.samples.acquired.sum() == 40


def test_the_same_picture_twice_counts_once(tmp_path):
    folder = tmp_path / "people"
    write_people(folder, 3, pictures=2)
    with Image.open(folder / "person000" / "0.png") as image:
        image.resize((64, 64)).save(folder / "person000" / "again.jpg", quality=90)
        image.save(folder / "person001" / "other-person.png")  # a label error is not a duplicate
    acquired = acquire(paper(), list_images([folder]), OPTIONS)
    assert acquired.num_near_duplicates == 1
    assert len(acquired.samples) == 7


def test_too_few_people_write_nothing(tmp_path):
    write_people(tmp_path / "people", 19)
    with pytest.raises(TooFewTrials, match="at least 20 people; got 19"):
        calibrate_folders(paper(), [tmp_path / "people"], out=tmp_path / "p.json", options=OPTIONS)
    assert not (tmp_path / "p.json").exists()


def test_no_face_anywhere(tmp_path):
    (tmp_path / "people" / "ann").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "people" / "ann" / "black.png")
    with pytest.raises(TooFewTrials, match="none of 1 gave a template"):
        calibrate_folders(paper(), [tmp_path / "people"], out=tmp_path / "p.json", options=OPTIONS)


def test_a_calibration_that_its_own_audit_contradicts_is_not_written(people, tmp_path, monkeypatch):
    """The half kept back fails: no profile, but the sheet that shows where to look."""

    def failing(*_samples, **_options):
        raise CalibrationContradicted("the subjects held back have more")  # when: tests/unit/calibration

    monkeypatch.setattr("assent.service.calibrating.measure", failing)
    with pytest.raises(CalibrationContradicted, match="held back"):
        calibrate_folders(
            paper(), [people], out=tmp_path / "p.json", options=OPTIONS, sheet_dir=tmp_path / "sheets"
        )
    assert not (tmp_path / "p.json").exists()
    assert (tmp_path / "sheets" / "top-nonmated.png").exists()


def test_a_profile_that_cannot_be_written_leaves_the_old_one(people, tmp_path):
    out = tmp_path / "file" / "p.json"
    out.parent.write_text("a file where a folder should be")
    with pytest.raises(ModelError):
        calibrate_folders(paper(), [people], out=out, options=OPTIONS)
    assert out.parent.read_text() == "a file where a folder should be"


def test_a_committed_exclusion_says_why():
    folder = Path(__file__).resolve().parents[3] / "src" / "assent" / "calibration" / "profiles"
    for path in folder.glob("*.csv"):
        lines = path.read_text().splitlines()
        assert lines[0] == "image,reason"
        assert all(line.count(",") >= 1 and line.split(",", 1)[1].strip() for line in lines[1:])


def test_the_gate_is_the_one_of_the_options(people):
    engine = PaperEngine()
    acquire(cast(FaceEngine, engine), list_images([people])[:2], OPTIONS)
    assert engine.gates == [OPTIONS.read.gate] * 2


def test_a_profile_is_json_anyone_can_read(people, tmp_path):
    result = calibrate_folders(paper(), [people], out=tmp_path / "p.json", options=OPTIONS)
    data = json.loads(result.path.read_text())
    assert data["schema_version"] == 1
    assert [curve["kind"] for curve in data["curves"]] == ["single", "mean"]


def test_the_default_engine_has_a_profile(engine):
    """A change of model files, conversions or recipe needs a new calibration in the same commit."""
    profile = builtin_profile(engine.model_digest)
    assert profile is not None, "run python -m benchmarks.default_profile and look at the sheet"
    assert (profile.recipe.name, profile.recipe.version) == (DEFAULT_RECIPE.name, DEFAULT_RECIPE.version)
    assert profile.kinds == ("single", "mean")
    assert profile.population.inspection != "not inspected"
    assert profile.n_max(0.01) >= 50


def test_the_default_profile_tells_people_apart_on_photographs(engine, shared_data):
    """Twenty people of LFW, far too few to check a rate, enough to see a wrong colour order or alignment."""
    images = list_images([shared_data / "lfw"])
    names = sorted({image.subject for image in images if image.image_id.endswith("_0002.jpg")})[:20]
    some = [image for image in images if image.subject in names]
    acquired = acquire(engine, some, OPTIONS)
    profile = builtin_profile(engine.model_digest)
    assert profile is not None
    threshold = profile.threshold_for_fmr(1e-2, "single").value
    mated = mated_trials(acquired.samples, ReferenceKind.SINGLE)
    nonmated = nonmated_trials(acquired.samples, ReferenceKind.SINGLE)
    assert mated is not None
    assert nonmated is not None
    assert (mated.scores >= threshold).mean() > 0.9
    assert (nonmated.matches.scores >= threshold).mean() < 0.03


def test_the_accuracy_page_is_about_the_profile_that_ships():
    """A new profile comes with new numbers on the page; these are the ones that everybody quotes."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "accuracy.md").read_text()
    (profile,) = builtin_profiles()
    sizes = [profile.n_max(target, (kind,)) for target in (0.01, 0.001) for kind in profile.kinds]
    assert [size for size in sizes if f"**{size}**" not in page] == []
    population = profile.population
    assert f"{population.num_subjects:,} people, {population.num_images:,} photographs" in page
