"""The schema: models and migrations agree, and the database itself refuses what must not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import assent.store.migrations as migrations
from assent import __version__
from assent.errors import NoLiveConsent, StoreTooNew, StoreUnavailable, WrongPurpose
from assent.store import Records, schema
from assent.store.migrations import HEAD, REVISIONS
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, agree, enrolled, make_collection


@pytest.fixture
def engine(database_url: str, records: Records) -> Any:
    """Raw access, as a bug or another program would have it."""
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


def test_models_and_migrations_agree(new_database_url: str, key_path: Path) -> None:
    with Records.open(new_database_url, key_path):
        pass
    engine = sa.create_engine(new_database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        checks = sa.inspect(connection).get_check_constraints("store")
        assert [check["sqltext"].strip("()") for check in checks] == ["id = 1"]
    engine.dispose()


def test_every_revision_is_listed() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    script = ScriptDirectory.from_config(config)
    listed = [revision.revision for revision in script.walk_revisions()]
    assert listed[::-1] == list(REVISIONS)
    assert script.get_current_head() == HEAD


def test_streams_of_before_belong_to_whoever_started_them(
    new_database_url: str, key_path: Path, clock: Clock
) -> None:
    with Records.open(new_database_url, key_path, clock=clock) as records, records.transaction() as tx:
        make_collection(tx)
        tx.add_place("door", collection_name=COLLECTION, responsible="The Club")
        tx.set_camera("door", "front", "clip.mkv")
        key = tx.add_access_key("desk", ["searcher"]).key
        for name, actor in (("a", key.actor), ("b", "os-user-1000"), ("c", None)):
            tx.add_stream(name, place_name="door", camera="front")
            of_name = schema.live_streams.c.name == name
            tx._connection.execute(sa.update(schema.live_streams).where(of_name).values(actor=actor))
    engine = sa.create_engine(new_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE live_streams DROP COLUMN key_id")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
    engine.dispose()
    with Records.open(new_database_url, key_path, clock=clock) as records, records.reading() as reading:
        assert [stream.key_id for stream in reading.streams()] == [key.id, None, None]


def test_a_new_database_is_made_and_opened_again(new_database_url: str, key_path: Path, clock: Clock) -> None:
    with Records.open(new_database_url, key_path, clock=clock) as records:
        store_id = records.store_id
        with records.transaction() as tx:
            enrolled(tx, "p-1", 1)
    with Records.open(new_database_url, key_path, clock=clock, create=False) as records:
        assert records.store_id == store_id
        with records.reading() as reading:
            assert len(reading.gallery_rows(COLLECTION)) == 1


def test_nothing_is_made_unless_asked(new_database_url: str, key_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="found none"):
        Records.open(new_database_url, key_path, create=False)
    assert not key_path.exists()
    with Records.open(new_database_url, key_path):
        pass


def test_a_newer_schema_is_refused_with_the_version_that_reads_it(
    database_url: str, key_path: Path, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("UPDATE store SET assent_version = '7.5.0'")
    try:
        with pytest.raises(StoreTooNew, match=r"schema 9999.*Assent .*install Assent 7\.5\.0 or newer"):
            Records.open(database_url, key_path)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")


def test_the_version_that_wrote_is_kept(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(sa.select(schema.store.c.assent_version)).scalar_one() == __version__


def test_there_is_one_store_in_a_database(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        row = dict(connection.execute(sa.select(schema.store)).mappings().one())
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(schema.store).values({**row, "id": 2}))


def _template_values(reading: Any, **changes: Any) -> dict[str, Any]:
    """A raw template row for p-1, whose key is there."""
    person = reading.person("p-1")
    return {
        "id": "00000000-0000-0000-0000-000000000001",
        "collection_id": reading.collection(COLLECTION).id,
        "person_id": person.id,
        "sealed": b"x",
        "image_mac": b"y",
        "quality": "{}",
        "created_at": reading.now,
        **changes,
    }


@pytest.mark.parametrize("which", ["none", "withdrawn", "of-another", "other-purpose"])
def test_the_database_refuses_a_template_without_consent(records: Records, which: str) -> None:
    """Promise 1, held against a bug above: rows are inserted without asking the code."""
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
        consents = {
            "none": None,
            "withdrawn": agree(tx, "p-1").id,
            "of-another": agree(tx, "p-2").id,
            "other-purpose": agree(tx, "p-1", purpose="newsletter").id,
        }
        tx.withdraw(str(consents["withdrawn"]))
    expected = {
        "none": Exception,  # NOT NULL
        "withdrawn": NoLiveConsent,
        "of-another": NoLiveConsent,
        "other-purpose": WrongPurpose,
    }
    with pytest.raises(expected[which]):
        _insert_raw(records, consent_id=consents[which])
    with records.reading() as reading:
        assert len(reading.templates(COLLECTION)) == 1


def _insert_raw(records: Records, **changes: Any) -> None:
    with records.transaction() as tx:
        tx._connection.execute(sa.insert(schema.templates).values(_template_values(tx, **changes)))


def test_the_raw_row_would_do_with_a_consent(records: Records) -> None:
    """So that the refusals above are for the consent and nothing else."""
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
    _insert_raw(records, consent_id=made.consent.id)


REFUSED = {
    "template moved to another consent": "UPDATE templates SET consent_id = '{other_consent}'",
    "template moved to another person": "UPDATE templates SET person_id = '{other_person}'",
    "consent deleted": "DELETE FROM consents WHERE id = '{ended}'",
    "consent revived": "UPDATE consents SET withdrawn_at = NULL WHERE id = '{ended}'",
    "withdrawal moved": "UPDATE consents SET withdrawn_at = '2030' WHERE id = '{ended}'",
    "term prolonged": "UPDATE consents SET expires_at = '2099-01-01T00:00:00.000000Z'",
    "purpose changed": "UPDATE consents SET purpose = 'anything'",
    "evidence changed": "UPDATE consents SET evidence_sha256 = 'f'",
    "marked as ended with templates left": "UPDATE consents SET withdrawn_at = '2026' WHERE id = '{consent}'",
    "collection given another purpose": "UPDATE collections SET purpose = 'newsletter'",
    "collection given another model": "UPDATE collections SET model_digest = 'other'",
    "notice rewritten": "UPDATE notices SET text = 'other'",
    "notice deleted": "DELETE FROM notices",
    "receipt rewritten": "UPDATE receipts SET body = '{{}}'",
    "receipt deleted": "DELETE FROM receipts",
    "log rewritten": "UPDATE log_entries SET entry = 'x' WHERE seq = 1",
    "log shortened": "DELETE FROM log_entries WHERE seq > 1",
    "log with a gap": "INSERT INTO log_entries SELECT seq + 100, at, kind, entry, leaf_sha256 FROM log_entries",
    "log entry repeated": "INSERT INTO log_entries SELECT seq, at, kind, entry, leaf_sha256 FROM log_entries",
    "person deleted": "DELETE FROM people",
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses(records: Records, engine: sa.Engine, what: str) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        other = agree(tx, "p-2", purpose="newsletter")
        ended = agree(tx, "p-1")
        tx.withdraw(ended.id)
    before = _everything(engine)
    names = {
        "consent": made.consent.id,
        "other_consent": other.id,
        "other_person": other.person_id,
        "ended": ended.id,
    }
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(REFUSED[what].format(**names))
        connection.rollback()
    assert _everything(engine) == before


@pytest.mark.parametrize("table", ["log_entries", "receipts"])
def test_the_database_refuses_to_replace_or_truncate(records: Records, engine: sa.Engine, table: str) -> None:
    with records.transaction() as tx:
        tx.withdraw(agree(tx, "p-1").id)
    before = _everything(engine)
    statement = (
        "INSERT OR REPLACE INTO log_entries SELECT seq, at, 'x', 'x', 'x' FROM log_entries"
        if engine.dialect.name == "sqlite"
        else f"TRUNCATE {table} CASCADE"
    )
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql(statement)
    assert _everything(engine) == before


def _everything(engine: sa.Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: sorted(map(str, connection.execute(sa.select(table)).all()))
            for table in schema.metadata.sorted_tables
        }


def test_allowed_changes_are_allowed(records: Records) -> None:
    """The triggers leave a re-key, a policy and an interaction alone."""
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        tx.remove_template(made.templates[0].id)
        tx.set_policy(COLLECTION, fpir_target=0.5, preset="default")
        tx.touch_interaction(made.consent.id)
        make_collection(tx, "window")
