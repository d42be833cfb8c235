"""The key file: made once, for its owner only, replaced as a whole; lost, wrong or garbled it is said at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from assent.errors import KeyMissing, StoreUnavailable
from assent.store import Records
from assent.store.crypto import Vault, new_key
from assent.store.keys import KeyFile, MasterKey
from tests.unit.store.builders import COLLECTION, enrolled


def test_file_and_folder_are_the_owners_alone(records: Records, key_path: Path, database_path: Path) -> None:
    assert key_path.stat().st_mode & 0o777 == 0o600
    assert key_path.parent.stat().st_mode & 0o777 == 0o700
    assert database_path.parent.stat().st_mode & 0o777 == 0o700
    for file in database_path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file.name


def test_nothing_is_left_beside_it(records: Records, key_path: Path) -> None:
    assert {path.name for path in key_path.parent.iterdir()} == {"master.key", "master.key.lock"}


def test_the_key_is_not_in_the_data_folder(records: Records, key_path: Path, database_path: Path) -> None:
    [entry] = json.loads(key_path.read_text())["keys"]
    for file in database_path.parent.iterdir():
        raw = file.read_bytes()
        assert bytes.fromhex(entry["key"]) not in raw
        assert entry["key"].encode() not in raw


def test_a_lost_key_is_said_and_no_new_one_is_made(records: Records, url: str, key_path: Path) -> None:
    with records.transaction() as tx:
        enrolled(tx, "p-1", 1)
    kept = key_path.rename(key_path.with_name("kept"))
    with pytest.raises(KeyMissing, match="put the file back from where you keep it"):
        Records.open(url, key_path)
    assert not key_path.exists()
    kept.rename(key_path)
    with Records.open(url, key_path) as again, again.reading() as reading:
        assert len(reading.templates(COLLECTION)) == 1


def test_another_stores_key_is_said(records: Records, url: str, key_path: Path, tmp_path: Path) -> None:
    other_key = tmp_path / "other" / "master.key"
    with Records.open(f"sqlite:///{tmp_path / 'other' / 'records.sqlite3'}", other_key):
        pass
    with pytest.raises(KeyMissing, match=r"has not the key .* of these records"):
        Records.open(url, other_key)
    with pytest.raises(KeyMissing):
        Records.open(url, other_key, create=False)
    assert json.loads(other_key.read_text())["keys"][0]["store"] != records.store_id


def _flip_a_digit(text: str) -> str:
    key = json.loads(text)["keys"][0]["key"]
    return text.replace(key, ("1" if key[0] == "0" else "0") + key[1:])


@pytest.mark.parametrize(
    "garble",
    [
        lambda _: "",
        lambda text: text[: len(text) // 2],
        lambda _: "\x00\x01binary",
        lambda _: "ÿ",
        lambda _: "{}",
        lambda _: "[1, 2]",
        lambda _: "null",
        lambda text: text.replace("assent-keys-1", "assent-keys-9"),
        lambda text: text.replace('"key": "', '"key": "zz'),
        lambda text: text.replace('"key": "', '"key": "00'),
        _flip_a_digit,
    ],
)
def test_a_garbled_key_file_is_said_without_its_content(
    records: Records, url: str, key_path: Path, garble
) -> None:
    text = key_path.read_text()
    key_path.write_text(garble(text))
    with pytest.raises(KeyMissing, match="not a key file, or it is damaged") as caught:
        Records.open(url, key_path)
    assert json.loads(text)["keys"][0]["key"][2:] not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o666])
def test_a_key_others_may_read_or_change_is_refused(
    records: Records, url: str, key_path: Path, mode: int
) -> None:
    key_path.chmod(mode)
    with pytest.raises(KeyMissing, match=rf"mode {mode:04o}.*chmod 600"):
        Records.open(url, key_path)


def test_a_folder_in_its_place_is_said(url: str, records: Records, key_path: Path) -> None:
    key_path.unlink()
    key_path.mkdir()
    with pytest.raises(KeyMissing, match="cannot read the key file"):
        Records.open(url, key_path)


def test_two_stores_may_share_a_file(tmp_path: Path, key_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name / 'records.sqlite3'}" for name in "ab"]
    ids = []
    for url in urls:
        with Records.open(url, key_path) as records:
            ids.append(records.store_id)
    with Records.open(urls[0], key_path) as records:
        records.rotate_master_key()
    for url, store_id in zip(urls, ids, strict=True):
        with Records.open(url, key_path) as records:
            assert records.store_id == store_id
    assert [KeyFile(key_path).num_keys(store_id) for store_id in ids] == [1, 1]


def test_a_new_store_where_an_old_one_was_gets_a_new_key(
    url: str, key_path: Path, database_path: Path
) -> None:
    with Records.open(url, key_path) as records:
        old_id = records.store_id
    shutil.rmtree(database_path.parent)
    with Records.open(url, key_path) as records:
        assert records.store_id != old_id


def test_a_key_folder_that_cannot_be_made_leaves_no_records(
    url: str, tmp_path: Path, database_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"cannot make the key file .* ASSENT_KEY_FILE"):
        Records.open(url, tmp_path / "file" / "keys" / "master.key")
    with Records.open(url, tmp_path / "keys" / "master.key") as records, records.reading() as reading:
        assert reading.log_entries() == []


def test_dropped_keys_are_overwritten(key_path: Path) -> None:
    file, old, new = KeyFile(key_path), MasterKey("s", new_key()), MasterKey("s", new_key())
    file.add(old)
    file.add(new)
    with key_path.open("rb") as still_open:  # the old file lives on while it is open
        file.keep_only("s", new.key_id)
        assert set(still_open.read()) == {0}
    assert old.key.hex() not in key_path.read_text()
    vault = Vault("s", new.key)
    assert file.vault("s", new.key_id, vault.check_value()) == vault
    with pytest.raises(KeyMissing):
        file.vault("s", old.key_id, Vault("s", old.key).check_value())


def test_a_write_that_fails_leaves_the_file_as_it_was(
    key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, first = KeyFile(key_path), MasterKey("s", new_key())
    file.add(first)
    before = key_path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match=r"cannot write the key file .*No space left"):
        file.add(MasterKey("s", new_key()))
    monkeypatch.undo()
    assert key_path.read_text() == before
    assert {path.name for path in key_path.parent.iterdir()} == {"master.key", "master.key.lock"}
    assert repr(first.key) not in repr(first)
