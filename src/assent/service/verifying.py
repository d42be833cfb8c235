"""Verification (1:1): is this one named, enrolled person?"""

from __future__ import annotations

from assent.calibration.similarity import similarity_at_fmr
from assent.errors import NotFound
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.faces import Choose, choose_face, load_faces, require_quality
from assent.service.galleries import kind_of, score_against_mean
from assent.service.guarding import recording_refusals, require_one_collection, require_purpose
from assent.service.images import ImageSource
from assent.service.policy import fmr_of_request
from assent.service.results import Verification
from assent.service.reviewing import require_no_review
from assent.store.access import Role
from assent.vision.quality import PROBE_GATE


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
        threshold: a similarity of 0 to 100: 80 is a false match rate of 1 in 1,000, 90 of 1 in 10,000. Stricter than
            the collection's policy for one comparison, or it has no effect.
        choose: which face, when there are several.

    Raises:
        NotFound: no such person, collection or file, or the person is not enrolled there.
        Forbidden: the caller is no searcher.
        ReviewRequired: the collection is under two-person review.
        NoLiveConsent: none, withdrawn, or expired.
        WrongPurpose: the collection is for another purpose.
        ImageError: the photo cannot be read.
        FaceError: no face, several, or too poor.
        NoCalibration: the model's error rates are not known.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: an argument is out of range, or the collection is of another model.
    """
    ctx.require(Role.SEARCHER)
    require_one_collection(collection)
    with recording_refusals(ctx, "verify", collection, purpose), ctx.records.reading() as tx:
        target = tx.collection(collection)
        require_purpose(target, purpose)
        require_no_review(target)
        tx.live_consent(person, target.purpose)
    check_model(ctx, target)
    photo = load_faces(ctx, image, gate=PROBE_GATE)
    face = choose_face(photo.faces, choose)
    require_quality(face.quality)
    [probe] = ctx.engine.templates(photo.image_rgb, [face])
    with recording_refusals(ctx, "verify", collection, purpose), ctx.records.transaction() as tx:
        target = tx.collection(collection)  # anew: all that is decided on belongs to one moment
        require_purpose(target, purpose)
        require_no_review(target)
        check_model(ctx, target)
        consent = tx.live_consent(person, target.purpose)
        vectors = tx.person_vectors(collection, person)
        if len(vectors) == 0:
            raise NotFound(
                f"{person} has agreed but is not enrolled in {collection}; enrol a photo first (assent enrol)"
            )
        kind = kind_of(len(vectors))
        profile = ctx.profile(target.model_digest)
        # A gallery of one: the collection's policy is the floor here too.
        max_fmr = min(fmr_of_request(profile, threshold, (kind,)), target.fpir_target)
        limit = profile.threshold_for_fmr(max_fmr, kind)
        score = score_against_mean(vectors, probe)
        body = {
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
        threshold_similarity=float(similarity_at_fmr(limit.target_fmr)),
        num_frames=photo.num_frames,
        threshold_fmr=limit.target_fmr,
        threshold_score=limit.value,
        quality=face.quality,
        log_leaf=entry.leaf_sha256,
    )
