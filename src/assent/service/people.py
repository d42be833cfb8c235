"""People and what they agreed to. Whoever comes with a key needs the role ``enroller`` for all of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from assent.errors import AssentError, IncompleteConsent, UsageError
from assent.service.context import Context
from assent.service.images import read_document
from assent.store.access import Role
from assent.store.transaction import Transaction
from assent.store.values import ConsentRecord, NoticeRecord, PersonRecord, ReceiptRecord
from assent.types import JsonObject

MAX_EVIDENCE_BYTES = 256 * 2**20
MAX_NOTICE_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
LEGAL_BASIS = "explicit consent (GDPR Art. 9(2)(a))"


class People:
    """The people of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def add(self, ref: str, *, name: str | None = None) -> PersonRecord:
        """Add a person; nothing of their face is stored until they agree.

        Args:
            ref: the id you use for them: letters, digits, ``_ . - :``, at most 128.
            name: what answers call them; optional.

        Raises:
            AlreadyExists: the id is taken.
            UsageError: the id is malformed.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            return tx.add_person(ref, name=name)

    def get(self, ref: str) -> PersonRecord:
        """A person.

        Raises:
            NotFound: nobody has that id.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tx.person(ref)

    def list(self) -> tuple[PersonRecord, ...]:
        """Everybody, by id."""
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.people())

    def erase(self, ref: str) -> tuple[ReceiptRecord, ...]:
        """Withdraw every consent of a person and blank their name (GDPR Art. 17).

        The consent records stay, without a name: they prove that what was done before was allowed.

        Raises:
            NotFound: nobody has that id.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            receipts = tuple(tx.erase_person(ref))
        _forget(self._ctx, receipts)
        return receipts

    def rename(self, ref: str, *, name: str | None) -> PersonRecord:
        """Correct a person's name, or take it away (GDPR Art. 16).

        Raises:
            NotFound: nobody has that id.
            UsageError: a malformed name.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            return tx.rename_person(ref, name=name)

    def export(self, ref: str) -> JsonObject:
        """All that is held on a person (GDPR Art. 15), except the templates' numbers, which never leave.

        Raises:
            NotFound: nobody has that id.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            person = tx.person(ref)
            tx.append_log("person.exported", {"person_id": person.id})
            return tx.export_person(ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentForm:
    """Everything a consent must say (see ``Consents.record``); whose it is comes apart."""

    purpose: str
    controller: str
    notice_text: str
    notice_version: str
    language: str
    method: str
    evidence_sha256: str
    legal_basis: str
    given_at: datetime
    expires_at: datetime
    places: tuple[str, ...] = ()

    def record_in(self, tx: Transaction, person: str) -> ConsentRecord:
        """Record it as this person's, with the notice if that is new.

        Raises:
            NotFound: nobody has that id.
            AlreadyExists: the notice's version and language stand for another text.
            IncompleteConsent: a field is missing or malformed.
        """
        try:
            notice = tx.add_notice(version=self.notice_version, language=self.language, text=self.notice_text)
        except UsageError as error:
            raise IncompleteConsent(f"the notice's {error.message}") from error
        return tx.record_consent(
            person,
            controller=self.controller,
            purpose=self.purpose,
            notice_id=notice.id,
            method=self.method,
            evidence_sha256=self.evidence_sha256,
            legal_basis=self.legal_basis,
            given_at=self.given_at,
            expires_at=self.expires_at,
            place_names=self.places,
        )


class Consents:
    """The consents of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def record(
        self,
        person: str,
        *,
        purpose: str,
        controller: str,
        notice_text: str,
        notice_version: str,
        language: str,
        method: str,
        evidence: bytes | Path | str,
        expires_at: datetime | None = None,
        term: timedelta | None = None,
        given_at: datetime | None = None,
        legal_basis: str = LEGAL_BASIS,
        places: Sequence[str] = (),
    ) -> ConsentRecord:
        """Record a person's yes to one purpose.

        Args:
            person: their id.
            purpose: what it covers: lower-case letters, digits and hyphens; a collection's purpose must equal it.
            controller: who is responsible for the data.
            notice_text: the exact text they were shown; kept, with its sha256.
            notice_version: the operator's name for that text.
            language: of the notice, as in ``en`` or ``pt-BR``.
            method: how they agreed; one of ``assent.store.values.ConsentMethod``.
            evidence: the signed release: its bytes, its file, or its sha256 as 64 hexadecimal digits. Only the hash
                is kept.
            expires_at: until when; this or ``term``.
            term: for how long from ``given_at``.
            given_at: when they agreed; now by default, never in the future.
            legal_basis: as it will be shown to them.
            places: where they agreed to be recognised in live video; nowhere by default.

        Raises:
            NotFound: nobody has that id, or no such evidence file.
            IncompleteConsent: a field is missing or malformed.
        """
        self._ctx.require(Role.ENROLLER)
        given = given_at or self._ctx.clock()
        if (expires_at is None) == (term is None):
            raise IncompleteConsent("a consent needs a term: either expires_at or term, got both or neither")
        form = ConsentForm(
            purpose=purpose,
            controller=controller,
            notice_text=notice_text,
            notice_version=notice_version,
            language=language,
            method=method,
            evidence_sha256=evidence_sha256(evidence),
            legal_basis=legal_basis,
            given_at=given,
            expires_at=expires_at if expires_at is not None else _end_of_term(given, term or timedelta()),
            places=tuple(places),
        )
        with self._ctx.records.transaction() as tx:
            return form.record_in(tx, person)

    def get(self, consent_id: str) -> ConsentRecord:
        """One consent.

        Raises:
            NotFound: there is none with that id.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tx.consent(consent_id)

    def list(self, person: str | None = None) -> tuple[ConsentRecord, ...]:
        """The consents of one person, or of everybody."""
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.consents(person))

    def notice(self, consent_id: str) -> NoticeRecord:
        """The exact text that was shown for a consent.

        Raises:
            NotFound: there is no such consent.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tx.notice(tx.consent(consent_id).notice_id)

    def receipt(self, consent_id: str) -> ReceiptRecord | None:
        """The receipt of a consent that ended; None while it stands, or waits to be swept.

        Raises:
            NotFound: there is no such consent.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tx.receipt(tx.consent(consent_id).id)

    def num_templates(self, consent_id: str) -> int:
        """How many templates rest on a consent: what withdrawing it would destroy.

        Raises:
            NotFound: there is no such consent.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            ref = tx.consent(consent_id).person_ref
            held = [tx.templates(made.name, ref) for made in tx.collections()]
        return sum(template.consent_id == consent_id for templates in held for template in templates)

    def withdraw(
        self, consent_id: str, *, reason: str | None = None, channel: str | None = None
    ) -> ReceiptRecord:
        """A no, final at once: key, templates, pending candidates and index entries are gone when this returns.

        Args:
            consent_id: which.
            reason: in the person's words, one line; nobody has to give one.
            channel: how they said so, e.g. ``e-mail``.

        Raises:
            NotFound: there is no such consent.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            receipt = tx.withdraw(consent_id, reason=reason, channel=channel)
        _forget(self._ctx, [receipt])
        return receipt

    def sweep(self) -> tuple[ReceiptRecord, ...]:
        """Withdraw every consent whose term has ended; searches have ignored it since that moment.

        Reviews and live events whose time is over end as well.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            tx.sweep_reviews()
            tx.sweep_live_events()
            receipts = tuple(tx.sweep_expired())
        _forget(self._ctx, receipts)
        return receipts


