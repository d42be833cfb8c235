"""Live video: the cameras that are watched, who is there now, and a picture in which everybody else is hidden."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from assent.console.security import PAGE_HEADERS
from assent.console.visit import Page, Visit, sentence
from assent.errors import AssentError

_AGAIN_MS = 1000


def live(visit: Visit) -> Response:
    """Every stream and how it does; places, ready or not."""
    return _list(visit)


def add(visit: Visit) -> Response:
    """Make a stream of a place's camera."""
    name, chosen = visit.form.text("name"), visit.form.text("camera")
    place, _, camera = chosen.partition("/")
    try:
        visit.assent.streams.add(name, place=place, camera=camera)
    except AssentError as error:
        return _list(visit, error=sentence(error), name=name, chosen=chosen)
    return visit.go("/live/stream", note=f"{name} is made; start it when the notice is up.", name=name)


def stream(visit: Visit) -> Response:
    """One stream: the picture, who is here, how it does."""
    found = visit.assent.streams.get(visit.query("name"))
    summary = visit.assent.places.get(found.place)
    return visit.page(
        "stream.html",
        stream=found,
        place=summary.place,
        problem=summary.problem,
        facts=_facts(visit, found.name),
        events=visit.assent.places.events(found.place, limit=20, newest=True)[::-1],
    )


def start(visit: Visit) -> Response:
    """Have a worker watch it."""
    name = visit.form.text("name")
    visit.assent.streams.start(name)
    return visit.go("/live/stream", note="Started. A worker takes it on.", name=name)


def stop(visit: Visit) -> Response:
    """Have the worker end it."""
    name = visit.form.text("name")
    visit.assent.streams.stop(name)
    return visit.go("/live/stream", note="Stopped.", name=name)


def remove(visit: Visit) -> Response:
    """Forget a stream; its place stays."""
    name = visit.form.text("name")
    visit.assent.streams.remove(name)
    return visit.go("/live", note=f"{name} is removed.")


def picture(visit: Visit) -> Response:
    """The newest picture, hidden already before it left the worker; nothing where there is none."""
    jpeg = visit.assent.streams.picture(visit.query("name"))
    headers = dict(PAGE_HEADERS)
    if jpeg is None:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def now(visit: Visit) -> Response:
    """The same facts as the page's, as a server-sent event; the browser asks again after a second."""
    facts = _facts(visit, visit.query("name"))
    body = f"retry: {_AGAIN_MS}\ndata: {json.dumps(facts)}\n\n"
    return Response(body, media_type="text/event-stream", headers=dict(PAGE_HEADERS))


def _list(visit: Visit, *, error: str = "", name: str = "", chosen: str = "") -> Response:
    places = visit.assent.places.list()
    cameras = [f"{item.place.name}/{camera.name}" for item in places for camera in item.place.cameras]
    return visit.page(
        "live.html",
        status=400 if error else 200,
        error=error,
        streams=visit.assent.streams.list(),
        places=places,
        cameras=[(value, value) for value in cameras],
        name=name,
        chosen=chosen,
    )


def _facts(visit: Visit, name: str) -> dict[str, str]:
    """What is told of a stream, in words, by what it is about."""
    found = visit.assent.streams.get(name)
    health: dict[str, Any] = visit.assent.streams.health(name) or {}
    source = health.get("source", {})
    here = [item["name"] or item["person"] for item in health.get("here", [])]
    return {
        "state": found.state.value,
        "message": found.message or "–",
        "here": ", ".join(here) or "nobody who agreed",
        "rate": f"{health.get('analysed_fps', 0):.1f} frames a second, {health.get('preview_fps', 0):.1f} shown",
        "latency": _ms(health.get("latency_p95_ms")),
        "dropped": f"{source.get('num_dropped', 0):,} of {source.get('num_frames', 0):,} frames",
        "lost": f"{source.get('num_lost', 0):,} times",
    }


def _ms(value: float | None) -> str:
    return "–" if value is None else f"95 % within {value:.0f} ms"


PAGES = (
    Page("GET", "/live", live),
    Page("POST", "/live", add),
    Page("GET", "/live/stream", stream),
    Page("POST", "/live/start", start),
    Page("POST", "/live/stop", stop),
    Page("POST", "/live/remove", remove),
    Page("GET", "/live/picture", picture, is_click=False),
    Page("GET", "/live/now", now, is_click=False),
)
