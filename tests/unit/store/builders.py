"""Records to test with: a clock that is moved by hand, people who agree, templates from a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from assent.store import ConsentRecord, TemplateRecord, Transaction
from assent.types import Float32

DIM = 16
COLLECTION = "door"
PURPOSE = "door-opening"


def unit_vector(seed: int, dim: int = DIM) -> Float32:
    vector = np.random.default_rng(seed).normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def image_sha256(seed: int) -> bytes:
    return hashlib.sha256(f"image {seed}".encode()).digest()


def make_collection(tx: Transaction, name: str = COLLECTION, purpose: str = PURPOSE, dim: int = DIM) -> None:
    tx.create_collection(name, purpose=purpose, model_digest="test-model", dim=dim)


def consent_fields(tx: Transaction, **changes: Any) -> dict[str, Any]:
    notice = tx.add_notice(version="2026-01", language="en", text="We recognise you at the door.")
    return {
        "controller": "The Club",
        "purpose": PURPOSE,
        "notice_id": notice.id,
        "method": "electronic-signature",
        "evidence_sha256": hashlib.sha256(b"signed release").hexdigest(),
        "legal_basis": "GDPR Art. 9(2)(a); BIPA 15(b)",
        "given_at": tx.now,
        "expires_at": tx.now + timedelta(days=365),
        **changes,
    }


def agree(tx: Transaction, ref: str, **changes: Any) -> ConsentRecord:
    """Add the person where they are new, and record their yes."""
    if ref not in {person.ref for person in tx.people()}:
        tx.add_person(ref, name=f"Name of {ref}")
    return tx.record_consent(ref, **consent_fields(tx, **changes))


def enrol(
    tx: Transaction,
    ref: str,
    consent: ConsentRecord,
    *seeds: int,
    collection: str = COLLECTION,
    thumbnail_jpeg: bytes | None = None,
) -> list[TemplateRecord]:
    """One template per seed."""
    return [
        tx.add_template(
            collection,
            ref,
            consent.id,
            unit_vector(seed),
            image_sha256=image_sha256(seed),
            quality={"sharpness": 1.5},
            thumbnail_jpeg=thumbnail_jpeg,
        )
        for seed in seeds
    ]


@dataclass(frozen=True)
class Enrolled:
    consent: ConsentRecord
    templates: list[TemplateRecord]


def enrolled(tx: Transaction, ref: str, *seeds: int, **changes: Any) -> Enrolled:
    """A new person with a consent and a template per seed in ``COLLECTION``."""
    if COLLECTION not in {collection.name for collection in tx.collections()}:
        make_collection(tx)
    consent = agree(tx, ref, **changes)
    return Enrolled(consent, enrol(tx, ref, consent, *seeds))


def mean_of(*seeds: int) -> Float32:
    mean: Float32 = np.mean([unit_vector(seed) for seed in seeds], axis=0)
    mean /= np.linalg.norm(mean)
    return mean
