"""Places: declared by an admin, agreed to by people, ready or not and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assent import Assent
from assent.errors import GalleryBeyondEvidence, PlaceNotReady, WrongPurpose
from assent.service.placegallery import gallery_of
from assent.store import LiveEventKind, NewLiveEvent, rows, schema
from assent.store.values import ConsentRecord
from tests.builders import Clock

from .conftest import PURPOSE


def agree_to(assent: Assent, ref: str, *places: str, days: float = 30) -> ConsentRecord:
    return assent.consents.record(
        ref,
        purpose=PURPOSE,
        controller="Test Club",
        notice_text="We recognise you at the door.",
        notice_version="door-1",
        language="en",
        method="written-signature",
        evidence=b"another signed release",
        term=timedelta(days=days),
        places=places,
    )


@pytest.fixture
def door(club: Assent) -> Assent:
    """The club with a door that nobody has agreed to."""
    club.places.add("door", collection="club", responsible="Test Club", notice="Members are recognised here.")
    return club


def people_at(assent: Assent, place: str = "door", **options: Any) -> set[str]:
    with assent._ctx.records.reading() as tx:
        return set(gallery_of(assent._ctx, tx, place, **options).refs.values())


def test_the_gallery_is_exactly_who_agreed_to_the_place(door: Assent) -> None:
    with pytest.raises(PlaceNotReady, match="nobody agreed"):
        people_at(door)
    assert door.places.get("door").problem
    agree_to(door, "ana", "door")
    assert people_at(door) == {"ana"}
    consent = agree_to(door, "bea", "door")
    assert people_at(door) == {"ana", "bea"}
    summary = door.places.get("door")
    assert (summary.num_agreed, summary.num_enrolled, summary.problem, summary.is_ready) == (2, 2, None, True)
    door.consents.withdraw(consent.id)
    assert people_at(door) == {"ana"}
    assert door.collections.get("club").num_people == 2  # enrolled still; only not recognised here


def test_who_agreed_and_is_not_enrolled_is_nobody(door: Assent) -> None:
    door.people.add("cid")
    agree_to(door, "cid", "door")
    with pytest.raises(PlaceNotReady, match="none of them is enrolled"):
        people_at(door)
    assert door.places.list()[0].num_agreed == 1


def test_it_ends_with_whichever_consent_ends_first(door: Assent, clock: Clock) -> None:
    agree_to(door, "ana", "door", days=2)
    agree_to(door, "bea", "door", days=90)  # bea's photos rest on a consent of 30 days
    clock.advance(days=3)
    assert people_at(door) == {"bea"}
    clock.advance(days=28)
    with pytest.raises(PlaceNotReady):
        people_at(door)


@pytest.mark.parametrize("which", ["no notice", "two people must look"])
def test_a_place_that_is_not_ready_says_why(door: Assent, which: str) -> None:
    agree_to(door, "ana", "door")
    door.places.add("window", collection="club", responsible="Test Club")
    agree_to(door, "ana", "window")
    if which == "no notice":
        with pytest.raises(PlaceNotReady, match="notice"):
            people_at(door, "window")
        door.places.change("window", notice="Now there is one.")
        assert people_at(door, "window") == {"ana"}
    else:
        door.collections.set_policy("club", review="two-person")
        with pytest.raises(PlaceNotReady, match="two people"):
            people_at(door)


def test_more_people_than_the_evidence_supports_are_refused(door: Assent) -> None:
    agree_to(door, "ana", "door")
    agree_to(door, "bea", "door")
    door.collections.set_policy("club", fpir_target=1e-5)
    with pytest.raises(GalleryBeyondEvidence):
        people_at(door)
    assert "evidence" in (door.places.get("door").problem or "")


@pytest.mark.parametrize(
    ("count", "at_once"), [(1_001, 1_000), pytest.param(10_001, 10_000, marks=pytest.mark.slow)]
)
def test_more_people_than_a_statement_has_room_for_are_refused_for_the_same_reason(
    door: Assent, count: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of theirs is decrypted for that; nothing of it could be."""
    monkeypatch.setattr(rows, "_PEOPLE_AT_ONCE", at_once)
    multiply(door, "ana", count)
    with pytest.raises(GalleryBeyondEvidence, match="at most 1,000 people"):
        people_at(door)
    summary = door.places.get("door")
    assert (summary.num_agreed, summary.is_ready) == (count, False)
    assert f"{count:,}" in (summary.problem or "")


