"""The log: in order, append only, of ids and numbers."""

from __future__ import annotations

import hashlib
import json

import pytest

from assent.errors import UsageError
from assent.store import Records
from tests.builders import Clock
from tests.unit.store.builders import enrolled, make_collection


def test_entries_are_numbered_from_one_without_gaps(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        assert tx.log_entries() == []
        first = tx.append_log("search", {"num_faces": 1})
    clock.advance(seconds=1)
    with pytest.raises(UsageError):
        _append_and_fail(records)
    with records.transaction() as tx:
        second = tx.append_log("verify", {"num_faces": 3})
    with records.reading() as reading:
        assert reading.log_entries() == [first, second]
        assert reading.log_entries(after_seq=1) == [second]
        assert reading.log_entries(limit=1) == [first]
        assert reading.log_entries(kind="verify") == [second]
        assert reading.latest_log_entries(limit=1) == [second]
        assert reading.latest_log_entries(limit=9, before_seq=2) == [first]
        assert reading.latest_log_entries(limit=9, kind="search") == [first]
        assert reading.log_kinds() == ["search", "verify"]
    assert (first.seq, second.seq, second.at) == (1, 2, clock.at)


def test_a_leaf_is_the_rfc_9162_hash_of_canonical_json(records: Records) -> None:
    with records.transaction() as tx:
        entry = tx.append_log("search", {"b": 1, "a": [None, True, 0.5], "c": {"id": "x-1"}})
    expected = (
        '{"actor":null,"at":"2026-01-15T12:00:00.000000Z","body":{"a":[null,true,0.5],"b":1,"c":{"id":"x-1"}},'
        '"kind":"search","seq":1}'
    )
    assert entry.entry == expected
    assert entry.leaf_sha256 == hashlib.sha256(b"\x00" + expected.encode()).hexdigest()
    assert entry.body == {"a": [None, True, 0.5], "b": 1, "c": {"id": "x-1"}}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Ada Lovelace"},
        {"name": "José"},
        {"image": b"\xff\xd8"},
        {"template": [0.1] * 33},
        {"template": [[0.5] * 128]},
        {"score": float("nan")},
        {"id": "x" * 129},
        {"two words": 1},
        {1: "x"},
        {"a": {"b": [{"c": "a b"}]}},
        {"at": object()},
    ],
)
def test_what_could_hold_a_name_an_image_or_a_template_is_refused(records: Records, body) -> None:
    with records.transaction() as tx:
        with pytest.raises(UsageError, match="log entry"):
            tx.append_log("search", body)
        assert tx.log_entries() == []


@pytest.mark.parametrize("kind", ["", "Search", "two words", "x" * 65])
def test_a_malformed_kind_is_refused(records: Records, kind: str) -> None:
    with records.transaction() as tx, pytest.raises(UsageError, match=r"^kind must be"):
        tx.append_log(kind, {})


def test_every_change_is_logged_without_names(records: Records) -> None:
    with records.transaction() as tx:
        made = enrolled(tx, "ref-of-ada", 1, 2)
        tx.rename_person("ref-of-ada", name="Ada Lovelace")
        tx.set_policy("door", fpir_target=0.001, preset="strict")
        tx.remove_template(made.templates[0].id)
        tx.withdraw(made.consent.id, reason="because of Ada")
        tx.erase_person("ref-of-ada")
        make_collection(tx, "named-window")
        tx.delete_collection("named-window")
    with records.reading() as reading:
        entries = reading.log_entries()
    assert [entry.kind for entry in entries] == [
        "collection.created",
        "person.added",
        "notice.added",
        "consent.recorded",
        "template.added",
        "template.added",
        "person.renamed",
        "collection.policy",
        "template.removed",
        "consent.ended",
        "person.erased",
        "collection.created",
        "collection.deleted",
    ]
    text = json.dumps([entry.entry for entry in entries])
    for private in ("ref-of-ada", "Ada", "Lovelace", "named-window", '"door"', "Name of"):
        assert private not in text


def test_numbers_run_on_in_the_database_without_gaps(records: Records) -> None:
    with records.transaction() as tx:
        for number in range(300):
            tx.append_log("search", {"n": number})
        assert [entry.seq for entry in tx.log_entries()] == list(range(1, 301))


def _append_and_fail(records: Records) -> None:
    with records.transaction() as tx:
        tx.append_log("search", {"num_faces": 2})
        tx.append_log("not a kind", {})
