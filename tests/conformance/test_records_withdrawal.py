"""A no is final at once: templates, keys and means go, proof stays, a receipt says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sqlalchemy as sa

from assent.errors import NoLiveConsent, NotFound, UsageError
from assent.store import EndCause, ReceiptRecord, Records, schema
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, PURPOSE, agree, enrol, enrolled, make_collection, mean_of


def _num_rows(tx, name: str):
    count = sa.select(sa.func.count()).select_from(schema.metadata.tables[name])
    return tx._connection.execute(count).scalar_one()


def test_everything_that_rested_on_it_is_gone(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        enrolled(tx, "p-2", 3)
    clock.advance(hours=1)
    with records.transaction() as tx:
        receipt = tx.withdraw(made.consent.id, reason="changed my mind", channel="e-mail")
    with records.reading() as reading:
        assert reading.gallery_rows(COLLECTION).person_refs == ("p-2",)
        assert reading.templates(COLLECTION, "p-1") == []
        assert reading.person_vectors(COLLECTION, "p-1").shape == (0, 16)
        assert [_num_rows(reading, name) for name in ("templates", "user_vectors", "person_keys")] == [
            1,
            1,
            1,
        ]
        with pytest.raises(NoLiveConsent):
            reading.live_consent("p-1", PURPOSE)
        with pytest.raises(NotFound):
            reading.template(made.templates[0].id)
        ended = reading.consent(made.consent.id)
        assert ended.withdrawn_at == clock.at == receipt.ended_at
        assert (ended.withdrawal_reason, ended.withdrawal_channel) == ("changed my mind", "e-mail")
        assert ended.state(clock.at) == "withdrawn"


def test_the_receipt_agrees_with_records_and_log(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        receipt = tx.withdraw(made.consent.id)
    [gone] = receipt.destroyed
    assert (receipt.consent_id, receipt.person_id) == (made.consent.id, made.consent.person_id)
    assert (receipt.cause, receipt.purpose, receipt.num_templates) == (EndCause.WITHDRAWN, PURPOSE, 2)
    assert (gone.collection_name, gone.num_destroyed, gone.num_remaining) == (COLLECTION, 2, 0)
    assert gone.epoch_after == gone.epoch_before + 1
    with records.reading() as reading:
        assert reading.receipt(made.consent.id) == receipt
        assert reading.receipts() == [receipt]
        assert reading.gallery_epoch(COLLECTION) == gone.epoch_after
        [entry] = reading.log_entries(kind="consent.ended")
    assert (entry.seq, entry.leaf_sha256) == (receipt.log_seq, receipt.log_leaf_sha256)
    assert entry.body["receipt_id"] == receipt.id
    assert entry.body["destroyed"][0]["destroyed_key"] == gone.destroyed_key_fingerprint


def test_a_receipt_says_what_it_proves_and_names_nobody(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        receipt = tx.withdraw(made.consent.id, reason="no longer a member")
    text = json.dumps(receipt.as_json())
    assert ReceiptRecord.from_json(json.loads(text)) == receipt
    assert "does not prove" in receipt.does_not_prove
    assert "backup" in receipt.does_not_prove
    for private in ("p-1", "Name of", "member"):
        assert private not in text


def test_withdrawing_twice_gives_the_same_receipt(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        first = tx.withdraw(made.consent.id, reason="first")
    clock.advance(days=1)
    with records.transaction() as tx:
        assert tx.withdraw(made.consent.id, reason="second") == first
        assert tx.consent(made.consent.id).withdrawal_reason == "first"
        assert len(tx.log_entries(kind="consent.ended")) == 1


def test_what_rests_on_another_consent_gets_a_new_key(records: Records) -> None:
    with records.transaction() as tx:
        first = enrolled(tx, "p-1", 1, 2)
        second = agree(tx, "p-1")
        enrol(tx, "p-1", second, 3)
        before = tx._connection.execute(sa.select(schema.person_keys.c.wrapped_key)).scalar_one()
        sealed = tx._connection.execute(
            sa.select(schema.templates.c.sealed).where(schema.templates.c.consent_id == second.id)
        ).scalar_one()
        np.testing.assert_allclose(tx.gallery_rows(COLLECTION).vectors[0], mean_of(1, 2, 3), atol=1e-6)
        receipt = tx.withdraw(first.consent.id)
        after = tx._connection.execute(sa.select(schema.person_keys.c.wrapped_key)).scalar_one()
        [resealed] = tx._connection.execute(sa.select(schema.templates.c.sealed)).scalars()
        rows = tx.gallery_rows(COLLECTION)
    assert (receipt.destroyed[0].num_destroyed, receipt.destroyed[0].num_remaining) == (2, 1)
    assert before != after
    assert sealed != resealed
    np.testing.assert_array_equal(rows.num_templates, [1])
    np.testing.assert_allclose(rows.vectors[0], mean_of(3), atol=1e-6)


def test_every_collection_of_the_purpose_is_covered(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 2, 3, collection="window")
        receipt = tx.withdraw(made.consent.id)
        counts = {item.collection_name: item.num_destroyed for item in receipt.destroyed}
        keys = {item.destroyed_key_fingerprint for item in receipt.destroyed}
        assert [_num_rows(tx, name) for name in ("templates", "user_vectors", "person_keys")] == [0, 0, 0]
    assert counts == {COLLECTION: 1, "window": 2}
    assert len(keys) == 2  # a person's keys in two collections are unrelated


def test_a_consent_without_templates_ends_too(records: Records) -> None:
    with records.transaction() as tx:
        consent = agree(tx, "p-1")
        receipt = tx.withdraw(consent.id)
    assert (receipt.destroyed, receipt.num_templates) == ((), 0)


def test_a_malformed_reason_is_refused(records: Records) -> None:
    with records.transaction() as tx:
        consent = agree(tx, "p-1")
        with pytest.raises(UsageError, match=r"^reason must be"):
            tx.withdraw(consent.id, reason="two\nlines")
        with pytest.raises(UsageError, match=r"^channel must be"):
            tx.withdraw(consent.id, channel="x" * 65)
        assert tx.consent(consent.id).withdrawn_at is None


def test_a_sweep_ends_only_what_is_over(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        short = enrolled(tx, "p-1", 1, expires_at=clock.at.replace(month=3))
        enrolled(tx, "p-2", 2)
    clock.at = clock.at.replace(month=3)
    with records.transaction() as tx:
        [receipt] = tx.sweep_expired()
        assert receipt.consent_id == short.consent.id
        assert tx.consent(short.consent.id).withdrawal_channel == "expiry"
        assert tx.gallery_rows(COLLECTION).person_refs == ("p-2",)


def test_a_new_yes_after_a_no_starts_afresh(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        first = tx.withdraw(made.consent.id)
        again = agree(tx, "p-1")
        enrol(tx, "p-1", again, 1)
        second = tx.withdraw(again.id)
    assert first.destroyed[0].destroyed_key_fingerprint != second.destroyed[0].destroyed_key_fingerprint
