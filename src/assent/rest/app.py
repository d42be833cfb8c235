"""The REST application: FastAPI on Starlette, with OpenAPI made from the types (docs/decisions/0007-rest.md)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from assent.rest.authentication import Authentication, scheme
from assent.rest.errors import add_handlers
from assent.rest.guard import Guard
from assent.rest.routes import collections, consents, jobs, keys, log, people, photos, places, reviews
from assent.service import Assent
from assent.version import __version__

PREFIX: Final = "/v1"
"""Where the server mounts it."""

_DESCRIPTION: Final = """Face matching for people who said yes.

Every operation needs an access key (HTTP Basic: the key's id and its secret) and acts with the roles of that key.
Every error is one JSON object with `error` and `message`. Photos travel as multipart/form-data; no operation fetches
a picture from an address, gives out a template, or searches more than one collection."""

_TAGS: Final = (
    ("People", "Whoever may say yes."),
    ("Consents", "What they said yes to; withdrawal, receipts, expiry."),
    ("Collections", "Galleries with one purpose and one policy each."),
    ("Faces", "Enrol, search, verify, compare, detect."),
    ("Reviews", "Two people look before a name is given."),
    ("Places", "Where people agreed to be recognised in live video, and who of them was seen there."),
    ("Jobs", "Videos: submit, state, timeline, tracks, output, cancel."),
    ("Log", "The record of acts, and proofs of it."),
    ("Access keys", "Who may do what."),
    ("Server", "Whether it is well."),
)


class RestApp(FastAPI):
    """FastAPI, whose document says two things more: forms take no other fields, and null is for JSON only."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        for name, schema in document["components"]["schemas"].items():
            if name.startswith("Body_"):
                schema["additionalProperties"] = False
                schema["properties"] = {key: _not_null(kind) for key, kind in schema["properties"].items()}
        for operations in document["paths"].values():
            for operation in operations.values():
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = _not_null(parameter["schema"])
        return document


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its alternative of null: a query or a form has only text to say it with."""
    rest = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(rest) != 1:
        return schema
    return {**rest[0], **{key: value for key, value in schema.items() if key != "anyOf"}}


def rest_app(assent: Assent) -> RestApp:
    """The ASGI application, to be mounted at ``/v1``.

    Args:
        assent: the open data folder; each request acts as its own access key's view of it. The caller closes it.
    """
    app = RestApp(
        title="Assent",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=[{"name": name, "description": text} for name, text in _TAGS],
        servers=[{"url": PREFIX}],
        # The pages that come with FastAPI load their script from elsewhere; nothing here does.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(scheme)],
        generate_unique_id_function=lambda route: str(route.name),
        middleware=[Middleware(Guard), Middleware(Authentication, assent=assent)],
    )
    app.state.settings = assent.settings
    for router in (
        people.router,
        consents.router,
        collections.router,
        photos.router,
        photos.two_photos,
        photos.enrolled,
        reviews.router,
        places.router,
        jobs.router,
        jobs.uploads,
        log.router,
        keys.router,
        keys.health,
    ):
        app.include_router(router)
    add_handlers(app)
    return app
