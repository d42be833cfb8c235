"""The log: entries, checkpoints, keys, proofs and audits."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from assent.errors import LogTampered
from assent.ledger.audit import Audit
from assent.ledger.checkpoint import Checkpoint
from assent.rest.shapes.fields import Count, Sha256, Shape, Time
from assent.types import JsonObject

_MAX_CHARS = 200_000
CHECKPOINT_EXAMPLE = (
    "assent/6f1c...\n3\nrra8...=\ntime 2026-01-15T12:00:00.000000Z\nfrontier +sVC...=\n\n"
    "— assent/6f1c... 8Tq0...=\n"
)
_HEADER = ("seq", "at", "kind", "actor", "leaf_sha256")


class EntryAnswer(Shape):
    """One act. Random ids and numbers only: no name, image, template or id of yours."""

    seq: int = Field(ge=1, description="1, 2, 3 ... without gaps.", examples=[17])
    at: Time
    kind: str = Field(description="Which act.", examples=["search"])
    actor: str | None = Field(
        description="Who acted: the key's holder and id, or a user number of the command line.",
        examples=["desk-3/ASNT234567ABCDEFGHIJ"],
    )
    leaf_sha256: Sha256 = Field(description="The entry's leaf hash (RFC 9162 section 2.1.1), hexadecimal.")
    body: dict[str, Any] = Field(
        description="What is recorded of this kind of act.", examples=[{"purpose": "club-photos"}]
    )

    @classmethod
    def of(cls, entry: JsonObject) -> EntryAnswer:
        """The answer for an entry, as the service lists them."""
        body = {name: value for name, value in entry.items() if name not in _HEADER}
        return cls.model_validate({"body": body, **{name: entry[name] for name in _HEADER}})


class CheckpointAnswer(Shape):
    """The log's state at a moment, signed. Keep `text` where nobody who can change the log can change it."""

    log: str = Field(description="Which log.")
    num_entries: Count
    root: Sha256 = Field(description="Of the Merkle tree over the entries, hexadecimal.")
    at: str = Field(examples=["2026-01-15T12:00:00.000000Z"])
    key_id: str = Field(description="Of the key that signed.", examples=["f12ad0b3"])
    text: str = Field(
        description="The signed note, as it is kept and checked.", examples=[CHECKPOINT_EXAMPLE]
    )

    @classmethod
    def of(cls, made: Checkpoint) -> CheckpointAnswer:
        """The answer for a checkpoint."""
        return cls(
            log=made.origin,
            num_entries=made.size,
            root=made.root.hex(),
            at=made.at,
            key_id=made.key_id,
            text=str(made),
        )


class PublicKeysAnswer(Shape):
    """What the log is checked with."""

    public_keys: list[str] = Field(
        description="`NAME+ID+BASE64`, oldest first; the last one signs now. Empty before the first checkpoint."
    )


class ToVerify(Shape):
    """What to hold the log to, besides the checkpoints kept here."""

    checkpoints: str | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_CHARS,
        description="Checkpoints that you kept, one after another.",
        examples=[CHECKPOINT_EXAMPLE],
    )
    public_keys: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="The keys to believe; the server's own where left out.",
    )


class AuditAnswer(Shape):
    """Whether the log is what was written."""

    is_intact: bool = Field(description="Every entry, their order and every checkpoint agree.")
    finding: str | None = Field(description="What is wrong; null where intact.")
    first_wrong_seq: int | None = Field(description="The first entry that is wrong, where it can be told.")
    num_entries: int | None = Field(description="Entries; null where not intact.")
    num_signed: int | None = Field(
        description="Entries that a checkpoint covers; later ones could have been changed without a trace."
    )
    num_checkpoints: int | None = Field(description="Checkpoints compared.")
    root: str | None = Field(description="Of the tree over all entries, hexadecimal.")

    @classmethod
    def of(cls, result: Audit) -> AuditAnswer:
        """The answer for a log that holds together."""
        return cls(
            is_intact=True,
            finding=None,
            first_wrong_seq=None,
            num_entries=result.num_entries,
            num_signed=result.num_signed,
            num_checkpoints=len(result.checkpoints),
            root=result.frontier.root.hex(),
        )

    @classmethod
    def of_damage(cls, found: LogTampered) -> AuditAnswer:
        """The answer for one that does not."""
        return cls(
            is_intact=False,
            finding=found.message,
            first_wrong_seq=found.seq,
            num_entries=None,
            num_signed=None,
            num_checkpoints=None,
            root=None,
        )


class InclusionAnswer(Shape):
    """A proof that an entry is in the log; `assent log verify-proof` checks the file as it comes."""

    format: Literal["assent-log-inclusion-1"]
    seq: int = Field(ge=1, description="The entry's number.")
    entry: str = Field(description="The entry's canonical JSON.")
    path: list[str] = Field(description="From the leaf to the root (RFC 9162 section 2.1.3), hexadecimal.")
    checkpoint: str = Field(
        description="Signed over a log that holds the entry.", examples=[CHECKPOINT_EXAMPLE]
    )


class OldCheckpoint(Shape):
    """A checkpoint that you kept."""

    checkpoint: str = Field(
        min_length=1,
        max_length=_MAX_CHARS,
        description="Its text, as it was given.",
        examples=[CHECKPOINT_EXAMPLE],
    )


class ConsistencyAnswer(Shape):
    """A proof that the log is that of an older checkpoint with entries added, and nothing else changed."""

    format: Literal["assent-log-consistency-1"]
    old: str = Field(examples=[CHECKPOINT_EXAMPLE])
    new: str = Field(examples=[CHECKPOINT_EXAMPLE])
    path: list[str] = Field(description="RFC 9162 section 2.1.4, hexadecimal.")
