"""After a withdrawal no file of the data folder holds the template, sealed or not, nor the key that opened it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from assent.store import NewPair, Records, Transaction, schema
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, agree, enrol, enrolled, make_collection, unit_vector

_SECRETS = [
    schema.templates.c.sealed,
    schema.templates.c.image_mac,
    schema.user_vectors.c.sealed,
    schema.person_keys.c.wrapped_key,
    schema.templates.c.sealed_thumbnail,
    schema.review_pairs.c.sealed_probe,
    schema.reviews.c.wrapped_key,
    schema.access_keys.c.sealed_secret,
]


def stored_secrets(records: Records) -> set[bytes]:
    with records.reading() as reading:
        return {
            bytes(value)
            for column in _SECRETS
            for value in reading._connection.execute(sa.select(column).where(column.is_not(None))).scalars()
        }


def files_holding(folder: Path, secrets: set[bytes]) -> dict[str, int]:
    """How many of the secrets, or of their halves, each file holds."""
    found = {}
    for file in folder.iterdir():
        raw = file.read_bytes()
        halves = {
            part for secret in secrets for part in (secret[: len(secret) // 2], secret[len(secret) // 2 :])
        }
        found[file.name] = sum(half in raw for half in halves)
    return found


def _end_by_withdrawal(tx: Transaction) -> None:
    tx.withdraw(tx.consents("p-1")[0].id)


def _end_by_erasure(tx: Transaction) -> None:
    tx.erase_person("p-1")


def _end_by_deleting(tx: Transaction) -> None:
    tx.delete_collection(COLLECTION)


def _end_by_removing(tx: Transaction) -> None:
    for template in tx.templates(COLLECTION, "p-1"):
        tx.remove_template(template.id)


@pytest.mark.parametrize("end", [_end_by_withdrawal, _end_by_erasure, _end_by_deleting, _end_by_removing])
def test_nothing_is_left(records: Records, database_path: Path, end: Callable[[Transaction], None]) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1, 2)
    gone = stored_secrets(records)
    assert len(gone) == 6
    assert sum(files_holding(database_path.parent, gone).values()) >= 12  # the search finds what is there
    with records.transaction() as tx:
        end(tx)
    assert set(files_holding(database_path.parent, gone).values()) == {0}
    assert stored_secrets(records) == set()


def _reviewed(tx: Transaction) -> str:
    """p-1 with two photos, thumbnails and a review that waits; the pair's id."""
    make_collection(tx)
    tx.set_policy(COLLECTION, fpir_target=0.01, preset="default", review="two-person")
    consent = agree(tx, "p-1")
    enrol(tx, "p-1", consent, 1, 2, thumbnail_jpeg=b"jpeg" * 64)
    pair = NewPair(consent.person_id, consent.id, 90.0, 1e-4, 0.01, b"probe" * 64)
    review = tx.open_review(COLLECTION, [pair], expires_at=tx.now + timedelta(days=7))
    return tx.review_pairs(review.id)[0].id


@pytest.mark.parametrize("end", [_end_by_withdrawal, _end_by_erasure, _end_by_deleting])
def test_no_picture_is_left(
    records: Records, database_path: Path, end: Callable[[Transaction], None]
) -> None:
    with records.transaction() as tx:
        _reviewed(tx)
    gone = stored_secrets(records)
    assert len(gone) == 10  # two thumbnails, a probe's crop and its key besides the six
    assert sum(files_holding(database_path.parent, gone).values()) >= 20
    with records.transaction() as tx:
        end(tx)
    assert set(files_holding(database_path.parent, gone).values()) == {0}


def _decide(tx: Transaction, pair_id: str) -> None:
    tx.judge(pair_id, "rev-1", "same")
    tx.judge(pair_id, "rev-2", "different")


def _lapse(tx: Transaction, pair_id: str) -> None:
    assert tx.review_pair(pair_id).outcome is None
    assert tx.sweep_reviews() == 1


@pytest.mark.parametrize("end", [_decide, _lapse])
def test_no_crop_of_a_probe_outlives_its_review(
    records: Records, database_path: Path, clock: Clock, end: Callable[[Transaction, str], None]
) -> None:
    with records.transaction() as tx:
        pair_id = _reviewed(tx)
    before = stored_secrets(records)
    clock.advance(days=8 if end is _lapse else 1)
    with records.transaction() as tx:
        end(tx, pair_id)
    gone = before - stored_secrets(records)
    assert len(gone) == 2  # the crop and its key
    assert set(files_holding(database_path.parent, gone).values()) == {0}


