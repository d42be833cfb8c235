"""Search (1:N) and verification (1:1): calibrated, bounded by policy, filtered by consent, and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.calibration.similarity import fmr_at_similarity
from assent.errors import CalibrationError, ConsentError, NotFound, UsageError, WrongPurpose
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.faces import Choose, choose_face, embed, load_faces, require_quality
from assent.service.galleries import GalleryEntry, LoadedGallery, kind_of
from assent.service.images import ImageSource
from assent.service.policy import AppliedPolicy, policy_for
from assent.service.results import Candidate, EmbeddedFace, FaceAnswer, SearchResult, Verification
from assent.store.fields import PURPOSE
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord
from assent.types import JsonObject
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
    if max_candidates < 1:
        raise UsageError(f"max_candidates must be at least 1, got {max_candidates}")
    with recording_refusals(ctx, "search", collection, purpose), ctx.records.reading() as tx:
        _require_purpose(tx.collection(collection), purpose)
    image_rgb, faces = load_faces(ctx, image, gate=PROBE_GATE, thorough=thorough)
    searched = [face for face in faces if face.quality.is_good][:MAX_FACES]
    probes = {id(item.face): item for item in embed(ctx, image_rgb, searched)}

    # One transaction for the answer and its record: who may be returned is decided at that moment.
    with recording_refusals(ctx, "search", collection, purpose), ctx.records.transaction() as tx:
        target = tx.collection(collection)
        _require_purpose(target, purpose)
        check_model(ctx, target)
        profile = ctx.profile(target.model_digest)
        gallery = ctx.galleries.at(tx, target)
        now_s = ctx.clock().timestamp()
        live = gallery.live(now_s)
        policy = (
            policy_for(profile, live, fpir_target=target.fpir_target, requested_similarity=threshold)
            if live.size
            else None
        )
        answers = tuple(
            FaceAnswer(
                face,
                face.quality.reasons,
                _candidates(
                    tx, target, gallery, profile, policy, probes.get(id(face)), max_candidates, now_s
                ),
            )
            for face in faces
        )
        entry = tx.append_log("search", _record(ctx, target, policy, live.size, threshold, answers, gallery))
    return SearchResult(
        collection=collection,
        purpose=purpose,
        faces=answers,
        policy=policy,
        gallery_size=live.size,
        image_width=image_rgb.shape[1],
        image_height=image_rgb.shape[0],
        log_leaf=entry.leaf_sha256,
        elapsed_s=time.perf_counter() - started_s,
    )


def verify(
    ctx: Context,
    image: ImageSource,
    *,
    person: str,
    collection: str,
    purpose: str,
    threshold: float = 80.0,
    choose: Choose = "only",
) -> Verification:
    """Whether the face in a photo is that of one enrolled person.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        person: the person's id.
        collection: where the person is enrolled.
        purpose: what it is for; it must be the collection's purpose.
        threshold: a similarity of 0 to 100: 80 is a false match rate of 1 in 1,000, 90 of 1 in 10,000.
        choose: which face, when there are several.

    Raises:
        NotFound: no such person, collection or file, or the person is not enrolled there.
        NoLiveConsent: none, withdrawn, or expired.
        WrongPurpose: the collection is for another purpose.
        ImageError: the photo cannot be read.
        FaceError: no face, several, or too poor.
        NoCalibration: the model's error rates are not known.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
    """
    with recording_refusals(ctx, "verify", collection, purpose), ctx.records.reading() as tx:
        target = tx.collection(collection)
        _require_purpose(target, purpose)
        tx.live_consent(person, target.purpose)
    check_model(ctx, target)
    image_rgb, faces = load_faces(ctx, image, gate=PROBE_GATE)
    face = choose_face(faces, choose)
    require_quality(face.quality)
    [probe] = embed(ctx, image_rgb, [face])
    with recording_refusals(ctx, "verify", collection, purpose), ctx.records.transaction() as tx:
        consent = tx.live_consent(person, target.purpose)
        vectors = tx.person_vectors(collection, person)
        if len(vectors) == 0:
            raise NotFound(
                f"{person} has agreed but is not enrolled in {collection}; enrol a photo first (assent enrol)"
            )
        kind = kind_of(len(vectors))
        profile = ctx.profile(target.model_digest)
        limit = profile.threshold_for_fmr(float(fmr_at_similarity(threshold)), kind)
        mean = vectors.mean(axis=0)
        score = float(mean @ probe.template / np.linalg.norm(mean))
        body = {
            "actor": ctx.actor,
            "purpose": target.purpose,
            "collection": target.id,
            "person": consent.person_id,
            "consent": consent.id,
            "threshold_fmr": limit.target_fmr,
            "model": target.model_digest,
            "is_match": score >= limit.value,
        }
        entry = tx.append_log("verify", body)
        if score >= limit.value:
            tx.touch_interaction(consent.id)
    return Verification(
        is_match=score >= limit.value,
        person=person,
        similarity=float(profile.similarity(score, kind)),
        score=score,
        fmr_at_score=float(profile.fmr_at_score(score, kind)),
        threshold_similarity=threshold,
        threshold_fmr=limit.target_fmr,
        threshold_score=limit.value,
        quality=face.quality,
        log_leaf=entry.leaf_sha256,
    )


@contextmanager
def recording_refusals(ctx: Context, act: str, collection: str, purpose: str) -> Iterator[None]:
    """Record an act that is refused for lack of consent, purpose or evidence; its own transaction is undone."""
    try:
        yield
    except (ConsentError, CalibrationError) as error:
        with ctx.records.transaction() as tx:
            body = {
                "actor": ctx.actor,
                "act": act,
                # What is no purpose at all may be anything, a name too.
                "purpose": purpose if PURPOSE.fullmatch(purpose) else None,
                "collection": tx.collection(collection).id,
                "refusal": type(error).__name__,
            }
            tx.append_log("refused", body)
        raise


def _require_purpose(collection: CollectionRecord, purpose: str) -> None:
    if collection.purpose != purpose:
        raise WrongPurpose(
            f"collection {collection.name} is for the purpose {collection.purpose}, this search was for {purpose}; "
            f"people agreed to the former only"
        )


def _candidates(
    tx: Reading,
    collection: CollectionRecord,
    gallery: LoadedGallery,
    profile: CalibrationProfile,
    policy: AppliedPolicy | None,
    probe: EmbeddedFace | None,
    limit: int,
    now_s: float,
) -> tuple[Candidate, ...]:
    if policy is None or probe is None:
        return ()
    found = [
        _candidate(
            tx,
            collection,
            gallery.entries[hit.key],
            hit.score,
            ReferenceKind(kind),
            profile,
            policy.gallery_size,
        )
        for kind, threshold in policy.thresholds.items()
        for [hits] in [
            gallery.indexes[ReferenceKind(kind)].search(
                probe.template[None], limit=limit, min_score=threshold.value, now_s=now_s
            )
        ]
        for hit in hits
    ]
    # Kinds of reference have scales of their own; the error rate is the one they share.
    return tuple(sorted(found, key=lambda c: (c.fmr_at_score, -c.score, c.person))[:limit])


def _candidate(
    tx: Reading,
    collection: CollectionRecord,
    entry: GalleryEntry,
    score: float,
    kind: ReferenceKind,
    profile: CalibrationProfile,
    gallery_size: int,
) -> Candidate:
    return Candidate(
        person=entry.person_ref,
        name=tx.person(entry.person_ref).name,
        similarity=float(profile.similarity(score, kind)),
        score=score,
        fmr_at_score=float(profile.fmr_at_score(score, kind)),
        expected_false_candidates=float(profile.expected_false_candidates(score, gallery_size, kind)),
        num_templates=entry.num_templates,
        # Raises rather than answers, should index and records ever disagree.
        consent_id=tx.live_consent(entry.person_ref, collection.purpose).id,
    )


def _record(
    ctx: Context,
    collection: CollectionRecord,
    policy: AppliedPolicy | None,
    gallery_size: int,
    requested: float | None,
    answers: tuple[FaceAnswer, ...],
    gallery: LoadedGallery,
) -> JsonObject:
    """What is kept of a search: random ids and numbers; no image, name or template, and nothing of strangers."""
    person_ids = {entry.person_ref: entry.person_id for entry in gallery.entries.values()}
    return {
        "actor": ctx.actor,
        "purpose": collection.purpose,
        "collection": collection.id,
        "epoch": collection.epoch,
        "model": collection.model_digest,
        "gallery_size": gallery_size,
        "fpir_target": collection.fpir_target,
        "requested_similarity": requested,
        "applied_similarity": policy.similarity if policy else None,
        "max_fmr": policy.max_fmr if policy else None,
        "num_faces": len(answers),
        "num_refused": sum(bool(answer.refused) for answer in answers),
        "candidates": [
            {"person": person_ids[c.person], "consent": c.consent_id, "fmr_at_score": c.fmr_at_score}
            for answer in answers
            for c in answer.candidates
        ],
    }
