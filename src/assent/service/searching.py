"""Search (1:N): calibrated, bounded by policy, filtered by consent, and recorded."""

from __future__ import annotations

import time

from assent.errors import UsageError
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.faces import load_faces
from assent.service.guarding import recording_refusals, require_one_collection, require_purpose
from assent.service.images import ImageSource
from assent.service.matching import Matcher
from assent.service.results import FaceAnswer, SearchResult
from assent.types import Face, JsonObject
from assent.vision.quality import PROBE_GATE

MAX_FACES = 100
"""Faces of one photo that are searched, largest first."""


def search(
    ctx: Context,
    image: ImageSource,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
    thorough: bool = False,
) -> SearchResult:
    """Who of a collection's consenting people may be in a photo.

    Every face is searched. The probes' templates are dropped with the answer; faces of people who are not enrolled
    leave nothing behind but the count.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        collection: the collection's name.
        purpose: what the search is for; it must be the collection's purpose.
        threshold: a similarity of 0 to 100; stricter than the collection's floor, or it has no effect.
        max_candidates: at most so many a face, at least 1.
        thorough: look for the smallest faces too (slower); for pictures in which everybody else is to be hidden.

    Raises:
        NotFound: no such collection or file.
        WrongPurpose: the collection is for another purpose.
        ImageError: the photo cannot be read.
        NoCalibration: the model's error rates are not known.
        GalleryBeyondEvidence: more people are enrolled than the calibration supports.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: an argument is out of range, or the collection is of another model.
    """
    started_s = time.perf_counter()
    require_one_collection(collection)
    if max_candidates < 1:
        raise UsageError(f"max_candidates must be at least 1, got {max_candidates}")
    with recording_refusals(ctx, "search", collection, purpose), ctx.records.reading() as tx:
        require_purpose(tx.collection(collection), purpose)
    photo = load_faces(ctx, image, gate=PROBE_GATE, thorough=thorough)
    refusals = _refusals(photo.faces)
    searched = [face for face, refused in zip(photo.faces, refusals, strict=True) if not refused]
    # Dropped with the answer; strangers' templates live nowhere else.
    templates = iter(ctx.engine.templates(photo.image_rgb, searched))

    # One transaction for the answer and its record: who may be returned is decided at that moment.
    with recording_refusals(ctx, "search", collection, purpose), ctx.records.transaction() as tx:
        target = tx.collection(collection)
        require_purpose(target, purpose)
        check_model(ctx, target)
        matcher = Matcher.of(ctx, tx, target, threshold)
        answers = tuple(
            FaceAnswer(face, refused, () if refused else matcher.candidates(next(templates), max_candidates))
            for face, refused in zip(photo.faces, refusals, strict=True)
        )
        entry = tx.append_log("search", _record(matcher, threshold, answers))
    return SearchResult(
        collection=collection,
        purpose=purpose,
        faces=answers,
        policy=matcher.policy,
        gallery_size=matcher.gallery_size,
        image_width=photo.image_rgb.shape[1],
        image_height=photo.image_rgb.shape[0],
        log_leaf=entry.leaf_sha256,
        num_frames=photo.num_frames,
        elapsed_s=time.perf_counter() - started_s,
    )


def _refusals(faces: list[Face]) -> list[tuple[str, ...]]:
    """Why each face is not searched: its quality, or that there are ``MAX_FACES`` good ones larger than it."""
    refusals: list[tuple[str, ...]] = []
    num_searched = 0
    for face in faces:
        num_searched += face.quality.is_good
        refusals.append(face.quality.reasons or (("too-many-faces",) if num_searched > MAX_FACES else ()))
    return refusals


def _record(matcher: Matcher, requested: float | None, answers: tuple[FaceAnswer, ...]) -> JsonObject:
    """What is kept of a search: random ids and numbers; no image, name or template, and nothing of strangers."""
    collection, policy = matcher.collection, matcher.policy
    return {
        "purpose": collection.purpose,
        "collection": collection.id,
        "epoch": collection.epoch,
        "model": collection.model_digest,
        "gallery_size": matcher.gallery_size,
        "fpir_target": collection.fpir_target,
        "requested_similarity": requested,
        "applied_similarity": policy.similarity if policy else None,
        "max_fmr": policy.max_fmr if policy else None,
        "num_faces": len(answers),
        "num_refused": sum(bool(answer.refused) for answer in answers),
        "candidates": [
            {
                "person": matcher.tx.person(candidate.person).id,
                "consent": candidate.consent_id,
                "fmr_at_score": candidate.fmr_at_score,
            }
            for answer in answers
            for candidate in answer.candidates
        ],
    }
