"""Access keys, and whether the server is well."""

from __future__ import annotations

from fastapi import APIRouter

from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.shapes.keys import HealthAnswer, KeyAnswer, KeyPath, KeysAnswer, NewKey, NewKeyAnswer
from assent.version import __version__

router = APIRouter(tags=["Access keys"], route_class=BoundedRoute)
health = APIRouter(tags=["Server"], route_class=BoundedRoute)


@router.get("/keys", responses=documented())
def list_keys(assent: Acting) -> KeysAnswer:
    """Every access key, revoked ones too; no secrets."""
    return KeysAnswer(items=[KeyAnswer.of(key) for key in assent.access.list()])


@router.post("/keys", status_code=201, responses=documented(400, 413))
def make_key(assent: Acting, new: NewKey) -> NewKeyAnswer:
    """Make an access key; its secret is in this answer and never again."""
    return NewKeyAnswer.made(assent.access.make(new.holder, new.roles))


@router.delete("/keys/{key_id}", responses=documented(404))
def revoke_key(assent: Acting, key_id: KeyPath) -> KeyAnswer:
    """Revoke an access key; it opens nothing from this moment."""
    return KeyAnswer.of(assent.access.revoke(key_id))


@health.get("/health", responses=documented())
def get_health(assent: Acting) -> HealthAnswer:
    """That the server answers: the key that asked was found in the records a moment ago."""
    return HealthAnswer(
        status="ok",
        version=__version__,
        api="v1",
        now=assent.now(),
        max_image_bytes=assent.settings.max_image_bytes,
    )
