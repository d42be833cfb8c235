"""Places and live events: who agreed to what, for how long, and that nothing outlives it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assent.errors import AlreadyExists, IncompleteConsent, NoLiveConsent, NotFound, UsageError
from assent.store import LiveEvent, LiveEventKind, NewLiveEvent, Records, Transaction, schema
from tests.builders import Clock
from tests.unit.store.builders import COLLECTION, PURPOSE, agree, enrolled, make_collection

SOURCE = "rtsp://admin:hush-hush@10.0.0.7:554/stream?token=abc"


def declare(tx: Transaction, name: str = "door", **changes: Any) -> None:
    if COLLECTION not in {item.name for item in tx.collections()}:
        make_collection(tx)
    tx.add_place(
        name,
        **{"collection_name": COLLECTION, "responsible": "The Club", "notice": "Cameras know members here."}
        | changes,
    )


def come(tx: Transaction, person_id: str, kind: str = "arrived", place: str = "door") -> LiveEvent:
    return tx.add_live_event(
        place,
        NewLiveEvent(
            person_id=person_id,
            camera="entrance",
            kind=LiveEventKind(kind),
            at=tx.now,
            similarity=93.0,
            fmr_at_score=1e-4,
            expected_false_candidates=1e-3,
        ),
    )


def test_a_place_is_what_was_declared(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        declare(tx)
        place = tx.set_camera("door", "entrance", SOURCE)
    assert (place.name, place.collection_name, place.purpose) == ("door", COLLECTION, PURPOSE)
    assert (place.notice, place.keep_hours, place.created_at) == (
        "Cameras know members here.",
        24.0,
        clock.at,
    )
    assert [(item.name, item.shown) for item in place.cameras] == [("entrance", "rtsp://10.0.0.7:554/stream")]
    with records.reading() as reading:
        assert reading.places() == [place]
        assert reading.camera_source("door", "entrance") == SOURCE
        raw = reading._connection.execute(sa.select(schema.place_cameras)).one()
    assert b"hush" not in raw.sealed_source


@pytest.mark.parametrize(
    "changes",
    [
        {"keep_hours": 0.0},
        {"keep_hours": 721.0},
        {"keep_hours": float("nan")},
        {"notice": "  "},
        {"responsible": ""},
        {"responsible": "two\nlines"},
    ],
)
def test_a_malformed_place_is_refused(records: Records, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError), records.transaction() as tx:
        declare(tx, **changes)
    with pytest.raises(UsageError), records.transaction() as tx:
        declare(tx, "a door")
    with records.reading() as reading:
        assert reading.places() == []


def test_names_are_taken_until_the_place_is_removed(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
        first = tx.place("door").id
    with pytest.raises(AlreadyExists), records.transaction() as tx:
        declare(tx)
    with records.transaction() as tx:
        consent = agree(tx, "p-1", place_names=["door"])
        tx.remove_place("door")
        with pytest.raises(NotFound):
            tx.place("door")
        declare(tx)
        again = tx.place("door")
        # a new place of an old name is one that nobody agreed to; the consent still says what it named
        assert again.id != first
        assert tx.agreed_people(again.id) == []
        assert tx.consent(consent.id).places == ("door",)


def test_a_collection_stays_as_long_as_a_place_uses_it(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
    with pytest.raises(UsageError, match="door"), records.transaction() as tx:
        tx.delete_collection(COLLECTION)
    with records.transaction() as tx:
        tx.remove_place("door")
        tx.delete_collection(COLLECTION)


def test_a_consent_names_places_of_its_own_purpose_only(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        declare(tx)
        nobody = agree(tx, "p-1")
        named = agree(tx, "p-2", place_names=["door", "door"])
        assert (nobody.places, named.places) == ((), ("door",))
        assert tx.consents("p-2")[0].places == ("door",)
        [agreed] = tx.agreed_people(tx.place("door").id)
        assert (agreed.person_id, agreed.consent_id) == (named.person_id, named.id)
        assert agreed.expires_at == clock.at + timedelta(days=365)
    for changes in ({"place_names": ["window"]}, {"place_names": ["door"], "purpose": "newsletter"}):
        with pytest.raises(IncompleteConsent, match="place"), records.transaction() as tx:
            agree(tx, "p-1", **changes)
    clock.advance(days=366)
    with records.reading() as reading:
        assert reading.agreed_people(reading.place("door").id) == []


def test_one_person_is_looked_up_as_among_all(records: Records, clock: Clock) -> None:
    """Of several consents the one that lasts longest; none that was withdrawn, has ended or names no place."""
    with records.transaction() as tx:
        declare(tx)
        place_id = tx.place("door").id
        names, ends = ["door"], [tx.now + timedelta(days=days) for days in (10, 11)]
        photos = agree(tx, "photos")
        withdrawn = agree(tx, "withdrawn", place_names=names)
        shorter = agree(tx, "twice", place_names=names, expires_at=ends[0])
        longer = agree(tx, "twice", place_names=names, expires_at=ends[1])
        tx.withdraw(withdrawn.id)
    for days in (0, 10, 11):
        clock.at = shorter.given_at + timedelta(days=days)
        with records.reading() as reading:
            among = {item.person_id: item for item in reading.agreed_people(place_id)}
            assert [item.consent_id for item in among.values()] == ([longer.id] if days < 11 else [])
            for consent in (photos, withdrawn, longer):
                if consent.person_id in among:
                    assert reading.agreed_person(place_id, consent.person_id) == among[consent.person_id]
                else:
                    with pytest.raises(NoLiveConsent):
                        reading.agreed_person(place_id, consent.person_id)


def test_an_event_rests_on_a_consent_that_names_the_place(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        declare(tx)
        declare(tx, "window")
        other = agree(tx, "p-1", place_names=["window"])
        named = agree(tx, "p-2", place_names=["door"])
        event = come(tx, named.person_id)
        left = come(tx, named.person_id, "left")
        assert (event.seq, event.person, event.kind, event.place) == (1, "p-2", LiveEventKind.ARRIVED, "door")
        assert event.expires_at == clock.at + timedelta(hours=24)
        assert tx.live_events("door") == [event, left]
        assert tx.live_events("door", after_seq=1) == [left]
        assert tx.live_events("window") == []
        with pytest.raises(NoLiveConsent):
            come(tx, other.person_id)
    values = {
        "place_id": None,
        "seq": 9,
        "person_id": other.person_id,
        "consent_id": other.id,
        "camera": "x",
        "kind": "arrived",
        "at": clock.at,
        "similarity": 1.0,
        "fmr_at_score": 1.0,
        "expected_false_candidates": 1.0,
        "expires_at": clock.at,
        "is_owed": False,
    }
    with records.reading() as reading:
        raw = values | {"place_id": reading.place("door").id}
    with pytest.raises(NoLiveConsent), records.transaction() as tx:  # the database itself refuses
        tx._connection.execute(sa.insert(schema.live_events).values(raw))


def test_events_end_by_themselves_and_with_a_shorter_retention(records: Records, clock: Clock) -> None:
    with records.transaction() as tx:
        declare(tx)
        who = agree(tx, "p-1", place_names=["door"]).person_id
        come(tx, who)
    clock.advance(hours=2)
    with records.transaction() as tx:
        late = come(tx, who, "left")
        tx.change_place("door", keep_hours=1)
        assert [item.seq for item in tx.live_events("door")] == [late.seq]
        assert tx.sweep_live_events() == 1
    clock.advance(hours=1)
    with records.transaction() as tx:
        assert tx.live_events("door") == []
        assert tx.sweep_live_events() == 1
        assert come(tx, who).seq == 3  # no number comes twice


def test_of_many_events_the_first_or_the_last(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
        who = agree(tx, "p-1", place_names=["door"]).person_id
        seqs = [come(tx, who).seq for _ in range(4)]
        assert [item.seq for item in tx.live_events("door", limit=3)] == seqs[:3]
        assert [item.seq for item in tx.live_events("door", limit=3, newest=True)] == seqs[1:]


@pytest.mark.parametrize("which", ["named", "enrolled"])
def test_a_no_takes_the_persons_events_along(records: Records, which: str) -> None:
    """Whether the consent that names the place ends or the one under the photos: nobody's coming and going stays."""
    with records.transaction() as tx:
        made = enrolled(tx, "p-1", 1)
        declare(tx)
        named = agree(tx, "p-1", place_names=["door"])
        other = agree(tx, "p-2", place_names=["door"])
        come(tx, named.person_id)
        stays = come(tx, other.person_id)
    with records.transaction() as tx:
        tx.withdraw(named.id if which == "named" else made.consent.id)
        assert tx.live_events("door") == [stays]


def test_the_database_refuses_to_end_a_consent_with_events_left(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
        named = agree(tx, "p-1", place_names=["door"])
        come(tx, named.person_id)
    for statement in (
        sa.update(schema.consents)
        .where(schema.consents.c.id == named.id)
        .values(withdrawn_at=named.given_at),
        sa.delete(schema.consent_places),
    ):
        with pytest.raises(Exception, match="refused"), records.transaction() as tx:
            tx._connection.execute(statement)


def test_an_export_holds_places_and_events(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
        named = agree(tx, "p-1", place_names=["door"])
        come(tx, named.person_id)
        come(tx, agree(tx, "p-2", place_names=["door"]).person_id)
        held = tx.export_person("p-1")
    assert held["consents"][0]["places"] == ("door",)
    assert [item["person"] for item in held["live_events"]] == ["p-1"]


def test_sources_open_after_the_keys_were_rotated(records: Records) -> None:
    with records.transaction() as tx:
        declare(tx)
        tx.set_camera("door", "entrance", SOURCE)
    records.rotate_master_key()
    with records.reading() as reading:
        assert reading.camera_source("door", "entrance") == SOURCE
