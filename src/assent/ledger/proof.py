"""Proofs as files: that an entry is in the log, that a log extends an older one. Checked without the log.

The text is JSON of one exact form, with a signed checkpoint inside; who checks needs the public key and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from assent.errors import LogTampered, UsageError
from assent.ledger.audit import Row, check_row
from assent.ledger.checkpoint import Checkpoint, PublicKey
from assent.ledger.tree import is_consistent, is_included, leaf_hash
from assent.types import JsonObject

_INCLUSION: Final = "assent-log-inclusion-1"
_CONSISTENCY: Final = "assent-log-consistency-1"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one entry is in the log.

    Attributes:
        seq: the entry's number, from 1.
        entry: its text.
        path: 32 bytes each, from the leaf to the root (RFC 9162 section 2.1.3).
        checkpoint: signed over a log that holds it.
    """

    seq: int
    entry: str
    path: tuple[bytes, ...]
    checkpoint: Checkpoint

    def as_json(self) -> JsonObject:
        """The members of the file."""
        return {
            "format": _INCLUSION,
            "seq": self.seq,
            "entry": self.entry,
            "path": [node.hex() for node in self.path],
            "checkpoint": str(self.checkpoint),
        }

    def verify(self, keys: Mapping[str, PublicKey]) -> None:
        """Check it with the public keys (by key id) and nothing else.

        Raises:
            LogTampered: the entry is not in the log that was signed, or that was signed by somebody else.
        """
        self.checkpoint.verify(keys)
        leaf = leaf_hash(self.entry.encode())
        check_row(self.seq, Row(self.entry, leaf.hex()))
        if not is_included(leaf, self.seq - 1, self.checkpoint.size, self.path, self.checkpoint.root):
            raise LogTampered(
                f"the proof does not hold: entry {self.seq} is not in the log that the checkpoint of "
                f"{self.checkpoint.at} was signed over",
                seq=self.seq,
            )


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the log of one checkpoint is the log of an older one with entries added, and nothing else changed.

    Attributes:
        old: the older checkpoint.
        new: the newer one.
        path: 32 bytes each (RFC 9162 section 2.1.4).
    """

    old: Checkpoint
    new: Checkpoint
    path: tuple[bytes, ...]

    def as_json(self) -> JsonObject:
        """The members of the file."""
        return {
            "format": _CONSISTENCY,
            "old": str(self.old),
            "new": str(self.new),
            "path": [node.hex() for node in self.path],
        }

    def verify(self, keys: Mapping[str, PublicKey]) -> None:
        """Check it with the public keys (by key id) and nothing else.

        Raises:
            LogTampered: the newer log is not the older one extended, or somebody else signed one of them.
        """
        self.old.verify(keys)
        self.new.verify(keys)
        same = self.old.origin == self.new.origin
        if not same or not is_consistent(
            self.old.size, self.new.size, self.path, self.old.root, self.new.root
        ):
            raise LogTampered(
                f"the proof does not hold: the log of {self.new.at} ({self.new.size} entries) is not that of "
                f"{self.old.at} ({self.old.size} entries) with entries added"
            )


Proof = InclusionProof | ConsistencyProof


def format_proof(proof: Proof) -> str:
    """The text of a proof's file."""
    return json.dumps(proof.as_json(), indent=2) + "\n"


def parse_proof(text: str) -> Proof:
    """The proof of a file's text, not yet checked.

    Raises:
        UsageError: it is not exactly what ``format_proof`` writes.
        LogTampered: a checkpoint in it is damaged.
    """
    try:
        proof = _parse(json.loads(text))
        if format_proof(proof) != text:
            raise ValueError("another form")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "expected a proof as `assent log prove` and `assent log consistency` write it, got something else or a "
            "damaged one; ask for it again"
        ) from None
    return proof


def _parse(document: Any) -> Proof:
    path = tuple(bytes.fromhex(node) for node in document["path"])
    if document["format"] == _INCLUSION:
        return InclusionProof(
            int(document["seq"]), str(document["entry"]), path, Checkpoint.parse(document["checkpoint"])
        )
    if document["format"] == _CONSISTENCY:
        return ConsistencyProof(Checkpoint.parse(document["old"]), Checkpoint.parse(document["new"]), path)
    raise ValueError(document["format"])
