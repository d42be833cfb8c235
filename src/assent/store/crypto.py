"""Sealing: AES-256-GCM in three layers, each bound to where its ciphertext lives.

    master key (key file) -> collection key -> person's key in that collection -> template, thumbnail, user vector
                          |                 -> review's key -> crop of the probe photo
                          |                 -> key of a part of the gallery saved to disk
                          -> secret of an access key
                          -> source of a camera, which may hold a password
                          -> job's key -> what is asked, what came of it, whom it names, key of its output

What is sealed is ``nonce (12 bytes) || ciphertext || tag (16 bytes)``; the nonce is random. The associated
data name the store, the collection, the person and the template, so that a ciphertext moved to another row
does not open; they are unambiguous because every part is a UUID, a number or a constant. Why it is built
this way: ``docs/decisions/0003-keys.md``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assent.errors import StoreUnavailable
from assent.types import Float32

KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random 96-bit nonces, at most 2^32 per key
_FORMAT = "assent/1"


def new_key() -> bytes:
    """32 bytes from the operating system's generator."""
    return secrets.token_bytes(KEY_BYTES)


def key_fingerprint(key: bytes) -> str:
    """32 hexadecimal digits that name a key without telling anything of use about it."""
    return hashlib.sha256(b"assent key fingerprint\0" + key).hexdigest()[:32]


def _seal(cipher: AESGCM, plaintext: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, aad)


def _unseal(cipher: AESGCM, sealed: bytes, aad: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError) as error:
        raise StoreUnavailable(
            "a sealed record does not open with the key it was sealed with: it was altered, moved to another "
            "row, or damaged; restore the records from a backup"
        ) from error


def _vector_bytes(vector: Float32) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _vector(plaintext: bytes) -> Float32:
    return np.frombuffer(plaintext, dtype="<f4").astype(np.float32, copy=False)


class PersonKey:
    """One person's key in one collection; what seals their templates and user vector there."""

    __slots__ = ("_cipher", "_key", "_place")

    def __init__(self, place: str, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key
        self._place = place

    @property
    def fingerprint(self) -> str:
        """The key's name in receipts."""
        return key_fingerprint(self._key)

    def seal_template(self, template_id: str, vector: Float32) -> bytes:
        """Seal a (D,) float32 template as little-endian bytes."""
        return _seal(self._cipher, _vector_bytes(vector), self._aad("template", template_id))

    def open_template(self, template_id: str, sealed: bytes) -> Float32:
        """The (D,) float32 template, read-only. Raises ``StoreUnavailable`` where it does not open."""
        return _vector(_unseal(self._cipher, sealed, self._aad("template", template_id)))

    def seal_thumbnail(self, template_id: str, jpeg: bytes) -> bytes:
        """Seal the small picture of an enrolled face."""
        return _seal(self._cipher, jpeg, self._aad("thumbnail", template_id))

    def open_thumbnail(self, template_id: str, sealed: bytes) -> bytes:
        """The small picture. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, sealed, self._aad("thumbnail", template_id))

    def seal_user_vector(self, num_templates: int, vector: Float32) -> bytes:
        """Seal the (D,) float32 mean of ``num_templates`` templates."""
        return _seal(self._cipher, _vector_bytes(vector), self._aad("user-vector", str(num_templates)))

    def open_user_vector(self, num_templates: int, sealed: bytes) -> Float32:
        """The (D,) float32 mean, read-only. Raises ``StoreUnavailable`` where it does not open."""
        return _vector(_unseal(self._cipher, sealed, self._aad("user-vector", str(num_templates))))

    def _aad(self, what: str, which: str) -> bytes:
        return f"{_FORMAT}|{what}|{self._place}|{which}".encode("ascii")


class ReviewKey:
    """The key of one review; what seals the crops of its probe photo until it ends."""

    __slots__ = ("_cipher", "_place")

    def __init__(self, place: str, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._place = place

    def seal_picture(self, pair_id: str, jpeg: bytes) -> bytes:
        """Seal the crop of one pair."""
        return _seal(self._cipher, jpeg, self._aad(pair_id))

    def open_picture(self, pair_id: str, sealed: bytes) -> bytes:
        """The crop of one pair. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, sealed, self._aad(pair_id))

    def _aad(self, pair_id: str) -> bytes:
        return f"{_FORMAT}|probe|{self._place}|{pair_id}".encode("ascii")


