"""Consents, notices and receipts."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from assent.rest.shapes.fields import PLACE_PATTERN, Count, Id, Purpose, Sha256, Shape, Time
from assent.service.people import LEGAL_BASIS
from assent.store import fields
from assent.store.values import ConsentMethod, ConsentRecord, EndCause, NoticeRecord, ReceiptRecord

MAX_EVIDENCE_CHARS = 22_369_624
"""Base64 of 16 MiB; of more, send the sha256."""

_Place = Annotated[str, StringConstraints(pattern=PLACE_PATTERN)]
_Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewConsent(Shape):
    """A person's yes to one purpose: every field that GDPR Art. 7 and BIPA 15(b) ask for."""

    purpose: Purpose
    controller: _Line = Field(
        description="Who is responsible for the data, one line.", examples=["Chess Club"]
    )
    notice_text: str = Field(
        min_length=1,
        max_length=200_000,
        description="The exact text that the person was shown; kept, with its sha256.",
        examples=["We keep a template of your face to find you in the club's photos."],
    )
    notice_version: str = Field(
        pattern=f"^(?:{fields.VERSION.pattern})$",
        description="Your name for that text; a version never changes its text.",
        examples=["2026-01"],
    )
    language: str = Field(
        pattern=f"^(?:{fields.LANGUAGE.pattern})$", description="Of the notice, BCP 47.", examples=["en"]
    )
    method: ConsentMethod = Field(description="How they agreed.")
    evidence_base64: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_EVIDENCE_CHARS,
        description="The signed release, base64, at most 16 MiB; only its hash is kept. This or `evidence_sha256`.",
        examples=["YSBzaWduZWQgcmVsZWFzZQ=="],
    )
    evidence_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="The hash of the signed release, where you keep it away from this machine.",
    )
    expires_at: AwareDatetime | None = Field(
        default=None,
        description="Until when, with a time zone. This or `days`.",
        examples=["2027-12-31T00:00:00Z"],
    )
    days: float | None = Field(
        default=None, gt=0, le=36_525, description="For how many days from `given_at`."
    )
    given_at: AwareDatetime | None = Field(
        default=None, description="When they agreed, with a time zone, not in the future; now where left out."
    )
    legal_basis: _Line = Field(default=LEGAL_BASIS, description="As it will be shown to them, one line.")
    places: list[_Place] = Field(
        default_factory=list,
        max_length=64,
        description="Names of the places where they agree to be recognised in live video.",
        examples=[["door"]],
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.evidence_base64 is None) == (self.evidence_sha256 is None):
            raise ValueError("expected either evidence_base64 or evidence_sha256, got both or neither")
        if (self.expires_at is None) == (self.days is None):
            raise ValueError("expected either expires_at or days, got both or neither")
        if self.evidence_base64 is not None:
            _decoded(self.evidence_base64)
        return self

    @property
    def evidence(self) -> bytes | str:
        """The signed release, or its hash."""
        return self.evidence_sha256 or _decoded(self.evidence_base64 or "")


class Withdrawal(Shape):
    """How a consent ends."""

    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="In the person's words, one line; optional, nobody owes one.",
    )
    channel: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="How they said so, one line.",
        examples=["e-mail"],
    )


class ConsentAnswer(Shape):
    """One yes of one person to one purpose."""

    id: Id
    person: str = Field(description="The person's id, as you call them.", examples=["ana"])
    person_id: Id = Field(description="Random UUID of the person, as in logs and receipts.")
    state: Literal["live", "withdrawn", "expired"] = Field(description="At this moment.")
    purpose: Purpose
    controller: str = Field(examples=["Chess Club"])
    notice_id: Id
    notice_version: str = Field(examples=["2026-01"])
    notice_language: str = Field(examples=["en"])
    notice_sha256: Sha256
    method: ConsentMethod
    evidence_sha256: Sha256
    legal_basis: str
    given_at: Time
    expires_at: Time = Field(description="The term that was agreed to.")
    ends_at: Time = Field(
        description="The earlier of `expires_at` and three years without interaction (BIPA 15(a))."
    )
    last_interaction_at: Time
    recorded_at: Time
    withdrawn_at: Time | None = Field(
        description="Null while it stands; also set when it expired and was swept."
    )
    withdrawal_channel: str | None
    withdrawal_reason: str | None
    places: list[str] = Field(description="Where they agreed to be recognised in live video, by name.")

    @classmethod
    def of(cls, record: ConsentRecord, now: datetime) -> ConsentAnswer:
        """The answer for a record.

        Args:
            record: the consent.
            now: the moment that its state is told for.
        """
        return cls.model_validate(_members(record, now))


class ConsentDetail(ConsentAnswer):
    """A consent with the text that was shown."""

    notice_text: str = Field(description="Exactly what the person was shown.")

    @classmethod
    def with_notice(cls, record: ConsentRecord, notice: NoticeRecord, now: datetime) -> ConsentDetail:
        """The answer for a record and its notice."""
        return cls.model_validate({**_members(record, now), "notice_text": notice.text})


class DestroyedAnswer(Shape):
    """What the end of a consent did in one collection."""

    collection_id: Id
    collection_name: str = Field(examples=["club"])
    num_destroyed: Count = Field(description="Templates destroyed.")
    num_remaining: Count = Field(description="The person's templates there that rest on another consent.")
    destroyed_key_fingerprint: str = Field(description="Names the destroyed key.")
    epoch_before: int
    epoch_after: int


class ReceiptAnswer(Shape):
    """What the person is handed when a consent ends. No name is in it."""

    id: Id
    consent_id: Id
    person_id: Id
    purpose: Purpose
    cause: EndCause
    ended_at: Time
    destroyed: list[DestroyedAnswer] = Field(description="By collection.")
    log_seq: int = Field(
        ge=1,
        description="The log's entry that was made in the same transaction; provable (`/log/entries/{seq}/proof`).",
    )
    log_leaf_sha256: Sha256
    proves: str = Field(description="In words.")
    does_not_prove: str = Field(description="In words.")

    @classmethod
    def of(cls, record: ReceiptRecord) -> ReceiptAnswer:
        """The answer for a record."""
        return cls.model_validate(record)


class SweepAnswer(Shape):
    """What a sweep ended."""

    receipts: list[ReceiptAnswer] = Field(description="One for each consent whose term had ended.")


def _members(record: ConsentRecord, now: datetime) -> dict[str, object]:
    names = ConsentAnswer.model_fields.keys() - {"person", "state", "ends_at"}
    return {
        "person": record.person_ref,
        "state": record.state(now),
        "ends_at": record.effective_expires_at,
        **{name: getattr(record, name) for name in names},
    }


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("evidence_base64 is not base64") from None
