"""Opening the records, and transactions on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from assent.errors import KeyMissing, StoreUnavailable
from assent.store import database
from assent.store.crypto import Vault, new_key
from assent.store.faults import translated, translated_files
from assent.store.keys import KeyFile, MasterKey
from assent.store.log import checked_actor
from assent.store.schema import store
from assent.store.scope import new_id
from assent.store.transaction import Reading, Transaction
from assent.store.values import RotationRecord
from assent.version import __version__

_SCRUB_WAIT_S = 1.0


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _State:
    """What changes while the records are open; shared by every view of them."""

    vault: Vault
    has_logged: bool = False
    needs_scrub: bool = False


class Records:
    """The records of one store: a database and, apart from it, a key file.

    Threads may share one; after a fork, open anew. Writers take turns: a write transaction waits for the one
    before it, on SQLite and on PostgreSQL alike, which keeps the log in one order and cannot deadlock.

        with Records.open(url, key_path) as records, records.transaction() as tx:
            tx.add_person("p-17")
    """

    def __init__(
        self,
        engine: Engine,
        key_file: KeyFile,
        vault: Vault,
        clock: Callable[[], datetime],
        where: str,
        actor: str | None = None,
    ) -> None:
        self._engine = engine
        self._key_file = key_file
        self._clock = clock
        self._where = where
        self._actor = actor
        self._state = _State(vault)

    def acting_as(self, actor: str) -> Records:
        """The same records, with everything done through them logged as ``actor``'s.

        Raises:
            UsageError: a malformed actor.
        """
        view = copy.copy(self)
        view._actor = checked_actor(actor)
        return view

    @classmethod
    def open(
        cls,
        url: str,
        key_path: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        actor: str | None = None,
        create: bool = True,
        lock_timeout_s: float = 10.0,
    ) -> Records:
        """Open the records, making or upgrading them where needed.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.
            key_path: the key file; made together with the records and never again.
            clock: gives the aware time; asked once a transaction.
            actor: who acts, for the log, where a transaction names nobody: an id, not a name.
            create: whether to make records where there are none.
            lock_timeout_s: how long to wait for another writer, seconds.

        Raises:
            KeyMissing: the key file is gone, unreadable, garbled, or another store's.
            StoreTooNew: a newer version of Assent wrote the records.
            StoreUnavailable: they cannot be opened, read or written.
            UsageError: another kind of database, its driver is not installed, or a malformed actor.
        """
        checked_actor(actor)
        parsed = database.parse_url(url)
        where, key_file = database.shown(parsed), KeyFile(key_path)
        with translated(where), translated_files(where):
            if database.is_sqlite(parsed):
                database.prepare_file(parsed, create=create)
            engine = database.make_engine(parsed, lock_timeout_s=lock_timeout_s)
            try:
                vault = _open_vault(engine, key_file, clock, where, create=create)
                records = cls(engine, key_file, vault, clock, where, actor)
                records._finish_what_was_interrupted()
            except BaseException:
                engine.dispose()
                raise
        return records

    @property
    def store_id(self) -> str:
        """The store's random UUID."""
        return self._state.vault.store_id

    @property
    def has_logged(self) -> bool:
        """Whether anything was appended to the log through this object."""
        return self._state.has_logged

    def close(self) -> None:
        """Close every connection. Nothing is lost: what was committed is on the disk."""
        with translated(self._where):
            if self._state.needs_scrub:
                self._try_scrub(wait_s=0.0)
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self, *, actor: str | None = None) -> Iterator[Transaction]:
        """A write transaction: committed at the end of the block, undone where it raises.

        Args:
            actor: who acts, for the log: an id, not a name; the one given to ``open`` where None.

        Raises:
            UsageError: a malformed actor.
            KeyMissing: the keys were rotated elsewhere and the key file here has not the new one.
            StoreUnavailable: the database cannot be written, or stayed locked too long.
        """
        who = checked_actor(actor) or self._actor
        with translated(self._where):
            with self._engine.begin() as connection:
                transaction = Transaction(connection, self._current_vault(connection), self._now(), who)
                yield transaction
            self._state.has_logged |= transaction.has_logged
            if transaction.has_destroyed or self._state.needs_scrub:
                self._try_scrub(wait_s=_SCRUB_WAIT_S if transaction.has_destroyed else 0.0)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only snapshot: what one block reads belongs to one moment.

        Raises:
            KeyMissing: the keys were rotated elsewhere and the key file here has not the new one.
            StoreUnavailable: the database cannot be read.
        """
        options: dict[str, Any] = {"assent_reading": True}
        if self._engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            translated(self._where),
            self._engine.connect().execution_options(**options) as connection,
        ):
            vault = self._begin_reading(connection)
            yield Reading(connection, vault, self._now())

    @property
    def needs_scrub(self) -> bool:
        """Whether bytes of what was deleted may still be in the database's files; ``scrub`` sees to it."""
        return self._state.needs_scrub

    def scrub(self) -> bool:
        """Get the bytes of what was deleted off the disk, as far as the database can.

        Done after every transaction that destroys something, and again after later ones and at closing and opening
        where it could not be done then. On PostgreSQL see what does not hold in ``docs/decisions/0003-keys.md``.

        Returns:
            False where another process is reading an older snapshot, whose pages must stay for now.

        Raises:
            StoreUnavailable: the disk refuses.
        """
        with translated(self._where):
            is_done = database.scrub(self._engine, wait_s=_SCRUB_WAIT_S)
        self._state.needs_scrub = not is_done
        return is_done

    def _try_scrub(self, *, wait_s: float) -> None:
        """``scrub``, to be tried again where it fails: what was committed stands, and must not look undone."""
        self._state.needs_scrub = True
        with suppress(StoreUnavailable), translated(self._where):
            self._state.needs_scrub = not database.scrub(self._engine, wait_s=wait_s)

    def rotate_master_key(self) -> RotationRecord:
        """Replace the master key and all collection keys, so that no older backup can be read.

        Templates stay sealed as they are; their people's keys are wrapped anew. Killed at any step, the
        records can be opened with the key file as it is. Copies of the old key file are yours to destroy.
        Logged as ``keys.rotated``.

        Raises:
            KeyMissing: the key file is gone or not this store's.
            StoreUnavailable: the database or the key file cannot be written.
        """
        with self.transaction() as transaction:
            fresh = Vault(self.store_id, new_key())
            # first the key file, then the records: whichever of the two keys they name is then in the file
            self._key_file.add(MasterKey(fresh.store_id, fresh.master_key))
            record = transaction.replace_keys(fresh)
        self._state.vault = fresh
        self._drop_old_keys()
        return record

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _current_vault(self, connection: Connection) -> Vault:
        """The master key that the records name now, for a writer; on PostgreSQL it takes its turn here."""
        query = sa.select(store.c.master_key_id, store.c.key_check).with_for_update()
        return self._vault_of(connection.execute(query).one())

    def _begin_reading(self, connection: Connection) -> Vault:
        """Begin a snapshot whose master key is at hand.

        The snapshot may name a key that another rotation drops before the key file is read. A later snapshot
        names another one then; where it names the same one, that key is missing.
        """
        missing_id: str | None = None
        while True:
            snapshot = connection.begin()
            row = connection.execute(sa.select(store.c.master_key_id, store.c.key_check)).one()
            try:
                return self._vault_of(row)
            except KeyMissing:
                if row.master_key_id == missing_id:
                    raise
                missing_id = row.master_key_id
                snapshot.rollback()

    def _vault_of(self, row: sa.Row[str, bytes]) -> Vault:
        """The vault of the master key that a row of ``store`` names."""
        vault = self._state.vault  # read once: other threads may replace it, for a newer or an older snapshot
        if row.master_key_id != vault.key_id:
            vault = self._key_file.vault(self.store_id, row.master_key_id, row.key_check)
            self._state.vault = vault
        return vault

    def _drop_old_keys(self) -> None:
        """Leave in the key file only the key that the records name, under the writers' lock."""
        with translated(self._where), translated_files(self._where), self._engine.begin() as connection:
            self._key_file.keep_only(self.store_id, self._current_vault(connection).key_id)

    def _finish_what_was_interrupted(self) -> None:
        """What a killed process may have left: pages of deleted rows, the old key of a rotation."""
        if not self._is_write_ahead_log_empty():
            self._try_scrub(wait_s=0.0)
        if self._key_file.num_keys(self.store_id) > 1:
            with suppress(StoreUnavailable):  # a key file that cannot be written can still be used
                self._drop_old_keys()

    def _is_write_ahead_log_empty(self) -> bool:
        if self._engine.dialect.name != "sqlite":
            return True
        log = Path(f"{self._engine.url.database}-wal")
        return not log.exists() or log.stat().st_size == 0


