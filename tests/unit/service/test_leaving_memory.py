"""Who leaves leaves the memory at once, and a search goes on without them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from assent import Assent
from tests.builders import Clock, agree

PHOTOS = {"ana": "obama.jpg", "bea": "astronaut.png"}


def held(assent: Assent) -> dict[str, set[str]]:
    """Who is in memory, by collection id."""
    found: dict[str, set[str]] = {}
    for (collection_id, _), place in assent._ctx.galleries._places.items():
        gallery = place.gallery
        assert gallery is not None
        found.setdefault(collection_id, set()).update(entry.person_ref for entry in gallery.entries.values())
    return found


def _withdraw(assent: Assent, _clock: Clock) -> None:
    [consent] = assent.consents.list("ana")
    assent.consents.withdraw(consent.id)


def _erase(assent: Assent, _clock: Clock) -> None:
    assent.people.erase("ana")


def _expire(assent: Assent, clock: Clock) -> None:
    clock.at += timedelta(days=31)
    assent.consents.sweep()


@pytest.mark.parametrize("leave", [_withdraw, _erase, _expire])
def test_who_leaves_leaves_the_memory_at_once(
    assent: Assent, clock: Clock, demo_photos: Path, leave: Callable[[Assent, Clock], None]
) -> None:
    club, choir = (assent.collections.create(name, purpose="club-photos").id for name in ("club", "choir"))
    for person, photo in PHOTOS.items():
        agree(assent, person, days=30 if person == "ana" else 300)
        assent.enrol(demo_photos / photo, person=person, collection="club")
    assent.enrol(demo_photos / PHOTOS["bea"], person="bea", collection="choir")
    for collection in ("club", "choir"):
        assent.search(demo_photos / "obama2.jpg", collection=collection, purpose="club-photos")
    assert held(assent) == {club: {"ana", "bea"}, choir: {"bea"}}
    leave(assent, clock)
    assert held(assent) == {club: {"bea"}, choir: {"bea"}}
    result = assent.search(demo_photos / "obama2.jpg", collection="club", purpose="club-photos")
    assert result.candidates == ()
    assert held(assent)[club] == {"bea"}
