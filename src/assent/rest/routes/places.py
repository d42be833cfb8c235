"""Places of live video, and what was seen at one of them."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.places import EventsAnswer, LiveEventAnswer, PlaceAnswer, PlacePath

router = APIRouter(tags=["Places"], route_class=BoundedRoute)

_RETRY_MS: Final = 500
_MOST: Final = 2**53
After = Annotated[int, Query(ge=0, le=_MOST, description="Only events with a greater number.", examples=[17])]


class EventStreamResponse(Response):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get("/places", responses=documented())
def list_places(assent: Acting, limit: Limit = 100, cursor: Cursor = None) -> Page[PlaceAnswer]:
    """Every place, by name."""
    chosen, after = page_of(assent.places.list(), lambda item: (item.place.name,), limit=limit, cursor=cursor)
    return Page(items=[PlaceAnswer.of(item) for item in chosen], next_cursor=after)


@router.get("/places/{place}", responses=documented(404))
def get_place(assent: Acting, place: PlacePath) -> PlaceAnswer:
    """One place, and whether anybody could be recognised there now."""
    return PlaceAnswer.of(assent.places.get(place))


@router.get("/places/{place}/events", responses=documented(404))
def list_events(assent: Acting, place: PlacePath, after: After = 0, limit: Limit = 100) -> EventsAnswer:
    """Who of the consenting came to a place and went, oldest first, for as long as it is kept."""
    found = assent.places.events(place, after=after, limit=limit)
    return EventsAnswer(items=[LiveEventAnswer.of(event) for event in found])


@router.get(
    "/places/{place}/events/stream",
    response_class=EventStreamResponse,
    responses=documented(404, media_type="text/event-stream"),
)
def stream_events(
    assent: Acting,
    place: PlacePath,
    after: After = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_MOST, description="What a browser's `EventSource` sends by itself.")
    ] = None,
) -> EventStreamResponse:
    """The same as server-sent events, for `EventSource`.

    Each answer holds what is new and ends; the client asks for the next one after half a second, as the protocol has
    it, so that whoever watches takes no place from those who search.
    """
    found = assent.places.events(place, after=last_event_id if last_event_id is not None else after)
    parts = [f"retry: {_RETRY_MS}\n\n"]
    for event in found:
        body = LiveEventAnswer.of(event).model_dump(mode="json")
        parts.append(f"id: {event.seq}\nevent: {event.kind}\ndata: {json.dumps(body)}\n\n")
    return EventStreamResponse("".join(parts), headers={"Cache-Control": "no-store"})
