"""The service that calibrates from folders, with an engine of paper instead of networks."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from PIL import Image

from assent.calibration.profile import CalibrationProfile, ReferenceKind, builtin_profile, builtin_profiles
from assent.calibration.table import MeasureOptions
from assent.calibration.trials import mated_trials, nonmated_trials
from assent.errors import ModelError, TooFewTrials, UsageError
from assent.service.calibrating import (
    CalibrationOptions,
    acquire,
    calibrate_folders,
    chip_hash,
    subject_face,
)
from assent.service.labelled import list_images, without_exclusions
from assent.types import Face, Quality, QualityReason, UInt8
from assent.vision.engine import FaceEngine
from assent.vision.quality import QualityGate
from assent.vision.recipe import DEFAULT_RECIPE, LANDMARK_RECIPE

OPTIONS = CalibrationOptions("made-up patterns", measure=MeasureOptions(num_replicates=20))


def make_face(box=(0, 0, 32, 32), reasons=()):
    quality = Quality(20.0, 1.0, 100.0, 0.0, 0.9, reasons)
    return Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), 0.9, quality)


@dataclass
class PaperEngine:
    """Sees a face in every picture that is not black, and refuses dark ones; a face is its coarse pattern."""

    model_digest: str = "p" * 64
    dim: int = 48
    recipe: object = LANDMARK_RECIPE
    gates: list[QualityGate] = field(default_factory=list)

    def faces(self, image_rgb, *, gate):
        self.gates.append(gate)
        if image_rgb.max() < 5:
            return []
        return [make_face(reasons=(QualityReason.DARK,) if image_rgb.mean() < 30 else ())]

    def templates(self, image_rgb, faces):
        cells = cv2.resize(image_rgb, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() - 128
        return np.repeat((cells / np.linalg.norm(cells))[None], len(faces), axis=0)

    def chips(self, image_rgb, landmarks_xy):
        return cv2.resize(image_rgb, (150, 150))[None, None]


def paper() -> FaceEngine:
    return cast(FaceEngine, PaperEngine())


def write_people(folder: Path, num_people: int, *, seed=0, pictures=3):
    rng = np.random.default_rng(seed)
    for person in range(num_people):
        pattern = rng.integers(40, 216, (4, 4, 3))
        for picture in range(pictures):
            pixels = np.kron(pattern, np.ones((8, 8, 1))) + rng.normal(0, 60, (4, 4, 1)).repeat(8, 0).repeat(
                8, 1
            )
            pixels += rng.normal(0, 8, (32, 32, 3))  # else all hashes would be of flat cells
            path = folder / f"person{person:03}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


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


def test_a_listing_gives_subjects_and_groups(people, tmp_path):
    rows = ["image,subject,group", f"{people}/person000/0.png,ann,a", f"{people}/person001/0.png,bob,b"]
    listing = tmp_path / "listing.csv"
    listing.write_text("\n".join(rows))
    images = list_images([], [listing])
    assert [(image.subject, image.group) for image in images] == [("ann", "a"), ("bob", "b")]
    listing.write_text("\n".join(row.rsplit(",", 1)[0] for row in rows))
    assert {image.group for image in list_images([], [listing])} == {"listing.csv"}


def test_a_listing_may_name_its_pictures(people, tmp_path):
    listing = tmp_path / "listing.csv"
    listing.write_text(
        f"id,image,subject\nset/1,{people}/person000/0.png,ann\n,{people}/person001/0.png,bob\n"
    )
    assert [image.image_id for image in list_images([], [listing])] == ["set/1", f"{people}/person001/0.png"]


def test_exclusions_are_applied_or_refused(people, tmp_path):
    images = list_images([people])
    exclusions = tmp_path / "exclusions.csv"
    exclusions.write_text("image,reason\npeople/person000/0.png,label error\n")
    kept, num_excluded = without_exclusions(images, exclusions)
    assert (len(kept), num_excluded) == (len(images) - 1, 1)
    assert without_exclusions(images, None) == (images, 0)
    exclusions.write_text("image,reason\npeople/person000/9.png,typing error\n")
    with pytest.raises(UsageError, match="excludes 1 pictures that are not there"):
        without_exclusions(images, exclusions)


@pytest.mark.parametrize("text", ["", "image\na.png\n", "image,reason\na.png,\n", "reason\nx\n"])
def test_a_malformed_exclusion_is_refused(people, tmp_path, text):
    path = tmp_path / "exclusions.csv"
    path.write_text(text)
    if not text:
        assert without_exclusions([], path) == ([], 0)
        return
    with pytest.raises(UsageError, match="line 2: expected the columns image, reason"):
        without_exclusions(list_images([people]), path)


def test_what_is_not_there_is_refused(people, tmp_path):
    (tmp_path / "empty").mkdir()
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    lost = tmp_path / "lost.csv"
    lost.write_text("image,subject\ngone.png,ann\n")
    for folders, listings in (
        ([tmp_path / "nowhere"], []),
        ([tmp_path / "empty"], []),
        ([], []),
        ([people, people], []),
        ([], [tmp_path / "nowhere.csv"]),
        ([], [binary]),
        ([], [lost]),
    ):
        with pytest.raises(UsageError):
            list_images(folders, listings)


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


def test_a_profile_that_cannot_be_written_leaves_the_old_one(people, tmp_path):
    out = tmp_path / "file" / "p.json"
    out.parent.write_text("a file where a folder should be")
    with pytest.raises(ModelError):
        calibrate_folders(paper(), [people], out=out, options=OPTIONS)
    assert out.parent.read_text() == "a file where a folder should be"


def test_the_subject_is_large_and_in_the_middle():
    middle, corner, small = (
        make_face((80, 80, 170, 170)),
        make_face((0, 0, 100, 100)),
        make_face((115, 115, 135, 135)),
    )
    assert subject_face([corner, small, middle], 250, 250) is middle
    assert subject_face([corner, small], 250, 250) is small
    assert subject_face([], 250, 250) is None


def test_a_hash_survives_size_and_compression_but_not_another_face():
    rng = np.random.default_rng(1)

    def resized(image, side) -> UInt8:
        return np.asarray(cv2.resize(image, (side, side)), np.uint8)

    chip, other = (resized(rng.integers(0, 255, (12, 12, 3), np.uint8), 150) for _ in range(2))
    encoded = cv2.imencode(".jpg", resized(resized(chip, 90), 150), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    compressed = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    assert np.count_nonzero(chip_hash(chip) != chip_hash(compressed)) <= 20
    assert np.count_nonzero(chip_hash(chip) != chip_hash(other)) > 80


def test_a_committed_exclusion_says_why():
    folder = Path(__file__).resolve().parents[3] / "src" / "assent" / "calibration" / "profiles"
    for path in folder.glob("*.csv"):
        lines = path.read_text().splitlines()
        assert lines[0] == "image,reason"
        assert all(line.count(",") >= 1 and line.split(",", 1)[1].strip() for line in lines[1:])


def test_the_gate_is_the_one_of_the_options(people):
    engine = PaperEngine()
    acquire(cast(FaceEngine, engine), list_images([people])[:2], OPTIONS)
    assert engine.gates == [OPTIONS.gate] * 2


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
