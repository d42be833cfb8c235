from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assent.errors import AlreadyExists, ModelUnsupported
from assent.models.manifest import (
    DEFAULT_MODELS,
    MANIFEST_NAME,
    Kind,
    LocalSource,
    ModelEntry,
    PackageSource,
    UrlSource,
    all_entries,
    builtin_entries,
    parse_manifest,
    to_toml,
)

OWN: dict[str, Any] = {
    "name": "mine",
    "kind": "embedder",
    "family": "arcface",
    "file": "mine.onnx",
    "sha256": "a" * 64,
    "size_bytes": 3,
    "licence": 'own "words", ünïcode \\ and all',
    "source": {"type": "local"},
    "input_width": 112,
    "input_height": 112,
    "colour_order": "rgb",
    "mean": [127.5, 127.5, 127.5],
    "std": [128.0, 128.0, 128.0],
    "alignment": "arcface-112",
    "output_dim": 512,
}


def own(**changes: object) -> ModelEntry:
    return ModelEntry.model_validate({**OWN, **changes})


def test_the_built_in_entries_are_complete() -> None:
    entries = {entry.name: entry for entry in builtin_entries()}
    assert list(entries) == ["centerface", "dlib-resnet-v1", "dlib-shape-5", "yunet-2023mar", "sface-2021dec"]
    assert [name for name, entry in entries.items() if entry.is_default] == list(DEFAULT_MODELS)
    for entry in entries.values():
        assert entry.licence in {"MIT", "CC0-1.0", "Apache-2.0"}
        assert entry.licence_url.startswith("https://")
        assert not isinstance(entry.source, LocalSource)
        if isinstance(entry.source, UrlSource):
            assert entry.source.url.startswith("https://")
            assert entry.source.url.endswith(entry.file)
        if isinstance(entry.source, PackageSource):
            assert entry.source.member.endswith(entry.file)
            assert (entry.source.size_bytes or 0) > 0


def test_the_68_point_file_is_no_model_of_ours() -> None:
    """Its training data excludes commercial use."""
    assert not any("68" in entry.file for entry in builtin_entries())


@pytest.mark.parametrize("entry", [*builtin_entries(), own()], ids=lambda entry: entry.name)
def test_an_entry_survives_being_written(entry: ModelEntry) -> None:
    assert parse_manifest(to_toml(entry), "test") == (entry,)


def test_several_entries_can_be_appended() -> None:
    text = "# mine\n" + to_toml(own()) + "\n" + to_toml(own(name="other", file="other.onnx"))
    assert [entry.name for entry in parse_manifest(text, "test")] == ["mine", "other"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "Has Spaces"}, "name"),
        ({"name": "../up"}, "name"),
        ({"file": "../up.onnx"}, "file"),
        ({"file": "manifest.toml"}, "file"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"licence": ""}, "licence"),
        ({"licence": "two\nlines"}, "licence"),
        ({"family": "facenet"}, "family"),
        ({"kind": "detector"}, "is a embedder"),
        ({"colour_order": "grb"}, "colour_order"),
        ({"std": [1.0, 0.0, 1.0]}, "std must be positive"),
        ({"mean": [1.0]}, "mean"),
        ({"output_dim": None}, "an embedder needs"),
        ({"alignment": "mtcnn"}, "alignment"),
        ({"score_direction": "lower-is-alike"}, "score_direction"),
        ({"source": {"type": "url"}}, "url"),
        ({"source": {"type": "ftp", "url": "ftp://x"}}, "source"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_malformed_entry_is_named(changes: dict[str, object], complaint: str) -> None:
    fields = {key: value for key, value in {**OWN, **changes}.items() if value is not None}
    source = fields.pop("source")
    lines = [
        "[[models]]",
        *(f"{k} = {v!r}".replace("\\n", "\n") for k, v in fields.items()),
        "[models.source]",
    ]
    lines += [f"{k} = {v!r}" for k, v in source.items()]
    with pytest.raises(ModelUnsupported, match=r"my\.toml") as caught:
        parse_manifest("\n".join(lines), "my.toml")
    if "\n" not in str(changes.get("licence", "")):
        assert complaint in caught.value.message


def test_a_message_never_repeats_an_address() -> None:
    text = to_toml(own()).replace('type = "local"', 'type = "url"\nurl = "https://u:secret@host/\\u0001"')
    with pytest.raises(ModelUnsupported) as caught:
        parse_manifest(text, "my.toml")
    assert "secret" not in caught.value.message


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(ModelUnsupported, match="'mine' twice"):
        parse_manifest(to_toml(own()) * 2, "my.toml")


def test_what_is_not_toml_is_refused() -> None:
    with pytest.raises(ModelUnsupported, match=r"my\.toml: expected TOML"):
        parse_manifest("[[models", "my.toml")


def test_own_entries_come_after_the_built_in_ones(tmp_path: Path) -> None:
    assert all_entries(tmp_path / "absent") == builtin_entries()
    (tmp_path / MANIFEST_NAME).write_text(to_toml(own()), encoding="utf-8")
    assert all_entries(tmp_path) == (*builtin_entries(), own())
    assert all_entries(tmp_path)[-1].kind is Kind.EMBEDDER


@pytest.mark.parametrize(
    "changes", [{"name": "sface-2021dec"}, {"file": "face_recognition_sface_2021dec.onnx"}]
)
def test_a_built_in_name_or_file_is_taken(tmp_path: Path, changes: dict[str, object]) -> None:
    (tmp_path / MANIFEST_NAME).write_text(to_toml(own(**changes)), encoding="utf-8")
    with pytest.raises(AlreadyExists, match="built in"):
        all_entries(tmp_path)


def test_an_unreadable_manifest_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ModelUnsupported, match="UTF-8"):
        all_entries(tmp_path)
    (tmp_path / MANIFEST_NAME).unlink()
    (tmp_path / MANIFEST_NAME).mkdir()
    with pytest.raises(ModelUnsupported, match="expected a readable manifest"):
        all_entries(tmp_path)
