"""Places: where people agreed to be recognised in live video, who they are, and what was seen lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assent.errors import AssentError
from assent.service.context import Context
from assent.service.placegallery import size_of
from assent.store.access import Role
from assent.store.live import LiveEvent
from assent.store.places import DEFAULT_KEEP_HOURS, PlaceRecord
from assent.store.transaction import Reading

_READERS = (Role.ENROLLER, Role.SEARCHER)


@dataclass(frozen=True, slots=True)
class PlaceSummary:
    """A place, and whether anybody could be recognised there now.

    Attributes:
        place: its record.
        num_agreed: people whose live consent names it.
        num_enrolled: those of them who are enrolled: the gallery; 0 while it is not ready.
        problem: why nobody can be recognised there; None where it is ready.
    """

    place: PlaceRecord
    num_agreed: int
    num_enrolled: int
    problem: str | None

    @property
    def is_ready(self) -> bool:
        """Whether live video may run there."""
        return self.problem is None


class Places:
    """The places of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def add(
        self,
        name: str,
        *,
        collection: str,
        responsible: str,
        notice: str | None = None,
        keep_hours: float = DEFAULT_KEEP_HOURS,
    ) -> PlaceRecord:
        """Declare a place. Nobody is recognised there before a consent names it.

        Args:
            name: letters, digits, ``_ . -``, at most 64.
            collection: the gallery whose people may agree to it.
            responsible: who answers for it, one line.
            notice: the exact text posted there; live video refuses to start without one.
            keep_hours: how long events are kept, above 0, at most 720 (30 days).

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such collection.
            AlreadyExists: the name is taken.
            UsageError: a malformed field.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            return tx.add_place(
                name,
                collection_name=collection,
                responsible=responsible,
                notice=notice,
                keep_hours=keep_hours,
            )

    def change(
        self,
        name: str,
        *,
        responsible: str | None = None,
        notice: str | None = None,
        keep_hours: float | None = None,
    ) -> PlaceRecord:
        """Change what is said of a place; what is None stays. Shorter retention also ends events there are.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such place.
            UsageError: a malformed field.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            changed = tx.change_place(name, responsible=responsible, notice=notice, keep_hours=keep_hours)
            tx.sweep_live_events()
            return changed

    def set_camera(self, name: str, camera: str, source: str) -> PlaceRecord:
        """Add a camera, or give it another source, which is sealed: it may hold a password.

        Args:
            name: of the place.
            camera: letters, digits, ``_ . -``, at most 64.
            source: an address (RTSP, HTTP), a device such as ``/dev/video0``, or a file.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such place.
            UsageError: a malformed field.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            return tx.set_camera(name, camera, source)

    def remove_camera(self, name: str, camera: str) -> PlaceRecord:
        """Forget a camera and its source.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such place or camera.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            return tx.remove_camera(name, camera)

    def remove(self, name: str) -> None:
        """End a place; its cameras and events are destroyed. Consents still say that they named it.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such place.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            tx.remove_place(name)

    def list(self) -> tuple[PlaceSummary, ...]:
        """All places, by name. Raises ``Forbidden``: the caller has no role for it."""
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            return tuple(self._summary(tx, place) for place in tx.places())

    def get(self, name: str) -> PlaceSummary:
        """One place.

        Raises:
            Forbidden: the caller has no role for it.
            NotFound: there is none of that name.
        """
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            return self._summary(tx, tx.place(name))

    def events(
        self, name: str, *, after: int = 0, limit: int = 1000, newest: bool = False
    ) -> tuple[LiveEvent, ...]:
        """What was seen at one place and has not ended, oldest first; there is no asking across places.

        Args:
            name: the place.
            after: only events with a greater number; 0 for the beginning.
            limit: at most so many.
            newest: where there are more, the last ones instead of the first; still oldest first.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is no such place.
        """
        self._ctx.require(Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.live_events(name, after_seq=after, limit=limit, newest=newest))

    def all_events(self, name: str, *, after: int = 0) -> Iterator[LiveEvent]:
        """All of them, however many, read some at a time (see ``events``).

        Args:
            name: the place.
            after: only events with a greater number; 0 for the beginning.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is no such place.
        """
        while page := self.events(name, after=after):
            yield from page
            after = page[-1].seq

    def _summary(self, tx: Reading, place: PlaceRecord) -> PlaceSummary:
        num_agreed = len(tx.agreed_people(place.id))
        try:
            num_enrolled = size_of(self._ctx, tx, place.name)
        except AssentError as error:  # models not pulled yet, say: the place is as it was declared
            return PlaceSummary(place, num_agreed, 0, error.message)
        return PlaceSummary(place, num_agreed, num_enrolled, None)
