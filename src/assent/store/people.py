"""People: an id, what the caller calls them, and a name if they wish. No other column, on purpose."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from assent.errors import AlreadyExists, NotFound
from assent.store import fields
from assent.store.log import LogWrites
from assent.store.schema import people
from assent.store.scope import Scope, new_id
from assent.store.values import PersonRecord

_MAX_NAME_CHARS = 200


class PeopleReads(Scope):
    """Reading people."""

    def person(self, ref: str) -> PersonRecord:
        """The person whom the caller calls ``ref``. Raises ``NotFound``."""
        return self._one_person(people.c.ref == ref, "ref")

    def person_by_id(self, person_id: str) -> PersonRecord:
        """The person of a random id, as logs and receipts name them. Raises ``NotFound``."""
        return self._one_person(people.c.id == person_id, "id")

    def people(self, *, include_erased: bool = False) -> list[PersonRecord]:
        """Everybody, by ref; the erased only when asked for."""
        query = sa.select(people).order_by(people.c.ref)
        if not include_erased:
            query = query.where(people.c.erased_at.is_(None))
        return [PersonRecord(**row) for row in self._connection.execute(query).mappings()]

    def _one_person(self, condition: sa.ColumnElement[bool], by: str) -> PersonRecord:
        row: Any = self._connection.execute(sa.select(people).where(condition)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no person has this {by}; list them, or add the person first")
        return PersonRecord(**row)


class PeopleWrites(PeopleReads, LogWrites):
    """Changing people."""

    def add_person(self, ref: str, *, name: str | None = None) -> PersonRecord:
        """Add somebody. They have said yes to nothing yet. Logged as ``person.added``.

        Args:
            ref: what the caller calls them, matching ``[a-zA-Z0-9_.:-]{1,128}``; better not their name.
            name: for people to read, 1 to 200 characters, or None.

        Raises:
            AlreadyExists: somebody has this ref.
            UsageError: a malformed ref or name.
        """
        fields.matching("ref", ref, fields.REF)
        text = None if name is None else fields.line("name", name, max_chars=_MAX_NAME_CHARS)
        if self._connection.execute(sa.select(people.c.id).where(people.c.ref == ref)).first():
            raise AlreadyExists("somebody has this ref; choose another, or use the person who is there")
        record = PersonRecord(new_id(), ref, text, self._now, None)
        self._connection.execute(
            sa.insert(people).values(id=record.id, ref=ref, name=text, created_at=self._now)
        )
        self.append_log("person.added", {"person_id": record.id})
        return record

    def rename_person(self, ref: str, *, name: str | None) -> PersonRecord:
        """Correct the name of somebody (GDPR Art. 16). Logged as ``person.renamed``, without the names.

        Raises:
            NotFound: nobody has this ref.
            UsageError: a malformed name.
        """
        person = self.person(ref)
        text = None if name is None else fields.line("name", name, max_chars=_MAX_NAME_CHARS)
        self._connection.execute(sa.update(people).where(people.c.id == person.id).values(name=text))
        self._has_destroyed = True  # the old name leaves the disk as well
        self.append_log("person.renamed", {"person_id": person.id})
        return self.person(ref)
