"""Places of live video and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from assent.rest.shapes.fields import PLACE_PATTERN, Count, Fmr, Id, Purpose, Shape, Similarity, Time
from assent.service.places import PlaceSummary
from assent.store.live import LiveEvent, LiveEventKind

PlacePath = Annotated[str, Path(pattern=PLACE_PATTERN, description="The place's name.", examples=["door"])]


class CameraAnswer(Shape):
    """A camera of a place."""

    name: str = Field(examples=["entrance"])
    source: str = Field(
        description="Without user, password and query, which are never told.",
        examples=["rtsp://10.0.0.7/stream"],
    )


class PlaceAnswer(Shape):
    """Where people may be recognised live, and whether anybody could be now."""

    id: Id
    name: str = Field(examples=["door"])
    collection: str = Field(description="Whose people may agree to it.", examples=["club"])
    purpose: Purpose
    responsible: str = Field(description="Who answers for it.", examples=["Chess Club"])
    notice: str | None = Field(description="The exact text posted there; null while none is.")
    keep_hours: float = Field(gt=0, le=720, description="How long events are kept.", examples=[24.0])
    created_at: Time
    cameras: list[CameraAnswer]
    num_agreed: Count = Field(description="People whose live consent names it.")
    num_enrolled: Count = Field(description="Those of them who are enrolled; 0 while it is not ready.")
    problem: str | None = Field(description="Why nobody can be recognised there; null where it is ready.")

    @classmethod
    def of(cls, summary: PlaceSummary) -> PlaceAnswer:
        """The answer for a place."""
        place = summary.place
        return cls(
            id=place.id,
            name=place.name,
            collection=place.collection_name,
            purpose=place.purpose,
            responsible=place.responsible,
            notice=place.notice,
            keep_hours=place.keep_hours,
            created_at=place.created_at,
            cameras=[CameraAnswer(name=item.name, source=item.shown) for item in place.cameras],
            num_agreed=summary.num_agreed,
            num_enrolled=summary.num_enrolled,
            problem=summary.problem,
        )


class LiveEventAnswer(Shape):
    """Somebody who agreed to the place came or went."""

    seq: int = Field(ge=1, description="Rising at its place; gaps are events that are gone.", examples=[17])
    event: LiveEventKind = Field(description="What happened.")
    person: str = Field(description="As you call them.", examples=["ana"])
    name: str | None = Field(examples=["Ana Lovelace"])
    consent_id: Id
    camera: str = Field(examples=["entrance"])
    at: Time
    similarity: Similarity
    fmr_at_score: Fmr
    expected_false_candidates: float = Field(
        ge=0, description="That rate times the gallery's size.", examples=[0.01]
    )
    expires_at: Annotated[datetime, Field(description="When it is destroyed.")]

    @classmethod
    def of(cls, event: LiveEvent) -> LiveEventAnswer:
        """The answer for an event."""
        names = cls.model_fields.keys() - {"event"}
        return cls.model_validate({"event": event.kind, **{name: getattr(event, name) for name in names}})


class EventsAnswer(Shape):
    """A place's events, oldest first."""

    items: list[LiveEventAnswer]
