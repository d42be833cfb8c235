"""What goes wrong below: one clear line, what to do about it, and nothing half written."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import Pool

from assent.errors import AlreadyExists, AssentError, NoLiveConsent, StoreTooNew, StoreUnavailable, UsageError
from assent.store import Records
from assent.store.faults import translate
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, enrolled

pytestmark = pytest.mark.usefixtures("real_migrations")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///records.sqlite3?mode=ro",
        "mysql://user:secret@host/db",
        "postgresql+nonsense",
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, key_path: Path) -> None:
    with pytest.raises(UsageError, match="expected sqlite:///FILE or postgresql://") as caught:
        Records.open(url, key_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"\xff\xd8\xff\xe0" + bytes(5000)])
def test_a_file_that_is_no_database_is_left_alone(
    url: str, key_path: Path, database_path: Path, content
) -> None:
    database_path.parent.mkdir()
    database_path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="not an Assent database; choose another data folder"):
        Records.open(url, key_path)
    assert database_path.read_bytes() == content
    assert not key_path.exists()


def test_a_damaged_file_is_said(records: Records, url: str, key_path: Path, database_path: Path) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    records.close()
    raw = database_path.read_bytes()
    database_path.write_bytes(raw[:4096] + b"\x5a" * (len(raw) - 4096))
    with pytest.raises(StoreUnavailable, match="damaged; restore it from a backup"):
        Records.open(url, key_path)


def test_a_truncated_file_is_said(records: Records, url: str, key_path: Path, database_path: Path) -> None:
    records.close()
    database_path.write_bytes(database_path.read_bytes()[:6000])
    with pytest.raises(StoreUnavailable, match="damaged; restore it from a backup"):
        Records.open(url, key_path)


def test_another_programs_database_is_left_alone(url: str, key_path: Path, database_path: Path) -> None:
    database_path.parent.mkdir()
    connection = sqlite3.connect(database_path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(StoreUnavailable, match="another program's tables; choose another"):
        Records.open(url, key_path)
    assert not key_path.exists()


def test_a_newer_database_says_which_version_reads_it(
    records: Records, url: str, key_path: Path, database_path: Path
) -> None:
    connection = sqlite3.connect(database_path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
        connection.execute("UPDATE store SET assent_version = '3.1.0'")
    with pytest.raises(StoreTooNew, match=r"schema 0042, this is Assent .*; install Assent 3\.1\.0 or newer"):
        Records.open(url, key_path)
    with connection:
        connection.execute("ALTER TABLE store DROP COLUMN assent_version")
    with pytest.raises(StoreTooNew, match="install Assent of the version that wrote them or newer"):
        Records.open(url, key_path)
    connection.close()


def test_no_records_where_none_are_to_be_made(url: str, key_path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="found none; check the data folder's path"):
        Records.open(url, key_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_path_under_a_file_is_said(tmp_path: Path, key_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        StoreUnavailable, match=r"cannot use the records at .*: (Not a directory|File exists)"
    ):
        Records.open(f"sqlite:///{tmp_path / 'file' / 'records.sqlite3'}", key_path)


def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path, key_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://user:secret@/db?host={tmp_path}"
    with pytest.raises(StoreUnavailable, match="the server cannot be reached; check that it runs") as caught:
        Records.open(url, key_path)
    assert "secret" not in str(caught.value)
    assert not key_path.exists()


def _in_child(work: Callable[[], object], *, prepare: Callable[[], object] = lambda: None) -> str:
    """Run ``work`` in a process of its own after ``prepare``; what it raised, as text."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "nothing raised"
        try:
            prepare()
            work()
        except AssentError as error:
            text = f"{type(error).__name__}: {error}"
        except BaseException as error:  # noqa: BLE001 - the child must not go on as a second test run
            text = f"unexpected {error!r}"
        finally:
            os.write(write_fd, text.encode())
            os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd) as report:
        text = report.read()
    os.waitpid(pid, 0)
    return text


