"""Streams: cameras of places that a worker is to watch, whichever worker there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.store import fields
from assent.store.live import LiveReads, LiveWrites
from assent.store.log import canonical_json
from assent.store.schema import live_streams, places
from assent.store.scope import new_id
from assent.types import JsonObject

MAX_STREAMS: Final = 1000
_MAX_FACTS_CHARS: Final = 20_000


class StreamState(StrEnum):
    """What a stream does."""

    STOPPED = "stopped"
    STARTING = "starting"  # wanted; no worker has it yet
    RUNNING = "running"
    FAILED = "failed"  # where it is wanted, tried again; where it is not, whoever started it may not


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A camera that is to be watched, or not.

    Attributes:
        id: random UUID.
        name: unique.
        place: the place's name.
        camera: which of its cameras.
        threshold: a similarity of 0 to 100; None for the default.
        actor: who started it last, as the log calls them: its searches are theirs; None before, and for whoever runs
            the worker.
        key_id: the access key that they came with; None where they have the data folder itself.
        facts: what whoever made it wants to be told again; no secret is in it.
        is_wanted: whether it is to run.
        session_id: random UUID of the time it was last started; None before.
        state: what it does.
        message: why, for people.
        worker: who has it; None for nobody.
        address: where on the worker's machine its preview and health are; None while it does not run.
        lease_until: UTC; until then it is that worker's.
        created_at: UTC.
        changed_at: UTC.
    """

    id: str
    name: str
    place: str
    camera: str
    threshold: float | None
    actor: str | None
    key_id: str | None
    facts: JsonObject
    is_wanted: bool
    session_id: str | None
    state: StreamState
    message: str
    worker: str | None
    address: str | None
    lease_until: datetime | None
    created_at: datetime
    changed_at: datetime


_ROWS = sa.select(
    *(column for column in live_streams.c if column.name != "place_id"), places.c.name.label("place")
).join(places, places.c.id == live_streams.c.place_id)


class StreamReads(LiveReads):
    """Reading streams."""

    def stream(self, name: str) -> StreamRecord:
        """The stream of this name. Raises ``NotFound``."""
        row = self._connection.execute(_ROWS.where(live_streams.c.name == name)).mappings().one_or_none()
        if row is None:
            raise NotFound("no stream has this name; list them, or make it first")
        return self._stream(row)

    def streams(self) -> list[StreamRecord]:
        """Every stream, by name."""
        return [
            self._stream(row)
            for row in self._connection.execute(_ROWS.order_by(live_streams.c.name)).mappings()
        ]

    def has_unwatched_stream(self) -> bool:
        """Whether there is a stream that ``claim_stream`` would take on."""
        return self._connection.execute(_unwatched(self._now).limit(1)).first() is not None

    def is_stream_of(self, stream: StreamRecord, worker: str) -> bool:
        """Whether a stream is still wanted as it was claimed, and this worker's: not stopped, nor started anew."""
        query = sa.select(live_streams.c.id).where(*_as_claimed(stream, worker))
        return self._connection.execute(query).first() is not None

    def _stream(self, row: Any) -> StreamRecord:
        return StreamRecord(**{**row, "facts": json.loads(row["facts"]), "state": StreamState(row["state"])})


