"""Two-person review: the queue, the pictures, a judgement, and what came of it.

Whoever judges sees two pictures and nothing else: no name, no score, nobody's judgement.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from assent.errors import NotFound
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.shapes.fields import PairPath, ReviewPath
from assent.rest.shapes.reviews import Judgement, PairAnswer, QueueAnswer, ReviewAnswer, ReviewsAnswer

router = APIRouter(tags=["Reviews"], route_class=BoundedRoute)


class JpegResponse(Response):
    """A picture."""

    media_type = "image/jpeg"


@router.get("/reviews", responses=documented())
def list_reviews(assent: Acting) -> ReviewsAnswer:
    """Every review and, where it is decided, what came of it."""
    return ReviewsAnswer(items=[ReviewAnswer.of(outcome) for outcome in assent.reviews.list()])


@router.get("/reviews/{review_id}", responses=documented(404))
def get_review(assent: Acting, review_id: ReviewPath) -> ReviewAnswer:
    """What came of a search's review: candidates that two different people confirmed, once it is decided."""
    return ReviewAnswer.of(assent.reviews.outcome(review_id))


@router.get("/review-queue", responses=documented())
def list_queue(assent: Acting) -> QueueAnswer:
    """Pairs that need a judgement and that this key's holder has not judged."""
    return QueueAnswer(items=[PairAnswer.of(pair) for pair in assent.reviews.queue()])


@router.get(
    "/review-queue/{pair_id}/probe",
    response_class=JpegResponse,
    responses=documented(404, 409, media_type="image/jpeg"),
)
def get_probe_picture(assent: Acting, pair_id: PairPath) -> JpegResponse:
    """The face of the photo that was searched."""
    return JpegResponse(assent.reviews.pictures(pair_id).probe_jpeg)


@router.get(
    "/review-queue/{pair_id}/enrolled/{number}",
    response_class=JpegResponse,
    responses=documented(404, 409, media_type="image/jpeg"),
)
def get_enrolled_picture(
    assent: Acting,
    pair_id: PairPath,
    number: Annotated[int, Path(ge=1, le=1000, description="1 to the pair's `num_photos`.", examples=[1])],
) -> JpegResponse:
    """One of the enrolled pictures beside it."""
    pictures = assent.reviews.pictures(pair_id).enrolled_jpegs
    if number > len(pictures):
        raise NotFound(f"expected the number of a picture, 1 to {len(pictures)}, got {number}")
    return JpegResponse(pictures[number - 1])


@router.post("/review-queue/{pair_id}/judgement", status_code=204, responses=documented(400, 404, 409, 413))
def judge(assent: Acting, pair_id: PairPath, judgement: Judgement) -> None:
    """Say what you see. The answer is the same whatever anybody else said."""
    assent.reviews.judge(pair_id, judgement.verdict)
