"""Galleries saved to disk: loaded instead of the records, never with anybody who left, unreadable once they left."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assent.calibration.profile import ReferenceKind
from assent.errors import IndexUnavailable
from assent.gallery.snapshot import Saved, read_snapshot
from assent.service.galleries import Galleries
from assent.service.saved_galleries import SavedGalleries, _seal
from assent.store import Reading, Records
from assent.store.snapshots import SnapshotRecord
from tests.builders import Clock
from tests.unit.service.test_galleries import Content, content
from tests.unit.store.builders import COLLECTION, DIM, enrol, enrolled, make_collection, unit_vector
from tests.unit.store.killing import run_and_kill

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
NUM_PEOPLE = 12


def open_in(folder: Path) -> Records:
    return Records.open(
        f"sqlite:///{folder / 'data' / 'records.sqlite3'}", folder / "keys" / "master.key", clock=Clock()
    )


def galleries_of(folder: Path) -> Galleries:
    return Galleries(saved=SavedGalleries(folder / "data" / "galleries", min_people=3))


def files(folder: Path) -> set[Path]:
    return set((folder / "data" / "galleries").iterdir())


def loaded(galleries: Galleries, records: Records) -> Content:
    with records.reading() as tx:
        return content(galleries.at(tx, tx.collection(COLLECTION)))


def parts_of(records: Records) -> set[str]:
    with records.reading() as tx:
        return {person.id[:2] for person in tx.people()}


def from_records(records: Records) -> Content:
    return loaded(Galleries(), records)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved gallery of a dozen people, one with two photos."""
    folder = tmp_path_factory.mktemp("saved")
    with open_in(folder) as records:
        with records.transaction() as tx:
            make_collection(tx)
            for number in range(NUM_PEOPLE):
                enrolled(tx, f"p-{number}", *range(10 * number, 10 * number + (2 if number == 3 else 1)))
        galleries = galleries_of(folder)
        loaded(galleries, records)
        assert galleries.save(records) == len(parts_of(records))
        assert galleries.save(records) == 0  # all of it is there
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def records(folder: Path) -> Iterator[Records]:
    with open_in(folder) as opened:
        yield opened


@pytest.fixture
def read_from_records(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Which people's templates were decrypted: ids, or a part of them."""
    asked: list[Any] = []
    real = Reading.gallery_rows

    def watched(self: Reading, *args: Any, **options: Any) -> Any:
        found = real(self, *args, **options)
        asked.extend(found.person_refs)
        return found

    monkeypatch.setattr(Reading, "gallery_rows", watched)
    return asked


def test_a_process_that_starts_reads_the_files_only(
    folder: Path, records: Records, read_from_records: list[Any]
) -> None:
    started = loaded(galleries_of(folder), records)
    assert read_from_records == []
    assert len(started) == NUM_PEOPLE
    assert started == from_records(records)


def test_only_those_who_changed_since_are_read_from_the_records(
    folder: Path, records: Records, read_from_records: list[Any]
) -> None:
    with records.transaction() as tx:
        enrolled(tx, "new", 900)
        enrol(tx, "p-1", tx.consents("p-1")[0], 901)
    started = loaded(galleries_of(folder), records)
    assert sorted(read_from_records) == ["new", "p-1"]
    assert started == from_records(records)


def leave(tx: Any, how: str) -> None:
    if how == "withdraw":
        tx.withdraw(tx.consents("p-3")[0].id)
    elif how == "erase":
        tx.erase_person("p-3")
    elif how == "remove a photo":
        tx.remove_template(tx.templates(COLLECTION, "p-3")[0].id)


@pytest.mark.parametrize("how", ["withdraw", "erase", "remove a photo", "expire", "delete", "rotate"])
def test_whoever_leaves_makes_their_file_unreadable_at_commit_and_it_goes(folder: Path, how: str) -> None:
    clock = Clock()
    url = f"sqlite:///{folder / 'data' / 'records.sqlite3'}"
    with Records.open(url, folder / "keys" / "master.key", clock=clock) as records:
        galleries, before = galleries_of(folder), files(folder)
        loaded(galleries, records)
        with records.reading() as tx:
            collection = tx.collection(COLLECTION)
            part = tx.person("p-3").id[:2]
            held = tx.snapshots(COLLECTION)
        if how == "rotate":
            records.rotate_master_key()
        else:
            if how == "expire":
                clock.advance(days=4000)
            with records.transaction() as tx:
                leave(tx, how)
                if how == "expire":
                    assert len(tx.sweep_expired()) == NUM_PEOPLE
                if how == "delete":
                    tx.delete_collection(COLLECTION)
        theirs = [record for record in held if record.part == part]
        with records.reading() as tx:
            assert not tx.snapshot_ids() & {record.id for record in theirs}
            galleries.follow(tx, [collection.id])
        gone = {path.stem for path in before - files(folder)}
        assert gone >= {record.id for record in theirs}
        if how in ("withdraw", "erase", "remove a photo"):
            assert gone == {record.id for record in theirs}  # the other parts are as good as before
            started = loaded(galleries_of(folder), records)
            assert started == from_records(records)
            assert ("p-3" in {entry[0] for entry in started.values()}) == (how == "remove a photo")
    # neither the key, nor its wrapping, is in any byte that is left
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(record.key in everything or record.id.encode() in everything for record in theirs)


@pytest.mark.parametrize("damage", ["truncated", "one byte", "gone", "another part's"])
def test_a_file_that_disagrees_is_not_used(
    folder: Path, records: Records, read_from_records: list[Any], damage: str
) -> None:
    with records.reading() as tx:
        part = tx.person("p-3").id[:2]
        in_part = {record for record in tx.snapshots(COLLECTION) if record.num_rows}
    [theirs] = [record for record in in_part if record.part == part and record.kind == ReferenceKind.MEAN]
    other = next(record for record in in_part if record.part != part)
    path = folder / "data" / "galleries" / f"{theirs.id}.gallery"
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "another part's":
        path.write_bytes(path.with_name(f"{other.id}.gallery").read_bytes())
    else:
        path.write_bytes(
            whole[:-9] if damage == "truncated" else whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]
        )
    galleries = galleries_of(folder)
    started = loaded(galleries, records)
    assert "p-3" in read_from_records
    assert len(read_from_records) < NUM_PEOPLE
    assert started == from_records(records)
    if damage == "gone":
        assert galleries.save(records) == 1


