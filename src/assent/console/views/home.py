"""The first page: what is here, and what needs somebody."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from assent.console.views.collections import why_not_searchable
from assent.console.views.log import log_state
from assent.console.views.standing import has_run_out, is_ending
from assent.console.visit import Page, Visit, address
from assent.console.wording import last_day, plural
from assent.store.access import Role

MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that needs somebody.

    Attributes:
        text: what.
        path: where to see to it; empty where that is not in the console.
    """

    text: str
    path: str = ""


def home(visit: Visit) -> Response:
    """What is here and what needs attention, as far as the key's roles go."""
    matters = [
        matter
        for roles, find in (
            ((Role.REVIEWER,), _reviews),
            ((Role.ENROLLER,), _consents),
            ((Role.SEARCHER, Role.ENROLLER), _collections),
            ((Role.ADMIN,), _log),
        )
        if visit.may(*roles)
        for matter in find(visit)
    ]
    return visit.page("home.html", matters=matters, counts=_counts(visit), roles=sorted(visit.key.roles))


def sweep(visit: Visit) -> Response:
    """Destroy what rests on consents whose term has ended."""
    receipts = visit.assent.consents.sweep()
    return visit.go("/", note=f"{plural(len(receipts), 'consent')} ended; what rested on them is destroyed.")


def _counts(visit: Visit) -> list[tuple[str, str, str]]:
    """(number, what, where) of what is here."""
    counts = []
    if visit.may(Role.ENROLLER):
        people = [person for person in visit.assent.people.list() if person.erased_at is None]
        live = [item for item in visit.assent.consents.list() if item.is_live(visit.assent.now())]
        counts += [
            (f"{len(people):,}", "people", "/people"),
            (f"{len(live):,}", "live consents", "/people"),
        ]
    if visit.may(Role.ENROLLER, Role.SEARCHER):
        summaries = visit.assent.collections.list()
        num_photos = sum(summary.num_templates for summary in summaries)
        counts += [
            (f"{len(summaries):,}", "collections", "/collections"),
            (f"{num_photos:,}", "enrolled photos", "/collections"),
        ]
    return counts


def _reviews(visit: Visit) -> list[Matter]:
    waiting = visit.assent.reviews.queue()
    return [Matter(f"{plural(len(waiting), 'pair')} to look at, each by two people.", "/reviews")] * bool(
        waiting
    )


def _consents(visit: Visit) -> list[Matter]:
    now = visit.assent.now()
    held = visit.assent.consents.list()
    ended = [item for item in held if has_run_out(item, now)]
    soon = sorted((item for item in held if is_ending(item, now)), key=lambda item: item.effective_expires_at)
    found = [
        Matter(
            f"The consent of {item.person_ref} to {item.purpose} ends on {last_day(item.effective_expires_at)}.",
            f"/consents/{item.id}",
        )
        for item in soon[:MAX_LISTED]
    ]
    if len(soon) > MAX_LISTED:
        found.append(
            Matter(
                f"{plural(len(soon) - MAX_LISTED, 'more consent')} end within 30 days.", "/people?ending=1"
            )
        )
    if ended:
        found.insert(0, Matter(f"The term of {plural(len(ended), 'consent')} has ended.", "/sweep"))
    return found


def _collections(visit: Visit) -> list[Matter]:
    return [
        Matter(
            f"{summary.collection.name} cannot be searched: {reason}",
            address("/collection", name=summary.collection.name),
        )
        for summary in visit.assent.collections.list()
        if summary.num_people and (reason := why_not_searchable(summary))
    ]


def _log(visit: Visit) -> list[Matter]:
    state = log_state(visit)
    if state.problem:
        return [Matter(f"The log: {state.problem}", "/log")]
    if state.num_unsigned:
        return [
            Matter(f"{plural(state.num_unsigned, 'entry', 'entries')} of the log not signed yet.", "/log")
        ]
    return []


PAGES = (Page("GET", "/", home), Page("POST", "/sweep", sweep))
