"""What the tests' stores begin with is what migrations make."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from assent.store import Records, database
from tests.builders import Clock
from tests.stores import SchemaWriter


def schema_of(path: Path) -> tuple[set[tuple[str, ...]], dict[str, int], list[object]]:
    """What the file's schema is made of, how many rows each table has, and the settings kept in the file."""
    connection = sqlite3.connect(path)
    try:
        schema = set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        tables = [name for (kind, name, *_rest) in schema if kind == "table"]
        rows = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
        pragmas = ("user_version", "application_id", "journal_mode", "auto_vacuum", "page_size", "encoding")
        kept = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
        return schema, rows, [*kept, *connection.execute("SELECT version_num FROM alembic_version")]
    finally:
        connection.close()


def test_a_written_schema_is_the_migrated_one(
    real_migrations: None,
    schema_writer: SchemaWriter,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clock: Clock,
) -> None:
    for name in ("migrated", "written"):
        url, keys = f"sqlite:///{tmp_path / name / 'records.sqlite3'}", tmp_path / f"{name}.keys"
        Records.open(url, keys / "master.key", clock=clock).close()
        monkeypatch.setattr(database, "migrate", schema_writer)
    migrated, written = (schema_of(tmp_path / name / "records.sqlite3") for name in ("migrated", "written"))
    assert len(migrated[0]) > 50
    assert written == migrated


def test_what_is_not_empty_is_migrated(tmp_path: Path) -> None:
    asked: list[str] = []
    writer = SchemaWriter(lambda connection: asked.append(connection.dialect.name))
    engine = database.make_engine(database.parse_url(f"sqlite:///{tmp_path / 'old'}"), lock_timeout_s=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE store (id INTEGER)")
        writer(connection)
    engine.dispose()
    assert asked == ["sqlite"]
