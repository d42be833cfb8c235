"""Access keys: who may come in and do what."""

from __future__ import annotations

from starlette.responses import Response

from assent.console.visit import Page, Visit, sentence, status_of
from assent.errors import AssentError, UsageError
from assent.store.access import NewAccessKey, Role

ROLES = (
    (Role.ENROLLER, "people, consents, photos, collections"),
    (Role.SEARCHER, "search, and see the collections"),
    (Role.REVIEWER, "look at pairs of pictures"),
    (Role.ADMIN, "everything, keys, policies and the log too"),
)


def keys(visit: Visit) -> Response:
    """Every key, the live ones first."""
    return _list(visit)


def _list(visit: Visit, error: AssentError | None = None, made: NewAccessKey | None = None) -> Response:
    found = visit.assent.access.list()
    return visit.page(
        "keys.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        live=[key for key in found if key.revoked_at is None],
        revoked=[key for key in found if key.revoked_at is not None],
        roles=ROLES,
        made=made,
        own_id=visit.key.id,
        wanted_holder=visit.form.text("holder") if error else "",
        wanted_roles=visit.form.texts("role") if error else (),
    )


def make(visit: Visit) -> Response:
    """Make a key; its secret is on this page and nowhere else."""
    try:
        roles = [Role(text) for text in visit.form.texts("role") if text in set(Role)]
        if not roles:
            raise UsageError("a key needs at least one role; tick one")
        made = visit.assent.access.make(visit.form.text("holder"), roles)
    except UsageError as error:
        return _list(visit, error)
    return _list(visit, made=made)


def ask_to_revoke(visit: Visit) -> Response:
    """What revoking a key means."""
    found = [key for key in visit.assent.access.list() if key.id == visit.query("id")]
    return visit.page("key_revoke.html", keys=found, own_id=visit.key.id)


def revoke(visit: Visit) -> Response:
    """Nothing answers to it any more; its sessions end with their next request."""
    key = visit.assent.access.revoke(visit.form.text("id"))
    return visit.go("/keys", note=f"The key {key.id} of {key.holder} is revoked.")


PAGES = (
    Page("GET", "/keys", keys),
    Page("POST", "/keys", make),
    Page("GET", "/key/revoke", ask_to_revoke),
    Page("POST", "/key/revoke", revoke),
)
