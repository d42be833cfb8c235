"""Faces, candidates and comparisons: a similarity never goes without its error rate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from assent.rest.shapes.collections import TemplateAnswer, TemplateId
from assent.rest.shapes.fields import (
    EXAMPLE_ID,
    Count,
    Fmr,
    Id,
    PersonRef,
    Purpose,
    Rate,
    Score,
    Shape,
    Similarity,
)
from assent.service.policy import AppliedPolicy
from assent.service.results import (
    Candidate,
    ComparedFace,
    Comparison,
    DetectionResult,
    Enrolment,
    FaceAnswer,
    SearchResult,
    Verification,
)
from assent.types import Face, Quality, QualityReason

_Pixels = Annotated[float, Field(description="Pixels of the upright image.", examples=[120.5])]
LogLeaf = Annotated[str, Field(description="Hash of the record of this act, hexadecimal.")]
NumFrames = Annotated[
    int, Field(ge=1, description="Frames or pages of the file; only the first was looked at.", examples=[1])
]
Width = Annotated[int, Field(ge=1, description="Pixels, upright.", examples=[1024])]


class QualityAnswer(Shape):
    """What was measured of a face, and the reasons to refuse it."""

    inter_ocular_px: float = Field(ge=0, description="Distance of the eyes, pixels.", examples=[64.2])
    sharpness: float = Field(description="Focus of the aligned face; higher is sharper.", examples=[0.8])
    brightness: float = Field(ge=0, le=255, description="Mean luma, 0 to 255.", examples=[124.0])
    yaw_ratio: float = Field(description="Turn of the head; 0 is frontal.", examples=[0.05])
    confidence: float = Field(ge=0, le=1, description="Of the detector, 0 to 1.", examples=[0.97])
    reasons: list[QualityReason] = Field(description="Why it would be refused; empty where good enough.")

    @classmethod
    def of(cls, quality: Quality) -> QualityAnswer:
        """The answer for a measurement."""
        return cls.model_validate(quality)


class FoundFace(Shape):
    """One face; pixels only, nothing that identifies."""

    left: _Pixels
    top: _Pixels
    right: _Pixels
    bottom: _Pixels
    landmarks: list[list[float]] = Field(
        min_length=5,
        max_length=5,
        description="x, y of left eye, right eye, nose, left and right corner of the mouth; left as in the image.",
    )
    confidence: float = Field(ge=0, le=1, description="Of the detector, 0 to 1.", examples=[0.97])
    quality: QualityAnswer

    @classmethod
    def of(cls, face: Face) -> FoundFace:
        """The answer for a face."""
        left, top, right, bottom = (float(edge) for edge in face.box_xyxy)
        return cls(
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            landmarks=[[float(x), float(y)] for x, y in face.landmarks_xy],
            confidence=face.score,
            quality=QualityAnswer.of(face.quality),
        )


class DetectionAnswer(Shape):
    """The faces of a photo."""

    faces: list[FoundFace] = Field(description="Largest first.")
    image_width: Width
    image_height: Width
    num_frames: NumFrames

    @classmethod
    def of(cls, result: DetectionResult) -> DetectionAnswer:
        """The answer for a result."""
        return cls(
            faces=[FoundFace.of(face) for face in result.faces],
            image_width=result.image_width,
            image_height=result.image_height,
            num_frames=result.num_frames,
        )


class EnrolmentAnswer(Shape):
    """One photo enrolled."""

    template_id: Id
    person: str = Field(examples=["ana"])
    collection: str = Field(examples=["club"])
    consent_id: Id = Field(description="The consent it rests on.")
    quality: QualityAnswer
    num_templates: Count = Field(description="The person's photos there, this one included.")
    similarity_to_earlier: Similarity | None = Field(
        description="To the person's earlier photos; null for the first, or without a calibration."
    )
    num_other_faces: Count = Field(description="Faces in the photo that were left alone.")
    num_frames: NumFrames

    @classmethod
    def of(cls, made: Enrolment) -> EnrolmentAnswer:
        """The answer for an enrolment."""
        return cls.model_validate(made)


class CandidateAnswer(Shape):
    """An enrolled person who may be the one in the photo; somebody to look at, never a verdict."""

    person: str = Field(description="The id under which the person was added.", examples=["ana"])
    name: str | None
    similarity: Similarity
    score: Score
    fmr_at_score: Fmr
    expected_false_candidates: float = Field(
        ge=0,
        description="Gallery size x `fmr_at_score`: how many such candidates a search for a stranger brings, at most, "
        "on average.",
        examples=[0.02],
    )
    num_templates: Count = Field(description="Photos behind the person's user vector.")
    consent_id: Id = Field(description="The consent that allows this answer.")
    photos: list[TemplateAnswer] = Field(description="These photos; never a template's numbers.")

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateAnswer:
        """The answer for a candidate."""
        rest = {name: getattr(candidate, name) for name in cls.model_fields.keys() - {"photos"}}
        return cls.model_validate(
            {"photos": [TemplateAnswer.of(record) for record in candidate.photos], **rest}
        )


class SearchedFace(Shape):
    """One face of the photo and who it may be."""

    face: FoundFace | None = Field(description="Null where the probe was an enrolled template or person.")
    refused: list[str] = Field(description="Why it was not searched; empty when it was.")
    candidates: list[CandidateAnswer] = Field(description="Best first.")

    @classmethod
    def of(cls, answer: FaceAnswer) -> SearchedFace:
        """The answer for a face."""
        return cls(
            face=None if answer.face is None else FoundFace.of(answer.face),
            refused=list(answer.refused),
            candidates=[CandidateAnswer.of(candidate) for candidate in answer.candidates],
        )


class PolicyApplied(Shape):
    """What the search was held to."""

    fpir_target: Rate = Field(description="The collection's policy.")
    gallery_size: Count = Field(description="People compared.")
    n_max: int = Field(ge=0, description="People that the evidence supports at this policy.")
    max_fmr: Rate = Field(description="A candidate's false match rate bound is at most this.")
    similarity: Similarity = Field(description="The same on the scale of 0 to 100.")
    requested_similarity: Similarity | None = Field(
        description="What the caller asked for; stricter applies, looser does not."
    )
    threshold_scores: dict[str, float] = Field(
        description="The cosine score to reach, by kind of reference: `single` photo, `mean` of several."
    )

    @classmethod
    def of(cls, policy: AppliedPolicy) -> PolicyApplied:
        """The answer for a policy."""
        rest = {name: getattr(policy, name) for name in cls.model_fields.keys() - {"threshold_scores"}}
        scores = {kind.value: limit.value for kind, limit in policy.thresholds.items()}
        return cls.model_validate({"threshold_scores": scores, **rest})


class SearchAnswer(Shape):
    """Who of a collection's consenting people may be in the photo."""

    collection: str = Field(examples=["club"])
    purpose: Purpose
    faces: list[SearchedFace] = Field(description="Every face found, largest first.")
    review_id: Id | None = Field(
        description="Where two people decide: the review to ask for (`/reviews/{review_id}`); then no candidates are "
        "here."
    )
    policy: PolicyApplied | None = Field(
        description="Null when nobody is enrolled, so that nothing was compared."
    )
    gallery_size: Count = Field(description="People compared.")
    image_width: int = Field(ge=0, description="Pixels, upright; 0 where no photo was asked about.")
    image_height: int = Field(ge=0, description="Pixels, upright; 0 where no photo was asked about.")
    num_frames: int = Field(ge=0, description="Frames or pages of the file; only the first was looked at.")
    log_leaf: LogLeaf
    elapsed_s: float = Field(ge=0, description="From the encoded photo to the answer, seconds.")

    @classmethod
    def of(cls, result: SearchResult) -> SearchAnswer:
        """The answer for a result."""
        rest = {name: getattr(result, name) for name in cls.model_fields.keys() - {"faces", "policy"}}
        return cls.model_validate(
            {
                "faces": [SearchedFace.of(answer) for answer in result.faces],
                "policy": None if result.policy is None else PolicyApplied.of(result.policy),
                **rest,
            }
        )


