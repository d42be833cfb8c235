"""The same tests on every implementation: here, records on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from assent.store import Records, database
from assent.store.schema import metadata
from tests.builders import Clock
from tests.conformance.postgres import NoServerError, PostgresServer, temporary_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for each test process; skips with the reason where there can be none."""
    try:
        context = temporary_server()
        server = context.__enter__()
    except NoServerError as reason:
        pytest.skip(str(reason))
    yield server
    context.__exit__(None, None, None)


def _migrate(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        database.migrate(connection)
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with our schema, copied for each test: migrating for every test takes ten times longer."""
    path = tmp_path_factory.mktemp("sqlite") / "records.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """A database with our schema, emptied between tests, for the same reason."""
    name = postgres_server.create_database()
    _migrate(postgres_server.url(name))
    return name


@pytest.fixture(autouse=True)
def migrated_here(real_migrations: None) -> None:
    """Here, every new store is migrated."""


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with our schema and nothing in it."""
    if request.param == "sqlite":
        path = tmp_path / "data" / "records.sqlite3"
        path.parent.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_file"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name: str = request.getfixturevalue("postgres_database")
    server.empty_tables(name, [table.name for table in metadata.sorted_tables])
    return server.url(name)


@pytest.fixture(params=BOTH)
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def records(database_url: str, key_path: Path, clock: Clock) -> Iterator[Records]:
    with Records.open(database_url, key_path, clock=clock) as opened:
        yield opened
