"""Reviews: what a second pair of eyes is shown, and what comes of it.

What a reviewer is shown before a decision says nothing of what anybody else thought, nor of any score.
"""

from __future__ import annotations

import base64
from typing import Final

from pydantic import Field

from assent.rest.shapes.fields import Count, Fmr, Id, Shape, Similarity, Time
from assent.service.reviewing import PairPictures, ReviewOutcome, ReviewPair
from assent.store.reviews import ReviewStatus, Verdict

JPEG: Final = "/9j/4AAQSkZJRg=="


class PairAnswer(Shape):
    """A pair to judge: a photo's face beside an enrolled person's. No name, no score, nobody's judgement."""

    id: Id
    review_id: Id
    collection: str = Field(examples=["club"])
    asked_at: Time
    expires_at: Time = Field(description="The pictures are destroyed at that moment, judged or not.")

    @classmethod
    def of(cls, pair: ReviewPair) -> PairAnswer:
        """The answer for a pair."""
        return cls.model_validate(pair)


class QueueAnswer(Shape):
    """The pairs that still need a judgement and that this key's holder has not judged."""

    items: list[PairAnswer] = Field(description="Oldest review first.")


class PicturesAnswer(Shape):
    """The two sides of a pair. They come in one answer, since each look leaves an entry in the log."""

    probe_jpeg: str = Field(
        description="The face of the photo that was searched: JPEG, base64.", examples=[JPEG]
    )
    enrolled_jpegs: list[str] = Field(
        description="The enrolled person, newest first: JPEG, base64. Empty where the person was enrolled before the "
        "collection was reviewed.",
        examples=[[JPEG]],
    )

    @classmethod
    def of(cls, pictures: PairPictures) -> PicturesAnswer:
        """The answer for the pictures."""
        return cls(
            probe_jpeg=_encoded(pictures.probe_jpeg),
            enrolled_jpegs=[_encoded(picture) for picture in pictures.enrolled_jpegs],
        )


class Judgement(Shape):
    """What a reviewer sees in the pictures."""

    verdict: Verdict = Field(description="The same person, or not, or not to be told.")


class ConfirmedAnswer(Shape):
    """A candidate whom two different people confirmed, each blind to the other."""

    person: str = Field(examples=["ana"])
    name: str | None
    similarity: Similarity
    fmr_at_score: Fmr
    expected_false_candidates: float = Field(
        ge=0, description="Gallery size x `fmr_at_score`.", examples=[0.02]
    )
    consent_id: Id


class ReviewAnswer(Shape):
    """What came of a search's review. Until it is decided, nothing but that it is not."""

    id: Id
    collection: str = Field(examples=["club"])
    asked_at: Time
    expires_at: Time
    status: ReviewStatus
    num_pairs: Count | None = Field(description="Candidates that were to be judged; null while pending.")
    confirmed: list[ConfirmedAnswer] = Field(description="Empty while pending.")
    num_rejected: Count | None = Field(description="Null while pending.")
    num_inconclusive: Count | None = Field(description="Null while pending.")

    @classmethod
    def of(cls, outcome: ReviewOutcome) -> ReviewAnswer:
        """The answer for an outcome; of a review that some have judged no more is said than of one that nobody has."""
        is_open = outcome.status is ReviewStatus.PENDING
        known = ("id", "collection", "asked_at", "expires_at", "status")
        counts = ("num_pairs", "num_rejected", "num_inconclusive")
        return cls.model_validate(
            {
                **{name: getattr(outcome, name) for name in known},
                **{name: None if is_open else getattr(outcome, name) for name in counts},
                "confirmed": [] if is_open else list(outcome.confirmed),
            }
        )


def _encoded(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode("ascii")
