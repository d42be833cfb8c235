"""Promise 6: every search leaves a record that cannot be silently changed, and nobody is in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from assent import Assent
from assent.errors import (
    AssentError,
    GalleryBeyondEvidence,
    LogTampered,
    NoLiveConsent,
    UsageError,
    WrongPurpose,
)
from assent.ledger.audit import Row, audit
from assent.store import LogEntry, Records, Transaction, database
from assent.store import log as store_log
from assent.vision.engine import FaceEngine
from tests.builders import agree
from tests.conformance.conftest import (  # noqa: F401 - fixtures
    database_url,
    postgres_database,
    postgres_server,
    sqlite_file,
)
from tests.promises.builders import PURPOSE
from tests.unit.store.builders import enrolled

SEARCH: dict[str, Any] = {"collection": "club", "purpose": PURPOSE}


def entries(assent: Assent) -> list[LogEntry]:
    """The log as it is stored."""
    with assent._ctx.records.reading() as tx:
        return tx.log_entries()


def added(assent: Assent, work: Callable[[], object]) -> list[LogEntry]:
    """What an act, refused or not, appends."""
    before = len(entries(assent))
    with contextlib.suppress(AssentError):
        work()
    return entries(assent)[before:]


# --- every act leaves exactly one


def test_a_search_says_who_asked_for_what_in_which_gallery_and_what_came_back(
    club: Assent, demo_photos: Path
) -> None:
    collection = club.collections.get("club").collection
    ana = club.people.get("ana")
    consent = club.consents.list("ana")[0]
    [entry] = added(club, lambda: club.search(demo_photos / "obama3.jpg", threshold=85.0, **SEARCH))
    assert (entry.kind, entry.actor) == ("search", "tester")
    body = entry.body
    [candidate] = body["candidates"]
    assert (body["purpose"], body["collection"], body["epoch"]) == (PURPOSE, collection.id, collection.epoch)
    assert (body["gallery_size"], body["model"]) == (2, collection.model_digest)
    assert (body["requested_similarity"], body["fpir_target"]) == (85.0, collection.fpir_target)
    assert body["applied_similarity"] >= 85.0
    assert (body["num_faces"], body["num_refused"]) == (1, 0)
    assert (candidate["person"], candidate["consent"]) == (ana.id, consent.id)
    assert 0 < candidate["fmr_at_score"] < 1


def test_a_search_that_finds_nobody_leaves_one_too(club: Assent, demo_photos: Path) -> None:
    [entry] = added(club, lambda: club.search(demo_photos / "biden.jpg", **SEARCH))
    assert (entry.kind, entry.body["candidates"], entry.body["num_faces"]) == ("search", [], 1)


def test_a_verification_leaves_one(club: Assent, demo_photos: Path) -> None:
    for photo, is_match in (("obama3.jpg", True), ("biden.jpg", False)):
        path = demo_photos / photo
        [entry] = added(club, partial(club.verify, path, person="ana", **SEARCH))
        assert (entry.kind, entry.actor, entry.body["is_match"]) == ("verify", "tester", is_match)
        assert entry.body["person"] == club.people.get("ana").id
        assert entry.body["purpose"] == PURPOSE
        assert 0 < entry.body["threshold_fmr"] <= 1e-3


def test_an_enrolment_and_a_withdrawal_leave_one_each(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    [entry] = added(club, lambda: club.enrol(photo, person="ana", collection="club"))
    assert (entry.kind, entry.actor) == ("template.added", "tester")
    consent = club.consents.list("ana")[0]
    [ended] = added(club, lambda: club.consents.withdraw(consent.id))
    assert (ended.kind, ended.actor, ended.body["consent_id"]) == ("consent.ended", "tester", consent.id)
    assert [item["num_destroyed"] for item in ended.body["destroyed"]] == [3]


def test_a_refusal_leaves_one(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    elsewhere = {**SEARCH, "purpose": "newsletter"}
    for act, work, error in (
        ("search", lambda: club.search(photo, **elsewhere), WrongPurpose),
        ("verify", lambda: club.verify(photo, person="ana", **elsewhere), WrongPurpose),
        ("verify", lambda: club.verify(photo, person="bea", **SEARCH), NoLiveConsent),
        ("search", lambda: club.search(photo, **SEARCH), GalleryBeyondEvidence),
    ):
        if error is NoLiveConsent:
            club.consents.withdraw(club.consents.list("bea")[0].id)
        if error is GalleryBeyondEvidence:
            club.collections.set_policy("club", fpir_target=1e-12)
        before = len(entries(club))
        with pytest.raises(error):
            work()
        [entry] = entries(club)[before:]
        assert (entry.kind, entry.actor) == ("refused", "tester")
        assert (entry.body["act"], entry.body["refusal"]) == (act, error.__name__)
        assert entry.body["collection"] == club.collections.get("club").collection.id


def test_every_kind_of_act_says_who_acted(open_assent: Callable[..., Assent], demo_photos: Path) -> None:
    varied_session(open_assent(actor="desk-7"), demo_photos)
    found = entries(open_assent())
    assert {entry.actor for entry in found} == {"desk-7"}
    assert {entry.kind for entry in found} >= {
        "person.added",
        "notice.added",
        "consent.recorded",
        "collection.created",
        "template.added",
        "search",
        "verify",
        "refused",
        "person.exported",
        "consent.ended",
        "person.erased",
        "keys.rotated",
    }


def test_one_program_may_act_for_several(tmp_path: Path) -> None:
    url, key_path = f"sqlite:///{tmp_path / 'records.sqlite3'}", tmp_path / "keys" / "master.key"
    with Records.open(url, key_path, actor="desk-1") as records:
        with records.transaction(actor="key:7f") as tx:
            enrolled(tx, "p-1", 1)
        with records.transaction() as tx:
            tx.erase_person("p-1")
            found = tx.log_entries()
        assert {entry.actor for entry in found[:-2]} == {"key:7f"}
        assert [(entry.kind, entry.actor) for entry in found[-2:]] == [
            ("consent.ended", "desk-1"),
            ("person.erased", "desk-1"),
        ]
        for actor in ("Ana Lovelace", "", "x" * 129):
            with pytest.raises(UsageError, match="not a name"), records.transaction(actor=actor):
                pass


# --- together with the act, or neither


def test_an_answer_without_a_record_does_not_leave(
    club: Assent, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, consent = demo_photos / "obama3.jpg", club.consents.list("ana")[0]
    interaction = consent.last_interaction_at
    before = entries(club)

    def fail(*_: object, **__: object) -> LogEntry:
        raise OSError("no record can be written")

    with monkeypatch.context() as patch:
        patch.setattr(store_log.LogWrites, "append_log", fail)
        for work in (
            lambda: club.search(photo, **SEARCH),
            lambda: club.verify(photo, person="ana", **SEARCH),
            lambda: club.enrol(photo, person="ana", collection="club"),
            lambda: club.consents.withdraw(consent.id),
            lambda: club.people.erase("bea"),
        ):
            with pytest.raises((OSError, AssentError)):
                work()
    assert entries(club) == before
    assert club.consents.get(consent.id).withdrawn_at is None
    assert club.consents.get(consent.id).last_interaction_at == interaction
    assert len(club.collections.templates("club")) == 3
    assert club.people.get("bea").erased_at is None


def test_an_act_that_fails_after_its_record_takes_it_along(club: Assent) -> None:
    before = entries(club)
    records = club._ctx.records
    consent = club.consents.list("ana")[0]
    with pytest.raises(ZeroDivisionError), records.transaction() as tx:
        _withdraw_and_fail(tx, consent.id)
    assert entries(club) == before
    assert club.consents.list("ana")[0].withdrawn_at is None
    # that a killed process leaves both or neither: tests/unit/store/test_killed.py


def _withdraw_and_fail(tx: Transaction, consent_id: str) -> None:
    num_before = tx.num_log_entries()
    tx.withdraw(consent_id)
    assert tx.num_log_entries() == num_before + 1
    raise ZeroDivisionError


# --- nobody is in it


def varied_session(assent: Assent, photos: Path) -> None:
    """A bit of everything, refused acts too."""
    assent.collections.create("named-window", purpose=PURPOSE)
    for ref, photo in (("ref-of-ana", "obama.jpg"), ("ref-of-bea", "astronaut.png")):
        agree(assent, ref, purpose=PURPOSE)
        assent.enrol(photos / photo, person=ref, collection="named-window")
    where: dict[str, Any] = {"collection": "named-window", "purpose": PURPOSE}
    assent.search(photos / "obama2.jpg", **where)
    assent.verify(photos / "obama2.jpg", person="ref-of-ana", **where)
    for refused in (
        lambda: assent.search(photos / "obama2.jpg", collection="named-window", purpose="Ana Test"),
        lambda: assent.verify(
            photos / "biden.jpg", person="ref-of-ana", collection="named-window", purpose="newsletter"
        ),
    ):
        with pytest.raises(WrongPurpose):
            refused()
    assent.people.export("ref-of-ana")
    assent.consents.withdraw(assent.consents.list("ref-of-ana")[0].id, reason="told Ana Test so")
    assent.people.erase("ref-of-bea")
    assent.rotate_master_key()


def test_no_name_ref_image_template_or_file_is_in_any_entry(
    assent: Assent, demo_photos: Path, engine: FaceEngine, tmp_path: Path
) -> None:
    varied_session(assent, demo_photos)
    text = "\n".join(entry.entry for entry in entries(assent))
    kept = assent.logbook.export() + "".join(str(item) for item in assent.logbook.checkpoints())
    private = ["Ana", "Bea", "Test", "ref-of", "named-window", "obama", "astronaut", "jpg", "told", "Club"]
    private += [str(tmp_path), "signed release", "We keep a template"]
    private += [hashlib.sha256(path.read_bytes()).hexdigest() for path in demo_photos.glob("*.*")]
    for word in private:
        assert word not in text, word
        assert word not in kept, word
    numbers = [value for entry in entries(assent) for value in flat(json.loads(entry.entry))]
    assert numbers
    longest = max(num_numbers(json.loads(entry.entry)) for entry in entries(assent))
    assert longest < engine.dim / 4  # no template fits


def flat(value: Any) -> Iterator[float]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def num_numbers(value: Any) -> int:
    """How many numbers stand in a JSON value."""
    return len(list(flat(value)))


# --- and it cannot be silently changed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET entry = '{}' WHERE seq = 1",
        "UPDATE log_entries SET leaf_sha256 = 'x'",
        "UPDATE log_entries SET seq = seq + 100",
        "DELETE FROM log_entries WHERE seq = 1",
        "DELETE FROM log_entries",
        "INSERT INTO log_entries SELECT seq + 100, at, kind, entry, leaf_sha256 FROM log_entries WHERE seq = 1",
    ],
)
def test_the_database_refuses_to_change_the_log(
    database_url: str,  # noqa: F811
    tmp_path: Path,
    statement: str,
) -> None:
    """On SQLite and on PostgreSQL, whatever program asks."""
    with Records.open(database_url, tmp_path / "keys" / "master.key", actor="desk-1") as records:
        with records.transaction() as tx:
            enrolled(tx, "p-1", 1)
        with records.reading() as reading:
            before = reading.log_entries()
        engine = database.make_engine(database.parse_url(database_url), lock_timeout_s=5)
        with pytest.raises(sa.exc.DBAPIError, match="log-is-append-only"), engine.begin() as raw:
            raw.exec_driver_sql(statement)
        engine.dispose()
        with records.reading() as reading:
            assert reading.log_entries() == before
            assert {entry.actor for entry in before} == {"desk-1"}
            assert [row["entry"] for row in reading.raw_log()] == [entry.entry for entry in before]
            assert [row["seq"] for row in reading.raw_log(after_seq=2)] == [entry.seq for entry in before[2:]]
            assert reading.num_log_entries() == reading.last_log_seq() == len(before)
            columns = ("seq", "at", "kind")
            rows = [
                Row(row["entry"], row["leaf_sha256"], {name: row[name] for name in columns})
                for row in reading.raw_log()
            ]
            assert audit(rows, [], {}).num_entries == len(before)


def test_what_the_database_was_made_to_forget_is_found(club: Assent, demo_photos: Path) -> None:
    """tests/e2e/test_log.py does it byte by byte; here a search that should not have been."""
    club.search(demo_photos / "biden.jpg", **SEARCH)
    kept = club.logbook.checkpoint()
    assert club.logbook.verify().num_signed == kept.size
    records = club._ctx.records
    with records._engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER log_entries_delete_16")
        connection.exec_driver_sql(f"DELETE FROM log_entries WHERE seq = {kept.size}")
    with pytest.raises(LogTampered, match="cut off"):
        club.logbook.verify()


def test_an_entry_is_written_with_its_hash(club: Assent) -> None:
    found = entries(club)
    assert [entry.seq for entry in found] == list(range(1, len(found) + 1))
    for entry in found:
        assert entry.leaf_sha256 == hashlib.sha256(b"\0" + entry.entry.encode()).hexdigest()
    assert np.all([entry.at.tzinfo is not None for entry in found])
