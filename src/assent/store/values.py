"""What the records give back: frozen values, no database behind them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from assent.types import Float32, Float64, Int64, JsonObject

# 740 ILCS 14/15(a): destroyed within three years of the person's last interaction, or earlier
MAX_IDLE_YEARS = 3

GalleryKind = Literal["user", "template", "associated"]


class ConsentMethod(StrEnum):
    """How a person said yes. BIPA section 10 asks for a written or electronic signature."""

    WRITTEN_SIGNATURE = "written-signature"
    ELECTRONIC_SIGNATURE = "electronic-signature"
    ONLINE_FORM = "online-form"
    RECORDED_STATEMENT = "recorded-statement"


class ReviewPolicy(StrEnum):
    """Who must look before a search of a collection names anybody."""

    NONE = "none"
    TWO_PERSON = "two-person"


class BeyondEvidence(StrEnum):
    """What a search does in a gallery that is larger than the calibration's evidence supports."""

    REFUSE = "refuse"
    REVIEW = "review"


class EndCause(StrEnum):
    """Why a consent ended."""

    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ERASED = "erased"


def years_later(at: datetime, years: int) -> datetime:
    """The same day ``years`` later; 29 February becomes the 28th."""
    try:
        return at.replace(year=at.year + years)
    except ValueError:
        return at.replace(year=at.year + years, day=28)


