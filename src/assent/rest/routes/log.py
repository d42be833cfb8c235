"""The log: read it, sign it, verify it, prove it to others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from assent.errors import LogTampered
from assent.ledger.proof import Proof, format_proof
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, make_cursor, number_of
from assent.rest.shapes.log import (
    AuditAnswer,
    CheckpointAnswer,
    ConsistencyAnswer,
    EntryAnswer,
    InclusionAnswer,
    OldCheckpoint,
    PublicKeysAnswer,
    ToVerify,
)
from assent.service.logbook import read_checkpoints, read_keys

router = APIRouter(tags=["Log"], route_class=BoundedRoute)


class JsonLinesResponse(Response):
    """An exported log."""

    media_type = "application/jsonl"


@router.get("/log/entries", responses=documented())
def list_entries(
    assent: Acting,
    kind: Annotated[
        list[str] | None,
        Query(max_length=50, description="Only these kinds of act; repeatable.", examples=[["search"]]),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EntryAnswer]:
    """The record of acts, oldest first."""
    found = assent.logbook.entries(kinds=kind or (), after_seq=number_of(cursor), limit=limit + 1)
    chosen, is_last = found[:limit], len(found) <= limit
    return Page(
        items=[EntryAnswer.of(entry) for entry in chosen],
        next_cursor=None if is_last else make_cursor((int(chosen[-1]["seq"]),)),
    )


@router.get(
    "/log/entries/{seq}/proof",
    response_model=InclusionAnswer,
    responses=documented(404, 409),
)
def prove_entry(
    assent: Acting,
    seq: Annotated[int, Path(ge=1, le=2**53, description="The entry's number.", examples=[1])],
) -> Response:
    """Proof that an entry is in the log, checked without the log: `assent log verify-proof FILE --key KEY`."""
    return _as_it_is(assent.logbook.prove(seq))


@router.get("/log/checkpoints", responses=documented(409))
def list_checkpoints(assent: Acting) -> list[CheckpointAnswer]:
    """Every checkpoint kept on this machine, oldest first."""
    return [CheckpointAnswer.of(made) for made in assent.logbook.checkpoints()]


@router.post("/log/checkpoints", responses=documented(409))
def make_checkpoint(assent: Acting) -> CheckpointAnswer:
    """Sign the log as it is now; where nothing was added, the last checkpoint again.

    Keep its `text` where nobody who can change the log can change it.
    """
    return CheckpointAnswer.of(assent.logbook.checkpoint())


@router.get("/log/public-keys", responses=documented(409))
def list_public_keys(assent: Acting) -> PublicKeysAnswer:
    """The public keys that the log is checked with, oldest first. Keep them elsewhere, once."""
    return PublicKeysAnswer(public_keys=[str(key) for key in assent.logbook.public_keys()])


@router.post("/log/verify", responses=documented(400, 409, 413))
def verify_log(assent: Acting, what: ToVerify | None = None) -> AuditAnswer:
    """Recompute every entry and the tree, and compare with every checkpoint, yours included.

    A log that is not what was written is an answer, not an error: `is_intact` is false and `finding` says why. A
    checkpoint of yours that is damaged is an error (409).
    """
    given = what or ToVerify()
    kept = read_checkpoints(given.checkpoints) if given.checkpoints else []
    keys = read_keys(given.public_keys)
    try:
        return AuditAnswer.of(assent.logbook.verify(kept=kept, keys=keys))
    except LogTampered as found:
        return AuditAnswer.of_damage(found)


@router.post("/log/consistency", response_model=ConsistencyAnswer, responses=documented(400, 409, 413))
def prove_consistency(assent: Acting, old: OldCheckpoint) -> Response:
    """Proof that the log is that of a checkpoint which you kept, with entries added and nothing else changed."""
    return _as_it_is(assent.logbook.consistency(read_checkpoints(old.checkpoint)[-1]))


@router.get(
    "/log/export", response_class=JsonLinesResponse, responses=documented(409, media_type="application/jsonl")
)
def export_log(assent: Acting) -> JsonLinesResponse:
    """The whole log with a checkpoint over it, to be audited elsewhere: `assent log verify --export FILE`."""
    return JsonLinesResponse(assent.logbook.export())


def _as_it_is(proof: Proof) -> Response:
    """The very bytes that `assent log prove` writes: a proof has one exact form."""
    return Response(format_proof(proof), media_type="application/json")
