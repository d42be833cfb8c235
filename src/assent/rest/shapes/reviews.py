"""Reviews: what a second pair of eyes is shown, and what comes of it.

What a reviewer is shown before a decision says nothing of what anybody else thought, nor of any score.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assent.rest.shapes.fields import Count, Fmr, Id, Shape, Similarity, Time
from assent.service.results import ReviewOutcome, ReviewPair


class PairAnswer(Shape):
    """A pair to judge: a photo's face beside an enrolled person's. No name, no score, nobody's judgement."""

    id: Id
    review_id: Id
    collection: str = Field(examples=["club"])
    asked_at: Time
    expires_at: Time = Field(description="The pictures are destroyed at that moment, judged or not.")
    num_photos: Count = Field(description="Enrolled pictures: `/review-queue/{pair_id}/enrolled/1` and on.")

    @classmethod
    def of(cls, pair: ReviewPair) -> PairAnswer:
        """The answer for a pair."""
        return cls.model_validate(pair)


class QueueAnswer(Shape):
    """The pairs that still need a judgement and that this key's holder has not judged."""

    items: list[PairAnswer]


class Judgement(Shape):
    """What a reviewer sees in the two pictures."""

    verdict: Literal["same", "different", "unsure"] = Field(
        description="The same person, or not, or not to be told."
    )


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
    status: Literal["pending", "decided", "lapsed"]
    num_pairs: Count | None = Field(description="Candidates that were to be judged; null while pending.")
    confirmed: list[ConfirmedAnswer] = Field(description="Best first; empty while pending.")
    num_rejected: Count | None = Field(description="Null while pending.")
    num_inconclusive: Count | None = Field(description="Null while pending.")

    @classmethod
    def of(cls, outcome: ReviewOutcome) -> ReviewAnswer:
        """The answer for an outcome."""
        is_open = outcome.status == "pending"
        counts = ("num_pairs", "num_rejected", "num_inconclusive")
        return cls.model_validate(
            {
                **{
                    name: getattr(outcome, name)
                    for name in ("id", "collection", "asked_at", "expires_at", "status")
                },
                **{name: None if is_open else getattr(outcome, name) for name in counts},
                "confirmed": [] if is_open else list(outcome.confirmed),
            }
        )


class ReviewsAnswer(Shape):
    """Every review, newest last."""

    items: list[ReviewAnswer]
