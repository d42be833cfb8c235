"""Places: where live video may recognise the people who agreed to be recognised there, and nobody else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from assent.errors import AlreadyExists, NoLiveConsent, NotFound, UsageError
from assent.store import fields
from assent.store.crypto import Vault
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.schema import (
    collections,
    consent_places,
    consents,
    live_events,
    live_streams,
    place_cameras,
    places,
)
from assent.store.scope import new_id
from assent.store.values import LogEntry, effective_end
from assent.types import JsonObject

DEFAULT_KEEP_HOURS: Final = 24.0
MAX_KEEP_HOURS: Final = 30 * 24.0
MAX_CAMERAS: Final = 64
_MAX_NOTICE_CHARS: Final = 20_000
_MAX_SOURCE_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """A camera of a place.

    Attributes:
        name: unique at its place.
        shown: its source without user, password and query; the whole is sealed.
    """

    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class PlaceRecord:
    """Where people may be recognised live.

    Attributes:
        id: random UUID; what logs name.
        name: unique among the places there are.
        collection_name: the gallery whose people may have agreed to it.
        purpose: of that collection.
        responsible: who answers for it.
        notice: the exact text posted there; None while none is.
        keep_hours: how long its events are kept, above 0, at most 720.
        created_at: UTC.
        cameras: by name.
    """

    id: str
    name: str
    collection_name: str
    purpose: str
    responsible: str
    notice: str | None
    keep_hours: float
    created_at: datetime
    cameras: tuple[CameraRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class AgreedPerson:
    """Somebody whose live consent names a place.

    Attributes:
        person_id: whose.
        consent_id: the one that names it; of several the one that lasts longest.
        expires_at: UTC, when that ends.
    """

    person_id: str
    consent_id: str
    expires_at: datetime


_ROWS = (
    sa.select(places, collections.c.name.label("collection_name"), collections.c.purpose)
    .join(collections, collections.c.id == places.c.collection_id)
    .where(places.c.removed_at.is_(None))
)

_AGREED = (
    sa.select(
        consents.c.id,
        consents.c.person_id,
        consents.c.given_at,
        consents.c.expires_at,
        consents.c.last_interaction_at,
    )
    .join(consent_places, consent_places.c.consent_id == consents.c.id)
    .where(consents.c.withdrawn_at.is_(None))
)


def shown_source(source: str) -> str:
    """A source as it may be shown: without user, password and query.

    Example:
        >>> shown_source("rtsp://admin:secret@10.0.0.7:554/stream?token=1")
        'rtsp://10.0.0.7:554/stream'
    """
    if "://" not in source:
        return source
    try:
        parts = urlsplit(source)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return source.split("://", 1)[0] + "://..."
    address = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{address}{'' if port is None else f':{port}'}{parts.path}"


class PlaceReads(GalleryReads):
    """Reading places."""

    def place(self, name: str) -> PlaceRecord:
        """The place of this name. Raises ``NotFound``."""
        row: Any = self._connection.execute(_ROWS.where(places.c.name == name)).mappings().one_or_none()
        if row is None:
            raise NotFound("no place has this name; list them (assent place list), or add it first")
        return self._place(row)

    def places(self) -> list[PlaceRecord]:
        """Every place, by name."""
        rows = self._connection.execute(_ROWS.order_by(places.c.name)).mappings().all()
        return [self._place(row) for row in rows]

    def camera_source(self, place_name: str, camera: str) -> str:
        """A camera's whole source, with its password. Raises ``NotFound``."""
        place = self.place(place_name)
        query = sa.select(place_cameras.c.sealed_source).where(
            place_cameras.c.place_id == place.id, place_cameras.c.name == camera
        )
        sealed = self._connection.execute(query).scalar_one_or_none()
        if sealed is None:
            known = ", ".join(item.name for item in place.cameras) or "none"
            raise NotFound(f"place {place.name} has no such camera, only: {known}; add it first")
        return self._vault.open_source(place.id, camera, sealed)

    def agreed_people(self, place_id: str) -> list[AgreedPerson]:
        """Whose live consent names a place now, by person id."""
        return self._agreed(_AGREED.where(consent_places.c.place_id == place_id))

    def agreed_person(self, place_id: str, person_id: str) -> AgreedPerson:
        """The same of one person.

        Raises:
            NoLiveConsent: they have no live consent that names this place.
        """
        of_both = (consent_places.c.place_id == place_id, consents.c.person_id == person_id)
        for agreed in self._agreed(_AGREED.where(*of_both)):
            return agreed
        raise NoLiveConsent(
            "this person has no live consent that names this place; ask them, and record one that does"
        )

    def _agreed(self, query: sa.Select[Any]) -> list[AgreedPerson]:
        found: dict[str, AgreedPerson] = {}
        for row in self._connection.execute(query).all():
            ends = effective_end(row.expires_at, row.last_interaction_at)
            known = found.get(row.person_id)
            if row.given_at <= self._now < ends and (known is None or known.expires_at < ends):
                found[row.person_id] = AgreedPerson(row.person_id, row.id, ends)
        return [found[person_id] for person_id in sorted(found)]

    def _place(self, row: Any) -> PlaceRecord:
        query = (
            sa.select(place_cameras)
            .where(place_cameras.c.place_id == row["id"])
            .order_by(place_cameras.c.name)
        )
        cameras = tuple(
            CameraRecord(
                item.name, shown_source(self._vault.open_source(row["id"], item.name, item.sealed_source))
            )
            for item in self._connection.execute(query).all()
        )
        hidden = ("collection_id", "last_event", "removed_at")
        return PlaceRecord(
            **{name: value for name, value in row.items() if name not in hidden}, cameras=cameras
        )


