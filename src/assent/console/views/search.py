"""Who of a collection may be in a photo: candidates with error rates, everyone else hidden, nothing kept."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from assent.console.pictures import as_data_uri
from assent.console.views.collections import how_it_answers, why_not_searchable
from assent.console.visit import Page, Visit, sentence, status_of
from assent.errors import AssentError, CalibrationError, ImageError, NotFound, ReviewError, UsageError
from assent.service.results import SearchResult
from assent.store.access import Role

DEFAULT_CANDIDATES = 5
MAX_CANDIDATES = 50


def search(visit: Visit) -> Response:
    """The form."""
    return _form(visit, visit.query("collection"))


def _form(visit: Visit, chosen: str, error: AssentError | None = None) -> Response:
    visit.require(Role.SEARCHER)
    summaries = visit.assent.collections.list()
    return visit.page(
        "search.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        summaries=summaries,
        why_not=why_not_searchable,
        how=how_it_answers,
        chosen=chosen,
        threshold=visit.form.text("threshold"),
        max_candidates=visit.form.text("max_candidates") or str(DEFAULT_CANDIDATES),
    )


def answer(visit: Visit) -> Response:
    """Search one picture, and show it once."""
    form, name = visit.form, visit.form.text("collection")
    uploads = form.files("photo")
    try:
        if not uploads:
            raise UsageError("choose a photo first, or take one")
        target = visit.assent.collections.record(name)
        result = visit.assent.search(
            uploads[0].data,
            collection=name,
            # The purpose stands beside the collection's name in the form; there is no search for another.
            purpose=target.purpose,
            threshold=form.number("threshold"),
            max_candidates=_count(form.number("max_candidates")),
            thorough=True,  # the smallest faces are to be hidden too
        )
    except (ImageError, UsageError, CalibrationError, NotFound, ReviewError) as error:
        return _form(visit, name, error)
    if result.review_id is not None:
        return visit.page("search_review.html", result=result)
    return _show(visit, result, uploads[0].data)


def _show(visit: Visit, result: SearchResult, data: bytes) -> Response:
    photo = visit.assent.annotate(data, result)
    refused = Counter(reason for face in result.faces for reason in face.refused)
    return visit.page(
        "search_answer.html",
        result=result,
        picture=as_data_uri(photo.image_rgb),
        photo=photo,
        found=[face for face in result.faces if face.candidates],
        num_unknown=sum(not face.candidates and not face.refused for face in result.faces),
        num_refused=sum(bool(face.refused) for face in result.faces),
        refused=refused.most_common(),
    )


def _count(number: float | None) -> int:
    if number is None:
        return DEFAULT_CANDIDATES
    if not (1 <= number <= MAX_CANDIDATES and number == int(number)):
        raise UsageError(
            f"candidates for each face are a whole number, 1 to {MAX_CANDIDATES}, got something else"
        )
    return int(number)


PAGES = (Page("GET", "/search", search), Page("POST", "/search", answer, takes_files=True))
