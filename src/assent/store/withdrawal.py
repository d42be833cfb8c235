"""A no: the consent ends, its templates, pending candidates and results go, their key is destroyed, a receipt is made.

All in one transaction.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from assent.errors import NoLiveConsent
from assent.store import fields
from assent.store.consents import ConsentWrites
from assent.store.jobs import JobWrites
from assent.store.log import canonical_json
from assent.store.reviews import ReviewWrites
from assent.store.schema import consents, people, receipts, templates
from assent.store.scope import Scope, new_id
from assent.store.streams import StreamWrites
from assent.store.templates import TemplateWrites
from assent.store.users import UserWrites
from assent.store.values import (
    ConsentRecord,
    DestroyedTemplates,
    EndCause,
    PersonRecord,
    ReceiptRecord,
)

_NEARLY_THREE_YEARS: Final = timedelta(days=1095)
_PROVES: Final = (
    "These records marked the consent as ended, deleted every template, picture, pending candidate, result and "
    "live event that rested on it, destroyed the keys that had sealed them, and logged it, in one transaction."
)
_DOES_NOT_PROVE: Final = (
    "It does not prove that nobody copied anything before. A backup made earlier, of the database "
    "together with the key file of that time, can still be read until the master key is rotated and every "
    "copy of the old key file is gone."
)


class ReceiptReads(Scope):
    """Reading receipts."""

    def receipt(self, consent_id: str) -> ReceiptRecord | None:
        """The receipt of a consent that ended, or None while it stands."""
        query = sa.select(receipts.c.body).where(receipts.c.consent_id == consent_id)
        body = self._connection.execute(query).scalar_one_or_none()
        return None if body is None else ReceiptRecord.from_json(json.loads(body))

    def receipts(self) -> list[ReceiptRecord]:
        """Every receipt, oldest first."""
        query = sa.select(receipts.c.body).order_by(receipts.c.created_at, receipts.c.id)
        return [
            ReceiptRecord.from_json(json.loads(body)) for body in self._connection.execute(query).scalars()
        ]


class WithdrawalWrites(
    TemplateWrites, StreamWrites, ConsentWrites, UserWrites, ReviewWrites, JobWrites, ReceiptReads
):
    """Ending consents."""

    def withdraw(
        self, consent_id: str, *, reason: str | None = None, channel: str | None = None
    ) -> ReceiptRecord:
        """End a consent at once and for good (GDPR Art. 7(3), 17(1)(b)). Logged as ``consent.ended``.

        Its templates and the keys that sealed them are destroyed in every collection; the person's templates
        under another consent are sealed anew. Withdrawing again gives the same receipt.

        Args:
            consent_id: which.
            reason: in the person's words, one line, at most 1000 characters; nobody has to give one.
            channel: how they said so, e.g. ``e-mail``; one line, at most 64 characters.

        Raises:
            NotFound: no consent has this id.
            UsageError: a malformed reason or channel.
        """
        return self._end(self.consent(consent_id), EndCause.WITHDRAWN, reason=reason, channel=channel)

    def sweep_expired(self) -> list[ReceiptRecord]:
        """End every consent whose term, or three years without interaction, is over; their receipts."""
        query = sa.select(consents.c.id).where(
            consents.c.withdrawn_at.is_(None),
            sa.or_(
                consents.c.expires_at <= self._now,
                # 1095 days are never more than three years; which it is, is_live decides
                consents.c.last_interaction_at <= self._now - _NEARLY_THREE_YEARS,
            ),
        )
        candidates = [self.consent(row) for row in self._connection.execute(query).scalars().all()]
        return [
            self._end(consent, EndCause.EXPIRED, channel="expiry")
            for consent in sorted(candidates, key=lambda consent: (consent.recorded_at, consent.id))
            if consent.effective_expires_at <= self._now
        ]

    def erase_person(self, ref: str) -> list[ReceiptRecord]:
        """Forget somebody (GDPR Art. 17): end all consents, blank the name, make the ref ``erased:<id>``.

        The consent records stay as proof of what was lawful (Art. 17(3)(e)), under the random id. Logged as
        ``person.erased``.

        Returns:
            The receipts of the consents that ended with it.

        Raises:
            NotFound: nobody has this ref.
        """
        person = self.person(ref)
        made = [
            self._end(consent, EndCause.ERASED, channel="erasure")
            for consent in self.consents(ref)
            if consent.withdrawn_at is None
        ]
        if person.erased_at is None:
            self._blank(person)
            self.append_log("person.erased", {"person_id": person.id, "num_consents": len(made)})
        return made

    def touch_interaction(self, consent_id: str) -> ConsentRecord:
        """Note that the person dealt with the controller now; moves the three years of BIPA 15(a).

        Raises:
            NotFound: no consent has this id.
            NoLiveConsent: it has ended; an ended consent does not come back.
        """
        before = self.consent(consent_id)
        if not before.is_live(self._now):
            raise NoLiveConsent(
                f"expected a live consent, this one is {before.state(self._now)}; ask them, and record a "
                "new one"
            )
        if self._now <= before.last_interaction_at:
            return before
        self._connection.execute(
            sa.update(consents).where(consents.c.id == consent_id).values(last_interaction_at=self._now)
        )
        after = self.consent(consent_id)
        if after.effective_expires_at != before.effective_expires_at:
            for collection_id in self._templates_by_collection(consent_id):
                self._bump_epoch(collection_id, before.person_id)
        return after

    def _end(
        self,
        consent: ConsentRecord,
        cause: EndCause,
        *,
        reason: str | None = None,
        channel: str | None = None,
    ) -> ReceiptRecord:
        """Templates first, then the consent: a trigger refuses the other order."""
        earlier = self.receipt(consent.id)
        if earlier is not None:
            return earlier
        said = {
            "withdrawal_reason": None if not reason else fields.line("reason", reason, max_chars=1000),
            "withdrawal_channel": None if not channel else fields.line("channel", channel, max_chars=64),
        }
        self._drop_pairs_on(consent.id)
        self._drop_live_events(consent)
        self._drop_matches_on(consent.id)
        destroyed = tuple(
            self._destroy_templates(collection_id, consent.person_id, template_ids)
            for collection_id, template_ids in self._templates_by_collection(consent.id).items()
        )
        self._connection.execute(
            sa.update(consents).where(consents.c.id == consent.id).values(withdrawn_at=self._now, **said)
        )
        self._drop_users_without_consent(consent.person_ref)
        self._has_destroyed = True
        return self._write_receipt(consent, cause, destroyed)

    def _templates_by_collection(self, consent_id: str) -> dict[str, list[str]]:
        """Ids of the templates that rest on a consent, by collection id."""
        # by consent alone: asked for one collection too, SQLite may choose the index of the collection
        query = (
            sa.select(templates.c.collection_id, templates.c.id)
            .where(templates.c.consent_id == consent_id)
            .order_by(templates.c.collection_id, templates.c.created_at, templates.c.id)
        )
        found: dict[str, list[str]] = {}
        for collection_id, template_id in self._connection.execute(query):
            found.setdefault(collection_id, []).append(template_id)
        return found

    def _write_receipt(
        self, consent: ConsentRecord, cause: EndCause, destroyed: tuple[DestroyedTemplates, ...]
    ) -> ReceiptRecord:
        receipt_id = new_id()
        entry = self.append_log(
            "consent.ended",
            {
                "receipt_id": receipt_id,
                "consent_id": consent.id,
                "person_id": consent.person_id,
                "cause": cause.value,
                "destroyed": [
                    {
                        "collection_id": item.collection_id,
                        "num_destroyed": item.num_destroyed,
                        "destroyed_key": item.destroyed_key_fingerprint,
                        "epoch": item.epoch_after,
                    }
                    for item in destroyed
                ],
            },
        )
        receipt = ReceiptRecord(
            id=receipt_id,
            consent_id=consent.id,
            person_id=consent.person_id,
            purpose=consent.purpose,
            cause=cause,
            ended_at=self._now,
            destroyed=destroyed,
            log_seq=entry.seq,
            log_leaf_sha256=entry.leaf_sha256,
            proves=_PROVES,
            does_not_prove=_DOES_NOT_PROVE,
        )
        self._connection.execute(
            sa.insert(receipts).values(
                id=receipt.id,
                consent_id=consent.id,
                body=canonical_json(receipt.as_json()),
                created_at=self._now,
            )
        )
        return receipt

    def _blank(self, person: PersonRecord) -> None:
        self._connection.execute(
            sa.update(people)
            .where(people.c.id == person.id)
            .values(name=None, ref=f"erased:{person.id}", erased_at=self._now)
        )
        self._has_destroyed = True
