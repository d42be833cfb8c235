"""Folders as buckets, and every way out of them closed."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import ObjectTooLarge, ObjectUnavailable
from assent.objects import FolderBuckets, open_objects
from tests.builders import make_settings

OUTSIDE = b"a secret outside"


@pytest.fixture
def buckets(tmp_path: Path) -> FolderBuckets:
    root = tmp_path / "buckets"
    (root / "club" / "2026").mkdir(parents=True)
    (root / "club" / "party.jpg").write_bytes(b"party")
    (root / "club" / "2026" / "très long.jpg").write_bytes(b"nested")
    (root / "club" / "empty").write_bytes(b"")
    (root / "secret.txt").write_bytes(OUTSIDE)
    (tmp_path / "secret.txt").write_bytes(OUTSIDE)
    (root / "other").mkdir()
    (root / "other" / "key").write_bytes(OUTSIDE)
    return FolderBuckets(root)


def read(buckets: FolderBuckets, bucket: str, key: str, *, max_bytes: int = 100) -> bytes:
    return buckets.read(bucket, key, max_bytes=max_bytes)


def test_an_objects_bytes(buckets: FolderBuckets) -> None:
    assert read(buckets, "club", "party.jpg") == b"party"
    assert read(buckets, "club", "2026/très long.jpg") == b"nested"
    assert read(buckets, "club", "empty") == b""


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("club", "nothing.jpg"),
        ("nowhere", "party.jpg"),
        ("club", "2026"),
        ("club", "2026/"),
        ("club", "/party.jpg"),
        ("club", "2026//très long.jpg"),
        ("club", "../secret.txt"),
        ("club", "../../secret.txt"),
        ("club", "2026/../party.jpg"),
        ("club", "./party.jpg"),
        ("club", ".."),
        ("club", "../other/key"),
        ("club", "party.jpg/more"),
        ("club", "party.jpg\0.png"),
        ("club", ""),
        ("club", "x" * 1025),
        ("club", "x" * 300),
        ("club", "\ud800"),
        ("..", "secret.txt"),
        (".", "secret.txt"),
        ("../club", "party.jpg"),
        ("club/2026", "très long.jpg"),
        ("cl", "party.jpg"),
        ("club\n", "party.jpg"),
        (".hidden", "x"),
        ("a..b", "x"),
        ("x" * 256, "x"),
        ("/etc", "passwd"),
    ],
)
def test_what_is_not_there_or_leads_elsewhere(buckets: FolderBuckets, bucket: str, key: str) -> None:
    with pytest.raises(ObjectUnavailable) as refused:
        read(buckets, bucket, key)
    assert "secret" not in refused.value.message


def test_links_are_not_followed(buckets: FolderBuckets, tmp_path: Path) -> None:
    root = buckets.root
    (root / "club" / "file-link").symlink_to(tmp_path / "secret.txt")
    (root / "club" / "folder-link").symlink_to(tmp_path)
    (root / "club" / "inner-link").symlink_to(root / "club" / "party.jpg")
    (root / "bucket-link").symlink_to(tmp_path)
    for bucket, key in (
        ("club", "file-link"),
        ("club", "folder-link/secret.txt"),
        ("club", "inner-link"),
        ("bucket-link", "secret.txt"),
    ):
        with pytest.raises(ObjectUnavailable):
            read(buckets, bucket, key)


def test_what_is_no_file_does_not_hold_us_up(buckets: FolderBuckets) -> None:
    os.mkfifo(buckets.root / "club" / "pipe")
    outcome: list[str] = []

    def ask() -> None:
        try:
            read(buckets, "club", "pipe")
        except ObjectUnavailable:
            outcome.append("refused")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(5)
    assert outcome == ["refused"]


def test_no_more_than_the_limit_is_read(buckets: FolderBuckets) -> None:
    assert read(buckets, "club", "party.jpg", max_bytes=5) == b"party"
    with pytest.raises(ObjectTooLarge, match="at most 4 bytes"):
        read(buckets, "club", "party.jpg", max_bytes=4)
    with (buckets.root / "club" / "huge").open("wb") as file:
        file.truncate(2**40)  # a terabyte that takes no room: read whole it would take all memory
    with pytest.raises(ObjectTooLarge):
        read(buckets, "club", "huge", max_bytes=2**20)


def test_versions_are_not_kept(buckets: FolderBuckets) -> None:
    with pytest.raises(ObjectUnavailable, match="expected no version"):
        buckets.read("club", "party.jpg", version="1", max_bytes=100)


def test_no_descriptor_is_left_open(buckets: FolderBuckets) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for key in ("party.jpg", "2026/très long.jpg", "nothing", "2026", "2026/nothing/x"):
        for _ in range(5):
            with contextlib.suppress(ObjectUnavailable, ObjectTooLarge):
                read(buckets, "club", key, max_bytes=5)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@given(
    bucket=st.text(max_size=12), key=st.text(max_size=24) | st.from_regex(r"(\.\.?/|[a-z]/|/){1,6}[a-z.]*")
)
def test_any_name(tmp_path_factory: pytest.TempPathFactory, bucket: str, key: str) -> None:
    root = tmp_path_factory.getbasetemp() / "any-name"
    (root / "in" / "club").mkdir(parents=True, exist_ok=True)
    (root / "a").write_bytes(OUTSIDE)
    for name in (bucket, "club"):
        with pytest.raises(ObjectUnavailable):
            FolderBuckets(root / "in").read(name, key, max_bytes=100)


def test_folders_are_the_default(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, tmp_path)
    store = open_objects(settings)
    assert isinstance(store, FolderBuckets)
    assert store.root == settings.data_dir / "buckets"
    with pytest.raises(ObjectUnavailable, match="ASSENT_OBJECTS_DIR"):
        store.read("club", "party.jpg", max_bytes=1)
