"""Enrolment: a consent that is live, one good face, one template, in one transaction."""

from __future__ import annotations

import hashlib

from assent.errors import FaceMismatch, NoCalibration, UsageError
from assent.service.context import Context
from assent.service.faces import Choose, choose_face, load_faces, require_quality
from assent.service.galleries import kind_of, score_against_mean
from assent.service.guarding import require_one_collection
from assent.service.images import ImageSource, read_bytes
from assent.service.results import Enrolment
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord
from assent.types import Float32, JsonObject, Quality
from assent.vision.quality import ENROLMENT_GATE

MIN_SIMILARITY_TO_EARLIER = 60.0
"""Below it a further photo is taken for somebody else's. At 60 about one stranger in 180 still passes, while hardly
anybody's own photo fails: it is there to catch the wrong file, not to decide."""


def enrol(
    ctx: Context,
    image: ImageSource,
    *,
    person: str,
    collection: str,
    choose: Choose = "only",
    allow_mismatch: bool = False,
) -> Enrolment:
    """Make one template of one photo of a person who agreed.

    Nothing is computed from the photo before the consent has been checked, and it is checked again in the transaction
    that stores the template.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        person: the person's id.
        collection: the collection's name; the person's consent must cover its purpose.
        choose: which face, when there are several.
        allow_mismatch: take the photo even when the face is unlike the person's earlier ones.

    Raises:
        NotFound: no such person, collection or file.
        NoLiveConsent: none, withdrawn, or expired.
        WrongPurpose: the consent covers another purpose.
        ImageError: the photo cannot be read.
        FaceError: no face, several, too poor, or not the person's.
        AlreadyExists: this photo is enrolled already.
        UsageError: the collection holds templates of another model.
    """
    require_one_collection(collection)
    with ctx.records.reading() as tx:
        target = tx.collection(collection)
        tx.live_consent(person, target.purpose)
    check_model(ctx, target)
    data = read_bytes(image, max_bytes=ctx.settings.max_image_bytes)
    photo = load_faces(ctx, data, gate=ENROLMENT_GATE)
    face = choose_face(photo.faces, choose)
    require_quality(face.quality)
    [template] = ctx.engine.templates(photo.image_rgb, [face])
    with ctx.records.transaction() as tx:
        target = tx.collection(collection)  # anew: all that is decided on belongs to one moment
        check_model(ctx, target)
        consent = tx.live_consent(person, target.purpose)
        similarity = _similarity_to_earlier(ctx, tx, target, person, template)
        if similarity is not None and similarity < MIN_SIMILARITY_TO_EARLIER and not allow_mismatch:
            raise FaceMismatch(
                f"the face is unlike this person's earlier photos: similarity {similarity:.0f}, expected at least "
                f"{MIN_SIMILARITY_TO_EARLIER:.0f}; check that it is the right photo, or insist (--allow-mismatch)",
                similarity=similarity,
            )
        added = tx.add_template(
            collection,
            person,
            consent.id,
            template,
            image_sha256=hashlib.sha256(data).digest(),
            quality=_numbers(face.quality),
        )
        tx.touch_interaction(consent.id)
        num_templates = len(tx.templates(collection, person))
    return Enrolment(
        template_id=added.id,
        person=person,
        collection=collection,
        consent_id=consent.id,
        quality=face.quality,
        num_templates=num_templates,
        similarity_to_earlier=similarity,
        num_other_faces=len(photo.faces) - 1,
        num_frames=photo.num_frames,
    )


def check_model(ctx: Context, collection: CollectionRecord) -> None:
    """Templates of two models cannot be compared.

    Raises:
        UsageError: the collection was made with another model.
    """
    digest = ctx.engine.model_digest
    if collection.model_digest != digest:
        raise UsageError(
            f"collection {collection.name} holds templates of the model {collection.model_digest[:12]}, this is "
            f"{digest[:12]}; templates of two models cannot be compared. Make a new collection and enrol again"
        )


def _numbers(quality: Quality) -> JsonObject:
    """What is kept of a face's quality."""
    return {
        "inter_ocular_px": round(quality.inter_ocular_px, 2),
        "sharpness": round(quality.sharpness, 5),
        "brightness": round(quality.brightness, 2),
        "yaw_ratio": round(quality.yaw_ratio, 4),
        "confidence": round(quality.confidence, 4),
    }


def _similarity_to_earlier(
    ctx: Context, tx: Transaction, collection: CollectionRecord, person: str, template: Float32
) -> float | None:
    earlier = tx.person_vectors(collection.name, person)
    if len(earlier) == 0:
        return None
    try:
        profile = ctx.profile(collection.model_digest)
    except NoCalibration:
        return None
    score = score_against_mean(earlier, template)
    kind = kind_of(len(earlier))
    return float(profile.similarity(score, kind if kind in profile.kinds else profile.kinds[0]))