class JobKey:
    """The key of one job; what seals what is asked and what comes of it until the job is forgotten."""

    __slots__ = ("_cipher", "_place")

    def __init__(self, place: str, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._place = place

    def seal(self, what: str, plaintext: bytes) -> bytes:
        """Seal one part of the job."""
        return _seal(self._cipher, plaintext, self._aad(what))

    def open(self, what: str, sealed: bytes) -> bytes:
        """One part of the job. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, sealed, self._aad(what))

    def _aad(self, what: str) -> bytes:
        return f"{_FORMAT}|job|{self._place}|{what}".encode("ascii")


class CollectionKey:
    """The key of one collection; wraps the keys of the people in it, and of its reviews."""

    __slots__ = ("_cipher", "_place")

    def __init__(self, store_id: str, collection_id: str, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._place = f"{store_id}|{collection_id}"

    def wrap_person_key(self, person_id: str, key: bytes) -> bytes:
        """Seal a person's 32-byte key."""
        return _seal(self._cipher, key, self._aad("person-key", person_id))

    def unwrap_person_key(self, person_id: str, wrapped: bytes) -> bytes:
        """The person's 32-byte key. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, wrapped, self._aad("person-key", person_id))

    def person_key(self, person_id: str, wrapped: bytes) -> PersonKey:
        """The person's key, ready to open their templates."""
        return PersonKey(f"{self._place}|{person_id}", self.unwrap_person_key(person_id, wrapped))

    def new_person_key(self, person_id: str) -> NewPersonKey:
        """A fresh key for a person."""
        key = new_key()
        return NewPersonKey(
            PersonKey(f"{self._place}|{person_id}", key), self.wrap_person_key(person_id, key)
        )

    def wrap_review_key(self, review_id: str, key: bytes) -> bytes:
        """Seal a review's 32-byte key."""
        return _seal(self._cipher, key, self._aad("review-key", review_id))

    def unwrap_review_key(self, review_id: str, wrapped: bytes) -> bytes:
        """The review's 32-byte key. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, wrapped, self._aad("review-key", review_id))

    def review_key(self, review_id: str, wrapped: bytes) -> ReviewKey:
        """The review's key, ready to open its pictures."""
        return ReviewKey(f"{self._place}|{review_id}", self.unwrap_review_key(review_id, wrapped))

    def new_review_key(self, review_id: str) -> NewReviewKey:
        """A fresh key for a review."""
        key = new_key()
        return NewReviewKey(
            ReviewKey(f"{self._place}|{review_id}", key), self.wrap_review_key(review_id, key)
        )

    def wrap_snapshot_key(self, snapshot_id: str, key: bytes) -> bytes:
        """Seal the 32-byte key of a gallery saved to disk."""
        return _seal(self._cipher, key, self._aad("snapshot-key", snapshot_id))

    def unwrap_snapshot_key(self, snapshot_id: str, wrapped: bytes) -> bytes:
        """The 32-byte key of a saved gallery. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, wrapped, self._aad("snapshot-key", snapshot_id))

    def wrap_mac_key(self, key: bytes) -> bytes:
        """Seal the collection's image MAC key."""
        return _seal(self._cipher, key, self._aad("mac-key", ""))

    def unwrap_mac_key(self, wrapped: bytes) -> bytes:
        """The collection's image MAC key. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(self._cipher, wrapped, self._aad("mac-key", ""))

    def _aad(self, what: str, which: str) -> bytes:
        return f"{_FORMAT}|{what}|{self._place}|{which}".encode("ascii")


@dataclass(frozen=True, slots=True)
class NewPersonKey:
    """A key just made: ready to use, and wrapped for the records."""

    key: PersonKey
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class NewReviewKey:
    """A review's key just made: ready to use, and wrapped for the records."""

    key: ReviewKey
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class NewJobKey:
    """A job's key just made: ready to use, and wrapped for the records."""

    key: JobKey
    wrapped: bytes


def image_mac(mac_key: bytes, image_sha256: bytes) -> bytes:
    """HMAC-SHA256 of an image's digest: equal images are found within a collection, not across two."""
    return hmac.new(mac_key, image_sha256, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Vault:
    """The master key of one store.

    Attributes:
        store_id: UUID of the store; part of everything sealed in it.
        master_key: 32 bytes; never printed.
    """

    store_id: str
    master_key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """The master key's fingerprint, as the records name it."""
        return key_fingerprint(self.master_key)

    def wrap_collection_key(self, collection_id: str, key: bytes) -> bytes:
        """Seal a collection's 32-byte key."""
        return _seal(AESGCM(self.master_key), key, self._aad("collection-key", collection_id))

    def collection_key(self, collection_id: str, wrapped: bytes) -> CollectionKey:
        """The collection's key. Raises ``StoreUnavailable`` where it does not open."""
        key = _unseal(AESGCM(self.master_key), wrapped, self._aad("collection-key", collection_id))
        return CollectionKey(self.store_id, collection_id, key)

    def seal_secret(self, key_id: str, secret: bytes) -> bytes:
        """Seal the secret of an access key."""
        return _seal(AESGCM(self.master_key), secret, self._aad("access-secret", key_id))

    def open_secret(self, key_id: str, sealed: bytes) -> bytes:
        """The secret of an access key. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(AESGCM(self.master_key), sealed, self._aad("access-secret", key_id))

    def seal_source(self, place_id: str, camera: str, source: str) -> bytes:
        """Seal a camera's source."""
        return _seal(
            AESGCM(self.master_key), source.encode(), self._aad("camera-source", f"{place_id}|{camera}")
        )

    def open_source(self, place_id: str, camera: str, sealed: bytes) -> str:
        """A camera's source. Raises ``StoreUnavailable`` where it does not open."""
        which = self._aad("camera-source", f"{place_id}|{camera}")
        return _unseal(AESGCM(self.master_key), sealed, which).decode()

    def wrap_job_key(self, job_id: str, key: bytes) -> bytes:
        """Seal a job's 32-byte key."""
        return _seal(AESGCM(self.master_key), key, self._aad("job-key", job_id))

    def unwrap_job_key(self, job_id: str, wrapped: bytes) -> bytes:
        """The job's 32-byte key. Raises ``StoreUnavailable`` where it does not open."""
        return _unseal(AESGCM(self.master_key), wrapped, self._aad("job-key", job_id))

    def job_key(self, job_id: str, wrapped: bytes) -> JobKey:
        """The job's key, ready to open what it sealed."""
        return JobKey(f"{self.store_id}|{job_id}", self.unwrap_job_key(job_id, wrapped))

    def new_job_key(self, job_id: str) -> NewJobKey:
        """A fresh key for a job."""
        key = new_key()
        return NewJobKey(JobKey(f"{self.store_id}|{job_id}", key), self.wrap_job_key(job_id, key))

    def check_value(self) -> bytes:
        """What the records keep to tell at once whether a key is theirs: the store's id, sealed."""
        return _seal(AESGCM(self.master_key), self.store_id.encode("ascii"), self._aad("key-check", ""))

    def matches(self, check_value: bytes) -> bool:
        """Whether ``check_value`` was made with this key for this store."""
        try:
            _unseal(AESGCM(self.master_key), check_value, self._aad("key-check", ""))
        except StoreUnavailable:
            return False
        return True

    def _aad(self, what: str, which: str) -> bytes:
        return f"{_FORMAT}|{what}|{self.store_id}|{which}".encode("ascii")
