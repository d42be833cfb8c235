"""Many photos: each stands on its own, and what was done is said whatever comes after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer

from assent.cli.common import write_bytes
from assent.cli.faces import annotated_paths
from assent.cli.photos import each_photo, finish
from assent.errors import (
    AlreadyExists,
    AssentError,
    NoFace,
    NotFound,
    StoreUnavailable,
    UnreadableImage,
    UsageError,
)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.jpg" for name in "abc"]
    for path in paths:
        path.touch()
    return paths


def acting(errors: dict[str, AssentError], done: list[str]):
    def act(photo: Path) -> str:
        if photo.stem in errors:
            raise errors[photo.stem]
        done.append(photo.stem)
        return photo.stem.upper()

    return act


@dataclass(frozen=True)
class Looked:
    """A result of a file with some frames."""

    num_frames: int


def test_an_error_of_one_photo_leaves_the_others_alone(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    outcomes = each_photo(photos, "x", acting({"a": NoFace("no face"), "b": UnreadableImage("torn")}, done))
    assert done == ["c"]
    assert [outcome.result for outcome in outcomes] == [None, None, "C"]
    looked_at = [replace(outcome, result=outcome.result and Looked(2)) for outcome in outcomes]
    with pytest.raises(typer.Exit) as stop:
        finish(looked_at, as_json=False)
    assert stop.value.exit_code == 3  # the last refusal's
    printed = capsys.readouterr()
    assert printed.err == f"Error: {photos[0]}: no face\nError: {photos[1]}: torn\n"
    assert printed.out.split() == f"{photos[2]} has 2 frames; only the first was looked at.".split()
    finish(looked_at[2:], as_json=True)  # nothing was refused
    assert capsys.readouterr() == ("", "")


def test_any_other_error_ends_it_but_loses_nothing(photos: list[Path]) -> None:
    done: list[str] = []
    outcomes = each_photo(photos, "x", acting({"b": StoreUnavailable("disk")}, done))
    assert done == ["a"]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), StoreUnavailable]
    with pytest.raises(StoreUnavailable):
        each_photo(photos, "x", acting({"a": StoreUnavailable("disk")}, done))
    assert done == ["a"]


def test_a_missing_photo_is_seen_before_anything_is_done(photos: list[Path], tmp_path: Path) -> None:
    done: list[str] = []
    with pytest.raises(NotFound):
        each_photo([*photos, tmp_path / "typo.jpg"], "x", acting({}, done))
    assert done == []


def test_a_repeated_photo_is_an_error_of_its_own(photos: list[Path]) -> None:
    [outcome] = each_photo(photos[:1], "x", acting({"a": AlreadyExists("again")}, []))
    assert outcome.as_json(lambda _: {}) == {
        "photo": photos[0],
        "refused": "AlreadyExists",
        "message": "again",
    }


def test_pictures_of_one_name_are_numbered(tmp_path: Path) -> None:
    inputs = [tmp_path / name for name in ("x/a.jpg", "y/a.jpg", "y/A.png", "z/a-2.png", "x/a.jpg")]
    made = annotated_paths(inputs, tmp_path / "out")
    names = [made[path].name for path in dict.fromkeys(inputs)]
    assert names == ["a.png", "a-2.png", "A-3.png", "a-2-2.png"]
    assert len({name.lower() for name in names}) == 4


@pytest.mark.parametrize("folder", [".", "../photos", "link"])
def test_a_folder_that_holds_an_original_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "link").symlink_to(photos)
    monkeypatch.chdir(photos)
    with pytest.raises(UsageError, match="choose another folder"):
        annotated_paths([Path("a.jpg")], Path(folder))


def test_an_output_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    write_bytes(target, b"first")
    write_bytes(target, b"second")
    assert target.read_bytes() == b"second"
    for bad in (tmp_path, Path(), Path("/"), target / "below", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError, match="cannot write"):
            write_bytes(bad, b"data")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "a.json"]
