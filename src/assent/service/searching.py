"""Search (1:N): calibrated, bounded by policy, filtered by consent, and recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from assent.errors import NotFound, ReviewError
from assent.service.context import Context
from assent.service.faces import Photo, load_faces
from assent.service.galleries import Among
from assent.service.images import ImageSource
from assent.service.matching import OwnPerson
from assent.service.pictures import face_jpeg
from assent.service.probing import Asked, Probe, Probes, answered, refuse_early
from assent.service.results import FaceAnswer, SearchResult
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord
from assent.types import Face, Float32
from assent.vision.quality import PROBE_GATE

MAX_FACES = 100
"""Faces of one photo that are searched, largest first."""

Faces = Literal["all", "largest"]
"""Which faces of a photo are searched for."""


def search(
    ctx: Context,
    image: ImageSource,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
    thorough: bool = False,
    faces: Faces = "all",
    among: Among = "people",
) -> SearchResult:
    """Who of a collection's consenting people may be in a photo.

    Every face is searched. The probes' templates are dropped with the answer; faces of people who are not enrolled
    leave nothing behind but the count. In a collection under two-person review the answer names nobody; two people
    look first, and ``review_id`` says where what they find will be.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        collection: the collection's name.
        purpose: what the search is for; it must be the collection's purpose.
        threshold: a similarity of 0 to 100; stricter than the collection's floor, or it has no effect.
        max_candidates: at most so many a face, at least 1.
        thorough: look for the smallest faces too (slower); for pictures in which everybody else is to be hidden.
        faces: search for all faces, or for the largest only.
        among: everybody enrolled, or users only, by their associated photos.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such collection or file.
        WrongPurpose: the collection is for another purpose.
        ImageError: the photo cannot be read.
        NoCalibration: the model's error rates are not known.
        GalleryBeyondEvidence: more people are enrolled than the calibration supports.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: an argument is out of range, or the collection is of another model.
    """
    asked = Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among=among,
    )
    refuse_early(ctx, asked)
    photo = load_faces(ctx, image, gate=PROBE_GATE, thorough=thorough)
    refusals = _refusals(photo.faces, faces)
    searched = [face for face, refused in zip(photo.faces, refusals, strict=True) if not refused]
    # Dropped with the answer; strangers' templates live nowhere else.
    templates = iter(ctx.engine.templates(photo.image_rgb, searched))
    probes = [
        Probe(
            face,
            refused,
            None if refused else next(templates),
            partial(face_jpeg, photo.image_rgb, face.box_xyxy),
        )
        for face, refused in zip(photo.faces, refusals, strict=True)
    ]
    return _answer(ctx, asked, lambda _tx, _target: probes, photo)


def search_template(
    ctx: Context,
    template_id: str,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
    among: Among = "people",
) -> SearchResult:
    """Who of a collection is like the person in one of its enrolled photos.

    That person is compared by their other photos, and left out where there is none: compared with itself, every photo
    would match.

    Args:
        ctx: the open data folder.
        template_id: of the enrolled photo; it must be of this collection.
        collection: the collection's name.
        purpose: as in ``search``.
        threshold: as in ``search``.
        max_candidates: as in ``search``.
        among: as in ``search``.

    Raises:
        NotFound: no such collection, or no such template in it.
        NoLiveConsent: the consent it rests on has ended.
        Forbidden, WrongPurpose, CalibrationError, UsageError: as in ``search``.
        ReviewError: two people would have to look, and no picture of the photo was kept.
    """
    asked = Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among=among,
    )
    refuse_early(ctx, asked)

    def probes(tx: Transaction, target: CollectionRecord) -> list[Probe]:
        record = tx.template(template_id)
        if record.collection_id != target.id:
            raise NotFound(f"no template of collection {target.name} has this id; list them")
        tx.live_consent(record.person_ref, target.purpose)
        kept = tx.live_templates(target.name, record.person_ref)
        if template_id not in kept:
            raise NotFound("the consent that this template rests on has ended; another photo may be enrolled")
        counting = tx.live_templates(target.name, record.person_ref, only_associated=among == "users")
        others = [vector for other, vector in counting.items() if other != template_id]
        return [
            _enrolled_probe(
                tx, template_id, kept[template_id], OwnPerson(record.person_ref, _rows(others, target))
            )
        ]

    return _answer(ctx, asked, probes)


def search_person(
    ctx: Context,
    person: str,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
) -> SearchResult:
    """Which other users of a collection are like one of them.

    The probe is the user's most typical associated photo, the one nearest to their mean: error rates are measured for
    single photos as probes, not for means.

    Args:
        ctx: the open data folder.
        person: the user.
        collection: the collection's name.
        purpose: as in ``search``.
        threshold: as in ``search``.
        max_candidates: as in ``search``.

    Raises:
        NotFound: no such collection, or no such user in it.
        NoLiveConsent: the user's consent has ended.
        Forbidden, WrongPurpose, CalibrationError, UsageError: as in ``search``.
        ReviewError: two people would have to look, and no picture of the photo was kept.
    """
    asked = Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among="users",
    )
    refuse_early(ctx, asked)

    def probes(tx: Transaction, target: CollectionRecord) -> list[Probe]:
        user = tx.user(target.name, person)
        tx.live_consent(user.person_ref, target.purpose)
        counting = tx.live_templates(target.name, person, only_associated=True)
        if not counting:
            return []
        vectors = np.stack(list(counting.values()))
        typical = list(counting)[int(np.argmax(vectors @ vectors.mean(axis=0)))]
        return [_enrolled_probe(tx, typical, counting[typical], OwnPerson(person, _rows([], target)))]

    return _answer(ctx, asked, probes)


def _answer(ctx: Context, asked: Asked, make_probes: Probes, photo: Photo | None = None) -> SearchResult:
    made: list[Probe] = []

    def probes(tx: Transaction, target: CollectionRecord) -> list[Probe]:
        made.extend(make_probes(tx, target))
        return made

    done = answered(ctx, asked, probes)
    height, width = photo.image_rgb.shape[:2] if photo is not None else (0, 0)
    return SearchResult(
        collection=asked.collection,
        purpose=asked.purpose,
        faces=tuple(
            FaceAnswer(probe.face, probe.refused, found.candidates)
            for probe, found in zip(made, done.found, strict=True)
        ),
        policy=done.matcher.policy,
        gallery_size=done.matcher.gallery_size,
        image_width=width,
        image_height=height,
        log_leaf=done.log_leaf,
        num_frames=photo.num_frames if photo is not None else 1,
        elapsed_s=time.perf_counter() - asked.started_s,
        review_id=done.review_id,
    )


def _enrolled_probe(tx: Transaction, template_id: str, template: Float32, own: OwnPerson) -> Probe:
    def picture() -> bytes:
        kept = tx.thumbnail(template_id)
        if kept is None:
            raise ReviewError(
                "two people must look, and no picture of this enrolled photo was kept, since it was enrolled before "
                "the collection had people look; search with a photo instead"
            )
        return kept

    return Probe(None, (), template, picture, own)


def _rows(vectors: Sequence[Float32], collection: CollectionRecord) -> Float32:
    return np.stack(vectors) if vectors else np.zeros((0, collection.dim), np.float32)


def _refusals(found: list[Face], faces: Faces) -> list[tuple[str, ...]]:
    """Why each face is not searched: its quality, that only the largest is, or that ``MAX_FACES`` are larger."""
    refusals: list[tuple[str, ...]] = []
    num_searched = 0
    for number, face in enumerate(found):
        if faces == "largest" and number > 0:
            refusals.append(("not-largest",))
            continue
        num_searched += face.quality.is_good
        refusals.append(face.quality.reasons or (("too-many-faces",) if num_searched > MAX_FACES else ()))
    return refusals