def effective_end(expires_at: datetime, last_interaction_at: datetime) -> datetime:
    """When a consent ends: with its term, or three years after the last interaction (BIPA 15(a))."""
    return min(expires_at, years_later(last_interaction_at, MAX_IDLE_YEARS))


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Somebody who may say yes; nothing about what they are.

    Attributes:
        id: random UUID; the only thing about a person in logs and receipts.
        ref: what the caller calls them, unique; ``erased:<id>`` after erasure.
        name: for people to read; None when not given or erased.
        created_at: UTC.
        erased_at: UTC, or None.
    """

    id: str
    ref: str
    name: str | None
    created_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A text shown to people before they say yes; never changed once recorded.

    Attributes:
        id: random UUID.
        version: the controller's own version, e.g. ``2026-01``.
        language: BCP 47 tag, e.g. ``en`` or ``es-MX``.
        text: exactly what was shown.
        sha256: hexadecimal, of the text's UTF-8 bytes.
        created_at: UTC.
    """

    id: str
    version: str
    language: str
    text: str
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One yes of one person to one purpose (GDPR Art. 7(1), 9(2)(a); BIPA 15(b)).

    Attributes:
        id: random UUID.
        person_id: whose.
        person_ref: what the caller calls them.
        controller: who was given it.
        purpose: slug; a collection of another purpose is not covered.
        notice_id: the text they were shown.
        notice_version: its version.
        notice_language: its language.
        notice_sha256: its hash.
        method: how they said yes.
        evidence_sha256: hash of the signed release or recording, which the controller keeps.
        legal_basis: e.g. ``GDPR Art. 9(2)(a); BIPA 15(b)``.
        given_at: UTC.
        expires_at: UTC; the term they agreed to.
        last_interaction_at: UTC; when the person last dealt with the controller.
        recorded_at: UTC.
        withdrawn_at: UTC, or None while it stands; also set when it expired and was swept.
        withdrawal_channel: how it ended, e.g. ``e-mail``; None where not said.
        withdrawal_reason: in the person's words; None where not said.
        places: names of the places where they agreed to be recognised live; none unless they said so.
    """

    id: str
    person_id: str
    person_ref: str
    controller: str
    purpose: str
    notice_id: str
    notice_version: str
    notice_language: str
    notice_sha256: str
    method: ConsentMethod
    evidence_sha256: str
    legal_basis: str
    given_at: datetime
    expires_at: datetime
    last_interaction_at: datetime
    recorded_at: datetime
    withdrawn_at: datetime | None
    withdrawal_channel: str | None
    withdrawal_reason: str | None
    places: tuple[str, ...] = ()

    @property
    def effective_expires_at(self) -> datetime:
        """The earlier of the agreed term and three years without interaction (BIPA 15(a))."""
        return effective_end(self.expires_at, self.last_interaction_at)

    def is_live(self, at: datetime) -> bool:
        """Whether it covers anything at ``at`` (aware). Once withdrawn: never, whatever the clock says."""
        return self.withdrawn_at is None and self.given_at <= at < self.effective_expires_at

    def state(self, at: datetime) -> Literal["live", "withdrawn", "expired"]:
        """In a word, at ``at`` (aware)."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "live" if self.is_live(at) else "expired"


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A gallery with one purpose and one model.

    Attributes:
        id: random UUID; what logs and receipts name.
        name: unique.
        purpose: slug; fixed.
        fpir_target: the policy's bound on false positive identifications, in (0, 1).
        preset: the policy's name, e.g. ``default`` or ``strict``.
        model_digest: what made its templates; fixed.
        dim: length of its templates; fixed.
        epoch: grows with every change of what a search could return.
        created_at: UTC.
        review: who must look before a search names anybody.
        beyond_evidence: what a search does in a gallery larger than the evidence supports.
    """

    id: str
    name: str
    purpose: str
    fpir_target: float
    preset: str
    model_digest: str
    dim: int
    epoch: int
    created_at: datetime
    review: ReviewPolicy = ReviewPolicy.NONE
    beyond_evidence: BeyondEvidence = BeyondEvidence.REFUSE

    @property
    def keeps_thumbnails(self) -> bool:
        """Whether people may have to look: only then are small pictures of enrolled faces kept, sealed."""
        return self.review is ReviewPolicy.TWO_PERSON or self.beyond_evidence is BeyondEvidence.REVIEW


@dataclass(frozen=True, slots=True)
class GallerySize:
    """How many are enrolled in a collection.

    Attributes:
        num_people: people with at least one template.
        num_templates: templates.
    """

    num_people: int
    num_templates: int


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """One stored template, without the vector.

    Attributes:
        id: random UUID.
        collection_id: where.
        person_id: whose.
        consent_id: the yes it rests on.
        quality: numbers measured at enrolment.
        created_at: UTC.
        person_ref: what the caller calls them.
        image_id: UUID that is the same for the same picture in the same collection, and nowhere else.
        box: where the face was: left, top, width, height as shares of the picture's width and height.
        is_associated: whether it counts when the person is searched for as a user.
    """

    id: str
    collection_id: str
    person_id: str
    consent_id: str
    quality: JsonObject
    created_at: datetime
    person_ref: str
    image_id: str
    box: tuple[float, float, float, float] | None = None
    is_associated: bool = False


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person of whom somebody said which photos count (a Rekognition user).

    Attributes:
        collection_id: where.
        person_id: random UUID.
        person_ref: what the caller calls them.
        created_at: UTC.
        num_templates: photos that count.
    """

    collection_id: str
    person_id: str
    person_ref: str
    created_at: datetime
    num_templates: int


@dataclass(frozen=True, slots=True, eq=False)
class GalleryRows:
    """What a search in one collection may compare with, decrypted; keep in memory only.

    Rows whose consent is withdrawn or expired at loading are not in it. A row must also be left out
    of an answer given at or after its ``consent_expires_at_s``.

    Attributes:
        collection_id: which collection.
        kind: ``user`` (one mean per person), ``template``, or ``associated`` (the templates that count for users).
        epoch: the collection's epoch that these rows belong to.
        vectors: (N, D) float32, unit norm.
        person_ids: N random UUIDs; repeated where a person has several templates.
        person_refs: N, what the caller calls them.
        template_ids: N; empty for ``user``.
        consent_expires_at_s: (N,) float64, seconds since 1970 UTC; the earliest of the consents a row rests
            on.
        num_templates: (N,) int64; 1 but for ``user``.
    """

    collection_id: str
    kind: GalleryKind
    epoch: int
    vectors: Float32
    person_ids: tuple[str, ...]
    person_refs: tuple[str, ...]
    template_ids: tuple[str, ...]
    consent_expires_at_s: Float64
    num_templates: Int64

    def __len__(self) -> int:
        return len(self.person_ids)


