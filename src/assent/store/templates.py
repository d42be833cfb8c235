"""Templates: sealed under their person's key, each resting on one live consent."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np
import sqlalchemy as sa

from assent.errors import AlreadyExists, NoLiveConsent, NotFound, StoreUnavailable, UsageError, WrongPurpose
from assent.store import fields
from assent.store.crypto import CollectionKey, PersonKey, image_mac
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.log import canonical_json
from assent.store.schema import collections, people, person_keys, templates, user_vectors
from assent.store.scope import PART_CHARS, new_id
from assent.store.values import (
    CollectionRecord,
    ConsentRecord,
    DestroyedTemplates,
    TemplateRecord,
)
from assent.types import Float32, Float64, JsonObject, Quality

_PUBLIC_NAMES = (
    "id",
    "collection_id",
    "person_id",
    "consent_id",
    "quality",
    "created_at",
    "image_mac",
    "box",
    "is_associated",
)
_PUBLIC = (
    sa.select(*(templates.c[name] for name in _PUBLIC_NAMES), people.c.ref.label("person_ref"))
    .select_from(templates)
    .join(people, people.c.id == templates.c.person_id)
)
Box = tuple[float, float, float, float]
_MIN_MEAN_NORM = 1e-6
_MEASUREMENTS = tuple(field.name for field in dataclass_fields(Quality) if field.name != "reasons")


def _mean_of_remaining(vectors: Float32) -> Float32:
    """``mean_vector``, or the oldest template where they cancel out: nothing may stand in a removal's way."""
    try:
        return mean_vector(vectors)
    except UsageError:
        oldest: Float32 = vectors[0]
        return oldest


def mean_vector(vectors: Float32) -> Float32:
    """The unit-norm mean of (N, D) float32 unit-norm templates, N > 0; (D,) float32.

    Raises:
        UsageError: they cancel out, so that the mean has no direction.
    """
    mean: Float64 = vectors.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if norm < _MIN_MEAN_NORM:
        raise UsageError("this template is opposite to the person's others; is it of the same person?")
    unit: Float32 = (mean / norm).astype(np.float32)
    return unit


@dataclass(frozen=True, slots=True)
class _SealedTemplate:
    id: str
    sealed: bytes
    sealed_thumbnail: bytes | None


