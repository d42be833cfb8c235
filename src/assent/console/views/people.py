"""People: who is here, what is held on each, and how it is handed out or destroyed."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from assent.console.views.standing import ENDING_SOON, Standing, standing_of
from assent.console.visit import Page, Visit, address, sentence, status_of
from assent.errors import AlreadyExists, UsageError
from assent.store.values import ConsentRecord, PersonRecord, TemplateRecord

MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person's photos in one collection."""

    collection: str
    purpose: str
    templates: tuple[TemplateRecord, ...]


def people(visit: Visit) -> Response:
    """Everybody, or those whose id or name holds what was asked for."""
    return _list(visit)


def _list(visit: Visit, *, error: str = "", status: int = 200, ref: str = "", name: str = "") -> Response:
    now, consents = visit.assent.now(), _by_person(visit.assent.consents.list())
    wanted, is_ending = visit.query("q").strip().casefold(), bool(visit.query("ending"))
    everybody = [person for person in visit.assent.people.list() if person.erased_at is None]
    found = [
        (person, standing_of(consents[person.id], now))
        for person in everybody
        if wanted in person.ref.casefold() or wanted in (person.name or "").casefold()
    ]
    found = [item for item in found if not is_ending or item[1] is Standing.ENDING]
    return visit.page(
        "people.html",
        status=status,
        people=found[:MAX_SHOWN],
        num_found=len(found),
        num_people=len(everybody),
        wanted=visit.query("q").strip(),
        is_ending=is_ending,
        ending_days=ENDING_SOON.days,
        error=error,
        ref=ref,
        name=name,
    )


def add_person(visit: Visit) -> Response:
    """Add somebody; nothing of their face is stored until they agree."""
    ref, name = visit.form.text("ref"), visit.form.text("name")
    try:
        person = visit.assent.people.add(ref, name=name or None)
    except (UsageError, AlreadyExists) as error:
        return _list(visit, error=sentence(error), status=status_of(error), ref=ref, name=name)
    return visit.go(
        "/person", id=person.ref, note=f"{person.name or person.ref} is added. Next: record a consent."
    )


def person(visit: Visit) -> Response:
    """One person: consents, photos, and everything else that is held."""
    record = visit.assent.people.get(visit.query("id"))
    consents, now = visit.assent.consents.list(record.ref), visit.assent.now()
    return visit.page(
        "person.html",
        person=record,
        consents=_newest_first(consents),
        enrolled=enrolled(visit, record.ref),
        open_purposes=open_purposes(consents, now),
    )


def export(visit: Visit) -> Response:
    """All that is held on a person, as a file; that it was handed out is logged."""
    record = visit.assent.people.get(visit.form.text("id"))
    text = json.dumps(visit.assent.people.export(record.ref), indent=2, ensure_ascii=False)
    return visit.download(text + "\n", filename=f"person-{record.id}.json", media_type="application/json")


def ask_to_erase(visit: Visit) -> Response:
    """What erasing somebody would destroy."""
    return _erase_page(visit, visit.assent.people.get(visit.query("id")))


def _erase_page(visit: Visit, record: PersonRecord, *, error: str = "") -> Response:
    now = visit.assent.now()
    return visit.page(
        "erase.html",
        status=400 if error else 200,
        person=record,
        consents=[item for item in visit.assent.consents.list(record.ref) if item.withdrawn_at is None],
        enrolled=enrolled(visit, record.ref),
        asked_at=now,
        error=error,
    )


def erase(visit: Visit) -> Response:
    """Withdraw everything and blank the name; the receipts are the answer."""
    record = visit.assent.people.get(visit.form.text("id"))
    if not visit.form.has("understood"):
        return _erase_page(visit, record, error="Tick the box to say that this is what the person wants.")
    receipts = visit.assent.people.erase(record.ref)
    return visit.page("erased.html", person=record, receipts=receipts)


def enrolled(visit: Visit, ref: str) -> list[Enrolled]:
    """Where a person is enrolled, and with what."""
    found = [
        Enrolled(
            summary.collection.name,
            summary.collection.purpose,
            visit.assent.collections.templates(summary.collection.name, ref),
        )
        for summary in visit.assent.collections.list()
    ]
    return [item for item in found if item.templates]


def open_purposes(consents: tuple[ConsentRecord, ...], now: datetime) -> list[str]:
    """The purposes that a person's live consents cover."""
    return sorted({item.purpose for item in consents if item.is_live(now)})


def person_address(ref: str) -> str:
    """Where a person's page is."""
    return address("/person", id=ref)


def _by_person(consents: tuple[ConsentRecord, ...]) -> defaultdict[str, list[ConsentRecord]]:
    found: defaultdict[str, list[ConsentRecord]] = defaultdict(list)
    for item in consents:
        found[item.person_id].append(item)
    return found


def _newest_first(consents: tuple[ConsentRecord, ...]) -> list[ConsentRecord]:
    return sorted(consents, key=lambda item: item.given_at, reverse=True)


PAGES = (
    Page("GET", "/people", people),
    Page("POST", "/people", add_person),
    Page("GET", "/person", person),
    Page("POST", "/person/export", export),
    Page("GET", "/person/erase", ask_to_erase),
    Page("POST", "/person/erase", erase),
)
