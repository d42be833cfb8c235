"""People: adding, finding, renaming, erasing, exporting."""

from __future__ import annotations

import json

import pytest

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.store import EndCause, Records
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, agree, enrolled, make_collection


def test_nobody_at_first(records: Records) -> None:
    with records.reading() as reading:
        assert reading.people() == []
        with pytest.raises(NotFound, match="no person has this ref"):
            reading.person("p-1")


def test_a_person_is_found_by_ref_and_by_id(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        added = tx.add_person("p-1", name="  Ada Lovelace ")
    with records.reading() as reading:
        assert reading.person("p-1") == added == reading.person_by_id(added.id)
        assert reading.people() == [added]
    assert (added.name, added.created_at, added.erased_at) == ("Ada Lovelace", clock.at, None)


@pytest.mark.parametrize("ref", ["", "a b", "ä", "a/b", "x" * 129, "a\n", "\0"])
def test_a_malformed_ref_is_refused(records: Records, ref: str) -> None:
    with records.transaction() as tx, pytest.raises(UsageError, match=r"^ref must be"):
        tx.add_person(ref)


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 201, "nul\0"])
def test_a_malformed_name_is_refused_without_repeating_it(records: Records, name: str) -> None:
    with records.transaction() as tx, pytest.raises(UsageError, match=r"^name must be") as caught:
        tx.add_person("p-1", name=name)
    assert not name.strip() or name not in str(caught.value)


def test_a_ref_is_taken_once(records: Records) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1")
        with pytest.raises(AlreadyExists):
            tx.add_person("p-1")


def test_an_exception_undoes_the_whole_transaction(records: Records) -> None:
    with pytest.raises(AlreadyExists):
        _add_twice(records)
    with records.reading() as reading:
        assert reading.people() == []
        assert reading.log_entries() == []


def _add_twice(records: Records) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1")
        tx.add_person("p-1")


def test_an_error_of_the_callers_own_passes_through(records: Records) -> None:
    with pytest.raises(FileNotFoundError, match="photo"), records.transaction():
        raise FileNotFoundError("photo.jpg")


def test_a_name_can_be_corrected(records: Records) -> None:
    with records.transaction() as tx:
        tx.add_person("p-1", name="Ada Byron")
        assert tx.rename_person("p-1", name="Ada Lovelace").name == "Ada Lovelace"
        assert tx.rename_person("p-1", name=None).name is None


def test_erasure_blanks_the_person_and_keeps_the_proof(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
    clock.advance(days=1)
    with records.transaction() as tx:
        [receipt] = tx.erase_person("p-1")
    assert (receipt.cause, receipt.num_templates) == (EndCause.ERASED, 2)
    with records.reading() as reading:
        with pytest.raises(NotFound):
            reading.person("p-1")
        assert reading.people() == []
        [person] = reading.people(include_erased=True)
        assert (person.ref, person.name, person.erased_at) == (f"erased:{person.id}", None, clock.at)
        [kept] = reading.consents(person.ref)
        assert (kept.id, kept.withdrawn_at) == (made.consent.id, clock.at)
        assert len(reading.gallery_rows(COLLECTION)) == 0


def test_an_erased_ref_may_be_used_again_by_a_new_person(records: Records) -> None:
    with records.transaction() as tx:
        first = tx.add_person("p-1")
        tx.erase_person("p-1")
        assert tx.add_person("p-1").id != first.id


def test_export_holds_everything_but_vectors_and_other_people(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        other = enrolled(tx, "p-2", 3)
        own_id, other_id = made.consent.person_id, other.consent.person_id
        tx.append_log(
            "search",
            {"candidates": [{"person": own_id, "n": 1}, {"person": other_id, "n": 2}], "num_faces": 2},
        )
        tx.append_log("search", {"candidates": [{"person_id": other_id}]})
        tx.withdraw(made.consent.id)
    clock.advance(hours=1)
    with records.transaction() as tx:
        again = agree(tx, "p-1")
        export = tx.export_person("p-1")
    text = json.dumps(export)
    assert export["person"]["name"] == "Name of p-1"
    assert [consent["id"] for consent in export["consents"]] == [made.consent.id, again.id]
    assert export["consents"][0]["notice_text"] == "We recognise you at the door."
    assert [receipt["consent_id"] for receipt in export["receipts"]] == [made.consent.id]
    searches = [entry["body"] for entry in export["log_entries"] if entry["kind"] == "search"]
    assert searches == [{"candidates": [{"person": own_id, "n": 1}], "num_faces": 2}]
    assert other_id not in text
    assert "p-2" not in text


def test_export_lists_templates_without_their_numbers(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1, 2)
        export = tx.export_person("p-1")
    assert {template["id"] for template in export["templates"]} == {item.id for item in made.templates}
    assert set(export["templates"][0]) == {
        "id",
        "collection_id",
        "collection_name",
        "person_id",
        "consent_id",
        "quality",
        "created_at",
        "person_ref",
        "image_id",
        "box",
        "is_associated",
        "thumbnail_jpeg_base64",
    }
    assert export["templates"][0]["quality"] == {"sharpness": 1.5}


def test_what_was_committed_is_there_when_opened_again(database_url, key_path, clock) -> None:
    with Records.open(database_url, key_path, clock=clock) as records, records.transaction() as tx:
        make_collection(tx)
        enrolled(tx, "p-1", 1)
    with Records.open(database_url, key_path, clock=clock) as records, records.reading() as reading:
        assert reading.person("p-1").name == "Name of p-1"
        assert len(reading.gallery_rows(COLLECTION)) == 1