def _forget(ctx: Context, receipts: Iterable[ReceiptRecord]) -> None:
    """Take out of memory who left: no search would find them, but a server would keep them."""
    collection_ids = {place.collection_id for receipt in receipts for place in receipt.destroyed}
    if not collection_ids:
        return
    try:
        with ctx.records.reading() as tx:
            ctx.galleries.follow(tx, collection_ids)
    except AssentError:
        ctx.galleries.forget()  # what was withdrawn is withdrawn; the next search reads the gallery anew


def _end_of_term(given_at: datetime, term: timedelta) -> datetime:
    try:
        return given_at + term
    except OverflowError as error:
        raise IncompleteConsent(
            "a consent needs a term that ends before the year 10000, got a longer one; give a shorter term"
        ) from error


def read_notice(path: Path) -> str:
    """The exact text of a notice.

    Raises:
        NotFound: no such file.
        IncompleteConsent: it is empty, too large, cannot be read, or is not UTF-8.
    """
    try:
        return read_document(path, what="notice", max_bytes=MAX_NOTICE_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise IncompleteConsent(f"the notice {path} must be UTF-8 text; save it as such") from error


def evidence_sha256(evidence: bytes | Path | str) -> str:
    """The hash of a signed release, 64 hexadecimal digits.

    Args:
        evidence: its bytes, its file, or the hash itself.

    Raises:
        NotFound: no such file.
        IncompleteConsent: it is empty, or cannot be read.
    """
    if isinstance(evidence, str) and _SHA256.fullmatch(evidence):
        return evidence.lower()
    if not isinstance(evidence, bytes):
        evidence = read_document(Path(evidence), what="evidence", max_bytes=MAX_EVIDENCE_BYTES)
    if not evidence:
        raise IncompleteConsent("expected the bytes of a signed release, got none; give the right ones")
    return hashlib.sha256(evidence).hexdigest()
