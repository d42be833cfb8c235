"""What a search may answer: a collection's policy and a calibration, made into thresholds.

Pure: the same policy, calibration and gallery always give the same thresholds, and what was applied travels
in the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assent.calibration.profile import CalibrationProfile, ReferenceKind, Threshold
from assent.calibration.similarity import fmr_at_similarity, similarity_at_fmr
from assent.errors import GalleryBeyondEvidence, ThresholdBeyondEvidence, UsageError


@dataclass(frozen=True, slots=True)
class LiveGallery:
    """What a policy needs to know of a gallery.

    Attributes:
        size: people compared.
        kinds: the kinds of reference among them.
    """

    size: int
    kinds: tuple[ReferenceKind, ...]


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """What a search was held to.

    Attributes:
        fpir_target: the collection's policy: at most this share of searches for a person who is not in the gallery
            may name somebody.
        gallery_size: people compared.
        n_max: people that the calibration's evidence supports at this policy.
        max_fmr: a candidate's false match rate bound is at most this.
        similarity: the same on the scale of 0 to 100.
        requested_similarity: the stricter or looser threshold the caller asked for, if any.
        thresholds: the cosine score a candidate must reach, by kind of reference ("single", "mean").
    """

    fpir_target: float
    gallery_size: int
    n_max: int
    max_fmr: float
    similarity: float
    requested_similarity: float | None
    thresholds: dict[ReferenceKind, Threshold]


def policy_for(
    profile: CalibrationProfile,
    gallery: LiveGallery,
    *,
    fpir_target: float,
    requested_similarity: float | None = None,
) -> AppliedPolicy:
    """The thresholds of one search.

    The floor is the lowest threshold with gallery size x false match rate (upper 95 % bound) at most the target: by
    Boole's inequality the FPIR is then at most the target, whatever the dependence between comparisons. A caller's
    threshold may be stricter, never looser.

    Args:
        profile: the calibration of the model that made the templates.
        gallery: how many references are compared, and of which kinds; at least one.
        fpir_target: in (0, 1).
        requested_similarity: 0 to 100, or None for the floor.

    Raises:
        GalleryBeyondEvidence: more people are enrolled than the calibration supports at this target.
        ThresholdBeyondEvidence: the caller asks for more than the calibration can tell apart.
        UsageError: ``requested_similarity`` is not between 0 and 100.
    """
    size, kinds = gallery.size, gallery.kinds
    n_max = profile.n_max(fpir_target, kinds)
    if size > n_max:
        raise GalleryBeyondEvidence(
            f"this calibration's evidence supports a gallery of at most {n_max:,} people at a false positive "
            f"identification rate of {fpir_target:g}, the collection holds {size:,}; calibrate with more people "
            f"(assent calibrate), split the collection, or loosen its policy (assent collection policy)",
            gallery_size=size,
            n_max=n_max,
        )
    max_fmr = min(profile.floor(size, fpir_target, kind).target_fmr for kind in kinds)
    if requested_similarity is not None:
        max_fmr = min(max_fmr, fmr_of_request(profile, requested_similarity, kinds))
    return _applied(profile, gallery, fpir_target, n_max, max_fmr, requested_similarity)


def policy_beyond_evidence(
    profile: CalibrationProfile,
    gallery: LiveGallery,
    *,
    fpir_target: float,
    requested_similarity: float | None = None,
) -> AppliedPolicy:
    """The thresholds of a search whose answer two people will look at, in a gallery larger than the evidence supports.

    They are the strictest that the evidence can tell apart. That the target is met is not claimed: each candidate's
    ``expected_false_candidates`` says what is.

    Args:
        profile: the calibration of the model that made the templates.
        gallery: how many references are compared, and of which kinds; at least one.
        fpir_target: in (0, 1).
        requested_similarity: 0 to 100, or None.

    Raises:
        ThresholdBeyondEvidence: the caller asks for more than the calibration can tell apart.
        UsageError: ``requested_similarity`` is not between 0 and 100.
    """
    if requested_similarity is not None:
        fmr_of_request(profile, requested_similarity, gallery.kinds)
    max_fmr = max(profile.curve(kind).fmr_upper_at_end for kind in gallery.kinds)
    n_max = profile.n_max(fpir_target, gallery.kinds)
    return _applied(profile, gallery, fpir_target, n_max, max_fmr, requested_similarity)


def _applied(
    profile: CalibrationProfile,
    gallery: LiveGallery,
    fpir_target: float,
    n_max: int,
    max_fmr: float,
    requested_similarity: float | None,
) -> AppliedPolicy:
    return AppliedPolicy(
        fpir_target=fpir_target,
        gallery_size=gallery.size,
        n_max=n_max,
        max_fmr=max_fmr,
        similarity=float(similarity_at_fmr(max_fmr)),
        requested_similarity=requested_similarity,
        thresholds={kind: profile.threshold_for_fmr(max_fmr, kind) for kind in gallery.kinds},
    )


def fmr_of_request(profile: CalibrationProfile, similarity: float, kinds: Sequence[str]) -> float:
    """The false match rate that a caller's threshold stands for.

    Args:
        profile: the calibration.
        similarity: 0 to 100.
        kinds: of the references that are compared.

    Raises:
        ThresholdBeyondEvidence: stricter than the calibration can tell apart.
        UsageError: not between 0 and 100.
    """
    if not (math.isfinite(similarity) and 0 <= similarity <= 100):
        raise UsageError(f"a similarity threshold is between 0 and 100, got {similarity}")
    highest = min(profile.max_similarity(kind) for kind in kinds)
    if similarity > highest:
        raise ThresholdBeyondEvidence(
            f"a similarity of {similarity:g} was asked for, this calibration's evidence ends at {highest:.1f}; "
            f"ask for at most that, or calibrate with more people (assent calibrate)"
        )
    return float(fmr_at_similarity(similarity))
