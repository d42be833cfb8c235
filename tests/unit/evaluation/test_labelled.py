"""Labelled pictures on disk."""

from pathlib import Path

import pytest

from assent.errors import UsageError
from assent.evaluation.labelled import list_images, without_exclusions
from tests.unit.evaluation.paper import write_people


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "people"
    write_people(folder, 10)
    return folder


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
