"""What somebody may have of their own (GDPR Art. 15, 20): everything but the template's numbers."""

from __future__ import annotations

import base64
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assent.store.log import LogReads
from assent.store.schema import job_matches, jobs, review_pairs, templates, users
from assent.store.streams import StreamReads
from assent.store.templates import TemplateReads
from assent.store.values import LogEntry, TemplateRecord
from assent.store.withdrawal import ReceiptReads
from assent.types import JsonObject


class ExportReads(TemplateReads, StreamReads, LogReads, ReceiptReads):
    """Handing out what is held about one person."""

    def export_person(self, ref: str) -> JsonObject:
        """Everything held about one person, as JSON values; times as ISO 8601 text.

        Templates appear with their metadata and the small picture, where one is kept, never with their vectors
        (promise 8: no template export). Of a log entry that names other people too, only this person's part is given.

        Raises:
            NotFound: nobody has this ref.
        """
        person = self.person(ref)
        held = self.consents(ref)
        receipts = [receipt for receipt in map(self.receipt, (consent.id for consent in held)) if receipt]
        return {
            "exported_at": self.now.isoformat(),
            "person": _json(asdict(person)),
            "consents": [
                {**_json(asdict(consent)), "notice_text": self.notice(consent.notice_id).text}
                for consent in held
            ],
            "templates": [self._template_json(record) for record in self._templates_of(person.id)],
            "users": self._users_of(person.id),
            "reviews": self._reviews_of(person.id),
            "live_events": self.live_events_of(person.id),
            "jobs": self._jobs_of(person.id),
            "receipts": [receipt.as_json() for receipt in receipts],
            "log_entries": [_own_part(entry, person.id) for entry in self._log_entries_naming(person.id)],
        }

    def _templates_of(self, person_id: str) -> list[TemplateRecord]:
        query = (
            sa.select(templates.c.id)
            .where(templates.c.person_id == person_id)
            .order_by(templates.c.created_at, templates.c.id)
        )
        return [self.template(template_id) for template_id in self._connection.execute(query).scalars().all()]

    def _template_json(self, record: TemplateRecord) -> JsonObject:
        names = {collection.id: collection.name for collection in self.collections()}
        picture = self.thumbnail(record.id)
        return {
            **_json(asdict(record)),
            "collection_name": names[record.collection_id],
            "thumbnail_jpeg_base64": None if picture is None else base64.b64encode(picture).decode("ascii"),
        }

    def _users_of(self, person_id: str) -> list[JsonObject]:
        """The collections in which the person is a user."""
        query = sa.select(users.c.collection_id, users.c.created_at).where(users.c.person_id == person_id)
        return [_json(dict(row)) for row in self._connection.execute(query).mappings()]

    def _reviews_of(self, person_id: str) -> list[JsonObject]:
        """The pairs with the person that two people were asked to look at.

        How alike they are is said once two have judged: whoever exports may be a reviewer too, who must not know.
        """
        query = sa.select(
            review_pairs.c.review_id,
            review_pairs.c.similarity,
            review_pairs.c.fmr_at_score,
            review_pairs.c.outcome,
        ).where(review_pairs.c.person_id == person_id)
        rows = [dict(row) for row in self._connection.execute(query).mappings()]
        hidden = {"similarity": None, "fmr_at_score": None}
        return [row if row["outcome"] is not None else {**row, **hidden} for row in rows]

    def _jobs_of(self, person_id: str) -> list[JsonObject]:
        """The videos in which the person was found: when and by which job; not what the video was."""
        query = (
            sa.select(
                jobs.c.id, jobs.c.kind, jobs.c.ended_at, job_matches.c.consent_id, job_matches.c.is_pictured
            )
            .join(jobs, jobs.c.id == job_matches.c.job_id)
            .where(job_matches.c.person_id == person_id)
        )
        return [_json(dict(row)) for row in self._connection.execute(query).mappings()]


def _json(values: JsonObject) -> JsonObject:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def _own_part(entry: LogEntry, person_id: str) -> JsonObject:
    """The entry without what it says of other people."""
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "body": {name: _without_others(value, person_id) for name, value in entry.body.items()},
    }


def _without_others(value: Any, person_id: str) -> Any:
    """Lists keep the items that do not name a person, or name this one."""
    if isinstance(value, list):
        return [_without_others(item, person_id) for item in value if not _is_of_another(item, person_id)]
    if isinstance(value, dict):
        return {name: _without_others(item, person_id) for name, item in value.items()}
    return value


def _is_of_another(item: Any, person_id: str) -> bool:
    named = [item.get("person_id"), item.get("person")] if isinstance(item, dict) else []
    return any(name is not None and name != person_id for name in named)
