"""What the service answers: frozen results that the command line, Python and later the wire only format.

A candidate is never a verdict: it is an enrolled person whose consent covers the purpose, with the rate at which
such a score happens between different people.
"""

from __future__ import annotations

from dataclasses import dataclass

from assent.service.policy import AppliedPolicy
from assent.store.values import TemplateRecord
from assent.types import Face, Quality, QualityReason, UInt8


@dataclass(frozen=True, slots=True)
class Candidate:
    """One enrolled person who may be the one in the probe.

    Attributes:
        person: the id under which the person was added.
        name: the person's name, if one was given.
        similarity: 0 to 100, a function of the false match rate (docs/accuracy.md).
        score: cosine similarity of the templates, -1 to 1.
        fmr_at_score: upper 95 % bound of the rate at which two different people score this high or higher.
        expected_false_candidates: gallery size x ``fmr_at_score``: how many such candidates a search for somebody who
            is not enrolled brings on average, at most.
        num_templates: photos behind the person's user vector.
        consent_id: the consent that allows this answer.
        photos: these photos: ids and where the face is, never the numbers of a template.
    """

    person: str
    name: str | None
    similarity: float
    score: float
    fmr_at_score: float
    expected_false_candidates: float
    num_templates: int
    consent_id: str
    photos: tuple[TemplateRecord, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FaceAnswer:
    """One face of the probe photo and who it may be.

    Attributes:
        face: where it is, and its quality; None where an enrolled photo was the probe.
        refused: why it was not searched (a ``QualityReason``, ``too-many-faces``, or ``not-largest``); empty when it
            was.
        candidates: best first; empty when nobody enrolled reaches the threshold, when it was refused, or when two
            people are to look first.
    """

    face: Face | None
    refused: tuple[str, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The answer of one search.

    Attributes:
        collection: its name.
        purpose: what the search was for.
        faces: every face found in the photo, largest first.
        policy: the thresholds that were applied; None when nobody is enrolled, so that nothing was compared.
        gallery_size: people compared.
        image_width: pixels, upright.
        image_height: pixels, upright.
        log_leaf: hash of the record of this search, hexadecimal.
        num_frames: frames or pages of the file; only the first was looked at.
        elapsed_s: from the encoded photo to the answer.
        review_id: where two people are to look first: the review that will have the answer.
    """

    collection: str
    purpose: str
    faces: tuple[FaceAnswer, ...]
    policy: AppliedPolicy | None
    gallery_size: int
    image_width: int
    image_height: int
    log_leaf: str
    num_frames: int
    elapsed_s: float
    review_id: str | None = None

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates of all faces, face by face."""
        return tuple(candidate for answer in self.faces for candidate in answer.candidates)


@dataclass(frozen=True, slots=True, eq=False)
class IndexedPhoto:
    """What came of enrolling the largest face of a photo, where a poor or absent face is an answer and no error.

    Attributes:
        enrolled: the new template's record, or that of the one made of this very photo before; None where none could be
            made.
        face: the largest face; None where there is none.
        reasons: why no template was made of it.
        others: the other faces, which were left alone, largest first.
        is_new: whether the template was made now.
        image_width: pixels, upright.
        image_height: pixels, upright.
        num_frames: frames or pages of the file; only the first was looked at.
    """

    enrolled: TemplateRecord | None
    face: Face | None
    reasons: tuple[QualityReason, ...]
    others: tuple[Face, ...]
    is_new: bool
    image_width: int
    image_height: int
    num_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class ComparedFace:
    """A face of the second photo, and how alike it is to the largest of the first.

    Attributes:
        face: where it is, and its quality.
        similarity: 0 to 100; None where the face is too poor to compare.
        score: cosine similarity, -1 to 1; None likewise.
        fmr_at_score: upper 95 % bound of the rate at which two different people score this high; None likewise.
    """

    face: Face
    similarity: float | None
    score: float | None
    fmr_at_score: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two photos compared; nobody is named.

    Attributes:
        source: the largest face of the first photo.
        source_width: pixels, upright.
        source_height: pixels, upright.
        target_width: pixels, upright.
        target_height: pixels, upright.
        matches: faces of the second photo that reach the threshold, most alike first.
        unmatched: its other faces, largest first.
        threshold_similarity: what was applied, 0 to 100.
        threshold_fmr: the same as a false match rate.
        log_leaf: hash of the record of this comparison, hexadecimal.
    """

    source: Face
    source_width: int
    source_height: int
    target_width: int
    target_height: int
    matches: tuple[ComparedFace, ...]
    unmatched: tuple[ComparedFace, ...]
    threshold_similarity: float
    threshold_fmr: float
    log_leaf: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One photo enrolled.

    Attributes:
        template_id: of the new template.
        person: the person's id.
        collection: its name.
        consent_id: the consent it rests on.
        quality: what was measured of the face.
        num_templates: the person's templates in this collection, the new one included.
        similarity_to_earlier: 0 to 100, to the person's earlier photos; None for the first, or without a
            calibration.
        num_other_faces: faces in the photo that were left alone.
        num_frames: frames or pages of the file; only the first was looked at.
    """

    template_id: str
    person: str
    collection: str
    consent_id: str
    quality: Quality
    num_templates: int
    similarity_to_earlier: float | None
    num_other_faces: int
    num_frames: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the face in a photo is that of one named, enrolled person.

    Attributes:
        is_match: the score reaches the threshold.
        person: the person's id.
        similarity: 0 to 100.
        score: cosine similarity, -1 to 1.
        fmr_at_score: upper 95 % bound of the rate at which two different people score this high or higher.
        threshold_similarity: what was asked of it, or the collection's floor where that is stricter, 0 to 100.
        threshold_fmr: the same as a false match rate.
        threshold_score: the same as a cosine similarity.
        quality: of the probe face.
        log_leaf: hash of the record of this comparison, hexadecimal.
        num_frames: frames or pages of the file; only the first was looked at.
    """

    is_match: bool
    person: str
    similarity: float
    score: float
    fmr_at_score: float
    threshold_similarity: float
    threshold_fmr: float
    threshold_score: float
    quality: Quality
    log_leaf: str
    num_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class DetectionResult:
    """The faces of one photo; nothing that identifies.

    Attributes:
        faces: largest first, with quality.
        image_width: pixels, upright.
        image_height: pixels, upright.
        num_frames: frames or pages of the file; only the first was looked at.
    """

    faces: tuple[Face, ...]
    image_width: int
    image_height: int
    num_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPhoto:
    """A picture in which only candidates are visible.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        num_hidden: faces that were blurred.
        num_shown: faces left visible, framed and named.
    """

    image_rgb: UInt8
    num_hidden: int
    num_shown: int
