"""New keys for everything but the templates themselves.

Wrapping the old collection keys anew would not do: who holds today's key file and records could then open
the people's keys in an old backup. So every collection gets a new key, and the people's keys are wrapped
under it.
"""

from __future__ import annotations

import sqlalchemy as sa

from assent.store.access import AccessWrites
from assent.store.crypto import CollectionKey, Vault, new_key
from assent.store.jobs import JobWrites
from assent.store.places import PlaceWrites
from assent.store.schema import collections, person_keys, reviews, store
from assent.store.values import RotationRecord


class RotationWrites(AccessWrites, PlaceWrites, JobWrites):
    """Replacing the master key and the collection keys."""

    def replace_keys(self, fresh: Vault) -> RotationRecord:
        """Put ``fresh`` in the place of the master key; ``Records.rotate_master_key`` sees to the key file.

        Logged as ``keys.rotated``.

        Raises:
            StoreUnavailable: a key in the records does not open.
        """
        old_key_id = self._vault.key_id
        collection_ids = list(self._connection.execute(sa.select(collections.c.id)).scalars())
        num_person_keys = sum(self._renew_collection_key(item, fresh) for item in collection_ids)
        self._rewrap_access_secrets(fresh)
        self._rewrap_sources(fresh)
        self._rewrap_job_keys(fresh)
        self._connection.execute(
            sa.update(store).values(master_key_id=fresh.key_id, key_check=fresh.check_value())
        )
        self._vault = fresh
        self._has_destroyed = True
        self.append_log(
            "keys.rotated",
            {
                "old_key": old_key_id,
                "new_key": fresh.key_id,
                "num_collections": len(collection_ids),
                "num_person_keys": num_person_keys,
            },
        )
        return RotationRecord(old_key_id, fresh.key_id, len(collection_ids), num_person_keys, self._now)

    def _renew_collection_key(self, collection_id: str, fresh: Vault) -> int:
        """Give a collection a new key, wrapped under ``fresh``; how many people's keys it wraps."""
        old, key = self._collection_key(collection_id), new_key()
        new = CollectionKey(fresh.store_id, collection_id, key)
        mac_key = old.unwrap_mac_key(
            self._connection.execute(
                sa.select(collections.c.wrapped_mac_key).where(collections.c.id == collection_id)
            ).scalar_one()
        )
        self._connection.execute(
            sa.update(collections)
            .where(collections.c.id == collection_id)
            .values(
                wrapped_key=fresh.wrap_collection_key(collection_id, key),
                wrapped_mac_key=new.wrap_mac_key(mac_key),
            )
        )
        self._rewrap_review_keys(collection_id, old, new)
        self._delete_snapshots(collection_id)  # files are made anew sooner than a backup of them is forgotten
        return self._rewrap_person_keys(collection_id, old, new)

    def _rewrap_review_keys(self, collection_id: str, old: CollectionKey, new: CollectionKey) -> None:
        query = sa.select(reviews.c.id, reviews.c.wrapped_key).where(
            reviews.c.collection_id == collection_id, reviews.c.wrapped_key.is_not(None)
        )
        for review_id, wrapped in self._connection.execute(query).all():
            renewed = new.wrap_review_key(review_id, old.unwrap_review_key(review_id, wrapped))
            self._connection.execute(
                sa.update(reviews).where(reviews.c.id == review_id).values(wrapped_key=renewed)
            )

    def _rewrap_person_keys(self, collection_id: str, old: CollectionKey, new: CollectionKey) -> int:
        query = sa.select(person_keys.c.person_id, person_keys.c.wrapped_key).where(
            person_keys.c.collection_id == collection_id
        )
        renewed = [
            {
                "of_person": row.person_id,
                "renewed": new.wrap_person_key(
                    row.person_id, old.unwrap_person_key(row.person_id, row.wrapped_key)
                ),
            }
            for row in self._connection.execute(query).all()
        ]
        if renewed:
            self._connection.execute(
                sa.update(person_keys)
                .where(
                    person_keys.c.collection_id == collection_id,
                    person_keys.c.person_id == sa.bindparam("of_person"),
                )
                .values(wrapped_key=sa.bindparam("renewed")),
                renewed,
            )
        return len(renewed)