def _open_vault(
    engine: Engine, key_file: KeyFile, clock: Callable[[], datetime], where: str, *, create: bool
) -> Vault:
    """Bring the schema up to date and open the master key, making both where there are none."""
    with engine.connect().execution_options(assent_reading=True) as connection:
        is_ready = database.check_revision(connection, where)
        row = connection.execute(sa.select(store)).one_or_none() if is_ready else None
    if row is None:
        with engine.begin() as connection:
            database.await_turn_to_migrate(connection)
            # another process may have made or upgraded them meanwhile
            if not database.check_revision(connection, where):
                if database.current_revision(connection, where) is None and not create:
                    raise StoreUnavailable(f"expected records at {where}, found none; check the address")
                database.migrate(connection)
                connection.execute(sa.update(store).values(assent_version=__version__))
            row = connection.execute(sa.select(store)).one_or_none()
            if row is None:
                return _first_vault(connection, key_file, clock())
    while True:
        try:
            return key_file.vault(row.store_id, row.master_key_id, row.key_check)
        except KeyMissing:
            # Another process may have rotated the keys since the row was read: then the records name another one now.
            with engine.connect().execution_options(assent_reading=True) as connection:
                now = connection.execute(sa.select(store)).one()
            if now.master_key_id == row.master_key_id:
                raise
            row = now


def _first_vault(connection: Connection, key_file: KeyFile, now: datetime) -> Vault:
    """A new store's identity and key; the key is on the disk before the records that need it."""
    vault = Vault(new_id(), new_key())
    key_file.add(MasterKey(vault.store_id, vault.master_key))
    connection.execute(
        sa.insert(store).values(
            id=1,
            store_id=vault.store_id,
            created_at=now,
            assent_version=__version__,
            master_key_id=vault.key_id,
            key_check=vault.check_value(),
        )
    )
    return vault
