"""Auditing a log: each entry by itself, then all of them against signed checkpoints.

The audit does not ask the code that wrote the log what an entry looks like: it has the form written down again here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assent.errors import LogTampered
from assent.ledger.checkpoint import Checkpoint, PublicKey
from assent.ledger.tree import Frontier, leaf_hash

ENTRY_KEYS: Final = frozenset({"actor", "at", "body", "kind", "seq"})


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it was found; anything in it may be wrong, its type too.

    Attributes:
        entry: the canonical JSON, if it is what it should be.
        leaf_sha256: the hexadecimal hash that was kept beside it.
        columns: what else was kept beside it and must agree with the entry: ``seq``, ``at``, ``kind``.
    """

    entry: object
    leaf_sha256: object
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """A log that holds together.

    Attributes:
        frontier: of the tree over all entries.
        checkpoints: what it was compared with, smallest first.
    """

    frontier: Frontier
    checkpoints: tuple[Checkpoint, ...]

    @property
    def num_entries(self) -> int:
        """Entries in the log."""
        return self.frontier.size

    @property
    def num_signed(self) -> int:
        """Entries that a checkpoint covers; later ones could have been changed without a trace."""
        return self.checkpoints[-1].size if self.checkpoints else 0


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII: the same value is always the same bytes.

    Raises:
        ValueError: not JSON, or not a finite number.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def check_row(seq: int, row: Row) -> bytes:
    """The leaf hash of the entry that should be number ``seq``.

    Args:
        seq: from 1.
        row: as it was found.

    Raises:
        LogTampered: says what is wrong with it.
    """
    entry = row.entry
    found = _parsed(seq, entry)
    assert isinstance(entry, str)
    if found["seq"] != seq or type(found["seq"]) is not int:
        raise LogTampered(
            f"entry {seq} is missing or out of its place: the entry that stands there says it is number "
            f"{found['seq']!r}",
            seq=seq,
        )
    for name, value in row.columns.items():
        if found[name] != value or type(found[name]) is not type(value):
            raise LogTampered(f"entry {seq}: its {name} beside the entry is not the one in it", seq=seq)
    leaf = leaf_hash(entry.encode("ascii"))
    if row.leaf_sha256 != leaf.hex():
        raise LogTampered(
            f"entry {seq} is not the one that its leaf hash is of; one of them was altered", seq=seq
        )
    return leaf


def audit(rows: Iterable[Row], checkpoints: Sequence[Checkpoint], keys: Mapping[str, PublicKey]) -> Audit:
    """Recompute everything: entries, order, hashes, and the tree at every checkpoint.

    Args:
        rows: all entries in their order.
        checkpoints: all that were kept, of this log.
        keys: the public keys that may have signed them, by key id.

    Raises:
        LogTampered: names the first entry that is wrong, where it can be told, and says what is wrong.
    """
    for checkpoint in checkpoints:
        checkpoint.verify(keys)
    if len({checkpoint.origin for checkpoint in checkpoints}) > 1:
        raise LogTampered("the checkpoints are of several logs; give those of this one")
    ordered = tuple(sorted(checkpoints, key=lambda checkpoint: checkpoint.size))
    leaves = (check_row(seq, row) for seq, row in enumerate(rows, start=1))
    frontier = Frontier()
    for checkpoint in ordered:
        before = frontier.size
        frontier = frontier.extended(_next(leaves, checkpoint.size - before))
        _compare(frontier, before, checkpoint)
    return Audit(frontier.extended(leaves), ordered)


def _next(leaves: Iterator[bytes], count: int) -> Iterator[bytes]:
    """At most so many more; unlike ``islice``, none is lost where the iterator is shared."""
    for _ in range(count):
        leaf = next(leaves, None)
        if leaf is None:
            return
        yield leaf


def _compare(frontier: Frontier, before: int, checkpoint: Checkpoint) -> None:
    """``before`` entries agreed with the checkpoint before this one."""
    if frontier.size < checkpoint.size:
        raise LogTampered(
            f"the log was cut off: it ends after entry {frontier.size}, and the checkpoint of {checkpoint.at} was "
            f"signed over {checkpoint.size} entries",
            seq=frontier.size + 1,
        )
    if frontier.root != checkpoint.root:
        first = min(before + 1, checkpoint.size)
        among = (
            f"entry {first}" if first == checkpoint.size else f"an entry from {first} to {checkpoint.size}"
        )
        raise LogTampered(
            f"the log was rewritten: {among} is not the one that the checkpoint of {checkpoint.at} was signed over",
            seq=first,
        )


def _parsed(seq: int, entry: object) -> dict[str, Any]:
    """The entry's members, where it is exactly what would have been written."""
    try:
        if not isinstance(entry, str):
            raise ValueError("not text")
        found = json.loads(entry)
        is_canonical = canonical_json(found) == entry
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical or not isinstance(found, dict) or found.keys() != ENTRY_KEYS:
        raise LogTampered(
            f"entry {seq} is not in the form that entries are written in (canonical JSON with "
            f"{', '.join(sorted(ENTRY_KEYS))}); it was altered",
            seq=seq,
        )
    return found
