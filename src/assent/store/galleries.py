"""Collections: one purpose, one model, one policy each; and what a search in them may compare with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar, get_args

import sqlalchemy as sa

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.store import fields
from assent.store.consents import ConsentReads
from assent.store.crypto import CollectionKey, new_key
from assent.store.log import LogWrites
from assent.store.rows import count_templates, load_rows, of_part
from assent.store.schema import (
    collection_notes,
    collections,
    gallery_changes,
    gallery_snapshots,
    person_keys,
    templates,
    user_vectors,
    users,
)
from assent.store.scope import new_id
from assent.store.values import (
    BeyondEvidence,
    CollectionRecord,
    GalleryKind,
    GalleryRows,
    GallerySize,
    LogEntry,
    ReviewPolicy,
)
from assent.types import JsonObject

_Word = TypeVar("_Word", ReviewPolicy, BeyondEvidence)

_PUBLIC = [column for column in collections.c if not column.name.startswith("wrapped")]


class GalleryReads(ConsentReads):
    """Reading collections."""

    def collection(self, name: str) -> CollectionRecord:
        """The collection of this name. Raises ``NotFound``."""
        query = sa.select(*_PUBLIC).where(collections.c.name == name)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no collection has this name; list them, or create it first")
        return _collection(row)

    def collections(self) -> list[CollectionRecord]:
        """Every collection, by name."""
        query = sa.select(*_PUBLIC).order_by(collections.c.name)
        return [_collection(row) for row in self._connection.execute(query).mappings()]

    def gallery_epoch(self, name: str) -> int:
        """The collection's epoch: it differs from before where a search could return something else.

        Raises:
            NotFound: no collection has this name.
        """
        epoch = self._connection.execute(
            sa.select(collections.c.epoch).where(collections.c.name == name)
        ).scalar_one_or_none()
        return self.collection(name).epoch if epoch is None else int(epoch)

    def gallery_size(self, name: str) -> GallerySize:
        """How many are enrolled. Raises ``NotFound``."""
        collection_id = self.collection(name).id
        query = sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(user_vectors.c.num_templates), 0)
        ).where(user_vectors.c.collection_id == collection_id)
        num_people, num_templates = self._connection.execute(query).one()
        return GallerySize(int(num_people), int(num_templates))

    def changed_people(self, name: str, *, after_epoch: int) -> list[str]:
        """Ids of those who may be found otherwise than at ``after_epoch``, whether or not they are still there.

        Args:
            name: the collection.
            after_epoch: an earlier epoch of it.

        Raises:
            NotFound: no collection has this name.
        """
        query = sa.select(gallery_changes.c.person_id).where(
            gallery_changes.c.collection_id == self.collection(name).id, gallery_changes.c.epoch > after_epoch
        )
        return list(self._connection.execute(query).scalars())

    def gallery_rows(
        self,
        name: str,
        kind: GalleryKind = "user",
        *,
        person_ids: Collection[str] | None = None,
        part: str = "",
    ) -> GalleryRows:
        """What a search in this collection may compare with now, decrypted.

        People without a live consent to the collection's purpose are not in it.

        Args:
            name: the collection.
            kind: ``user``: one unit-norm mean per person; ``template``: every template; ``associated``: every
                template that counts for a user.
            person_ids: only rows of these people, of whom some may have none; None for everybody's.
            part: only rows of people whose ids begin so.

        Raises:
            NotFound: no collection has this name.
            StoreUnavailable: a row was altered or moved.
            UsageError: another kind.
        """
        if kind not in get_args(GalleryKind):
            raise UsageError(f"kind must be one of {', '.join(get_args(GalleryKind))}, got {kind!r}")
        collection = self.collection(name)
        return load_rows(
            self._connection,
            self._collection_key(collection.id),
            collection,
            kind,
            self._now,
            person_ids=person_ids,
            part=part,
        )

    def template_counts(self, name: str, person_ids: Collection[str]) -> list[int]:
        """How many templates each ``user`` row of ``gallery_rows`` is the mean of; nothing is decrypted.

        Args:
            name: the collection.
            person_ids: only of these people, of whom some may have no row.

        Raises:
            NotFound: no collection has this name.
        """
        return count_templates(self._connection, self.collection(name), self._now, person_ids=person_ids)

    def _collection_key(self, collection_id: str) -> CollectionKey:
        wrapped = self._connection.execute(
            sa.select(collections.c.wrapped_key).where(collections.c.id == collection_id)
        ).scalar_one()
        return self._vault.collection_key(collection_id, wrapped)


class GalleryWrites(GalleryReads, LogWrites):
    """Changing collections."""

    def create_collection(
        self,
        name: str,
        *,
        purpose: str,
        model_digest: str,
        dim: int,
        fpir_target: float = 0.01,
        preset: str = "default",
        review: ReviewPolicy | str = ReviewPolicy.NONE,
        beyond_evidence: BeyondEvidence | str = BeyondEvidence.REFUSE,
    ) -> CollectionRecord:
        """Make an empty collection with a key of its own. Logged as ``collection.created``.

        Args:
            name: matching ``[a-zA-Z0-9_.-]{1,255}``.
            purpose: slug; only consents to it will do. Cannot be changed.
            model_digest: of what makes its templates. Cannot be changed.
            dim: length of its templates, 1 to 4096. Cannot be changed.
            fpir_target: in (0, 1).
            preset: slug of the policy.
            review: who must look before a search names anybody.
            beyond_evidence: what a search does in a gallery larger than the evidence supports.

        Raises:
            AlreadyExists: a collection has this name.
            UsageError: a malformed field.
        """
        fields.matching("name", name, fields.COLLECTION_NAME)
        fields.matching("purpose", purpose, fields.PURPOSE)
        fields.matching("model_digest", model_digest, fields.DIGEST)
        _check_policy(fpir_target, preset)
        review, beyond_evidence = _chosen(ReviewPolicy, review), _chosen(BeyondEvidence, beyond_evidence)
        if not 1 <= dim <= fields.MAX_DIM:
            raise UsageError(f"dim must be 1 to {fields.MAX_DIM}, got {dim}")
        if self._connection.execute(sa.select(collections.c.id).where(collections.c.name == name)).first():
            raise AlreadyExists(f"a collection has the name {name}; choose another, or use the one there")
        collection_id, key = new_id(), new_key()
        self._connection.execute(
            sa.insert(collections).values(
                id=collection_id,
                name=name,
                purpose=purpose,
                fpir_target=fpir_target,
                preset=preset,
                model_digest=model_digest,
                dim=dim,
                epoch=0,
                wrapped_key=self._vault.wrap_collection_key(collection_id, key),
                wrapped_mac_key=CollectionKey(self._vault.store_id, collection_id, key).wrap_mac_key(
                    new_key()
                ),
                created_at=self._now,
                review=review,
                beyond_evidence=beyond_evidence,
            )
        )
        self.append_log(
            "collection.created",
            {
                "collection_id": collection_id,
                "purpose": purpose,
                "review": review.value,
                "beyond_evidence": beyond_evidence.value,
            },
        )
        return self.collection(name)

    def set_policy(
        self,
        name: str,
        *,
        fpir_target: float,
        preset: str,
        review: ReviewPolicy | str | None = None,
        beyond_evidence: BeyondEvidence | str | None = None,
    ) -> CollectionRecord:
        """Set a collection's policy. Logged as ``collection.policy``.

        Args:
            name: which.
            fpir_target: in (0, 1).
            preset: slug of the policy.
            review: who must look; as it is when None.
            beyond_evidence: what a search does beyond the evidence; as it is when None.

        Raises:
            NotFound: no collection has this name.
            UsageError: ``fpir_target`` not in (0, 1), a malformed preset, or another word.
        """
        _check_policy(fpir_target, preset)
        collection = self.collection(name)
        changes: JsonObject = {
            "fpir_target": fpir_target,
            "preset": preset,
            "review": _chosen(ReviewPolicy, review or collection.review).value,
            "beyond_evidence": _chosen(BeyondEvidence, beyond_evidence or collection.beyond_evidence).value,
        }
        self._connection.execute(
            sa.update(collections).where(collections.c.id == collection.id).values(**changes)
        )
        after = self.collection(name)
        if not after.keeps_thumbnails:
            self._drop_thumbnails(collection.id)
        self.append_log("collection.policy", {"collection_id": collection.id, **changes})
        return after

    def delete_collection(self, name: str) -> LogEntry:
        """Delete a collection, its templates and its keys; consents stay. Logged as ``collection.deleted``.

        Raises:
            NotFound: no collection has this name.
        """
        collection = self.collection(name)
        size = self.gallery_size(name)
        for table in (
            templates,
            user_vectors,
            person_keys,
            gallery_changes,
            gallery_snapshots,
            users,
            collection_notes,
        ):
            self._connection.execute(sa.delete(table).where(table.c.collection_id == collection.id))
        self._connection.execute(sa.delete(collections).where(collections.c.id == collection.id))
        self._has_destroyed = True
        return self.append_log(
            "collection.deleted",
            {
                "collection_id": collection.id,
                "num_people": size.num_people,
                "num_templates": size.num_templates,
            },
        )

    def _drop_thumbnails(self, collection_id: str) -> None:
        """Nobody has to look any more: what they would have looked at goes."""
        self._connection.execute(
            sa.update(templates)
            .where(templates.c.collection_id == collection_id, templates.c.sealed_thumbnail.is_not(None))
            .values(sealed_thumbnail=None)
        )
        self._has_destroyed = True

    def _delete_snapshots(self, collection_id: str, part: str = "") -> None:
        """Destroy the keys of saved files of a part, or of all; who finds the files cannot read them."""
        gone = self._connection.execute(
            sa.delete(gallery_snapshots).where(
                gallery_snapshots.c.collection_id == collection_id,
                *of_part(gallery_snapshots.c.part, part),
            )
        )
        self._has_destroyed |= bool(gone.rowcount)

    def _bump_epoch(self, collection_id: str, person_id: str) -> int:
        """Raise the epoch by one, on account of one person; the new one."""
        epoch = self._connection.execute(
            sa.update(collections)
            .where(collections.c.id == collection_id)
            .values(epoch=collections.c.epoch + 1)
            .returning(collections.c.epoch)
        ).scalar_one()
        is_theirs = (gallery_changes.c.collection_id == collection_id) & (
            gallery_changes.c.person_id == person_id
        )
        changed = self._connection.execute(sa.update(gallery_changes).where(is_theirs).values(epoch=epoch))
        if not changed.rowcount:
            self._connection.execute(
                sa.insert(gallery_changes).values(
                    collection_id=collection_id, person_id=person_id, epoch=epoch
                )
            )
        return int(epoch)


def _chosen(kind: type[_Word], word: str) -> _Word:
    try:
        return kind(word)
    except ValueError as error:
        raise UsageError(f"expected one of {', '.join(kind)}, got another word") from error


def _collection(row: Any) -> CollectionRecord:
    return CollectionRecord(
        **{
            **row,
            "review": ReviewPolicy(row["review"]),
            "beyond_evidence": BeyondEvidence(row["beyond_evidence"]),
        }
    )


def _check_policy(fpir_target: float, preset: str) -> None:
    fields.matching("preset", preset, fields.PRESET)
    if not 0.0 < fpir_target < 1.0:
        raise UsageError(f"fpir_target must be in (0, 1), got {fpir_target}")