@dataclass(frozen=True, slots=True)
class DestroyedTemplates:
    """What one ending did in one collection.

    Attributes:
        collection_id: which.
        collection_name: its name at the time.
        num_destroyed: templates deleted.
        num_remaining: this person's templates there that rest on another consent, re-sealed under a new key.
        destroyed_key_fingerprint: names the destroyed key of this person in this collection.
        epoch_before: of the collection.
        epoch_after: of the collection.
    """

    collection_id: str
    collection_name: str
    num_destroyed: int
    num_remaining: int
    destroyed_key_fingerprint: str
    epoch_before: int
    epoch_after: int


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """What the person is handed when a consent ends. No name is in it.

    Attributes:
        id: random UUID.
        consent_id: what ended.
        person_id: random UUID of the person.
        purpose: the consent's.
        cause: why it ended.
        ended_at: UTC.
        destroyed: per collection.
        log_seq: number of the log entry made in the same transaction.
        log_leaf_sha256: that entry's leaf hash, hexadecimal.
        proves: in words.
        does_not_prove: in words.
    """

    id: str
    consent_id: str
    person_id: str
    purpose: str
    cause: EndCause
    ended_at: datetime
    destroyed: tuple[DestroyedTemplates, ...]
    log_seq: int
    log_leaf_sha256: str
    proves: str
    does_not_prove: str

    @property
    def num_templates(self) -> int:
        """Templates destroyed, in all collections."""
        return sum(item.num_destroyed for item in self.destroyed)

    def as_json(self) -> JsonObject:
        """The receipt as JSON values; times as ISO 8601 text."""
        return {**asdict(self), "cause": self.cause.value, "ended_at": self.ended_at.isoformat()}

    @classmethod
    def from_json(cls, body: JsonObject) -> ReceiptRecord:
        """The receipt of ``as_json``'s values."""
        return cls(
            **{
                **body,
                "cause": EndCause(body["cause"]),
                "ended_at": datetime.fromisoformat(body["ended_at"]),
                "destroyed": tuple(DestroyedTemplates(**item) for item in body["destroyed"]),
            }
        )


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log: random ids and numbers, never a name, ref, image or template.

    Attributes:
        seq: 1, 2, 3 ... without gaps.
        at: UTC.
        kind: e.g. ``search`` or ``consent.ended``.
        entry: canonical JSON with exactly ``actor``, ``at``, ``body``, ``kind``, ``seq``.
        leaf_sha256: sha256(0x00 || entry), hexadecimal: the leaf hash of RFC 9162 section 2.1.1.
    """

    seq: int
    at: datetime
    kind: str
    entry: str
    leaf_sha256: str

    @property
    def body(self) -> JsonObject:
        """What was recorded."""
        body: JsonObject = json.loads(self.entry)["body"]
        return body

    @property
    def actor(self) -> str | None:
        """Who acted: an id, never a name; None where nobody said."""
        actor: str | None = json.loads(self.entry)["actor"]
        return actor


@dataclass(frozen=True, slots=True)
class RotationRecord:
    """What a rotation of the keys did.

    Attributes:
        old_key_id: fingerprint of the destroyed master key.
        new_key_id: fingerprint of the one that replaced it.
        num_collections: collections that got a new key.
        num_person_keys: people's keys wrapped anew.
        rotated_at: UTC.
    """

    old_key_id: str
    new_key_id: str
    num_collections: int
    num_person_keys: int
    rotated_at: datetime
