"""Promise 5 in the database itself, and what a review leaves behind: nothing but its outcome."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assent.errors import ReviewError, SameReviewer
from assent.store import NewPair, PairOutcome, Records, ReviewStatus, Transaction, schema
from assent.store.migrations import triggers_0001
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, agree, enrol, enrolled, make_collection

PICTURE = b"the crop of a probe's face, in clear"


@pytest.fixture
def engine(database_url: str, records: Records) -> Any:
    """Raw access, as a bug or another program would have it."""
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


def pair_of(tx: Transaction, ref: str) -> NewPair:
    consent = tx.consents(ref)[0]
    return NewPair(consent.person_id, consent.id, 90.0, 1e-4, 0.01, PICTURE)


def opened(tx: Transaction, *refs: str) -> str:
    """A review of these people; its id."""
    return tx.open_review(
        COLLECTION, [pair_of(tx, ref) for ref in refs], expires_at=tx.now + timedelta(days=7)
    ).id


def prepared(records: Records, *refs: str) -> str:
    with records.transaction() as tx:
        make_collection(tx)
        for number, ref in enumerate(refs):
            enrolled(tx, ref, number)
        return opened(tx, *refs)


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_two_agree_and_the_pair_is_confirmed(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1")
    with records.transaction() as tx:
        [pair] = tx.review_pairs(review_id)
        assert tx.probe_picture(pair.id) == PICTURE
        assert tx.judge(pair.id, "rev-1", "same") is None
    with records.transaction() as tx, pytest.raises(SameReviewer):
        tx.judge(pair.id, "rev-1", "same")
    with records.transaction() as tx:
        assert tx.judge(pair.id, "rev-2", "same") is PairOutcome.CONFIRMED
        assert tx.review(review_id).status is ReviewStatus.DECIDED
    [review], [pair_row] = rows(engine, schema.reviews), rows(engine, schema.review_pairs)
    assert (review["wrapped_key"], pair_row["sealed_probe"]) == (None, None)


def test_the_database_refuses_a_confirmation_without_two(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1")
    with records.transaction() as tx:
        [pair] = tx.review_pairs(review_id)
        tx.judge(pair.id, "rev-1", "same")
    statement = sa.update(schema.review_pairs).values(outcome="confirmed")
    with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="two-people-confirm"):
        connection.execute(statement)
    with pytest.raises(ReviewError, match="two people"), records.transaction() as tx:
        tx._connection.execute(statement)
    [row] = rows(engine, schema.review_pairs)
    assert row["outcome"] is None
    with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="two-people-confirm"):
        connection.execute(sa.insert(schema.review_pairs).values({**row, "id": "x", "outcome": "confirmed"}))


def test_a_judgement_is_never_changed(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1")
    with records.transaction() as tx:
        [pair] = tx.review_pairs(review_id)
        tx.judge(pair.id, "rev-1", "different")
    for values in ({"verdict": "same"}, {"holder": "rev-2"}):
        with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="judgements-are-final"):
            connection.execute(sa.update(schema.review_judgements).values(values))


def test_a_withdrawal_takes_pairs_judgements_and_pictures(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1", "p-2")
    with records.transaction() as tx:
        first, second = sorted(tx.review_pairs(review_id), key=lambda pair: pair.person_ref)
        tx.judge(first.id, "rev-1", "same")
        tx.judge(second.id, "rev-1", "same")
        tx.withdraw(tx.consents("p-1")[0].id)
    assert [row["id"] for row in rows(engine, schema.review_pairs)] == [second.id]
    assert [row["pair_id"] for row in rows(engine, schema.review_judgements)] == [second.id]
    with records.transaction() as tx:
        assert tx.review(review_id).status is ReviewStatus.PENDING
        tx.withdraw(tx.consents("p-2")[0].id)
        assert tx.review(review_id).status is ReviewStatus.DECIDED
    assert rows(engine, schema.review_judgements) == []
    assert rows(engine, schema.reviews)[0]["wrapped_key"] is None


def test_a_lapsed_review_loses_its_pictures(records: Records, engine: sa.Engine, clock: Clock) -> None:
    review_id = prepared(records, "p-1")
    clock.advance(days=7)
    with records.transaction() as tx:
        assert tx.review(review_id).status is ReviewStatus.LAPSED
        assert tx.sweep_reviews() == 1
    assert rows(engine, schema.review_pairs)[0]["sealed_probe"] is None
    assert rows(engine, schema.reviews)[0]["wrapped_key"] is None


def test_pictures_are_sealed_and_bound_to_their_pair(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1", "p-2")
    sealed = [row["sealed_probe"] for row in rows(engine, schema.review_pairs)]
    assert all(PICTURE not in item for item in sealed)
    with engine.begin() as connection:  # one's crop in the other's place
        for row, other in zip(rows(engine, schema.review_pairs), reversed(sealed), strict=True):
            connection.execute(
                sa.update(schema.review_pairs)
                .where(schema.review_pairs.c.id == row["id"])
                .values(sealed_probe=other)
            )
    with records.reading() as reading:
        for pair in reading.review_pairs(review_id):
            with pytest.raises(Exception, match="does not open"):
                reading.probe_picture(pair.id)


def test_new_keys_keep_open_reviews_and_secrets(records: Records) -> None:
    review_id = prepared(records, "p-1")
    with records.transaction() as tx:
        made = tx.add_access_key("desk-1", ["admin"])
    records.rotate_master_key()
    with records.reading() as reading:
        assert reading.access_secret(made.key.id) == made.secret
        [pair] = reading.review_pairs(review_id)
        assert reading.probe_picture(pair.id) == PICTURE


def test_a_deleted_collection_takes_everything_along(records: Records, engine: sa.Engine) -> None:
    review_id = prepared(records, "p-1")
    with records.transaction() as tx:
        [pair] = tx.review_pairs(review_id)
        tx.judge(pair.id, "rev-1", "same")
        tx.add_user(COLLECTION, "p-1")
        tx.set_notes(COLLECTION, {"team": "blue"})
        tx.delete_collection(COLLECTION)
    for table in (
        schema.reviews,
        schema.review_pairs,
        schema.review_judgements,
        schema.users,
        schema.collection_notes,
    ):
        assert rows(engine, table) == []


def test_a_thumbnail_is_sealed_under_its_persons_key(records: Records, engine: sa.Engine) -> None:
    with records.transaction() as tx:
        make_collection(tx)
        tx.set_policy(COLLECTION, fpir_target=0.01, preset="default", review="two-person")
        first, second = agree(tx, "p-1"), agree(tx, "p-1")
        enrol(tx, "p-1", first, 1, thumbnail_jpeg=PICTURE)
        enrol(tx, "p-1", second, 2, thumbnail_jpeg=PICTURE)
    sealed = [row["sealed_thumbnail"] for row in rows(engine, schema.templates)]
    assert all(item is not None and PICTURE not in item for item in sealed)
    with records.transaction() as tx:
        assert tx.thumbnails(COLLECTION, "p-1") == [PICTURE, PICTURE]
        tx.withdraw(first.id)  # the other photo stays, under a new key
        assert tx.thumbnails(COLLECTION, "p-1") == [PICTURE]
        tx.withdraw(second.id)
        assert tx.thumbnails(COLLECTION, "p-1") == []


def test_notes_are_limited(records: Records) -> None:
    with records.transaction() as tx:
        make_collection(tx)
        assert tx.set_notes(COLLECTION, {"b": "2", "a": ""}) == {"a": "", "b": "2"}
        assert tx.set_notes(COLLECTION, {"b": "3"}) == {"a": "", "b": "3"}
        tx.remove_notes(COLLECTION, ["a", "zzz"])
        assert tx.notes(COLLECTION) == {"b": "3"}
    for bad in (
        {"": "x"},
        {"x" * 129: "x"},
        {"x": "y" * 257},
        {"a\n": "x"},
        {str(n): "" for n in range(200)},
    ):
        with pytest.raises(Exception, match="tag"), records.transaction() as tx:
            tx.set_notes(COLLECTION, bad)
    with records.reading() as reading:
        assert reading.notes(COLLECTION) == {"b": "3"}


TABLES_OF_THE_FIRST_VERSION = {
    "store", "people", "notices", "consents", "collections", "person_keys", "templates", "user_vectors", "receipts",
    "log_entries",
}  # fmt: skip


def test_records_of_the_first_version_are_upgraded(
    new_database_url: str, key_path: Path, clock: Clock
) -> None:
    """Whoever enrolled people with 0.1 goes on with them."""
    with Records.open(new_database_url, key_path, clock=clock) as records, records.transaction() as tx:
        make_collection(tx)
        enrolled(tx, "p-1", 1)
    engine = sa.create_engine(new_database_url)
    with engine.begin() as connection:
        _drop_triggers_of_later_versions(connection)
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in TABLES_OF_THE_FIRST_VERSION:
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        for table, column in (
            ("collections", "review"),
            ("collections", "beyond_evidence"),
            ("templates", "box"),
            ("templates", "sealed_thumbnail"),
            ("templates", "is_associated"),
        ):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    with Records.open(new_database_url, key_path, clock=clock) as records, records.reading() as reading:
        assert len(reading.gallery_rows(COLLECTION)) == 1
        assert reading.collection(COLLECTION).review == "none"
        assert not reading.templates(COLLECTION)[0].is_associated


def _drop_triggers_of_later_versions(connection: sa.Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    made = triggers_0001.sqlite_statements() if is_sqlite else triggers_0001.postgresql_statements()
    first = {name for statement in made for name in re.findall(r"CREATE TRIGGER (\w+)", statement)}
    assert first
    found = connection.exec_driver_sql(
        "SELECT name, tbl_name, NULL FROM sqlite_master WHERE type = 'trigger'"
        if is_sqlite
        else "SELECT t.tgname, t.tgrelid::regclass::text, p.proname FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal"
    ).all()
    for name, table, function in found:
        if name not in first:
            connection.exec_driver_sql(
                f"DROP TRIGGER {name}" if is_sqlite else f"DROP TRIGGER {name} ON {table}"
            )
            if function is not None:
                connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {function}")