class StreamWrites(StreamReads, LiveWrites):
    """Making, starting and stopping streams, and what workers do with them."""

    def add_stream(
        self,
        name: str,
        *,
        place_name: str,
        camera: str,
        threshold: float | None = None,
        facts: JsonObject | None = None,
    ) -> StreamRecord:
        """Make a stream, stopped. Logged as ``stream.added``.

        Raises:
            NotFound: no such place or camera.
            AlreadyExists: a stream has this name.
            UsageError: a malformed name or threshold, or too many streams.
        """
        fields.matching("name", name, fields.DIGEST)
        self.camera_source(place_name, camera)
        known = {item.name for item in self.streams()}
        if name in known:
            raise AlreadyExists("a stream has this name; choose another, or use the one there")
        if len(known) >= MAX_STREAMS:
            raise UsageError(f"there are at most {MAX_STREAMS} streams; remove some first")
        stream_id = new_id()
        self._connection.execute(
            sa.insert(live_streams).values(
                id=stream_id,
                name=name,
                place_id=self.place(place_name).id,
                camera=camera,
                threshold=_threshold(threshold),
                facts=_facts(facts or {}),
                is_wanted=False,
                state=StreamState.STOPPED,
                message="",
                created_at=self._now,
                changed_at=self._now,
            )
        )
        self.append_log("stream.added", {"stream_id": stream_id, "place_id": self.place(place_name).id})
        return self.stream(name)

    def want_stream(self, name: str, *, is_wanted: bool, key_id: str | None = None) -> StreamRecord:
        """Start or stop it; a worker does it. Logged as ``stream.started`` or ``stream.stopped``.

        Args:
            name: which.
            is_wanted: start it.
            key_id: the access key of whoever starts it; None where they have the data folder itself.

        Raises:
            NotFound: no stream has this name.
        """
        stream = self.stream(name)
        if stream.is_wanted == is_wanted and (is_wanted or stream.state is not StreamState.FAILED):
            return stream
        changes: JsonObject = {"is_wanted": is_wanted, "message": "", "changed_at": self._now}
        if is_wanted:
            changes |= {"session_id": new_id(), "state": StreamState.STARTING}
            changes |= {"actor": self._actor, "key_id": key_id}
        elif stream.worker is None or stream.state is StreamState.FAILED:
            changes |= {"state": StreamState.STOPPED}
        self._update(stream.id, **changes)
        self.append_log("stream.started" if is_wanted else "stream.stopped", {"stream_id": stream.id})
        return self.stream(name)

    def remove_stream(self, name: str) -> None:
        """Forget a stream; a worker that has it ends it. Logged as ``stream.removed``. Raises ``NotFound``."""
        stream = self.stream(name)
        self._connection.execute(sa.delete(live_streams).where(live_streams.c.id == stream.id))
        self.append_log("stream.removed", {"stream_id": stream.id})

    def claim_stream(self, worker: str, *, lease: timedelta) -> StreamRecord | None:
        """Take on a stream that is wanted and nobody's, or whose worker was not heard of; None where there is none."""
        query = _unwatched(self._now).order_by(live_streams.c.changed_at, live_streams.c.name)
        row = self._connection.execute(query.limit(1)).mappings().one_or_none()
        if row is None:
            return None
        self._update(row["id"], worker=worker, lease_until=self._now + lease, address=None)
        return self.stream(row["name"])

    def renew_stream(
        self,
        stream: StreamRecord,
        worker: str,
        *,
        lease: timedelta,
        state: StreamState,
        message: str,
        address: str | None,
    ) -> bool:
        """Say that it is still this worker's, and how it does; False where it is to end (see ``is_stream_of``)."""
        done = self._connection.execute(
            sa.update(live_streams)
            .where(*_as_claimed(stream, worker))
            .values(lease_until=self._now + lease, state=state, message=message, address=address)
        )
        return bool(done.rowcount)

    def refuse_stream(self, stream: StreamRecord, worker: str, message: str) -> None:
        """Whoever started it may not any more: it ends, until it is started anew. Logged as ``stream.refused``."""
        done = self._connection.execute(
            sa.update(live_streams)
            .where(*_as_claimed(stream, worker))
            .values(is_wanted=False, state=StreamState.FAILED, message=message, changed_at=self._now)
        )
        if done.rowcount:
            self.append_log("stream.refused", {"stream_id": stream.id})

    def release_stream(self, stream_id: str, worker: str) -> None:
        """It is nobody's any more; where it is still wanted, another worker may have it."""
        refused = live_streams.c.state == StreamState.FAILED
        wanted = sa.case(
            (live_streams.c.is_wanted, StreamState.STARTING.value),
            (refused, StreamState.FAILED.value),
            else_=StreamState.STOPPED.value,
        )
        self._connection.execute(
            sa.update(live_streams)
            .where(live_streams.c.id == stream_id, live_streams.c.worker == worker)
            .values(worker=None, lease_until=None, address=None, state=wanted)
        )

    def _update(self, stream_id: str, **changes: Any) -> None:
        self._connection.execute(
            sa.update(live_streams).where(live_streams.c.id == stream_id).values(**changes)
        )


def _unwatched(now: datetime) -> sa.Select[Any]:
    return _ROWS.where(
        live_streams.c.is_wanted,
        sa.or_(live_streams.c.worker.is_(None), live_streams.c.lease_until <= now),
    )


def _as_claimed(stream: StreamRecord, worker: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        live_streams.c.id == stream.id,
        live_streams.c.worker == worker,
        live_streams.c.is_wanted,
        live_streams.c.session_id == stream.session_id,
    )


def _threshold(threshold: float | None) -> float | None:
    if threshold is not None and not 0 <= threshold <= 100:
        raise UsageError(f"threshold must be a similarity of 0 to 100, got {threshold:g}")
    return threshold


def _facts(facts: JsonObject) -> str:
    text = canonical_json(facts)
    if len(text) > _MAX_FACTS_CHARS:
        raise UsageError(f"the facts of a stream must be at most {_MAX_FACTS_CHARS} characters as JSON")
    return text
