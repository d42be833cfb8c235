"""A small log with its checkpoints and keys."""

from __future__ import annotations

import json
from collections.abc import Sequence

from assent.ledger.audit import Row, canonical_json
from assent.ledger.checkpoint import Checkpoint, SigningKey, keys_by_id, origin_of
from assent.ledger.tree import Frontier, leaf_hash

ORIGIN = origin_of("6f1c0000-0000-4000-8000-000000000001")
AT = "2026-01-15T12:00:00.000000Z"
KEY = SigningKey(ORIGIN, bytes(range(32)))
OTHER_KEY = SigningKey(ORIGIN, bytes(range(1, 33)))
KEYS = keys_by_id([KEY.public])


def row_of(entry: str) -> Row:
    """A row whose hash and columns fit its entry: what a forger would write."""
    found = json.loads(entry)
    columns = {name: found[name] for name in ("seq", "at", "kind")}
    return Row(entry, leaf_hash(entry.encode()).hex(), columns)


def entry(seq: int, kind: str = "search", **body: object) -> str:
    return canonical_json({"actor": "os-user-1", "at": AT, "body": body, "kind": kind, "seq": seq})


def rows(count: int) -> list[Row]:
    return [row_of(entry(seq, num_faces=seq * 7)) for seq in range(1, count + 1)]


def leaves_of(made: Sequence[Row]) -> list[bytes]:
    return [leaf_hash(str(row.entry).encode()) for row in made]


def checkpoint(made: Sequence[Row], size: int | None = None, key: SigningKey = KEY) -> Checkpoint:
    """Signed over the first ``size`` rows; over all by default."""
    return key.sign(Frontier().extended(leaves_of(made)[:size]), AT)