@pytest.fixture
def world_readable() -> Iterator[Path]:
    """A folder that everybody may read and only its owner change."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _give_up_root() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_unwritable_folder_is_said(world_readable: Path) -> None:
    data = world_readable / "data"
    data.mkdir()
    data.chmod(0o555)
    url, key_path = f"sqlite:///{data / 'records.sqlite3'}", world_readable / "keys" / "master.key"
    said = _in_child(lambda: Records.open(url, key_path), prepare=_give_up_root)
    assert (
        said == f"StoreUnavailable: cannot use the records at {data / 'records.sqlite3'}: Permission denied"
    )
    assert list(data.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_key_folder_that_may_not_be_entered_is_said(world_readable: Path) -> None:
    data, key_path = world_readable / "data", world_readable / "keys" / "master.key"
    url = f"sqlite:///{data / 'records.sqlite3'}"
    with Records.open(url, key_path):
        pass
    data.chmod(0o777)
    (data / "records.sqlite3").chmod(0o666)
    key_path.parent.chmod(0o000)
    said = _in_child(lambda: Records.open(url, key_path), prepare=_give_up_root)
    key_path.parent.chmod(0o700)
    assert said == f"KeyMissing: cannot read the key file {key_path}: Permission denied"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_read_only_database_is_said(world_readable: Path) -> None:
    data, key_path = world_readable / "data", world_readable / "keys" / "master.key"
    url = f"sqlite:///{data / 'records.sqlite3'}"
    with Records.open(url, key_path):
        pass
    for path in (data, key_path.parent):
        path.chmod(0o555)
    for path in (*data.iterdir(), key_path):
        path.chmod(0o444)
    said = _in_child(lambda: Records.open(url, key_path), prepare=_give_up_root)
    assert said.startswith("StoreUnavailable: cannot use the records at ")
    assert "writable" in said


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("spare_bytes", [0, 10_000, 100_000])
def test_a_disk_that_refuses_to_grow_leaves_nothing_half_written(
    records: Records, url: str, key_path: Path, database_path: Path, clock: Clock, spare_bytes: int
) -> None:
    """The operating system itself stops every file at a size."""
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    records.close()
    limit = database_path.stat().st_size + spare_bytes

    def fill() -> None:
        with Records.open(url, key_path, clock=clock) as child:
            for number in range(10_000):
                with child.transaction() as tx:
                    enrolled(tx, f"q-{number}", 10 + number)

    def stop_growth() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = _in_child(fill, prepare=stop_growth)
    assert said.startswith("StoreUnavailable: cannot use the records at ")
    assert "disk" in said
    _check_whole(url, key_path, clock)


def test_a_full_database_says_so_and_can_go_on(
    url: str, key_path: Path, clock: Clock, database_path: Path
) -> None:
    with Records.open(url, key_path, clock=clock) as records, records.transaction() as tx:
        enrolled(tx, "p-1", *range(2000, 2030))
    limit = f"PRAGMA max_page_count={database_path.stat().st_size // 4096 + 2}"

    def set_limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(limit)

    event.listen(Pool, "connect", set_limit)
    try:
        with Records.open(url, key_path, clock=clock) as records:
            with pytest.raises(
                StoreUnavailable, match=r"disk is full; free some space .* nothing was half written"
            ):
                _fill(records)
            with records.transaction() as tx:
                tx.withdraw(tx.consents("p-1")[0].id)  # a no frees what its proof needs
    finally:
        event.remove(Pool, "connect", set_limit)
    _check_whole(url, key_path, clock)


def _fill(records: Records) -> None:
    for number in range(1000):
        with records.transaction() as tx:
            enrolled(tx, f"q-{number}", 10 + number)


def _check_whole(url: str, key_path: Path, clock: Clock) -> None:
    """Everybody added has their consent, template, mean and log entries."""
    with Records.open(url, key_path, clock=clock) as records, records.reading() as reading:
        refs = {person.ref for person in reading.people()}
        live = {consent.person_ref for consent in reading.consents() if consent.is_live(reading.now)}
        assert live <= refs
        assert set(reading.gallery_rows(COLLECTION).person_refs) == live
        assert len(reading.templates(COLLECTION)) == len(live)
        assert len(reading.log_entries(kind="person.added")) == len(refs)


class _ServerError(Exception):
    def __init__(self, sqlstate: str | None, text: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "said"),
    [
        (None, "cannot be reached"),
        ("08006", "cannot be reached"),
        ("28P01", "refused the user or password"),
        ("3D000", "does not exist"),
        ("42501", "may not do this"),
        ("53100", "disk is full"),
        ("53300", "out of resources"),
        ("55P03", "locked too long"),
        ("40P01", "in favour of another"),
        ("57P01", "shutting down"),
        ("XX000", "SQLSTATE XX000"),
    ],
)
def test_a_servers_error_is_put_in_words(sqlstate: str | None, said: str) -> None:
    below = _ServerError(sqlstate)
    error = translate(sa.exc.OperationalError("SELECT 1", {}, below), "the server")
    assert isinstance(error, StoreUnavailable)
    assert said in str(error)


def test_a_triggers_refusal_keeps_its_meaning() -> None:
    below = sqlite3.IntegrityError("assent: consent-withdrawn")
    assert isinstance(translate(sa.exc.IntegrityError("", {}, below), ""), NoLiveConsent)
    below_unknown = sqlite3.IntegrityError("assent: log-is-append-only")
    refused = translate(sa.exc.IntegrityError("", {}, below_unknown), "")
    assert "log-is-append-only" in str(refused)
    below_unique = sqlite3.IntegrityError("UNIQUE constraint failed")
    assert isinstance(translate(sa.exc.IntegrityError("", {}, below_unique), ""), AlreadyExists)


def test_no_name_is_in_a_database_error(records: Records) -> None:
    with pytest.raises(AssentError) as caught, records.transaction() as tx:
        tx._connection.execute(sa.text("INSERT INTO nowhere VALUES (:name)"), {"name": "Ada Lovelace"})
    assert "Ada" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}"
