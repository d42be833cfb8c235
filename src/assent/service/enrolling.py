"""Enrolment: a consent that is live, one good face, one template, in one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from assent.errors import FaceMismatch, NoCalibration, UsageError
from assent.service.context import Context
from assent.service.faces import Choose, Photo, choose_face, load_faces, require_quality
from assent.service.galleries import kind_of, score_against_mean
from assent.service.guarding import require_one_collection
from assent.service.images import ImageSource, read_bytes
from assent.service.pictures import face_jpeg
from assent.service.results import Enrolment, IndexedPhoto
from assent.store.access import Role
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord, TemplateRecord
from assent.types import Face, Float32, JsonObject, Quality
from assent.vision.quality import ENROLMENT_GATE

MIN_SIMILARITY_TO_EARLIER = 60.0
"""Below it a further photo is taken for somebody else's. At 60 about one stranger in 180 still passes, while hardly
anybody's own photo fails: it is there to catch the wrong file, not to decide."""


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """One face of one photo and its template, made before the transaction that stores it."""

    data: bytes
    photo: Photo
    face: Face
    template: Float32

    @property
    def sha256(self) -> bytes:
        """Of the encoded photo."""
        return hashlib.sha256(self.data).digest()


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
        Forbidden: the caller is no enroller.
        NotFound: no such person, collection or file.
        NoLiveConsent: none, withdrawn, or expired.
        WrongPurpose: the consent covers another purpose.
        ImageError: the photo cannot be read.
        FaceError: no face, several, too poor, or not the person's.
        AlreadyExists: this photo is enrolled already.
        UsageError: the collection holds templates of another model.
    """
    data = _consented_bytes(ctx, image, person, collection)
    photo = load_faces(ctx, data, gate=ENROLMENT_GATE)
    face = choose_face(photo.faces, choose)
    require_quality(face.quality)
    chosen = _Chosen(data, photo, face, ctx.engine.templates(photo.image_rgb, [face])[0])
    with ctx.records.transaction() as tx:
        added, similarity = _add(
            ctx, tx, chosen, person=person, collection=collection, allow_mismatch=allow_mismatch
        )
        num_templates = len(tx.templates(collection, person))
    return Enrolment(
        template_id=added.id,
        person=person,
        collection=collection,
        consent_id=added.consent_id,
        quality=face.quality,
        num_templates=num_templates,
        similarity_to_earlier=similarity,
        num_other_faces=len(photo.faces) - 1,
        num_frames=photo.num_frames,
    )


def index(
    ctx: Context, image: ImageSource, *, person: str, collection: str, allow_mismatch: bool = False
) -> IndexedPhoto:
    """Enrol the largest face of a photo, as Rekognition's programs expect it.

    As ``enrol``, but a photo without a face, or with one that is too poor, is an answer and no error, and the very same
    photo of the same person gives the template that is there.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        person: the person's id.
        collection: the collection's name; the person's consent must cover its purpose.
        allow_mismatch: take the photo even when the face is unlike the person's earlier ones.

    Raises:
        Forbidden: the caller is no enroller.
        NotFound: no such person, collection or file.
        NoLiveConsent: none, withdrawn, or expired.
        WrongPurpose: the consent covers another purpose.
        ImageError: the photo cannot be read.
        FaceMismatch: the face is unlike the person's earlier photos.
        AlreadyExists: this photo is enrolled as another person's.
        UsageError: the collection holds templates of another model.
    """
    data = _consented_bytes(ctx, image, person, collection)
    photo = load_faces(ctx, data, gate=ENROLMENT_GATE)
    face = next(iter(photo.faces), None)
    enrolled, is_new = None, False
    if face is not None and face.quality.is_good:
        chosen = _Chosen(data, photo, face, ctx.engine.templates(photo.image_rgb, [face])[0])
        with ctx.records.transaction() as tx:
            enrolled = tx.template_of_image(collection, chosen.sha256)
            if enrolled is None or enrolled.person_ref != person:
                enrolled, _ = _add(
                    ctx, tx, chosen, person=person, collection=collection, allow_mismatch=allow_mismatch
                )
                is_new = True
    return IndexedPhoto(
        enrolled=enrolled,
        face=face,
        reasons=face.quality.reasons if face is not None else (),
        others=tuple(photo.faces[1:]),
        is_new=is_new,
        image_width=photo.image_rgb.shape[1],
        image_height=photo.image_rgb.shape[0],
        num_frames=photo.num_frames,
    )


def _consented_bytes(ctx: Context, image: ImageSource, person: str, collection: str) -> bytes:
    """The encoded photo, read only after consent, purpose and model were found in order."""
    ctx.require(Role.ENROLLER)
    require_one_collection(collection)
    with ctx.records.reading() as tx:
        target = tx.collection(collection)
        tx.live_consent(person, target.purpose)
    check_model(ctx, target)
    return read_bytes(image, max_bytes=ctx.settings.max_image_bytes)


def _add(
    ctx: Context,
    tx: Transaction,
    chosen: _Chosen,
    *,
    person: str,
    collection: str,
    allow_mismatch: bool,
) -> tuple[TemplateRecord, float | None]:
    """Store the template of one face; it and its similarity to the person's earlier photos."""
    target = tx.collection(collection)  # anew: all that is decided on belongs to one moment
    check_model(ctx, target)
    consent = tx.live_consent(person, target.purpose)
    similarity = _similarity_to_earlier(ctx, tx, target, person, chosen.template)
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
        chosen.template,
        image_sha256=chosen.sha256,
        quality=_numbers(chosen.face.quality),
        box=_box(chosen.photo, chosen.face),
        thumbnail_jpeg=(
            face_jpeg(chosen.photo.image_rgb, chosen.face.box_xyxy) if target.keeps_thumbnails else None
        ),
    )
    tx.touch_interaction(consent.id)
    return added, similarity


def _box(photo: Photo, face: Face) -> tuple[float, float, float, float]:
    """Left, top, width and height as shares of the picture."""
    height, width = photo.image_rgb.shape[:2]
    left, top, right, bottom = (float(value) for value in face.box_xyxy)
    return left / width, top / height, (right - left) / width, (bottom - top) / height


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
