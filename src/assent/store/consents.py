"""Notices and consents: what was shown, who said yes to what, and for how long."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assent.errors import AlreadyExists, IncompleteConsent, NoLiveConsent, NotFound, UsageError, WrongPurpose
from assent.store import fields
from assent.store.people import PeopleReads, PeopleWrites
from assent.store.schema import collections, consent_places, consents, notices, people, places
from assent.store.scope import new_id
from assent.store.values import ConsentMethod, ConsentRecord, NoticeRecord

_MAX_NOTICE_CHARS = 200_000

_CONSENT_ROWS = (
    sa.select(
        consents,
        people.c.ref.label("person_ref"),
        notices.c.version.label("notice_version"),
        notices.c.language.label("notice_language"),
        notices.c.sha256.label("notice_sha256"),
    )
    .join(people, people.c.id == consents.c.person_id)
    .join(notices, notices.c.id == consents.c.notice_id)
)


def _consent(row: Any, named: tuple[str, ...]) -> ConsentRecord:
    return ConsentRecord(**{**row, "method": ConsentMethod(row["method"]), "places": named})


class ConsentReads(PeopleReads):
    """Reading notices and consents."""

    def notice(self, notice_id: str) -> NoticeRecord:
        """The notice of this id. Raises ``NotFound``."""
        query = sa.select(notices).where(notices.c.id == notice_id)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no notice has this id; list them, or add the notice first")
        return NoticeRecord(**row)

    def notices(self) -> list[NoticeRecord]:
        """Every notice, by version and language."""
        query = sa.select(notices).order_by(notices.c.version, notices.c.language)
        return [NoticeRecord(**row) for row in self._connection.execute(query).mappings()]

    def consent(self, consent_id: str) -> ConsentRecord:
        """The consent of this id, ended or not. Raises ``NotFound``."""
        query = _CONSENT_ROWS.where(consents.c.id == consent_id)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no consent has this id; list them, or record the consent first")
        return _consent(
            row, self._places_named(consent_places.c.consent_id == consent_id).get(consent_id, ())
        )

    def consents(self, person_ref: str | None = None) -> list[ConsentRecord]:
        """Consents, oldest first, ended ones too.

        Args:
            person_ref: only this person's; None for everybody's.

        Raises:
            NotFound: nobody has this ref.
        """
        query = _CONSENT_ROWS.order_by(consents.c.recorded_at, consents.c.id)
        if person_ref is None:
            named = self._places_named()
        else:
            is_theirs = consents.c.person_id == self.person(person_ref).id
            query = query.where(is_theirs)
            named = self._places_named(
                consent_places.c.consent_id.in_(sa.select(consents.c.id).where(is_theirs))
            )
        return [_consent(row, named.get(row["id"], ())) for row in self._connection.execute(query).mappings()]

    def live_consent(self, person_ref: str, purpose: str) -> ConsentRecord:
        """The person's consent to ``purpose`` that lasts longest from now.

        Raises:
            NotFound: nobody has this ref.
            NoLiveConsent: they gave none, or all have ended.
            WrongPurpose: live ones are for other purposes; the message says which.
        """
        live = [consent for consent in self.consents(person_ref) if consent.is_live(self._now)]
        fitting = [consent for consent in live if consent.purpose == purpose]
        if fitting:
            return max(fitting, key=lambda consent: consent.effective_expires_at)
        if live:
            found = ", ".join(sorted({consent.purpose for consent in live}))
            raise WrongPurpose(
                f"expected a live consent to the purpose {purpose!r}; this person's cover only: {found}; "
                "ask them for consent to this purpose, or use a collection of the other"
            )
        raise NoLiveConsent(
            f"expected a live consent to the purpose {purpose!r}; this person has none that is neither "
            "withdrawn nor expired; ask them, and record a new one"
        )

    def _places_named(self, *only: sa.ColumnElement[bool]) -> dict[str, tuple[str, ...]]:
        """Names of the places in each consent that names any, by its id; ``only`` of these."""
        query = sa.select(consent_places.c.consent_id, places.c.name).join(places).order_by(places.c.name)
        query = query.where(*only)
        found: dict[str, tuple[str, ...]] = {}
        for row in self._connection.execute(query):
            found[row.consent_id] = (*found.get(row.consent_id, ()), row.name)
        return found


class ConsentWrites(ConsentReads, PeopleWrites):
    """Recording notices and consents."""

    def add_notice(self, *, version: str, language: str, text: str) -> NoticeRecord:
        """Record a text that people are shown before they say yes. Logged as ``notice.added``.

        Args:
            version: the controller's own, matching ``[a-zA-Z0-9_.-]{1,64}``.
            language: BCP 47 tag.
            text: exactly what is shown, 1 to 200,000 characters.

        Returns:
            The notice; the one that is there where the very same text was recorded before.

        Raises:
            AlreadyExists: this version and language stand for another text.
            UsageError: a malformed field.
        """
        fields.matching("version", version, fields.VERSION)
        fields.matching("language", language, fields.LANGUAGE)
        if not text.strip() or len(text) > _MAX_NOTICE_CHARS or "\0" in text:
            raise UsageError(f"text must be 1 to {_MAX_NOTICE_CHARS} characters, got {len(text)}")
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        query = sa.select(notices).where(notices.c.version == version, notices.c.language == language)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is not None:
            if row["sha256"] == digest:
                return NoticeRecord(**row)
            raise AlreadyExists(
                f"notice {version} ({language}) is recorded with another text; a notice is never changed: "
                "record the new text under a new version"
            )
        record = NoticeRecord(new_id(), version, language, text, digest, self._now)
        self._connection.execute(
            sa.insert(notices).values(
                id=record.id,
                version=version,
                language=language,
                text=text,
                sha256=digest,
                created_at=self._now,
            )
        )
        self.append_log("notice.added", {"notice_id": record.id, "sha256": digest})
        return record

    def record_consent(
        self,
        person_ref: str,
        *,
        controller: str | None,
        purpose: str | None,
        notice_id: str | None,
        method: str | None,
        evidence_sha256: str | None,
        legal_basis: str | None,
        given_at: datetime | None,
        expires_at: datetime | None,
        place_names: Sequence[str] = (),
    ) -> ConsentRecord:
        """Record one yes. The law asks for every field; none has a default. Logged as ``consent.recorded``.

        Args:
            person_ref: whose.
            controller: to whom it was given, one line, at most 200 characters.
            purpose: slug matching ``[a-z0-9][a-z0-9-]{0,63}``.
            notice_id: the notice they were shown.
            method: one of ``ConsentMethod``.
            evidence_sha256: 64 hexadecimal digits: the hash of the signed release.
            legal_basis: one line, at most 200 characters.
            given_at: aware, not in the future.
            expires_at: aware, after ``given_at``: the term they agreed to.
            place_names: where they agreed to be recognised live; each a place of a collection for this purpose.

        Raises:
            NotFound: nobody has this ref.
            IncompleteConsent: a field is missing or malformed; the message begins with its name.
        """
        person = self.person(person_ref)
        wrong = IncompleteConsent
        given = fields.aware_time("given_at", given_at, error=wrong)
        expires = fields.aware_time("expires_at", expires_at, error=wrong)
        values = {
            "id": new_id(),
            "person_id": person.id,
            "controller": fields.line("controller", controller, max_chars=200, error=wrong),
            "purpose": fields.matching("purpose", purpose, fields.PURPOSE, error=wrong),
            "notice_id": self._known_notice(notice_id),
            "method": _method(method),
            "evidence_sha256": fields.matching(
                "evidence_sha256", evidence_sha256, fields.SHA256, error=wrong
            ),
            "legal_basis": fields.line("legal_basis", legal_basis, max_chars=200, error=wrong),
            "given_at": given,
            "expires_at": expires,
            "last_interaction_at": given,
            "recorded_at": self._now,
        }
        if given > self._now:
            raise IncompleteConsent("given_at must not be in the future; check the clock and the time zone")
        if expires <= given:
            raise IncompleteConsent("expires_at must be after given_at: a consent has a term")
        place_ids = [self._agreed_place(name, str(values["purpose"])) for name in dict.fromkeys(place_names)]
        self._connection.execute(sa.insert(consents).values(**values))
        for place_id in place_ids:
            self._connection.execute(
                sa.insert(consent_places).values(consent_id=values["id"], place_id=place_id)
            )
        self.append_log(
            "consent.recorded",
            {
                "consent_id": values["id"],
                "person_id": person.id,
                "purpose": values["purpose"],
                "notice_id": values["notice_id"],
                "evidence_sha256": values["evidence_sha256"],
                **({"places": place_ids} if place_ids else {}),
            },
        )
        return self.consent(str(values["id"]))

    def _agreed_place(self, name: str, purpose: str) -> str:
        """The id of a place that a consent to this purpose can cover."""
        query = (
            sa.select(places.c.id, collections.c.purpose)
            .join(collections, collections.c.id == places.c.collection_id)
            .where(places.c.name == name, places.c.removed_at.is_(None))
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise IncompleteConsent(
                "place must be the name of a place there is; list them (assent place list)"
            )
        if row.purpose != purpose:
            raise IncompleteConsent(
                f"place {name} recognises people for the purpose {row.purpose}, this consent is to {purpose}; record "
                "a consent to the place's own purpose"
            )
        return str(row.id)

    def _known_notice(self, notice_id: object) -> str:
        if not isinstance(notice_id, str) or not notice_id:
            raise IncompleteConsent(
                "notice_id must be the id of the notice the person was shown, got nothing"
            )
        try:
            return self.notice(notice_id).id
        except NotFound as error:
            raise IncompleteConsent(
                "notice_id must be the id of a recorded notice; add the notice first"
            ) from error


def _method(method: str | None) -> str:
    known = [item.value for item in ConsentMethod]
    if method not in known:
        raise IncompleteConsent(f"method must be one of {', '.join(known)}")
    return str(method)
