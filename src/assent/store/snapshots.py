"""Galleries saved to disk: what the records know of each file, and the key that opens it.

A file is of one part of a collection: the people whose ids begin alike. Its key is only here, and goes in the
transaction that destroys anything of anybody in that part, so that at commit the file is noise. Other parts stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from assent.store.crypto import new_key
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.rows import of_part
from assent.store.schema import gallery_changes, gallery_snapshots, people, user_vectors
from assent.store.scope import PART_CHARS, new_id

PARTS = tuple(f"{number:0{PART_CHARS}x}" for number in range(16**PART_CHARS))


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """One saved file.

    Attributes:
        id: UUID; names the file.
        collection_id: of the collection.
        part: how the ids of its people begin.
        kind: which of the collection's indexes it is of.
        epoch: of the collection when it was saved.
        num_rows: templates in it.
        sha256: of the file, hexadecimal.
        key: 32 bytes that open it; never printed.
    """

    id: str
    collection_id: str
    part: str
    kind: str
    epoch: int
    num_rows: int
    sha256: str
    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls, collection_id: str, part: str, kind: str, epoch: int) -> SnapshotRecord:
        """One that is yet to be written, with an id and a key of its own."""
        return cls(new_id(), collection_id, part, kind, epoch, 0, "", new_key())


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """Who is enrolled, without the template.

    Attributes:
        person_id: their id.
        ref: what they are called by.
        num_templates: that their mean is of.
    """

    person_id: str
    ref: str
    num_templates: int


class SnapshotReads(GalleryReads):
    """Reading what is saved."""

    def snapshots(self, name: str) -> list[SnapshotRecord]:
        """The saved files of a collection, with their keys.

        Raises:
            NotFound: no collection has this name.
            StoreUnavailable: a key in the records does not open.
        """
        collection = self.collection(name)
        query = sa.select(gallery_snapshots).where(gallery_snapshots.c.collection_id == collection.id)
        rows = self._connection.execute(query).all()
        if not rows:
            return []
        key = self._collection_key(collection.id)
        return [_record(row, key.unwrap_snapshot_key(row.id, row.wrapped_key)) for row in rows]

    def snapshot_ids(self) -> set[str]:
        """The ids of every saved file that can still be opened."""
        return set(self._connection.execute(sa.select(gallery_snapshots.c.id)).scalars())

    def changed_in_part(self, name: str, part: str, *, after_epoch: int) -> list[str]:
        """``changed_people`` of one part."""
        query = sa.select(gallery_changes.c.person_id).where(
            gallery_changes.c.collection_id == self.collection(name).id,
            gallery_changes.c.epoch > after_epoch,
            *of_part(gallery_changes.c.person_id, part),
        )
        return list(self._connection.execute(query).scalars())

    def part_entries(self, name: str, part: str) -> list[PersonEntry]:
        """Who of one part is enrolled, whether or not their consent is live. Raises ``NotFound``."""
        query = (
            sa.select(user_vectors.c.person_id, people.c.ref, user_vectors.c.num_templates)
            .join(people, people.c.id == user_vectors.c.person_id)
            .where(
                user_vectors.c.collection_id == self.collection(name).id,
                *of_part(user_vectors.c.person_id, part),
            )
        )
        return [PersonEntry(*row) for row in self._connection.execute(query)]


class SnapshotWrites(SnapshotReads, GalleryWrites):
    """Keeping keys, and destroying them."""

    def keep_snapshots(self, name: str, part: str, records: Sequence[SnapshotRecord]) -> bool:
        """Put files in the place of those that there are of a part, unless somebody changed since they were made.

        Args:
            name: the collection.
            part: which.
            records: of one epoch; empty where nobody is in the part.

        Returns:
            False where somebody of the part changed since: the files must go, and what there was stays.

        Raises:
            NotFound: no collection has this name.
        """
        collection = self.collection(name)
        epoch = min((record.epoch for record in records), default=collection.epoch)
        if self.changed_in_part(name, part, after_epoch=epoch):
            return False
        key = self._collection_key(collection.id)
        self._delete_snapshots(collection.id, part)
        for record in records:
            self._connection.execute(
                sa.insert(gallery_snapshots).values(
                    id=record.id,
                    collection_id=collection.id,
                    part=part,
                    kind=record.kind,
                    epoch=record.epoch,
                    num_rows=record.num_rows,
                    sha256=record.sha256,
                    wrapped_key=key.wrap_snapshot_key(record.id, record.key),
                    created_at=self._now,
                )
            )
        return True


def _record(row: Any, key: bytes) -> SnapshotRecord:
    return SnapshotRecord(
        row.id, row.collection_id, row.part, row.kind, int(row.epoch), int(row.num_rows), row.sha256, key
    )