def test_the_secret_of_a_revoked_key_leaves_the_disk(records: Records, database_path: Path) -> None:
    with records.transaction() as tx:
        made = tx.add_access_key("desk-1", ["admin"])
    gone = stored_secrets(records) | {made.secret.encode()}
    assert sum(files_holding(database_path.parent, gone).values()) >= 2
    with records.transaction() as tx:
        tx.revoke_access_key(made.key.id)
    assert set(files_holding(database_path.parent, gone).values()) == {0}


def test_a_template_is_never_on_the_disk_in_the_clear(records: Records, tmp_path: Path) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1, 2)
    plain = {unit_vector(seed)[:8].tobytes() for seed in (1, 2)} | {
        unit_vector(1).astype(np.float64).tobytes()
    }
    for folder in (tmp_path / "data", tmp_path / "keys"):
        assert set(files_holding(folder, plain).values()) == {0}


def test_what_is_sealed_anew_leaves_no_old_ciphertext(records: Records, database_path: Path) -> None:
    with records.transaction() as tx:
        first = enrolled(tx, "p-1", 1)
        enrol(tx, "p-1", agree(tx, "p-1"), 2)
    before = stored_secrets(records)
    with records.transaction() as tx:
        tx.withdraw(first.consent.id)
    gone = before - stored_secrets(records)
    assert len(gone) == 5  # two templates, a mean, a key, a MAC; the other MAC stays
    assert set(files_holding(database_path.parent, gone).values()) == {0}


def test_a_name_leaves_the_disk_with_erasure_or_correction(records: Records, database_path: Path) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1", name="Wrongly Spelt")
        tx.rename_person("p-1", name="Ada Lovelace")
    assert set(files_holding(database_path.parent, {b"Wrongly Spelt"}).values()) == {0}
    with records.transaction() as tx:
        tx.erase_person("p-1")
    assert set(files_holding(database_path.parent, {b"Ada Lovelace"}).values()) == {0}


def test_rotation_leaves_no_old_wrapped_key(records: Records, database_path: Path) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    before = stored_secrets(records)
    records.rotate_master_key()
    gone = before - stored_secrets(records)
    assert len(gone) == 1
    assert set(files_holding(database_path.parent, gone).values()) == {0}


@pytest.mark.slow
def test_nothing_is_left_after_many_came_and_went(records: Records, database_path: Path) -> None:
    """Pages are split, merged and reused; secure_delete must hold through all of it."""
    choose = random.Random(5)
    present: list[str] = []
    seen: set[bytes] = set()
    for turn in range(60):
        with records.transaction() as tx:
            for number in range(8):
                leaves = present and choose.random() < (0.1 if turn < 40 else 0.7)
                if leaves:
                    ref = present.pop(choose.randrange(len(present)))
                    tx.withdraw(tx.consents(ref)[0].id)
                else:
                    ref = f"p-{turn}-{number}"
                    enrolled(tx, ref, 100 * turn + number)
                    present.append(ref)
        seen |= stored_secrets(records)
    gone = seen - stored_secrets(records)
    assert len(gone) > 400
    records.scrub()
    raw = b"".join(file.read_bytes() for file in sorted(database_path.parent.iterdir()))
    assert [secret for secret in gone if secret[-24:] in raw or secret[:24] in raw] == []


def test_a_reader_of_an_older_moment_only_delays_it(
    records: Records, url: str, key_path: Path, database_path: Path, clock: Clock
) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    gone = stored_secrets(records)
    with Records.open(url, key_path, clock=clock, lock_timeout_s=0.1) as other:
        with other.reading() as reading:
            assert len(reading.gallery_rows(COLLECTION)) == 1
            with records.transaction() as tx:
                _end_by_withdrawal(tx)
            assert not records.scrub()
            with records.reading() as later:
                assert len(later.gallery_rows(COLLECTION)) == 0
        with records.transaction() as tx:
            tx.append_log("search", {})
        assert not records.needs_scrub
    assert set(files_holding(database_path.parent, gone).values()) == {0}


def test_what_a_killed_process_left_is_cleared_at_opening(
    url: str, key_path: Path, clock: Clock, database_path: Path
) -> None:
    with Records.open(url, key_path, clock=clock) as records:
        with records.transaction() as tx:
            enrolled(tx, "p-1", 1)
        gone = stored_secrets(records)
        with records._engine.begin() as connection:  # a withdrawal whose process dies before it cleared up
            tx = Transaction(connection, records._state.vault, clock())
            _end_by_withdrawal(tx)
        assert sum(files_holding(database_path.parent, gone).values()) > 0
        with Records.open(url, key_path, clock=clock):
            assert set(files_holding(database_path.parent, gone).values()) == {0}


def test_collections_are_unlinkable_by_their_bytes(records: Records) -> None:
    """The same face in two collections: no stored value is the same."""
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 1, collection="window")
    assert len(stored_secrets(records)) == 8