class TemplateReads(GalleryReads):
    """Reading templates."""

    def templates(self, collection_name: str, person_ref: str | None = None) -> list[TemplateRecord]:
        """The templates of a collection, oldest first, without their vectors.

        Args:
            collection_name: where.
            person_ref: only this person's; None for everybody's.

        Raises:
            NotFound: no such collection or person.
        """
        query = _PUBLIC.where(templates.c.collection_id == self.collection(collection_name).id).order_by(
            templates.c.created_at, templates.c.id
        )
        if person_ref is not None:
            query = query.where(templates.c.person_id == self.person(person_ref).id)
        return [_template(row) for row in self._connection.execute(query).mappings()]

    def template(self, template_id: str) -> TemplateRecord:
        """The template of this id, without its vector. Raises ``NotFound``."""
        query = _PUBLIC.where(templates.c.id == template_id)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no template has this id; it may have been removed or its consent withdrawn")
        return _template(row)

    def person_vectors(self, collection_name: str, person_ref: str) -> Float32:
        """One person's templates whose consents are live now: (N, D) float32, oldest first; N may be 0.

        Raises:
            NotFound: no such collection or person.
            StoreUnavailable: a row was altered or moved.
        """
        found = list(self.live_templates(collection_name, person_ref).values())
        return np.stack(found) if found else np.zeros((0, self.collection(collection_name).dim), np.float32)

    def live_templates(
        self, collection_name: str, person_ref: str, *, only_associated: bool = False
    ) -> dict[str, Float32]:
        """One person's templates whose consents are live now, by id: each (D,) float32, oldest first.

        Args:
            collection_name: where.
            person_ref: whose.
            only_associated: leave out those that do not count for the person as a user.

        Raises:
            NotFound: no such collection or person.
            StoreUnavailable: a row was altered or moved.
        """
        collection, person = self.collection(collection_name), self.person(person_ref)
        live = {
            consent.id
            for consent in self.consents(person_ref)
            if consent.is_live(self._now) and consent.purpose == collection.purpose
        }
        records = [
            record
            for record in self.templates(collection_name, person_ref)
            if record.consent_id in live and (record.is_associated or not only_associated)
        ]
        if not records:
            return {}
        key = self._person_key(collection.id, person.id)
        if key is None:
            raise StoreUnavailable("a person's key is missing though they have templates; restore a backup")
        sealed = {item.id: item.sealed for item in self._sealed_templates(collection.id, person.id)}
        return {record.id: key.open_template(record.id, sealed[record.id]) for record in records}

    def template_of_image(self, collection_name: str, image_sha256: bytes) -> TemplateRecord | None:
        """The template that was made of this very image in this collection, if there is one.

        Args:
            collection_name: where.
            image_sha256: 32 bytes, of the image's bytes.

        Raises:
            NotFound: no such collection.
        """
        collection_id = self.collection(collection_name).id
        mac = self._image_mac(collection_id, image_sha256)
        query = _PUBLIC.where(templates.c.collection_id == collection_id, templates.c.image_mac == mac)
        row: Any = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _template(row)

    def thumbnails(self, collection_name: str, person_ref: str) -> list[bytes]:
        """The small pictures of a person's enrolled faces that are kept, as JPEG, newest first.

        Raises:
            NotFound: no such collection or person.
            StoreUnavailable: a row was altered or moved.
        """
        collection, person = self.collection(collection_name), self.person(person_ref)
        key = self._person_key(collection.id, person.id)
        query = (
            sa.select(templates.c.id, templates.c.sealed_thumbnail)
            .where(
                templates.c.collection_id == collection.id,
                templates.c.person_id == person.id,
                templates.c.sealed_thumbnail.is_not(None),
            )
            .order_by(templates.c.created_at.desc(), templates.c.id)
        )
        rows = self._connection.execute(query).all()
        return [] if key is None else [key.open_thumbnail(row.id, row.sealed_thumbnail) for row in rows]

    def thumbnail(self, template_id: str) -> bytes | None:
        """The small picture of one enrolled face, or None where none is kept. Raises ``NotFound``."""
        record = self.template(template_id)
        key = self._person_key(record.collection_id, record.person_id)
        sealed = self._connection.execute(
            sa.select(templates.c.sealed_thumbnail).where(templates.c.id == template_id)
        ).scalar_one()
        return None if sealed is None or key is None else key.open_thumbnail(template_id, sealed)

    def _image_mac(self, collection_id: str, image_sha256: bytes) -> bytes:
        if len(image_sha256) != 32:
            raise UsageError("image_sha256 must be the 32 bytes of a sha256 digest")
        wrapped = self._connection.execute(
            sa.select(collections.c.wrapped_mac_key).where(collections.c.id == collection_id)
        ).scalar_one()
        return image_mac(self._collection_key(collection_id).unwrap_mac_key(wrapped), image_sha256)

    def _person_key(self, collection_id: str, person_id: str) -> PersonKey | None:
        query = sa.select(person_keys.c.wrapped_key).where(
            person_keys.c.collection_id == collection_id, person_keys.c.person_id == person_id
        )
        wrapped = self._connection.execute(query).scalar_one_or_none()
        if wrapped is None:
            return None
        return self._collection_key(collection_id).person_key(person_id, wrapped)

    def _sealed_templates(self, collection_id: str, person_id: str) -> list[_SealedTemplate]:
        query = (
            sa.select(templates.c.id, templates.c.sealed, templates.c.sealed_thumbnail)
            .where(templates.c.collection_id == collection_id, templates.c.person_id == person_id)
            .order_by(templates.c.created_at, templates.c.id)
        )
        return [_SealedTemplate(*row) for row in self._connection.execute(query)]


