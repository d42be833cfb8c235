"""Opening a database: its address, its settings, its schema."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url

from assent.errors import StoreTooNew, StoreUnavailable, UsageError
from assent.store.migrations import HEAD, REVISIONS
from assent.version import __version__

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_MIGRATION_LOCK = 0x617373656E74  # "assent": one number for PostgreSQL's advisory locks

# secure_delete zeroes what is deleted; FULL survives a power cut; temporary tables stay off the disk
_PRAGMAS = (
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",  # KiB: a gallery of 10,000 stays in memory while it is joined
)


def parse_url(url: str) -> URL:
    """The database's address with its driver.

    Raises:
        UsageError: not SQLite in a file, and not PostgreSQL.
    """
    expected = "expected sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise UsageError(f"the database URL cannot be read; {expected}") from error
    backend = parsed.get_backend_name() if parsed.drivername != "postgres" else "postgres"
    if backend not in _DRIVERS:
        raise UsageError(f"{expected}, got {backend}")
    if backend == "sqlite" and (not parsed.database or parsed.database == ":memory:" or parsed.query):
        raise UsageError(f"records live in a file; {expected}")
    return parsed.set(drivername=_DRIVERS[backend])


def shown(url: URL) -> str:
    """The address for messages: SQLite's file, or the URL without its password."""
    return str(url.database) if is_sqlite(url) else url.render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    """Whether the address is a file's."""
    return url.get_backend_name() == "sqlite"


def prepare_file(url: URL, *, create: bool) -> None:
    """Make SQLite's folder (0700) and file (0600) where they are to be made.

    Raises:
        StoreUnavailable: there is no file and none is to be made.
        OSError: the folder or file cannot be made.
    """
    path = Path(str(url.database))
    if path.exists():
        return
    if not create:
        raise StoreUnavailable(f"expected records at {path}, found none; check the data folder's path")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its -wal and -shm files the permissions of the database
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def make_engine(url: URL, *, lock_timeout_s: float) -> Engine:
    """An engine with our settings; connects on first use.

    Raises:
        UsageError: PostgreSQL's driver is not installed.
    """
    if is_sqlite(url):
        engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": lock_timeout_s})
        event.listen(engine, "connect", lambda opened, _record: _set_up_sqlite(opened, lock_timeout_s))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = f"-c lock_timeout={int(lock_timeout_s * 1000)} -c timezone=UTC"
    try:
        return sa.create_engine(
            url, hide_parameters=True, connect_args={"connect_timeout": 10, "options": options}
        )
    except ModuleNotFoundError as error:
        raise UsageError("PostgreSQL needs its driver; run: pip install 'assent[postgres]'") from error


def _set_up_sqlite(connection: sqlite3.Connection, lock_timeout_s: float) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite, not when the driver thinks fit
    _enter_wal(connection, time.monotonic() + lock_timeout_s)
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _enter_wal(connection: sqlite3.Connection, deadline_s: float) -> None:
    """Turn write-ahead logging on. A file on its way there is "locked" at once, without the driver's timeout."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a transaction that reads before it writes cannot be refused
    # halfway
    is_reading = connection.get_execution_options().get("assent_reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def current_revision(connection: Connection, where: str) -> str | None:
    """The schema's revision, or None where the database is empty.

    Raises:
        StoreUnavailable: it holds another program's tables.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "store"} <= tables:
        raise StoreUnavailable(
            f"expected records or an empty database at {where}, found another program's tables; choose another"
        )
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return None if revision is None else str(revision)


def check_revision(connection: Connection, where: str) -> bool:
    """Whether the schema is this version's; False where it is older or not there yet.

    Raises:
        StoreTooNew: a newer version of Assent wrote it.
        StoreUnavailable: it holds another program's tables.
    """
    revision = current_revision(connection, where)
    if revision is None or revision in REVISIONS:
        return revision == HEAD
    raise StoreTooNew(
        f"the records at {where} have schema {revision}, this is Assent {__version__}, which knows up to {HEAD}; "
        f"install Assent {_writer(connection)} or newer"
    )


def _writer(connection: Connection) -> str:
    """The version that last migrated the records, in words where it cannot be told."""
    columns = {column["name"] for column in sa.inspect(connection).get_columns("store")}
    version = None
    if "assent_version" in columns:
        version = connection.exec_driver_sql("SELECT assent_version FROM store").scalar_one_or_none()
    return str(version or "of the version that wrote them")


def await_turn_to_migrate(connection: Connection) -> None:
    """Hold other openers off until this transaction ends; on SQLite it holds the write lock already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")


def migrate(connection: Connection) -> None:
    """Bring the schema to this version's, within the connection's transaction."""
    from alembic import command  # a tenth of a second, needed once in a store's life
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def scrub(engine: Engine, *, wait_s: float) -> bool:
    """Get the bytes of what was deleted off the disk, as far as the database can.

    SQLite: write the log back and truncate it to nothing. PostgreSQL: VACUUM the tables that held keys, templates
    and names; its write-ahead log and the free space in its pages are not ours to clear.

    Args:
        engine: of the records.
        wait_s: how long to wait for readers of an older snapshot.

    Returns:
        Whether it was done; False where another process is still reading an older snapshot.
    """
    if engine.dialect.name == "sqlite":
        return _truncate_write_ahead_log(engine, wait_s)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "VACUUM (SKIP_LOCKED) templates, user_vectors, person_keys, collections, people, store, jobs, job_matches, "
            "job_outputs, live_events, place_cameras, gallery_snapshots"
        )
    return True


def _truncate_write_ahead_log(engine: Engine, wait_s: float) -> bool:
    pooled = engine.raw_connection()
    cursor = pooled.cursor()
    try:
        [usual_ms] = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={int(wait_s * 1000)}")
        try:
            [busy, _, _] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={usual_ms}")
    finally:
        cursor.close()
        pooled.close()
    return not busy