class VerificationAnswer(Shape):
    """Whether the face in the photo is that of one named person."""

    is_match: bool = Field(description="The score reaches the threshold.")
    person: str = Field(examples=["ana"])
    similarity: Similarity
    score: Score
    fmr_at_score: Fmr
    threshold_similarity: Similarity = Field(
        description="What was asked of it, or the collection's floor where that is stricter."
    )
    threshold_fmr: Rate
    threshold_score: float
    quality: QualityAnswer
    log_leaf: LogLeaf
    num_frames: NumFrames

    @classmethod
    def of(cls, result: Verification) -> VerificationAnswer:
        """The answer for a result."""
        return cls.model_validate(result)


class TemplateProbe(Shape):
    """An enrolled photo to search with."""

    template_id: TemplateId = Field(description="Of the same collection.", examples=[EXAMPLE_ID])
    purpose: Purpose
    threshold: Similarity | None = Field(
        default=None, description="Stricter than the floor, or it has no effect."
    )
    max_candidates: int = Field(default=5, ge=1, le=1000, description="At most so many.")
    among: Literal["people", "users"] = "people"


class PersonProbe(Shape):
    """A user to search with."""

    person: PersonRef
    purpose: Purpose
    threshold: Similarity | None = Field(
        default=None, description="Stricter than the floor, or it has no effect."
    )
    max_candidates: int = Field(default=5, ge=1, le=1000, description="At most so many.")


class ComparedFaceAnswer(Shape):
    """One face of the target photo and how like the source's it is; null where it is too poor to compare."""

    face: FoundFace
    similarity: Similarity | None
    score: Score | None
    fmr_at_score: Fmr | None

    @classmethod
    def of(cls, compared: ComparedFace) -> ComparedFaceAnswer:
        """The answer for a face."""
        return cls(
            face=FoundFace.of(compared.face),
            similarity=compared.similarity,
            score=compared.score,
            fmr_at_score=compared.fmr_at_score,
        )


class ComparisonAnswer(Shape):
    """The largest face of one photo against every face of another; both are forgotten with the answer."""

    source: FoundFace
    source_width: Width
    source_height: Width
    target_width: Width
    target_height: Width
    matches: list[ComparedFaceAnswer] = Field(description="Faces that reach the threshold, most alike first.")
    unmatched: list[ComparedFaceAnswer] = Field(description="The others, largest first.")
    threshold_similarity: Similarity
    threshold_fmr: Rate
    log_leaf: LogLeaf

    @classmethod
    def of(cls, result: Comparison) -> ComparisonAnswer:
        """The answer for a result."""
        faces = {"source", "matches", "unmatched"}
        rest = {name: getattr(result, name) for name in cls.model_fields.keys() - faces}
        return cls.model_validate(
            {
                "source": FoundFace.of(result.source),
                "matches": [ComparedFaceAnswer.of(face) for face in result.matches],
                "unmatched": [ComparedFaceAnswer.of(face) for face in result.unmatched],
                **rest,
            }
        )
