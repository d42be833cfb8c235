"""Several processes on one store at once: no lost update, no deadlock, no half."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent.errors import KeyMissing, StoreUnavailable
from assent.store import Records
from assent.store.crypto import Vault
from assent.store.keys import KeyFile
from tests.unit.store.builders import COLLECTION, agree, enrol, make_collection, mean_of

NUM_ROUNDS = 6


def run_forked(*works: Callable[[], None]) -> list[int]:
    """Run each in a process of its own, all at once; their exit codes."""
    pids = []
    for work in works:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
                traceback.print_exc()
            finally:
                os._exit(code)  # no teardown of the parent's fixtures here
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _make(url: str, key_path: Path) -> None:
    with Records.open(url, key_path) as records, records.transaction() as tx:
        make_collection(tx)
        agree(tx, "shared", expires_at=tx.now.replace(year=tx.now.year + 1))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_enrolling_and_withdrawing_at_once(database_url: str, key_path: Path) -> None:
    _make(database_url, key_path)

    def work(number: int) -> None:
        with Records.open(database_url, key_path, lock_timeout_s=30.0) as records:
            for turn in range(NUM_ROUNDS):
                seed = 100 * number + turn
                with records.transaction() as tx:
                    [consent] = tx.consents("shared")
                    enrol(tx, "shared", consent, seed)
                    own = agree(tx, f"p-{seed}")
                    enrol(tx, f"p-{seed}", own, 1000 + seed)
                if turn % 2:
                    with records.transaction() as tx:
                        tx.withdraw(own.id)

    assert run_forked(lambda: work(1), lambda: work(2)) == [0, 0]
    _check(database_url, key_path)


def _check(database_url: str, key_path: Path) -> None:
    seeds = [100 * number + turn for number in (1, 2) for turn in range(NUM_ROUNDS)]
    with Records.open(database_url, key_path) as records, records.reading() as reading:
        rows = reading.gallery_rows(COLLECTION)
        staying = {f"p-{seed}" for seed in seeds if seed % 2 == 0}
        assert set(rows.person_refs) == {"shared", *staying}
        shared = rows.vectors[rows.person_refs.index("shared")]
        np.testing.assert_allclose(shared, mean_of(*seeds), atol=1e-6)
        num_changes = 2 * len(seeds) + len(reading.receipts())
        assert reading.gallery_epoch(COLLECTION) == num_changes
        entries = reading.log_entries()
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_store_is_made_once_by_many(new_database_url: str, key_path: Path) -> None:
    def work() -> None:
        with (
            Records.open(new_database_url, key_path, lock_timeout_s=30.0) as records,
            records.transaction() as tx,
        ):
            tx.append_log("opened", {"store": records.store_id})

    assert run_forked(work, work, work) == [0, 0, 0]
    with Records.open(new_database_url, key_path) as records, records.reading() as reading:
        assert {entry.body["store"] for entry in reading.log_entries()} == {records.store_id}
        assert len(reading.log_entries()) == 3


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_keys_are_rotated_under_a_working_process(database_url: str, key_path: Path) -> None:
    _make(database_url, key_path)
    with Records.open(database_url, key_path) as records:

        def rotate() -> None:
            with Records.open(database_url, key_path) as other:
                other.rotate_master_key()

        with records.transaction() as tx:
            enrol(tx, "shared", tx.consents("shared")[0], 1)
        assert run_forked(rotate) == [0]
        with records.transaction() as tx:
            enrol(tx, "shared", tx.consents("shared")[0], 2)
            [vector] = tx.gallery_rows(COLLECTION).vectors
        np.testing.assert_allclose(vector, mean_of(1, 2), atol=1e-6)


def test_reading_begins_anew_where_its_key_was_dropped_meanwhile(
    database_url: str, key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot names a key; before the key file is read, a rotation drops it. Twice over."""
    _make(database_url, key_path)
    monkeypatch.setattr("assent.store.records._SCRUB_WAIT_S", 0.0)
    with Records.open(database_url, key_path) as records, Records.open(database_url, key_path) as other:
        with other.transaction() as tx:
            enrol(tx, "shared", tx.consents("shared")[0], 1)
        other.rotate_master_key()  # so that the key file is read at all
        read, left = KeyFile.vault, [1, 2]

        def read_too_late(key_file: KeyFile, *named: Any) -> Vault:
            if key_file is records._key_file and left:
                left.pop()
                other.rotate_master_key()
            return read(key_file, *named)

        monkeypatch.setattr(KeyFile, "vault", read_too_late)
        with records.reading() as reading:
            [vector] = reading.gallery_rows(COLLECTION).vectors
            assert len(reading.log_entries(kind="keys.rotated")) == 3
        np.testing.assert_allclose(vector, mean_of(1), atol=1e-6)
        assert left == []


def test_reading_without_its_key_ends(database_url: str, key_path: Path) -> None:
    _make(database_url, key_path)
    with Records.open(database_url, key_path) as records:
        before = key_path.read_text()
        with Records.open(database_url, key_path) as other:
            other.rotate_master_key()
        after = key_path.read_text()
        key_path.write_text(before)
        with pytest.raises(KeyMissing, match="has not the key"), records.reading():
            pass
        key_path.write_text(after)
        with records.reading() as reading:
            assert reading.log_entries(kind="keys.rotated")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_rotations_at_once_leave_one_key(database_url: str, key_path: Path) -> None:
    _make(database_url, key_path)

    def rotate() -> None:
        with Records.open(database_url, key_path, lock_timeout_s=30.0) as records:
            for _ in range(3):
                records.rotate_master_key()

    assert run_forked(rotate, rotate) == [0, 0]
    with Records.open(database_url, key_path) as records, records.reading() as reading:
        assert len(reading.log_entries(kind="keys.rotated")) == 6
        assert records._key_file.num_keys(records.store_id) == 1


def test_a_writer_that_waits_too_long_says_so(database_url: str, key_path: Path) -> None:
    with (
        Records.open(database_url, key_path) as first,
        Records.open(database_url, key_path, lock_timeout_s=0.2) as second,
        first.transaction() as tx,
    ):
        tx.add_person("p-1")
        with pytest.raises(StoreUnavailable, match="locked too long; let it finish and try again"):
            _add_person(second)


def _add_person(records: Records) -> None:
    with records.transaction() as tx:
        tx.add_person("p-2")


def test_a_reader_sees_one_moment_and_does_not_wait(database_url: str, key_path: Path) -> None:
    _make(database_url, key_path)
    with (
        Records.open(database_url, key_path) as writer,
        Records.open(database_url, key_path) as reader,
        reader.reading() as reading,
    ):
        assert reading.gallery_epoch(COLLECTION) == 0
        with writer.transaction() as tx:
            enrol(tx, "shared", tx.consents("shared")[0], 1)
        assert reading.gallery_epoch(COLLECTION) == 0
        assert len(reading.gallery_rows(COLLECTION)) == 0
        with reader.reading() as later:
            assert later.gallery_epoch(COLLECTION) == 1


def test_a_reader_cannot_write(database_url: str, key_path: Path) -> None:
    with Records.open(database_url, key_path) as records, records.reading() as reading:
        assert not hasattr(reading, "add_person")