class TemplateWrites(TemplateReads, GalleryWrites):
    """Changing templates."""

    def add_template(
        self,
        collection_name: str,
        person_ref: str,
        consent_id: str,
        vector: Float32,
        *,
        image_sha256: bytes,
        quality: JsonObject,
        box: Box | None = None,
        thumbnail_jpeg: bytes | None = None,
    ) -> TemplateRecord:
        """Store one template under a live consent; the person's mean and the epoch follow.

        Logged as ``template.added``.

        Args:
            collection_name: where.
            person_ref: whose.
            consent_id: what it rests on.
            vector: (D,) float32, unit norm.
            image_sha256: 32 bytes, of the image's bytes; kept only as an HMAC under the collection's own key.
            quality: numbers measured of the face, named as in ``assent.types.Quality``.
            box: left, top, width, height of the face as shares of the picture's width and height.
            thumbnail_jpeg: a small picture of the face; kept, sealed under the person's key, only where the
                collection's policy has people look.

        Raises:
            NotFound: no such collection, person or consent.
            NoLiveConsent: the consent is withdrawn, expired, or another person's.
            WrongPurpose: the consent covers another purpose than the collection's.
            AlreadyExists: the same image is enrolled in this collection.
            UsageError: a vector, digest or quality that cannot be.
        """
        collection = self.collection(collection_name)
        person, consent = self.person(person_ref), self.consent(consent_id)
        self._check_consent(consent, person.id, collection)
        fields.unit_vector(vector, dim=collection.dim)
        mac, quality_text = self._new_image_mac(collection.id, image_sha256), _quality_text(quality)
        # everything that can be refused is refused before the first write
        vectors = self._vectors_with(collection.id, person.id, vector)
        mean = mean_vector(vectors)
        key = self._person_key(collection.id, person.id) or self._new_person_key(collection.id, person.id)
        template_id = new_id()
        thumbnail = thumbnail_jpeg if collection.keeps_thumbnails else None
        self._connection.execute(
            sa.insert(templates).values(
                id=template_id,
                collection_id=collection.id,
                person_id=person.id,
                consent_id=consent.id,
                sealed=key.seal_template(template_id, vector),
                image_mac=mac,
                quality=quality_text,
                created_at=self._now,
                box=None if box is None else json.dumps([_share(value) for value in box]),
                sealed_thumbnail=None if thumbnail is None else key.seal_thumbnail(template_id, thumbnail),
            )
        )
        self._write_user_vector(collection.id, person.id, key, mean, len(vectors))
        epoch = self._bump_epoch(collection.id, person.id)
        self.append_log(
            "template.added",
            {
                "template_id": template_id,
                "collection_id": collection.id,
                "person_id": person.id,
                "consent_id": consent.id,
                "epoch": epoch,
            },
        )
        return self.template(template_id)

    def remove_template(self, template_id: str) -> DestroyedTemplates:
        """Delete one template; the consent stands. The person gets a new key. Logged as ``template.removed``.

        Raises:
            NotFound: no template has this id.
        """
        record = self.template(template_id)
        destroyed = self._destroy_templates(record.collection_id, record.person_id, [template_id])
        self.append_log(
            "template.removed",
            {
                "template_id": template_id,
                "collection_id": record.collection_id,
                "person_id": record.person_id,
                "destroyed_key": destroyed.destroyed_key_fingerprint,
                "epoch": destroyed.epoch_after,
            },
        )
        return destroyed

    def _check_consent(self, consent: ConsentRecord, person_id: str, collection: CollectionRecord) -> None:
        if consent.person_id != person_id:
            raise NoLiveConsent("expected this person's consent, got another person's; use their own")
        if not consent.is_live(self._now):
            raise NoLiveConsent(
                f"expected a live consent, this one is {consent.state(self._now)}; ask them, and record a "
                "new one"
            )
        if consent.purpose != collection.purpose:
            raise WrongPurpose(
                f"the collection's purpose is {collection.purpose!r}, the consent covers "
                f"{consent.purpose!r}; ask them for consent to this purpose, or use a collection of the other"
            )

    def _new_image_mac(self, collection_id: str, image_sha256: bytes) -> bytes:
        """The image's MAC in this collection; ``AlreadyExists`` where it is enrolled there."""
        mac = self._image_mac(collection_id, image_sha256)
        query = sa.select(templates.c.id).where(
            templates.c.collection_id == collection_id, templates.c.image_mac == mac
        )
        present = self._connection.execute(query).scalar_one_or_none()
        if present is not None:
            raise AlreadyExists(
                f"this very image is enrolled here already, as template {present}; use another"
            )
        return mac

    def _new_person_key(self, collection_id: str, person_id: str) -> PersonKey:
        fresh = self._collection_key(collection_id).new_person_key(person_id)
        self._connection.execute(
            sa.insert(person_keys).values(
                collection_id=collection_id, person_id=person_id, wrapped_key=fresh.wrapped
            )
        )
        return fresh.key

    def _vectors_with(self, collection_id: str, person_id: str, vector: Float32) -> Float32:
        """(N + 1, D): the person's templates and one more."""
        key = self._person_key(collection_id, person_id)
        if key is None:
            return vector[None]
        earlier = self._sealed_templates(collection_id, person_id)
        return np.stack([*(key.open_template(item.id, item.sealed) for item in earlier), vector])

    def _write_user_vector(
        self, collection_id: str, person_id: str, key: PersonKey, mean: Float32, num_templates: int
    ) -> None:
        """Replace the person's mean."""
        self._connection.execute(_of_person(sa.delete(user_vectors), user_vectors, collection_id, person_id))
        self._connection.execute(
            sa.insert(user_vectors).values(
                collection_id=collection_id,
                person_id=person_id,
                num_templates=num_templates,
                sealed=key.seal_user_vector(num_templates, mean),
            )
        )

    def _destroy_templates(
        self, collection_id: str, person_id: str, template_ids: list[str]
    ) -> DestroyedTemplates:
        """Delete templates and the key that sealed them; what remains of the person gets a new one."""
        row = self._connection.execute(
            sa.select(collections.c.name, collections.c.epoch).where(collections.c.id == collection_id)
        ).one()
        remaining = [
            item
            for item in self._sealed_templates(collection_id, person_id)
            if item.id not in set(template_ids)
        ]
        old_key = self._person_key(collection_id, person_id)
        if old_key is None:
            raise StoreUnavailable("a person's key is missing though they have templates; restore a backup")
        self._connection.execute(sa.delete(templates).where(templates.c.id.in_(template_ids)))
        if remaining:
            self._reseal(self._collection_key(collection_id), collection_id, person_id, old_key, remaining)
        else:
            for table in (user_vectors, person_keys):
                self._connection.execute(_of_person(sa.delete(table), table, collection_id, person_id))
        self._delete_snapshots(collection_id, person_id[:PART_CHARS])
        self._has_destroyed = True
        return DestroyedTemplates(
            collection_id=collection_id,
            collection_name=row.name,
            num_destroyed=len(template_ids),
            num_remaining=len(remaining),
            destroyed_key_fingerprint=old_key.fingerprint,
            epoch_before=int(row.epoch),
            epoch_after=self._bump_epoch(collection_id, person_id),
        )

    def _reseal(
        self,
        collection_key: CollectionKey,
        collection_id: str,
        person_id: str,
        old_key: PersonKey,
        remaining: list[_SealedTemplate],
    ) -> None:
        """Give a person a new key and seal what remains of them under it."""
        fresh = collection_key.new_person_key(person_id)
        self._connection.execute(
            _of_person(sa.update(person_keys), person_keys, collection_id, person_id).values(
                wrapped_key=fresh.wrapped
            )
        )
        vectors = [old_key.open_template(item.id, item.sealed) for item in remaining]
        for item, vector in zip(remaining, vectors, strict=True):
            thumbnail = None
            if item.sealed_thumbnail is not None:
                thumbnail = fresh.key.seal_thumbnail(
                    item.id, old_key.open_thumbnail(item.id, item.sealed_thumbnail)
                )
            self._connection.execute(
                sa.update(templates)
                .where(templates.c.id == item.id)
                .values(sealed=fresh.key.seal_template(item.id, vector), sealed_thumbnail=thumbnail)
            )
        self._write_user_vector(
            collection_id, person_id, fresh.key, _mean_of_remaining(np.stack(vectors)), len(vectors)
        )