def multiply(assent: Assent, ref: str, count: int) -> None:
    """Rows of so many people who agreed to the door like ``ref``, with vectors that nobody could open."""
    agree_to(assent, ref, "door")
    with assent._ctx.records.transaction() as tx:
        connection, person_id = tx._connection, tx.person(ref).id
        [consent] = [item for item in tx.consents(ref) if item.places]
        place = tx.place("door")
        collection_id = tx.collection(place.collection_name).id
        wheres = (
            (schema.people, schema.people.c.id == person_id),
            (schema.person_keys, schema.person_keys.c.person_id == person_id),
            (schema.consents, schema.consents.c.id == consent.id),
            (schema.templates, schema.templates.c.person_id == person_id),
        )
        one = {t.name: dict(connection.execute(sa.select(t).where(w)).mappings().first()) for t, w in wheres}  # type: ignore[arg-type]
        ids = [f"{number:036d}" for number in range(count - 1)]

        def put(table: sa.Table, values: list[dict[str, Any]]) -> None:
            connection.execute(sa.insert(table), values)

        put(schema.people, [one["people"] | {"id": i, "ref": i} for i in ids])
        put(schema.consents, [one["consents"] | {"id": i, "person_id": i} for i in ids])
        put(schema.consent_places, [{"consent_id": i, "place_id": place.id} for i in ids])
        put(schema.person_keys, [one["person_keys"] | {"person_id": i} for i in ids])
        own = [{"id": i, "person_id": i, "consent_id": i, "image_mac": i.encode()} for i in ids]
        put(schema.templates, [one["templates"] | row for row in own])
        vector = {"collection_id": collection_id, "num_templates": 1, "sealed": b"nothing"}
        put(schema.user_vectors, [vector | {"person_id": i} for i in ids])


def test_a_search_for_photos_does_not_read_places(door: Assent, demo_photos: Path) -> None:
    """Who agreed to a place is found in photos as before, for the collection's purpose and for no other."""
    agree_to(door, "ana", "door")
    with pytest.raises(WrongPurpose):
        door.search(demo_photos / "obama3.jpg", collection="club", purpose="door")


def test_all_events_are_read_page_by_page(door: Assent, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no event twice; the records' own limit of one answer is no end."""
    agree_to(door, "ana", "door")
    assert list(door.places.all_events("door")) == []
    with door._ctx.records.transaction() as tx:
        person_id = tx.person("ana").id
        facts: dict[str, Any] = {"similarity": 93.0, "fmr_at_score": 1e-4, "expected_false_candidates": 1e-4}
        for kind in ("arrived", "left") * 3:
            new = NewLiveEvent(person_id=person_id, camera="c", kind=LiveEventKind(kind), at=tx.now, **facts)
            tx.add_live_event("door", new)
    one_page = type(door.places).events
    monkeypatch.setattr(
        type(door.places), "events", lambda self, name, *, after: one_page(self, name, after=after, limit=2)
    )
    assert [event.seq for event in door.places.all_events("door")] == [1, 2, 3, 4, 5, 6]
    assert [event.seq for event in door.places.all_events("door", after=3)] == [4, 5, 6]


def test_a_csv_names_places(door: Assent, tmp_path: Path) -> None:
    (tmp_path / "notice.txt").write_text("We recognise you at the door.")
    header = "person,purpose,controller,notice,notice_version,language,method,evidence,until,places"
    rows = [
        f"ana,{PURPOSE},Club,notice.txt,9,en,online-form,{'a' * 64},2027-12-31,door",
        f"bea,{PURPOSE},Club,notice.txt,9,en,online-form,{'b' * 64},2027-12-31,attic",
    ]
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]))
    done, refused = door.import_consents(tmp_path / "list.csv", dry_run=False)
    assert door.consents.get(str(done.consent_id)).places == ("door",)
    assert "place" in refused.message
    assert people_at(door) == {"ana"}
