"""Review by two people: each looks at the pictures on their own, without a name or a score."""

from __future__ import annotations

from starlette.responses import Response

from assent.console.pictures import jpeg_data_uri
from assent.console.visit import Page, Visit, sentence
from assent.errors import NotFound, ReviewClosed, SameReviewer
from assent.store.access import Role

VERDICTS = (
    ("same", "Same person", "1"),
    ("different", "Different people", "2"),
    ("unsure", "Cannot tell", "3"),
)
"""Value, words and access key of the three answers, which look alike so that none is the easy one."""


def reviews(visit: Visit) -> Response:
    """What waits for this reviewer, and what came of earlier ones."""
    return visit.page(
        "reviews.html",
        queue=visit.assent.reviews.queue() if visit.may(Role.REVIEWER) else (),
        outcomes=sorted(visit.assent.reviews.list(), key=lambda item: item.asked_at, reverse=True),
    )


def pair(visit: Visit) -> Response:
    """One pair side by side."""
    return _pair(visit, visit.request.path_params["pair_id"])


def _pair(visit: Visit, pair_id: str, error: str = "") -> Response:
    queue = visit.assent.reviews.queue()
    found = next((item for item in queue if item.id == pair_id), None)
    if found is None:
        raise NotFound("this pair does not wait for you: you judged it, it is decided or its time is over")
    pictures = visit.assent.reviews.pictures(pair_id)
    return visit.page(
        "pair.html",
        status=400 if error else 200,
        error=error,
        pair=found,
        probe=jpeg_data_uri(pictures.probe_jpeg),
        enrolled=[jpeg_data_uri(jpeg) for jpeg in pictures.enrolled_jpegs],
        verdicts=VERDICTS,
        num_waiting=len(queue),
    )


def judge(visit: Visit) -> Response:
    """Record what was seen, and on to the next pair."""
    pair_id, verdict = visit.request.path_params["pair_id"], visit.form.text("verdict")
    if verdict not in {value for value, _, _ in VERDICTS}:
        return _pair(visit, pair_id, error="Choose one of the three answers.")
    try:
        visit.assent.reviews.judge(pair_id, verdict)
        note = "Your answer is recorded; it cannot be changed."
    except (ReviewClosed, SameReviewer) as error:
        note = sentence(error)
    waiting = visit.assent.reviews.queue()
    return visit.go(f"/pairs/{waiting[0].id}" if waiting else "/reviews", note=note)


def outcome(visit: Visit) -> Response:
    """What two people made of one search."""
    return visit.page(
        "review.html", review=visit.assent.reviews.outcome(visit.request.path_params["review_id"])
    )


PAGES = (
    Page("GET", "/reviews", reviews),
    Page("GET", "/reviews/{review_id}", outcome),
    Page("GET", "/pairs/{pair_id}", pair),
    Page("POST", "/pairs/{pair_id}", judge),
)
