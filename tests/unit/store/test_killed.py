"""Killed at any step of making a store, enrolling, withdrawing, erasing or rotating: before or after, never half."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from assent.store import JobDone, NewJob, NewMatch, NewPair, Reading, Records, ReviewStatus, schema
from assent.store.log import leaf_hash
from assent.store.scope import new_id
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, agree, enrol, enrolled, make_collection
from tests.unit.store.killing import killed_at_every_step

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("real_migrations"),
]


def open_in(folder: Path) -> Records:
    return Records.open(
        f"sqlite:///{folder / 'data' / 'records.sqlite3'}", folder / "keys" / "master.key", clock=Clock()
    )


@dataclass(frozen=True)
class Snapshot:
    """Everything that must agree, without the random parts."""

    people: tuple[tuple[str, str | None], ...]
    consents: tuple[tuple[str, str], ...]
    templates: tuple[tuple[str, str, int], ...]
    vectors: tuple[tuple[str, str, tuple[float, ...]], ...]
    num_person_keys: int
    users: tuple[tuple[str, str], ...]
    num_pairs: int
    epochs: tuple[tuple[str, int], ...]
    log: tuple[str, ...]
    num_receipts: int
    num_rotations: int


def snapshot(folder: Path) -> Snapshot:
    """The state after opening, having checked that its parts agree."""
    with open_in(folder) as records:
        assert records._key_file.num_keys(records.store_id) == 1
        assert not records.needs_scrub
        with records.reading() as reading:
            check_agreement(reading)
            return _state(reading)


def check_agreement(reading: Reading) -> None:
    """Templates, means, keys, consents, log and receipts tell one story."""
    entries = reading.log_entries()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry.leaf_sha256 == leaf_hash(entry.entry) for entry in entries)
    leaves = {entry.seq: entry.leaf_sha256 for entry in entries if entry.kind == "consent.ended"}
    assert leaves == {receipt.log_seq: receipt.log_leaf_sha256 for receipt in reading.receipts()}
    ended = {consent.id for consent in reading.consents() if consent.withdrawn_at is not None}
    assert ended == {receipt.consent_id for receipt in reading.receipts()}
    pairs = set()
    for collection in reading.collections():
        records = reading.templates(collection.name)
        assert not ended & {record.consent_id for record in records}
        pairs |= {(record.collection_id, record.person_id) for record in records}
        rows = reading.gallery_rows(collection.name)
        assert set(rows.person_ids) == {record.person_id for record in records}
        assert rows.num_templates.sum() == len(records)
        for ref, vector in zip(rows.person_refs, rows.vectors, strict=True):
            mean = reading.person_vectors(collection.name, ref).mean(axis=0)
            np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    for review in reading.reviews():
        pairs_open = reading.review_pairs(review.id)
        assert (review.status is ReviewStatus.PENDING) == bool(pairs_open)
        assert not ended & {pair.consent_id for pair in pairs_open}
        assert [reading.probe_picture(pair.id) for pair in pairs_open] == [b"probe"] * len(pairs_open)
    for job in reading.jobs():
        found_in = reading.job_matches(job.id)
        assert not ended & {match.consent_id for match in found_in}
        assert reading.has_job_output(job.id) == bool(found_in)
        assert reading.job_result(job.id) == b"boxes"
    assert all(reading.access_secret(key.id) for key in reading.access_keys())
    keys = schema.person_keys
    found = reading._connection.execute(sa.select(keys.c.collection_id, keys.c.person_id)).all()
    assert {tuple(row) for row in found} == pairs


def _state(reading: Reading) -> Snapshot:
    collections = reading.collections()
    people = reading.people(include_erased=True)
    keys = sa.select(sa.func.count()).select_from(schema.person_keys)
    return Snapshot(
        people=tuple(sorted((person.ref.split(":")[0], person.name) for person in people)),
        consents=tuple(
            sorted((item.person_ref.split(":")[0], item.state(reading.now)) for item in reading.consents())
        ),
        templates=tuple(
            (made.name, person.ref, len(reading.templates(made.name, person.ref)))
            for made in collections
            for person in reading.people()
        ),
        vectors=tuple(
            (made.name, ref, tuple(np.round(vector, 5).tolist()))
            for made in collections
            for rows in [reading.gallery_rows(made.name)]
            for ref, vector in zip(rows.person_refs, rows.vectors, strict=True)
        ),
        num_person_keys=reading._connection.execute(keys).scalar_one(),
        users=tuple(
            (made.name, user.person_ref) for made in collections for user in reading.users(made.name)
        ),
        num_pairs=sum(len(reading.review_pairs(review.id)) for review in reading.reviews()),
        epochs=tuple((made.name, made.epoch) for made in collections),
        log=tuple(entry.kind for entry in reading.log_entries()),
        num_receipts=len(reading.receipts()),
        num_rotations=len(reading.log_entries(kind="keys.rotated")),
    )


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses nothing that was written, flushed to a disk or not."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def copy_of(scratch: Path) -> Callable[[Path], Path]:
    def copy(folder: Path) -> Path:
        target = scratch / f"copy-{len(list(scratch.iterdir()))}"
        shutil.copytree(folder, target)
        return target

    return copy


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """p-1 with templates under two consents in two collections, a user, under review, in a video; p-2 with one."""
    folder = tmp_path_factory.mktemp("prepared")
    with open_in(folder) as records, records.transaction() as tx:
        make_collection(tx)
        make_collection(tx, "window")
        first = enrolled(tx, "p-1", 1, 2)
        tx.add_user("window", "p-1")
        pair = NewPair(first.consent.person_id, first.consent.id, 90.0, 1e-4, 0.01, b"probe")
        tx.open_review("window", [pair], expires_at=tx.now + timedelta(days=7))
        tx.add_access_key("desk-1", ["admin"])
        match = NewMatch(first.consent.person_id, first.consent.id, {"track": 0}, is_pictured=True)
        tx.add_job(NewJob(new_id(), "timeline", {}), max_open=9)
        job = tx.claim_job("w", lease=timedelta(hours=1), max_attempts=1, kinds=["timeline"])
        assert job is not None
        tx.finish_job(job.id, "w", JobDone(b"boxes", (match,), b"k" * 32))
        enrol(tx, "p-1", first.consent, 3, collection="window")
        enrol(tx, "p-1", agree(tx, "p-1"), 4)
        enrolled(tx, "p-2", 5)
    return folder


def make(folder: Path) -> None:
    """The very first opening, and a first change."""
    with open_in(folder) as records, records.transaction() as tx:
        make_collection(tx)


def enrol_somebody(folder: Path) -> None:
    """A new person, their consent and two templates, in one transaction."""
    with open_in(folder) as records, records.transaction() as tx:
        enrolled(tx, "p-3", 6, 7)


def enrol_again(folder: Path) -> None:
    """One more template of somebody there."""
    with open_in(folder) as records, records.transaction() as tx:
        enrol(tx, "p-2", tx.consents("p-2")[0], 8)


def withdraw(folder: Path) -> None:
    """The consent under three templates in two collections; a fourth template is sealed anew."""
    with open_in(folder) as records, records.transaction() as tx:
        [consent_id] = {template.consent_id for template in tx.templates("window")}
        tx.withdraw(consent_id)


def erase(folder: Path) -> None:
    with open_in(folder) as records, records.transaction() as tx:
        tx.erase_person("p-1")


def rotate(folder: Path) -> None:
    with open_in(folder) as records:
        records.rotate_master_key()


WORKS = [enrol_somebody, withdraw, rotate, enrol_again, erase]
SWEEPS = [pytest.param(work, 4, id=f"{work.__name__}-some") for work in (withdraw, rotate)] + [
    pytest.param(work, 1, id=work.__name__, marks=pytest.mark.slow) for work in WORKS
]


@pytest.mark.parametrize(("work", "stride"), SWEEPS)
def test_before_or_after_never_half(
    prepared: Path, scratch: Path, work: Callable[[Path], None], stride: int, copy_of: Callable[[Path], Path]
) -> None:
    before = snapshot(copy_of(prepared))
    whole = copy_of(prepared)
    work(whole)
    after = snapshot(whole)
    assert before != after
    seen = [
        (step, snapshot(folder))
        for step, folder in killed_at_every_step(prepared, scratch, work, stride=stride)
    ]
    assert seen[-1][0] > 20
    for step, state in seen:
        assert state in (before, after), f"half, when killed at step {step}"
    # one moment divides them, and the sweep went past it
    order = [state == after for _, state in seen]
    assert order == sorted(order)
    assert set(order) == {False, True}


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_store_is_made_or_not(scratch: Path, stride: int) -> None:
    empty = scratch / "empty"
    empty.mkdir()
    steps = []
    for step, folder in killed_at_every_step(empty, scratch, make, stride=stride):
        steps.append(step)
        with open_in(folder) as records, records.transaction() as tx:
            names = {collection.name for collection in tx.collections()}
            assert names <= {COLLECTION}
            if not names:
                make_collection(tx)
            check_agreement(tx)
    assert steps[-1] > 50