def _of_person(statement: Any, table: sa.Table, collection_id: str, person_id: str) -> Any:
    """``statement`` confined to one person in one collection."""
    return statement.where(table.c.collection_id == collection_id, table.c.person_id == person_id)


def _template(row: Any) -> TemplateRecord:
    values = dict(row)
    # Rekognition's programs expect a UUID: 122 bits of the HMAC, which differ from collection to collection.
    image_id = uuid.UUID(bytes=bytes(values.pop("image_mac")[:16]), version=4)
    box = None if values["box"] is None else tuple(json.loads(values["box"]))
    quality = json.loads(values["quality"])
    return TemplateRecord(**{**values, "quality": quality, "box": box, "image_id": str(image_id)})


def _share(value: float) -> float:
    if not math.isfinite(value):
        raise UsageError("box must be four finite shares of the picture's width and height, got another")
    return round(float(value), 6)


def _quality_text(quality: JsonObject) -> str:
    """The measurements as JSON; only those of ``Quality``, so that nothing about a person can ride along."""
    for name, value in quality.items():
        if name not in _MEASUREMENTS:
            raise UsageError(f"quality may hold only {', '.join(_MEASUREMENTS)}, got another name")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"quality {name} must be a finite number, got {type(value).__name__}")
    return canonical_json(quality)
