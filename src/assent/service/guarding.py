"""What every comparison is held to before anything is compared, and the record of a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from assent.errors import (
    CalibrationError,
    ConsentError,
    PlaceNotReady,
    ReviewError,
    UsageError,
    WrongPurpose,
)
from assent.service.context import Context
from assent.store.fields import PURPOSE
from assent.store.values import CollectionRecord


@contextmanager
def recording_refusals(ctx: Context, act: str, collection: str, purpose: str) -> Iterator[None]:
    """Record an act that is refused for lack of consent, purpose or evidence; its own transaction is undone."""
    try:
        yield
    except (ConsentError, CalibrationError, ReviewError, PlaceNotReady) as error:
        with ctx.records.transaction() as tx:
            body = {
                "act": act,
                # What is no purpose at all may be anything, a name too.
                "purpose": purpose if PURPOSE.fullmatch(purpose) else None,
                "collection": tx.collection(collection).id,
                "refusal": type(error).__name__,
            }
            tx.append_log("refused", body)
        raise


def require_one_collection(name: object) -> None:
    """Refuse a search across collections: people agreed to be found in one.

    Raises:
        UsageError: ``name`` is not one name.
    """
    if not isinstance(name, str):
        raise UsageError(
            f"expected the name of one collection, got {type(name).__name__}; ask of one at a time"
        )


def require_purpose(collection: CollectionRecord, purpose: str) -> None:
    """A collection answers searches for its own purpose only.

    Raises:
        WrongPurpose: the search is for another.
    """
    if collection.purpose != purpose:
        raise WrongPurpose(
            f"collection {collection.name} is for the purpose {collection.purpose}, this search was for {purpose}; "
            f"people agreed to the former only"
        )
