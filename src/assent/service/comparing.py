"""Comparison (1:1) of two photos that the caller brings: nobody is enrolled, searched for or named."""

from __future__ import annotations

from assent.calibration.profile import ReferenceKind
from assent.calibration.similarity import similarity_at_fmr
from assent.service.context import Context
from assent.service.faces import choose_face, load_faces, require_quality
from assent.service.images import ImageSource
from assent.service.policy import fmr_of_request
from assent.service.results import ComparedFace, Comparison
from assent.service.searching import MAX_FACES
from assent.store.access import Role
from assent.vision.boxes import largest_first
from assent.vision.quality import PROBE_GATE


def compare(ctx: Context, source: ImageSource, target: ImageSource, *, threshold: float = 80.0) -> Comparison:
    """Which faces of one photo may be the person who is largest in another.

    Both are forgotten with the answer; a record of the act stays, without image or template.

    Args:
        ctx: the open data folder.
        source: a file's path, or encoded bytes; its largest face is compared,
        target: with every face of this one, at most the 100 largest.
        threshold: a similarity of 0 to 100: 80 is a false match rate of 1 in 1,000.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such file.
        ImageError: a photo cannot be read.
        NoFace: one of them has none.
        PoorQuality: the source's face is too poor to compare.
        NoCalibration: the model's error rates are not known.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: ``threshold`` is not between 0 and 100.
    """
    ctx.require(Role.SEARCHER)
    profile = ctx.profile(ctx.engine.model_digest)
    limit = profile.threshold_for_fmr(
        fmr_of_request(profile, threshold, (ReferenceKind.SINGLE,)), ReferenceKind.SINGLE
    )
    first = load_faces(ctx, source, gate=PROBE_GATE)
    face = choose_face(first.faces, "largest")
    require_quality(face.quality)
    second = load_faces(ctx, target, gate=PROBE_GATE)
    choose_face(second.faces, "largest")
    [probe] = ctx.engine.templates(first.image_rgb, [face])
    good = [other for other in second.faces if other.quality.is_good][:MAX_FACES]
    scores = [float(template @ probe) for template in ctx.engine.templates(second.image_rgb, good)]
    compared = [
        ComparedFace(
            other,
            float(profile.similarity(score, ReferenceKind.SINGLE)),
            score,
            float(profile.fmr_at_score(score, ReferenceKind.SINGLE)),
        )
        for other, score in zip(good, scores, strict=True)
    ]
    left_out = [ComparedFace(other, None, None, None) for other in second.faces if other not in good]
    matches = [item for item in compared if item.score is not None and item.score >= limit.value]
    unmatched = [item for item in compared if item not in matches] + left_out
    by_size = {id(other): at for at, other in enumerate(largest_first([item.face for item in unmatched]))}
    body = {
        "model": ctx.engine.model_digest,
        "threshold_fmr": limit.target_fmr,
        "num_faces": len(second.faces),
        "num_matches": len(matches),
    }
    with ctx.records.transaction() as tx:
        entry = tx.append_log("compare", body)
    return Comparison(
        source=face,
        source_width=first.image_rgb.shape[1],
        source_height=first.image_rgb.shape[0],
        target_width=second.image_rgb.shape[1],
        target_height=second.image_rgb.shape[0],
        matches=tuple(sorted(matches, key=lambda item: -(item.score or 0.0))),
        unmatched=tuple(sorted(unmatched, key=lambda item: by_size[id(item.face)])),
        threshold_similarity=float(similarity_at_fmr(limit.target_fmr)),
        threshold_fmr=limit.target_fmr,
        log_leaf=entry.leaf_sha256,
    )
