"""Promise 2: a no is final at once, in the records: at once everywhere, for good, and provable.

That it holds when the process is killed at any step: ``tests/unit/store/test_killed.py``. That no byte is left in the
files: ``tests/unit/store/test_deleted_bytes.py``. On PostgreSQL as on SQLite: ``tests/conformance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assent.errors import NoLiveConsent, NotFound
from assent.store import EndCause, NewPair, Records, schema
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, PURPOSE, agree, enrol, enrolled, make_collection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[Records]:
    url = f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}"
    with Records.open(url, tmp_path / "keys" / "master.key", clock=clock) as opened:
        yield opened


def test_after_a_no_nothing_can_be_compared_with(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        tx.withdraw(made.consent.id)
        # in the same transaction already
        assert len(tx.gallery_rows(COLLECTION)) == len(tx.gallery_rows(COLLECTION, "template")) == 0
        assert len(tx.person_vectors(COLLECTION, "p-1")) == 0
    with records.reading() as reading:
        assert len(reading.gallery_rows(COLLECTION)) == 0


def test_a_gallery_in_another_process_learns_of_it(records: Records, tmp_path: Path, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
    url = f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}"
    with Records.open(url, tmp_path / "keys" / "master.key", clock=clock) as other:
        with other.reading() as reading:
            epoch = reading.gallery_epoch(COLLECTION)
        with records.transaction() as tx:
            tx.withdraw(made.consent.id)
        with other.reading() as reading:
            assert reading.gallery_epoch(COLLECTION) != epoch


def test_expiry_needs_nobody_to_notice(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, expires_at=clock.at + timedelta(days=30))
        rows = tx.gallery_rows(COLLECTION)
    # what is in memory already knows its end
    assert rows.consent_expires_at_s[0] == (clock.at + timedelta(days=30)).timestamp()
    clock.advance(days=30)
    with records.transaction() as tx:
        assert len(tx.gallery_rows(COLLECTION)) == 0
        with pytest.raises(NoLiveConsent):
            enrol(tx, "p-1", made.consent, 2)
        [receipt] = tx.sweep_expired()
    assert receipt.cause is EndCause.EXPIRED


def test_no_way_leads_back(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        tx.withdraw(made.consent.id)
        for attempt in (
            lambda: enrol(tx, "p-1", made.consent, 2),
            lambda: tx.touch_interaction(made.consent.id),
            lambda: tx.live_consent("p-1", PURPOSE),
        ):
            with pytest.raises(NoLiveConsent):
                attempt()
        with pytest.raises(NotFound):
            tx.template(made.templates[0].id)
    revive = sa.update(schema.consents).values(withdrawn_at=None)
    with pytest.raises(Exception, match="withdrawal-is-final"):
        _execute(records, revive)


def _execute(records: Records, statement: sa.Update) -> None:
    with records.transaction() as tx:
        tx._connection.execute(statement)


def test_the_key_is_destroyed_and_the_receipt_names_it(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        key = tx._person_key(tx.collection(COLLECTION).id, made.consent.person_id)
        assert key is not None
        fingerprint = key.fingerprint
        receipt = tx.withdraw(made.consent.id)
        assert tx._connection.execute(sa.select(schema.person_keys)).all() == []
    assert [item.destroyed_key_fingerprint for item in receipt.destroyed] == [fingerprint]


def test_forgetting_somebody_leaves_no_name_and_no_ref(records: Records, tmp_path: Path) -> None:
    with records.transaction() as tx:
        tx.add_person("reference-of-ada", name="Ada Lovelace")
        consent = agree(tx, "reference-of-ada")
        make_collection(tx)
        enrol(tx, "reference-of-ada", consent, 1)
        tx.erase_person("reference-of-ada")
    raw = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"Lovelace" not in raw
    assert b"reference-of-ada" not in raw
    assert consent.evidence_sha256.encode() in raw  # the proof of what was lawful stays


def test_pending_candidates_and_users_go_with_the_consent(records: Records) -> None:
    """Nobody is asked to look at somebody who has left, and nothing that was said of them stays."""
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        tx.add_user(COLLECTION, "p-1")
        pair = NewPair(made.consent.person_id, made.consent.id, 90.0, 1e-4, 0.01, b"probe")
        review = tx.open_review(COLLECTION, [pair], expires_at=tx.now + timedelta(days=7))
        [under_review] = tx.review_pairs(review.id)
        tx.judge(under_review.id, "rev-1", "same")
        tx.withdraw(made.consent.id)
        assert tx.users(COLLECTION) == []
        assert tx.review_pairs(review.id) == []
        with pytest.raises(NotFound):
            tx.probe_picture(under_review.id)
        with pytest.raises(NotFound):
            tx.judge(under_review.id, "rev-2", "same")
