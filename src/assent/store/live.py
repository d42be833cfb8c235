"""Live events: who of the consenting came to a place and went, for a while.

Each rests on a consent that names the place, ends by itself, and goes with that consent. They belong to one
place; there is no reading them across places.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from assent.store.places import PlaceReads, PlaceRecord, PlaceWrites, end_of_event
from assent.store.schema import collections, live_events, people, places
from assent.store.values import ConsentRecord
from assent.types import JsonObject


class LiveEventKind(StrEnum):
    """What happened."""

    ARRIVED = "arrived"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLiveEvent:
    """An event about to be recorded.

    Attributes:
        person_id: who; their live consent must name the place.
        camera: which of the place's cameras.
        kind: what happened.
        at: UTC.
        similarity: of the best comparison, 0 to 100.
        fmr_at_score: upper bound of the false match rate there.
        expected_false_candidates: that times the gallery's size.
        is_owed: whether the webhook has to be told.
    """

    person_id: str
    camera: str
    kind: LiveEventKind
    at: datetime
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float
    is_owed: bool = False


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event as recorded.

    Attributes:
        place: the place's name.
        seq: from 1, rising at its place; gaps are events that are gone.
        person: what the caller calls them.
        name: for people to read; None when not given.
        consent_id: the consent that names the place.
        camera: which of the place's cameras.
        kind: what happened.
        at: UTC.
        similarity: of the best comparison, 0 to 100.
        fmr_at_score: upper bound of the false match rate there.
        expected_false_candidates: that times the gallery's size.
        expires_at: UTC, when it is destroyed.
    """

    place: str
    seq: int
    person: str
    name: str | None
    consent_id: str
    camera: str
    kind: LiveEventKind
    at: datetime
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float
    expires_at: datetime


_ROWS = (
    sa.select(
        *(column for column in live_events.c if column.name not in ("place_id", "person_id", "is_owed")),
        places.c.name.label("place"),
        people.c.ref.label("person"),
        people.c.name,
    )
    .join(people, people.c.id == live_events.c.person_id)
    .join(places, places.c.id == live_events.c.place_id)
    .order_by(live_events.c.seq)
)


class LiveReads(PlaceReads):
    """Reading events, of one place at a time."""

    def live_events(
        self,
        place_name: str,
        *,
        after_seq: int = 0,
        limit: int = 1000,
        only_owed: bool = False,
        camera: str | None = None,
        newest: bool = False,
    ) -> list[LiveEvent]:
        """A place's events that have not ended, oldest first.

        Args:
            place_name: which place.
            after_seq: 0 for the beginning.
            limit: at most so many.
            only_owed: only those the webhook has to be told of.
            camera: only this one's; all by default.
            newest: where there are more than ``limit``, the last ones instead of the first; still oldest first.

        Raises:
            NotFound: no place has this name.
        """
        query = _ROWS.where(
            live_events.c.place_id == self.place(place_name).id,
            live_events.c.seq > after_seq,
            live_events.c.expires_at > self._now,
        ).limit(limit)
        if only_owed:
            query = query.where(live_events.c.is_owed)
        if camera is not None:
            query = query.where(live_events.c.camera == camera)
        if newest:
            query = query.order_by(None).order_by(live_events.c.seq.desc())
        found = [_event(row) for row in self._connection.execute(query).mappings()]
        return found[::-1] if newest else found

    def live_events_of(self, person_id: str) -> list[JsonObject]:
        """What is kept of one person's coming and going, for that person (GDPR Art. 15)."""
        query = _ROWS.where(live_events.c.person_id == person_id, live_events.c.expires_at > self._now)
        return [
            {**dict(row), "at": row["at"].isoformat(), "expires_at": row["expires_at"].isoformat()}
            for row in self._connection.execute(query).mappings()
        ]


class LiveWrites(LiveReads, PlaceWrites):
    """Recording events and letting them end."""

    def add_live_event(self, place_name: str, new: NewLiveEvent) -> LiveEvent:
        """Record an event; the consent that names the place is looked up at this very moment.

        Raises:
            NotFound: no place has this name.
            NoLiveConsent: this person's consent to the place has ended; there is no event.
        """
        place = self.place(place_name)
        agreed = self.agreed_person(place.id, new.person_id)
        seq = self._next_seq(place)
        self._connection.execute(
            sa.insert(live_events).values(
                place_id=place.id,
                seq=seq,
                person_id=new.person_id,
                consent_id=agreed.consent_id,
                camera=new.camera,
                kind=new.kind,
                at=new.at,
                similarity=new.similarity,
                fmr_at_score=new.fmr_at_score,
                expected_false_candidates=new.expected_false_candidates,
                expires_at=end_of_event(new.at, place.keep_hours),
                is_owed=new.is_owed,
            )
        )
        row = self._connection.execute(
            _ROWS.where(live_events.c.place_id == place.id, live_events.c.seq == seq)
        ).mappings()
        return _event(row.one())

    def settle_live_event(self, place_name: str, seq: int) -> None:
        """The webhook was told of it, or will not be."""
        self._connection.execute(
            sa.update(live_events)
            .where(live_events.c.place_id == self.place(place_name).id, live_events.c.seq == seq)
            .values(is_owed=False)
        )

    def sweep_live_events(self) -> int:
        """Destroy every event whose time is over; how many."""
        gone = self._connection.execute(
            sa.delete(live_events).where(live_events.c.expires_at <= self._now).returning(live_events.c.seq)
        ).all()
        self._has_destroyed |= bool(gone)
        return len(gone)

    def _next_seq(self, place: PlaceRecord) -> int:
        return int(
            self._connection.execute(
                sa.update(places)
                .where(places.c.id == place.id)
                .values(last_event=places.c.last_event + 1)
                .returning(places.c.last_event)
            ).scalar_one()
        )

    def _drop_live_events(self, consent: ConsentRecord) -> None:
        """A no: the person's events go, at every place of the purpose that the consent was to."""
        of_purpose = (
            sa.select(places.c.id)
            .join(collections, collections.c.id == places.c.collection_id)
            .where(collections.c.purpose == consent.purpose)
        )
        self._connection.execute(
            sa.delete(live_events).where(
                live_events.c.person_id == consent.person_id,
                sa.or_(live_events.c.consent_id == consent.id, live_events.c.place_id.in_(of_purpose)),
            )
        )


def _event(row: Any) -> LiveEvent:
    return LiveEvent(**{**row, "kind": LiveEventKind(row["kind"])})