def test_whoever_withdraws_while_it_is_saved_is_in_no_file(folder: Path, records: Records) -> None:
    galleries = galleries_of(folder)
    loaded(galleries, records)
    with records.reading() as tx:
        part, collection_id = tx.person("p-3").id[:2], tx.collection(COLLECTION).id
    with records.transaction() as tx:
        tx._delete_snapshots(collection_id)
    num_parts = len(parts_of(records))
    real, withdrawn = Records.transaction, list[str]()

    def first_withdraws(self: Records, **options: Any) -> Any:
        if not withdrawn:
            withdrawn.append("p-3")
            with real(self) as tx:
                tx.withdraw(tx.consents("p-3")[0].id)
        return real(self, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Records, "transaction", first_withdraws)
        assert galleries.save(records) == num_parts - 1
    with records.reading() as tx:
        saved = tx.snapshots(COLLECTION)
    assert part not in {record.part for record in saved}
    assert {path.stem for path in files(folder)} == {record.id for record in saved}


def test_a_disk_that_fills_leaves_what_was_saved(
    folder: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(folder)
    galleries = galleries_of(folder)
    loaded(galleries, records)
    next(iter(before)).unlink()
    left = files(folder)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(IndexUnavailable, match="No space left on device"):
            galleries.save(records)
    assert files(folder) == left
    assert loaded(galleries_of(folder), records) == from_records(records)


def test_small_galleries_are_not_saved(folder: Path, records: Records) -> None:
    shutil.rmtree(folder / "data" / "galleries")
    galleries = Galleries(saved=SavedGalleries(folder / "data" / "galleries", min_people=NUM_PEOPLE + 1))
    loaded(galleries, records)
    assert galleries.save(records) == 0
    assert not (folder / "data" / "galleries").exists()


def withdraw(folder: Path) -> None:
    """As the service does it: the transaction, then the file."""
    with open_in(folder) as records:
        galleries = galleries_of(folder)
        with records.transaction() as tx:
            tx.withdraw(tx.consents("p-3")[0].id)
        with records.reading() as tx:
            galleries.follow(tx, [tx.collection(COLLECTION).id])


def readable(folder: Path, held: list[SnapshotRecord]) -> int:
    """How many of the templates under ``held`` can still be had from the folder's bytes with the folder's keys."""
    with open_in(folder) as records, records.reading() as tx:
        there = {record.id for record in tx.snapshots(COLLECTION)}
        collection = tx.collection(COLLECTION)
        everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    total = 0
    for record in held:
        if record.id in there:
            path = folder / "data" / "galleries" / f"{record.id}.gallery"
            seal, saved = _seal(record, collection), Saved(record.num_rows, record.sha256)
            total += sum(len(rows[0]) for rows in read_snapshot(path, seal, saved, dim=DIM))
        else:
            assert record.key not in everything
            assert record.id.encode() not in everything
    return total


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses nothing that was written, flushed to a disk or not."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def killed_at(prepared: Path, scratch: Path, every: int) -> Iterator[tuple[int, Path]]:
    """(step, folder) after a kill at every so many steps of a withdrawal, and at each of the last."""
    shutil.copytree(prepared, scratch / "whole")
    num_steps = run_and_kill(scratch / "whole", withdraw, 10**9)
    assert num_steps is not None
    for step in sorted({*range(1, num_steps, every), *range(num_steps - 3, num_steps + 1)}):
        folder = scratch / f"killed-{step}"
        shutil.copytree(prepared, folder)
        assert run_and_kill(folder, withdraw, step) is None
        yield step, folder
        shutil.rmtree(folder)


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_step_of_a_withdrawal_nobody_is_half_there(
    prepared: Path, scratch: Path, every: int
) -> None:
    """Either the person is there wholly, or no byte on the disk opens their template."""
    with open_in(prepared) as records, records.reading() as tx:
        part = tx.person("p-3").id[:2]
        held = [record for record in tx.snapshots(COLLECTION) if record.part == part]
    outcomes = []
    for step, folder in killed_at(prepared, scratch, every):
        with open_in(folder) as records, records.reading() as tx:
            is_withdrawn = bool(tx.receipts())
        assert (readable(folder, held) > 0) != is_withdrawn, f"half, when killed at step {step}"
        with open_in(folder) as records:
            started = loaded(galleries_of(folder), records)  # the next process removes what is left
        assert ("p-3" in {entry[0] for entry in started.values()}) != is_withdrawn
        assert is_withdrawn != any((folder / "data" / "galleries" / f"{r.id}.gallery").exists() for r in held)
        templates = [unit_vector(seed).tobytes() for seed in (30, 31)]
        content_of_all = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert not any(template in content_of_all for template in templates)
        outcomes.append(is_withdrawn)
    assert len(outcomes) > 8
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}
