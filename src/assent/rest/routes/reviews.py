"""Two-person review: the queue, the pictures, a judgement, and what came of it.

Whoever judges sees pictures and nothing else: no name, no score, nobody's judgement.
"""

from __future__ import annotations

from fastapi import APIRouter

from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.fields import PairPath, ReviewPath
from assent.rest.shapes.reviews import Judgement, PairAnswer, PicturesAnswer, QueueAnswer, ReviewAnswer

router = APIRouter(tags=["Reviews"], route_class=BoundedRoute)


@router.get("/reviews", responses=documented())
def list_reviews(assent: Acting, limit: Limit = 100, cursor: Cursor = None) -> Page[ReviewAnswer]:
    """Every review, oldest first, and what came of those that are decided."""
    chosen, after = page_of(
        assent.reviews.list(),
        lambda outcome: (outcome.asked_at.isoformat(timespec="microseconds"), outcome.id),
        limit=limit,
        cursor=cursor,
    )
    return Page(items=[ReviewAnswer.of(outcome) for outcome in chosen], next_cursor=after)


@router.get("/reviews/{review_id}", responses=documented(404))
def get_review(assent: Acting, review_id: ReviewPath) -> ReviewAnswer:
    """What came of a search's review: candidates that two different people confirmed, once it is decided."""
    return ReviewAnswer.of(assent.reviews.outcome(review_id))


@router.get("/review-queue", responses=documented())
def list_queue(assent: Acting) -> QueueAnswer:
    """Pairs that need a judgement and that this key's holder has not judged."""
    return QueueAnswer(items=[PairAnswer.of(pair) for pair in assent.reviews.queue()])


@router.get("/review-queue/{pair_id}/pictures", responses=documented(404, 409))
def get_pictures(assent: Acting, pair_id: PairPath) -> PicturesAnswer:
    """The face of the photo that was searched, and pictures of the enrolled person. That you looked is logged."""
    return PicturesAnswer.of(assent.reviews.pictures(pair_id))


@router.post("/review-queue/{pair_id}/judgement", status_code=204, responses=documented(400, 404, 409, 413))
def judge(assent: Acting, pair_id: PairPath, judgement: Judgement) -> None:
    """Say what you see. The answer is the same whatever anybody else said."""
    assent.reviews.judge(pair_id, judgement.verdict)
