"""Records on SQLite in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.store import Records
from tests.builders import Clock


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite3"


@pytest.fixture
def url(database_path: Path) -> str:
    return f"sqlite:///{database_path}"


@pytest.fixture
def records(url: str, key_path: Path, clock: Clock) -> Iterator[Records]:
    with Records.open(url, key_path, clock=clock) as opened:
        yield opened
