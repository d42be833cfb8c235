"""DetectFaces and CompareFaces: nobody is enrolled, searched for or named."""

from __future__ import annotations

from typing import Final

from assent.errors import NoFace
from assent.service.results import ComparedFace
from assent.wire.call import Answer, Body, Call
from assent.wire.common import DEFAULT_SIMILARITY, is_filtered_out, refuse_attributes
from assent.wire.errors import invalid
from assent.wire.pictures import picture
from assent.wire.shapes import bounding_box, face_detail, percent

MAX_FACES: Final = 100


def detect_faces(call: Call) -> Answer:
    """Where the faces are, how they are held and how well they can be seen; the 100 largest."""
    refuse_attributes(call.params.get("Attributes", []))
    found = call.assent.detect(picture(call))
    details = [face_detail(face, found.image_width, found.image_height) for face in found.faces[:MAX_FACES]]
    return Answer({"FaceDetails": details})


def compare_faces(call: Call) -> Answer:
    """Which faces of the target may be the person who is largest in the source."""
    source, target = picture(call, "SourceImage"), picture(call, "TargetImage")
    filtered = is_filtered_out(call, source)
    if filtered:
        raise invalid(
            f"Request has Invalid Parameters: the source's face is too poor ({', '.join(filtered)})."
        )
    threshold = call.params.get("SimilarityThreshold", DEFAULT_SIMILARITY)
    try:
        compared = call.assent.compare(source, target, threshold=threshold)
    except NoFace as error:
        raise invalid("Request has Invalid Parameters: expected a face in both images.") from error
    width, height = compared.target_width, compared.target_height
    matches = [
        {
            "Similarity": match.similarity,
            "Face": face_detail(match.face, width, height),
            "FmrAtScore": match.fmr_at_score,
        }
        for match in compared.matches
    ]
    body: Body = {
        "SourceImageFace": {
            "BoundingBox": bounding_box(
                compared.source.box_xyxy, compared.source_width, compared.source_height
            ),
            "Confidence": percent(compared.source.score),
        },
        "FaceMatches": matches,
        "UnmatchedFaces": [
            face_detail(other.face, width, height) for other in compared.unmatched[:MAX_FACES]
        ],
        "AppliedThreshold": compared.threshold_similarity,
        "AppliedFmr": compared.threshold_fmr,
        "LogLeaf": compared.log_leaf,
    }
    return Answer(body, _headers(compared.matches, compared.threshold_similarity, compared.log_leaf))


def _headers(matches: tuple[ComparedFace, ...], threshold: float, log_leaf: str) -> dict[str, str]:
    headers = {"x-assent-applied-threshold": f"{threshold:.4g}", "x-assent-log-leaf": log_leaf}
    if matches and matches[0].fmr_at_score is not None:
        headers["x-assent-fmr-at-score"] = f"{matches[0].fmr_at_score:.4g}"
    return headers
