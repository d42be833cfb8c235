"""Users and a collection's notes: what Rekognition's programs keep beside faces.

A user is a person of whom somebody said which enrolled photos count; the mean of these is searched among users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.schema import collection_notes, people, templates, users
from assent.store.values import UserRecord

MAX_NOTES: Final = 200
_MAX_NAME_CHARS: Final = 128
_MAX_VALUE_CHARS: Final = 256


class UserReads(GalleryReads):
    """Reading users and notes."""

    def users(self, collection_name: str) -> list[UserRecord]:
        """The users of a collection, by ref. Raises ``NotFound``."""
        collection = self.collection(collection_name)
        query = _user_query(collection.id).order_by(people.c.ref)
        return [UserRecord(**row) for row in self._connection.execute(query).mappings()]

    def user(self, collection_name: str, person_ref: str) -> UserRecord:
        """One user. Raises ``NotFound``: no such collection, or no such user in it."""
        collection = self.collection(collection_name)
        query = _user_query(collection.id).where(people.c.ref == person_ref)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no user of collection {collection_name} has this id; create the user first")
        return UserRecord(**row)

    def notes(self, collection_name: str) -> dict[str, str]:
        """What was noted of a collection, by name. Raises ``NotFound``."""
        query = (
            sa.select(collection_notes.c.name, collection_notes.c.value)
            .where(collection_notes.c.collection_id == self.collection(collection_name).id)
            .order_by(collection_notes.c.name)
        )
        return {row.name: row.value for row in self._connection.execute(query)}


class UserWrites(UserReads, GalleryWrites):
    """Changing users and notes."""

    def add_user(self, collection_name: str, person_ref: str) -> UserRecord:
        """Make a person with a live consent a user. Logged as ``user.added``.

        Raises:
            NotFound: no such collection or person.
            NoLiveConsent, WrongPurpose: they did not agree to the collection's purpose.
            AlreadyExists: they are a user already.
        """
        collection = self.collection(collection_name)
        consent = self.live_consent(person_ref, collection.purpose)
        if self._is_user(collection.id, consent.person_id):
            raise AlreadyExists("this person is a user of the collection already; use the one there")
        self._connection.execute(
            sa.insert(users).values(
                collection_id=collection.id, person_id=consent.person_id, created_at=self._now
            )
        )
        self._bump_epoch(collection.id, consent.person_id)
        self.append_log("user.added", {"collection_id": collection.id, "person_id": consent.person_id})
        return self.user(collection_name, person_ref)

    def remove_user(self, collection_name: str, person_ref: str) -> None:
        """Undo ``add_user``; the person's photos stay, no longer associated. Logged as ``user.removed``.

        Raises:
            NotFound: no such collection or user.
        """
        user = self.user(collection_name, person_ref)
        self._drop_user(user.collection_id, user.person_id)

    def set_associated(
        self, collection_name: str, person_ref: str, template_ids: Sequence[str], *, is_associated: bool
    ) -> UserRecord:
        """Say which of a user's photos count. Logged as ``user.associated`` or ``user.disassociated``.

        Args:
            collection_name: where.
            person_ref: the user.
            template_ids: of this person, in this collection; others are left as they are.
            is_associated: whether they count from now on.

        Raises:
            NotFound: no such collection or user.
        """
        user = self.user(collection_name, person_ref)
        if template_ids:
            self._connection.execute(
                sa.update(templates)
                .where(
                    templates.c.collection_id == user.collection_id,
                    templates.c.person_id == user.person_id,
                    templates.c.id.in_(list(template_ids)),
                )
                .values(is_associated=is_associated)
            )
            epoch = self._bump_epoch(user.collection_id, user.person_id)
            self.append_log(
                "user.associated" if is_associated else "user.disassociated",
                {
                    "collection_id": user.collection_id,
                    "person_id": user.person_id,
                    "templates": list(template_ids),
                    "epoch": epoch,
                },
            )
        return self.user(collection_name, person_ref)

    def set_notes(self, collection_name: str, notes: Mapping[str, str]) -> dict[str, str]:
        """Add or replace what is noted of a collection; the rest stays.

        Args:
            collection_name: which.
            notes: names of 1 to 128 characters, values of at most 256.

        Raises:
            NotFound: no such collection.
            UsageError: a name or value too long or of other characters, or more than 200 in all.
        """
        collection = self.collection(collection_name)
        for name, value in notes.items():
            _check_note(name, value)
        merged = {**self.notes(collection_name), **notes}
        if len(merged) > MAX_NOTES:
            raise UsageError(
                f"a collection has at most {MAX_NOTES} tags, got {len(merged)}; remove some first"
            )
        self.remove_notes(collection_name, list(notes))
        if notes:
            rows = [{"collection_id": collection.id, "name": n, "value": v} for n, v in notes.items()]
            self._connection.execute(sa.insert(collection_notes), rows)
        return dict(sorted(merged.items()))

    def remove_notes(self, collection_name: str, names: Sequence[str]) -> None:
        """Forget what is noted under these names, where there is something. Raises ``NotFound``."""
        self._connection.execute(
            sa.delete(collection_notes).where(
                collection_notes.c.collection_id == self.collection(collection_name).id,
                collection_notes.c.name.in_(list(names)),
            )
        )

    def _is_user(self, collection_id: str, person_id: str) -> bool:
        query = sa.select(users.c.person_id).where(
            users.c.collection_id == collection_id, users.c.person_id == person_id
        )
        return self._connection.execute(query).first() is not None

    def _drop_user(self, collection_id: str, person_id: str) -> None:
        """The user goes, whoever of their photos is still there is no longer associated."""
        self._connection.execute(
            sa.update(templates)
            .where(templates.c.collection_id == collection_id, templates.c.person_id == person_id)
            .values(is_associated=False)
        )
        self._connection.execute(
            sa.delete(users).where(users.c.collection_id == collection_id, users.c.person_id == person_id)
        )
        self._bump_epoch(collection_id, person_id)
        self.append_log("user.removed", {"collection_id": collection_id, "person_id": person_id})

    def _drop_users_without_consent(self, person_ref: str) -> None:
        """After a consent ended: the person stops being a user wherever no other consent covers it."""
        person = self.person(person_ref)
        covered = {c.purpose for c in self.consents(person_ref) if c.is_live(self._now)}
        for collection in self.collections():
            if collection.purpose not in covered and self._is_user(collection.id, person.id):
                self._drop_user(collection.id, person.id)


def _user_query(collection_id: str) -> sa.Select[Any]:
    num_templates = (
        sa.select(sa.func.count())
        .select_from(templates)
        .where(
            templates.c.collection_id == users.c.collection_id,
            templates.c.person_id == users.c.person_id,
            templates.c.is_associated,
        )
        .scalar_subquery()
    )
    return (
        sa.select(
            users.c.collection_id,
            users.c.person_id,
            people.c.ref.label("person_ref"),
            users.c.created_at,
            num_templates.label("num_templates"),
        )
        .join(people, people.c.id == users.c.person_id)
        .where(users.c.collection_id == collection_id)
    )


def _check_note(name: object, value: object) -> None:
    is_name = isinstance(name, str) and 1 <= len(name) <= _MAX_NAME_CHARS and name.isprintable()
    is_value = (
        isinstance(value, str) and len(value) <= _MAX_VALUE_CHARS and (value.isprintable() or not value)
    )
    if not (is_name and is_value):
        raise UsageError(
            f"a tag has a name of 1 to {_MAX_NAME_CHARS} printable characters and a value of at most "
            f"{_MAX_VALUE_CHARS}; got another"
        )