class PlaceWrites(PlaceReads, GalleryWrites):
    """Changing places."""

    def add_place(
        self,
        name: str,
        *,
        collection_name: str,
        responsible: str,
        notice: str | None = None,
        keep_hours: float = DEFAULT_KEEP_HOURS,
    ) -> PlaceRecord:
        """Declare a place. Nobody is recognised there before a consent names it. Logged as ``place.added``.

        Args:
            name: matching ``[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}``.
            collection_name: the gallery whose people may agree to it.
            responsible: who answers for it, one line, at most 200 characters.
            notice: the exact text posted there, at most 20,000 characters; None while none is.
            keep_hours: how long events are kept, above 0, at most 720.

        Raises:
            NotFound: no collection has this name.
            AlreadyExists: a place has this name.
            UsageError: a malformed field.
        """
        fields.matching("name", name, fields.PLACE)
        collection = self.collection(collection_name)
        if any(place.name == name for place in self.places()):
            raise AlreadyExists(f"a place has the name {name}; choose another, or change the one there")
        place_id = new_id()
        self._connection.execute(
            sa.insert(places).values(
                id=place_id,
                name=name,
                collection_id=collection.id,
                responsible=fields.line("responsible", responsible, max_chars=200),
                notice=_notice(notice),
                keep_hours=_keep_hours(keep_hours),
                last_event=0,
                created_at=self._now,
            )
        )
        self.append_log(
            "place.added",
            {"place_id": place_id, "collection_id": collection.id, **_facts(notice, keep_hours)},
        )
        return self.place(name)

    def change_place(
        self,
        name: str,
        *,
        responsible: str | None = None,
        notice: str | None = None,
        keep_hours: float | None = None,
    ) -> PlaceRecord:
        """Change what is said of a place; None leaves it. Logged as ``place.changed``.

        Events that would outlive a shorter retention end earlier.

        Raises:
            NotFound: no place has this name.
            UsageError: a malformed field.
        """
        place = self.place(name)
        changes: JsonObject = {}
        if responsible is not None:
            changes["responsible"] = fields.line("responsible", responsible, max_chars=200)
        if notice is not None:
            changes["notice"] = _notice(notice)
        if keep_hours is not None:
            changes["keep_hours"] = _keep_hours(keep_hours)
        if changes:
            self._connection.execute(sa.update(places).where(places.c.id == place.id).values(**changes))
        after = self.place(name)
        self._shorten_events(after)
        self.append_log("place.changed", {"place_id": place.id, **_facts(after.notice, after.keep_hours)})
        return after

    def set_camera(self, place_name: str, camera: str, source: str) -> PlaceRecord:
        """Add a camera, or give it another source. Logged as ``place.camera``, without the source.

        Args:
            place_name: where.
            camera: matching ``[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}``.
            source: an address, device or file, one line, at most 2,000 characters; sealed, since it may hold a
                password.

        Raises:
            NotFound: no place has this name.
            UsageError: a malformed field, or more than 64 cameras.
        """
        place = self.place(place_name)
        fields.matching("camera", camera, fields.PLACE)
        text = fields.line("source", source, max_chars=_MAX_SOURCE_CHARS)
        known = {item.name for item in place.cameras}
        if camera not in known and len(known) >= MAX_CAMERAS:
            raise UsageError(f"a place has at most {MAX_CAMERAS} cameras; remove one first")
        self._drop_camera(place.id, camera)
        self._connection.execute(
            sa.insert(place_cameras).values(
                place_id=place.id, name=camera, sealed_source=self._vault.seal_source(place.id, camera, text)
            )
        )
        self.append_log("place.camera", {"place_id": place.id, "camera": camera, "act": "set"})
        return self.place(place_name)

    def remove_camera(self, place_name: str, camera: str) -> PlaceRecord:
        """Forget a camera and its source. Logged as ``place.camera``. Raises ``NotFound``."""
        place = self.place(place_name)
        self.camera_source(place_name, camera)
        self._drop_camera(place.id, camera)
        self.append_log("place.camera", {"place_id": place.id, "camera": camera, "act": "removed"})
        return self.place(place_name)

    def remove_place(self, name: str) -> LogEntry:
        """End a place: its cameras and events are destroyed; consents still say that they named it.

        A new place of the same name is another one, which nobody has agreed to. Logged as ``place.removed``.

        Raises:
            NotFound: no place has this name.
        """
        place = self.place(name)
        for table in (place_cameras, live_events, live_streams):
            self._connection.execute(sa.delete(table).where(table.c.place_id == place.id))
        self._connection.execute(
            sa.update(places)
            .where(places.c.id == place.id)
            .values(removed_at=self._now, collection_id=None, notice=None)
        )
        self._has_destroyed = True
        return self.append_log("place.removed", {"place_id": place.id})

    def delete_collection(self, name: str) -> LogEntry:
        """Refused while a place recognises its people (see ``GalleryWrites.delete_collection``).

        Raises:
            NotFound: no collection has this name.
            UsageError: a place uses it.
        """
        using = [place.name for place in self.places() if place.collection_name == name]
        if using:
            raise UsageError(
                f"the places {', '.join(using)} recognise this collection's people; remove them first "
                "(assent place remove)"
            )
        return super().delete_collection(name)

    def _drop_camera(self, place_id: str, camera: str) -> None:
        self._connection.execute(
            sa.delete(place_cameras).where(
                place_cameras.c.place_id == place_id, place_cameras.c.name == camera
            )
        )
        self._has_destroyed = True

    def _shorten_events(self, place: PlaceRecord) -> None:
        """Whatever would outlive the place's retention ends with it."""
        query = sa.select(live_events.c.seq, live_events.c.at, live_events.c.expires_at).where(
            live_events.c.place_id == place.id
        )
        for row in self._connection.execute(query).all():
            ends = end_of_event(row.at, place.keep_hours)
            if ends < row.expires_at:
                self._connection.execute(
                    sa.update(live_events)
                    .where(live_events.c.place_id == place.id, live_events.c.seq == row.seq)
                    .values(expires_at=ends)
                )

    def _rewrap_sources(self, fresh: Vault) -> None:
        """Seal every source under the master key that takes this one's place."""
        for row in self._connection.execute(sa.select(place_cameras)).all():
            source = self._vault.open_source(row.place_id, row.name, row.sealed_source)
            self._connection.execute(
                sa.update(place_cameras)
                .where(place_cameras.c.place_id == row.place_id, place_cameras.c.name == row.name)
                .values(sealed_source=fresh.seal_source(row.place_id, row.name, source))
            )


def end_of_event(at: datetime, keep_hours: float) -> datetime:
    """When an event of that moment is destroyed."""
    return at + timedelta(hours=keep_hours)


def _notice(text: str | None) -> str | None:
    if text is None:
        return None
    if not text.strip() or len(text) > _MAX_NOTICE_CHARS or "\0" in text:
        raise UsageError(f"notice must be 1 to {_MAX_NOTICE_CHARS} characters, got {len(text)}")
    return text


def _keep_hours(hours: float) -> float:
    if not 0 < hours <= MAX_KEEP_HOURS:
        raise UsageError(
            f"events are kept above 0 and at most {MAX_KEEP_HOURS:g} hours (30 days), got {hours:g}"
        )
    return float(hours)


def _facts(notice: str | None, keep_hours: float) -> JsonObject:
    digest = None if notice is None else hashlib.sha256(notice.encode()).hexdigest()
    return {"notice_sha256": digest, "keep_hours": float(keep_hours)}
