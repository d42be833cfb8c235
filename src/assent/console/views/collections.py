"""Collections: what is in each, what it may answer, and why it may not."""

from __future__ import annotations

from starlette.responses import Response

from assent.calibration.profile import FPIR_PRESETS
from assent.console.visit import Page, Visit, sentence, status_of
from assent.console.wording import plural
from assent.errors import AlreadyExists, AssentError, UsageError
from assent.service.collections import CollectionSummary
from assent.store.values import BeyondEvidence, ReviewPolicy


def collections(visit: Visit) -> Response:
    """All collections."""
    return _list(visit)


def _list(visit: Visit, error: AssentError | None = None) -> Response:
    form = visit.form
    return visit.page(
        "collections.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        summaries=visit.assent.collections.list(),
        why_not=why_not_searchable,
        purposes=_purposes(visit),
        name=form.text("name"),
        purpose=form.text("purpose"),
        policy=_chosen(form.text("policy"), form.text("review"), form.text("beyond_evidence")),
    )


def create(visit: Visit) -> Response:
    """Make an empty collection."""
    form = visit.form
    try:
        made = visit.assent.collections.create(
            form.text("name"),
            purpose=form.text("purpose"),
            policy=form.text("policy") or "default",
            review=_review(form.text("review")),
            beyond_evidence=_beyond(form.text("beyond_evidence")),
        )
    except (AlreadyExists, UsageError) as error:
        return _list(visit, error)
    return visit.go("/collection", name=made.name, note=f"{made.name} is made. Next: add people's photos.")


def collection(visit: Visit) -> Response:
    """One collection."""
    return _one(visit, visit.query("name"))


def _one(visit: Visit, name: str, error: AssentError | None = None) -> Response:
    summary = visit.assent.collections.get(name)
    record = summary.collection
    return visit.page(
        "collection.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        summary=summary,
        collection=record,
        why_not=why_not_searchable(summary),
        answers=how_it_answers(summary),
        policy=_chosen(record.preset, record.review, record.beyond_evidence),
    )


def set_policy(visit: Visit) -> Response:
    """Change what the next search is held to."""
    form, name = visit.form, visit.form.text("name")
    target = form.number("fpir_percent") if form.text("policy") == "custom" else None
    try:
        if form.text("policy") == "custom" and target is None:
            raise UsageError(
                "a target of your own is a share of searches in percent, such as 0.5; fill it in"
            )
        visit.assent.collections.set_policy(
            name,
            policy="default" if target is not None else form.text("policy"),
            fpir_target=None if target is None else target / 100,
            review=_review(form.text("review")),
            beyond_evidence=_beyond(form.text("beyond_evidence")),
        )
    except UsageError as error:
        return _one(visit, name, error)
    return visit.go("/collection", name=name, note="The policy is changed; the next search is held to it.")


def ask_to_delete(visit: Visit) -> Response:
    """What deleting a collection would destroy."""
    return visit.page("collection_delete.html", summary=visit.assent.collections.get(visit.query("name")))


def delete(visit: Visit) -> Response:
    """Destroy it with its key and templates."""
    name = visit.form.text("name")
    visit.assent.collections.delete(name)
    return visit.go("/collections", note=f"{name} is deleted, its key and templates are destroyed.")


def why_not_searchable(summary: CollectionSummary) -> str:
    """Why a search would be refused, as a sentence; empty where it would be answered, by people or at once."""
    if not summary.num_people:
        return "Nobody is enrolled yet."
    if summary.n_max is None:
        return (
            "There is no calibration for its model, and no search without an error rate (assent calibrate)."
        )
    beyond = summary.collection.beyond_evidence
    if summary.num_people > summary.n_max and beyond is BeyondEvidence.REFUSE:
        return (
            f"It holds {plural(summary.num_people, 'person', 'people')}, and the evidence supports at most "
            f"{summary.n_max:,} at this policy: split it, calibrate with more people, or let two people review."
        )
    return ""


def how_it_answers(summary: CollectionSummary) -> str:
    """What a search that is not refused is answered with, as a sentence."""
    record = summary.collection
    if record.review is ReviewPolicy.TWO_PERSON:
        return "After two people have looked, each on their own."
    if summary.n_max is not None and summary.num_people > summary.n_max:
        return "After two people have looked, since it is larger than the evidence supports."
    return "At once, with candidates and their error rates."


def _chosen(policy: str, review: str, beyond_evidence: str) -> dict[str, str]:
    known = policy if policy in FPIR_PRESETS or policy == "custom" else "default"
    return {"policy": known, "review": _review(review), "beyond_evidence": _beyond(beyond_evidence)}


def _review(text: str) -> ReviewPolicy:
    return ReviewPolicy.TWO_PERSON if text == ReviewPolicy.TWO_PERSON else ReviewPolicy.NONE


def _beyond(text: str) -> BeyondEvidence:
    return BeyondEvidence.REVIEW if text == BeyondEvidence.REVIEW else BeyondEvidence.REFUSE


def _purposes(visit: Visit) -> list[str]:
    return sorted({item.collection.purpose for item in visit.assent.collections.list()})


PAGES = (
    Page("GET", "/collections", collections),
    Page("POST", "/collections", create),
    Page("GET", "/collection", collection),
    Page("POST", "/collection/policy", set_policy),
    Page("GET", "/collection/delete", ask_to_delete),
    Page("POST", "/collection/delete", delete),
)
