"""A gallery in memory follows the records by what changed, and is always what a new one would be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent.calibration.profile import ReferenceKind
from assent.errors import StoreUnavailable
from assent.service.galleries import Among, Galleries, LoadedGallery
from assent.service.indexes import Indexes
from assent.store import Records, Transaction
from assent.store.transaction import Reading
from tests.builders import Clock
from tests.milvus import shared_server
from tests.unit.store.builders import COLLECTION, agree, enrol, enrolled, make_collection, unit_vector

Content = dict[str, tuple[str, int, str, tuple[float, ...], float]]


IN_MILVUS = [pytest.mark.slow, pytest.mark.xdist_group("milvus")]


@pytest.fixture(params=["faiss", "exact", pytest.param("milvus", marks=IN_MILVUS)])
def galleries(request: pytest.FixtureRequest, tmp_path: Path) -> Galleries:
    server = shared_server() if request.param == "milvus" else None
    return Galleries(Indexes(request.param, folder=tmp_path / "galleries", server=server))


@pytest.fixture
def open_records(tmp_path: Path, key_path: Path, clock: Clock) -> Iterator[Callable[[], Records]]:
    opened: list[Records] = []

    def open_one() -> Records:
        url = f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}"
        opened.append(Records.open(url, key_path, clock=clock))
        return opened[-1]

    yield open_one
    for records in opened:
        records.close()


@pytest.fixture
def records(open_records: Callable[[], Records]) -> Records:
    made = open_records()
    with made.transaction() as tx:
        make_collection(tx)
        for number in range(4):
            enrolled(tx, f"p-{number}", *range(10 * number, 10 * number + 1 + number))
    return made


def content(gallery: LoadedGallery) -> Content:
    """Everything a search could tell apart."""
    found: Content = {}
    for kind, index in gallery.indexes.items():
        for rows in index.batches():
            for key, template, expires_s in zip(rows.keys, rows.templates, rows.expires_s, strict=True):
                entry = gallery.entries[key.decode()]
                rounded = tuple(np.round(template, 6).tolist())
                found[key.decode()] = (entry.person_ref, entry.num_templates, kind, rounded, float(expires_s))
    assert found.keys() == gallery.entries.keys()
    return found


def now_and_anew(galleries: Galleries, records: Records, among: Among = "people") -> tuple[Content, Content]:
    with records.reading() as tx:
        record = tx.collection(COLLECTION)
        gallery = galleries.at(tx, record, among)
        assert gallery.epoch == record.epoch
        return content(gallery), content(Galleries().at(tx, record, among))


def change(tx: Transaction, random: np.random.Generator, step: int) -> None:
    """Something that a service does."""
    refs = [person.ref for person in tx.people()]
    ref = str(random.choice(refs)) if refs else ""
    kept = tx.templates(COLLECTION, ref) if ref else []
    standing = [c for c in tx.consents(ref) if c.is_live(tx.now)] if ref else []
    users = {user.person_ref for user in tx.users(COLLECTION)}
    what = random.choice(["new", "more", "remove", "withdraw", "erase", "user", "associate", "touch"])
    if what == "new":
        enrolled(tx, f"new-{step}", 1000 + step)
    elif what == "more" and standing:
        enrol(tx, ref, standing[0], 1000 + step)
    elif what == "remove" and kept:
        tx.remove_template(kept[0].id)
    elif what == "withdraw" and standing and step % 3 == 0:
        tx.withdraw(standing[0].id)
    elif what == "erase" and step % 5 == 0 and ref:
        tx.erase_person(ref)
    elif what == "user" and standing:
        if ref in users:
            tx.remove_user(COLLECTION, ref)
        else:
            tx.add_user(COLLECTION, ref)
            tx.set_associated(COLLECTION, ref, [t.id for t in kept], is_associated=True)
    elif what == "associate" and ref in users and kept:
        tx.set_associated(COLLECTION, ref, [kept[0].id], is_associated=bool(step % 2))
    elif what == "touch" and standing:
        tx.touch_interaction(standing[0].id)


def test_it_is_always_what_a_new_one_would_be(
    galleries: Galleries, records: Records, open_records: Callable[[], Records], clock: Clock
) -> None:
    """Changed here and by another process in turns, looked at after one change or several."""
    random, other = np.random.default_rng(5), open_records()
    for step in range(120):
        with (records if step % 2 else other).transaction() as tx:
            change(tx, random, step)
        clock.advance(hours=1)
        if random.random() < 0.6:
            for among in ("people", "users"):
                held, anew = now_and_anew(galleries, records, among)
                assert held == anew, f"differs after step {step} among {among}"


def test_only_those_who_changed_are_read(
    galleries: Galleries, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = Reading.gallery_rows

    def watched(self: Reading, *args: Any, **options: Any) -> Any:
        asked.append(options.get("person_ids"))
        return real(self, *args, **options)

    now_and_anew(galleries, records)
    monkeypatch.setattr(Reading, "gallery_rows", watched)
    with records.transaction() as tx:
        person_id = tx.person("p-1").id
        tx.withdraw(tx.consents("p-1")[0].id)
    with records.reading() as reading:
        gallery = galleries.at(reading, reading.collection(COLLECTION))
        again = galleries.at(reading, reading.collection(COLLECTION))
    assert again is gallery
    assert asked == [[person_id]]
    assert person_id not in gallery.entries


def test_an_earlier_moment_is_seen_as_it_was(galleries: Galleries, records: Records) -> None:
    with records.reading() as earlier:
        before = earlier.collection(COLLECTION)  # SQLite's snapshot begins with the first read
        with records.transaction() as tx:
            tx.withdraw(tx.consents("p-1")[0].id)
        now_and_anew(galleries, records)
        assert len(galleries.at(earlier, before).entries) == 4
    held, anew = now_and_anew(galleries, records)
    assert held == anew
    assert len(held) == 3


def test_what_is_undone_was_never_in_memory(galleries: Galleries, records: Records) -> None:
    now_and_anew(galleries, records)

    def undone() -> None:
        with records.transaction() as tx:
            enrolled(tx, "undone", 77)
            assert len(galleries.at(tx, tx.collection(COLLECTION)).entries) == 5
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undone()
    with records.transaction() as tx:
        enrolled(tx, "another", 78)
    held, anew = now_and_anew(galleries, records)
    assert held == anew
    assert {entry[0] for entry in held.values()} == {"p-0", "p-1", "p-2", "p-3", "another"}


def test_one_that_fails_halfway_is_read_anew(
    galleries: Galleries, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_and_anew(galleries, records)
    with records.transaction() as tx:
        enrol(tx, "p-1", tx.consents("p-1")[0], 500)

    def damaged(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("a row was altered")

    with monkeypatch.context() as patched:
        patched.setattr(Reading, "gallery_rows", damaged)
        with pytest.raises(StoreUnavailable), records.reading() as reading:
            galleries.at(reading, reading.collection(COLLECTION))
    held, anew = now_and_anew(galleries, records)
    assert held == anew


def test_whoever_withdrew_is_not_found_by_the_next_search_while_others_search(
    galleries: Galleries, records: Records
) -> None:
    failures: list[str] = []
    is_over = threading.Event()

    def search() -> None:
        while not is_over.is_set():
            with records.transaction() as tx:
                record = tx.collection(COLLECTION)
                gallery = galleries.at(tx, record)
                for index in gallery.indexes.values():
                    hits = index.search(
                        unit_vector(0)[None], limit=50, min_score=-1, now_s=tx.now.timestamp()
                    )
                    failures.extend(
                        hit.key
                        for hit in hits[0]
                        if not tx.templates(COLLECTION, gallery.entries[hit.key].person_ref)
                    )

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for step in range(15):
        with records.transaction() as tx:
            made = enrolled(tx, f"short-{step}", 300 + step)
        with records.transaction() as tx:
            tx.withdraw(made.consent.id)
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_person_may_change_kind(galleries: Galleries, records: Records) -> None:
    """From one photo to several and back: each kind of reference has its own error curve."""
    with records.transaction() as tx:
        agree(tx, "kin")
        first = enrol(tx, "kin", tx.consents("kin")[0], 600)[0]
    kinds: list[str] = []
    for seeds in ((), (601,), ()):
        with records.transaction() as tx:
            if seeds:
                enrol(tx, "kin", tx.consents("kin")[0], *seeds)
            elif kinds:
                tx.remove_template(first.id)
        held, _ = now_and_anew(galleries, records)
        kinds += [entry[2] for entry in held.values() if entry[0] == "kin"]
    assert kinds == [ReferenceKind.SINGLE, ReferenceKind.MEAN, ReferenceKind.SINGLE]
