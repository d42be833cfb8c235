"""Rotation: new keys, same templates; what was copied before cannot be opened with what there is after."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from assent.errors import KeyMissing, StoreUnavailable
from assent.store import Records
from assent.store.crypto import Vault
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, enrol, enrolled, image_sha256, make_collection, mean_of


def test_everything_can_be_read_after(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        enrolled(tx, "p-2", 3)
        make_collection(tx, "window")
        enrol(tx, "p-1", made.consent, 4, collection="window")
    rotation = records.rotate_master_key()
    assert (rotation.num_collections, rotation.num_person_keys) == (2, 3)
    assert rotation.old_key_id != rotation.new_key_id
    with records.transaction() as tx:
        np.testing.assert_allclose(tx.gallery_rows(COLLECTION).vectors[0], mean_of(1, 2), atol=1e-6)
        assert len(tx.gallery_rows("window", "template")) == 1
        [entry] = tx.log_entries(kind="keys.rotated")
        assert entry.body["new_key"] == rotation.new_key_id


def test_an_image_enrolled_before_is_still_known(records: Records) -> None:
    from assent.errors import AlreadyExists

    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
    records.rotate_master_key()
    with records.transaction() as tx, pytest.raises(AlreadyExists):
        enrol(tx, "p-1", made.consent, 1)
    assert image_sha256(1) != image_sha256(2)


def test_the_key_file_has_only_the_new_key(records: Records, key_path: Path) -> None:
    [old] = json.loads(key_path.read_text())["keys"]
    rotation = records.rotate_master_key()
    [new] = json.loads(key_path.read_text())["keys"]
    assert (old["id"], new["id"]) == (rotation.old_key_id, rotation.new_key_id)
    assert old["key"] != new["key"]


def test_an_older_backup_cannot_be_opened(
    records: Records, database_path: Path, key_path: Path, clock: Clock, tmp_path: Path
) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    backup = _backup(database_path, tmp_path / "backup.sqlite3")
    with Records.open(f"sqlite:///{backup}", key_path, clock=clock) as old, old.reading() as reading:
        assert len(reading.gallery_rows(COLLECTION)) == 1  # so that the refusal below is the rotation's
    records.rotate_master_key()
    with pytest.raises(KeyMissing):
        Records.open(f"sqlite:///{backup}", key_path, clock=clock)


def test_keys_of_today_do_not_open_people_in_an_older_backup(
    records: Records, database_path: Path, tmp_path: Path
) -> None:
    """Who holds today's master key and records tries today's collection key on the backup's people."""
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    backup = _backup(database_path, tmp_path / "backup.sqlite3")
    with records.reading() as reading:
        collection = reading.collection(COLLECTION)
        collection_key = reading._collection_key(collection.id)
        assert _opens(backup, collection_key)
    records.rotate_master_key()
    with records.reading() as reading:
        assert not _opens(backup, reading._collection_key(collection.id))


def _backup(database_path: Path, target: Path) -> Path:
    for suffix in ("", "-wal"):
        shutil.copy(f"{database_path}{suffix}", f"{target}{suffix}")
    return target


def _opens(backup: Path, collection_key) -> bool:
    connection = sqlite3.connect(backup)
    [(person_id, wrapped)] = connection.execute("SELECT person_id, wrapped_key FROM person_keys").fetchall()
    connection.close()
    try:
        collection_key.unwrap_person_key(person_id, wrapped)
    except StoreUnavailable:
        return False
    return True


def test_a_lost_key_stops_a_rotation_before_anything_changed(records: Records, key_path: Path) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    text = key_path.read_text()
    key_path.write_text("garbled")
    with pytest.raises(KeyMissing):
        records.rotate_master_key()
    key_path.write_text(text)
    with records.reading() as reading:
        assert len(reading.gallery_rows(COLLECTION)) == 1
        assert reading.log_entries(kind="keys.rotated") == []


def test_an_empty_store_rotates(records: Records) -> None:
    assert records.rotate_master_key().num_collections == 0
    assert isinstance(records._state.vault, Vault)
