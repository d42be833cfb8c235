"""Assent's values as Rekognition writes them: ratios instead of pixels, percent instead of shares.

A face's details are where it is, how well it can be seen and how it is held; nothing is said of whose it is or what
that person is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from assent.service.results import Candidate
from assent.store.values import TemplateRecord
from assent.types import Face, Float32, Quality, QualityReason
from assent.vision.pose import pose_of
from assent.wire.call import Body

LANDMARKS: Final = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
"""Left and right are the picture's."""

REASONS: Final[dict[str, str]] = {
    QualityReason.SMALL: "SMALL_BOUNDING_BOX",
    QualityReason.BLURRED: "LOW_SHARPNESS",
    QualityReason.DARK: "LOW_BRIGHTNESS",
    QualityReason.BRIGHT: "LOW_FACE_QUALITY",
    QualityReason.TURNED: "EXTREME_POSE",
    QualityReason.LOW_CONFIDENCE: "LOW_CONFIDENCE",
    "too-many-faces": "EXCEEDS_MAX_FACES",
    "not-largest": "FACE_NOT_LARGEST",
}


def model_version(model_digest: str) -> str:
    """A model's digest in the form of a version: equal where templates compare, else different."""
    return f"1.{int(model_digest[:8], 16)}"


def reasons(of: Iterable[str]) -> list[str]:
    """Why a face was left out, in AWS's words."""
    return [REASONS.get(reason, "LOW_FACE_QUALITY") for reason in of]


def bounding_box(box_xyxy: Float32, width: int, height: int) -> Body:
    """A box as ratios of the picture; it may stick out, as Rekognition's may."""
    left, top, right, bottom = (float(value) for value in box_xyxy)
    return {
        "Left": left / width,
        "Top": top / height,
        "Width": (right - left) / width,
        "Height": (bottom - top) / height,
    }


def image_quality(quality: Quality) -> Body:
    """Brightness: mean luma in percent. Sharpness: 50 is the median portrait, 0 a flat surface, 100 never reached."""
    return {
        "Brightness": quality.brightness / 255 * 100,
        "Sharpness": 100 * quality.sharpness / (1 + quality.sharpness),
    }


def face_detail(face: Face, width: int, height: int) -> Body:
    """A face's DEFAULT attributes; there are no others here.

    Args:
        face: in pixels.
        width: of the picture, pixels, upright.
        height: likewise.
    """
    pose = pose_of(face.landmarks_xy)
    points = np.asarray(face.landmarks_xy, np.float64) / [width, height]
    return {
        "BoundingBox": bounding_box(face.box_xyxy, width, height),
        "Landmarks": [
            {"Type": name, "X": float(x), "Y": float(y)}
            for name, (x, y) in zip(LANDMARKS, points, strict=True)
        ],
        "Pose": {"Roll": pose.roll_deg, "Yaw": pose.yaw_deg, "Pitch": pose.pitch_deg},
        "Quality": image_quality(face.quality),
        "Confidence": percent(face.score),
    }


def percent(share: float) -> float:
    """A share of 0 to 1 in percent."""
    return 100 * max(0.0, min(1.0, float(share)))


def face_record(template: TemplateRecord, version: str) -> Body:
    """An enrolled photo as a ``Face``; its ``ExternalImageId`` is whose it is.

    Args:
        template: of the photo.
        version: of its collection (``model_version``).
    """
    face: Body = {
        "FaceId": template.id,
        "ImageId": template.image_id,
        "ExternalImageId": template.person_ref,
        "IndexFacesModelVersion": version,
    }
    if template.box is not None:
        face["BoundingBox"] = dict(zip(("Left", "Top", "Width", "Height"), template.box, strict=True))
    confidence: Any = template.quality.get("confidence")
    if confidence is not None:
        face["Confidence"] = percent(confidence)
    if template.is_associated:
        face["UserId"] = template.person_ref
    return face


def error_rate(candidate: Candidate) -> Body:
    """What Rekognition does not tell of a match: how often it is wrong."""
    return {
        "FmrAtScore": candidate.fmr_at_score,
        "ExpectedFalseCandidates": candidate.expected_false_candidates,
    }


def face_matches(
    candidates: Iterable[Candidate], limit: int, *, version: str, but: str | None = None
) -> list[Body]:
    """One match for each enrolled photo of each candidate, best candidate first.

    People are compared, by the mean of their photos; so all photos of one person have the person's similarity.

    Args:
        candidates: best first.
        limit: matches at most.
        version: of the collection (``model_version``).
        but: a photo that is left out: the one that was searched for.
    """
    matches = [
        {"Similarity": candidate.similarity, "Face": face_record(template, version), **error_rate(candidate)}
        for candidate in candidates
        for template in candidate.photos
        if template.id != but
    ]
    return matches[:limit]


def user_matches(candidates: Iterable[Candidate], limit: int) -> list[Body]:
    """One match for each candidate, best first."""
    matches = [
        {
            "Similarity": candidate.similarity,
            "User": {"UserId": candidate.person, "UserStatus": "ACTIVE"},
            **error_rate(candidate),
        }
        for candidate in candidates
    ]
    return matches[:limit]
