"""People."""

from __future__ import annotations

from fastapi import APIRouter

from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.consents import ReceiptAnswer
from assent.rest.shapes.fields import PersonPath
from assent.rest.shapes.people import ErasureAnswer, ExportAnswer, NewName, NewPerson, PersonAnswer

router = APIRouter(tags=["People"], route_class=BoundedRoute)


@router.get("/people", responses=documented())
def list_people(assent: Acting, limit: Limit = 100, cursor: Cursor = None) -> Page[PersonAnswer]:
    """Everybody, by id; the erased are left out."""
    chosen, after = page_of(assent.people.list(), lambda person: (person.ref,), limit=limit, cursor=cursor)
    return Page(items=[PersonAnswer.of(person) for person in chosen], next_cursor=after)


@router.post("/people", status_code=201, responses=documented(400, 409, 413))
def add_person(assent: Acting, new: NewPerson) -> PersonAnswer:
    """Add a person; nothing of their face is stored until they agree."""
    return PersonAnswer.of(assent.people.add(new.ref, name=new.name))


@router.get("/people/{person}", responses=documented(404))
def get_person(assent: Acting, person: PersonPath) -> PersonAnswer:
    """A person."""
    return PersonAnswer.of(assent.people.get(person))


@router.put("/people/{person}/name", responses=documented(400, 404, 413))
def rename_person(assent: Acting, person: PersonPath, new: NewName) -> PersonAnswer:
    """Correct a person's name, or take it away with null (GDPR Art. 16)."""
    return PersonAnswer.of(assent.people.rename(person, name=new.name))


@router.delete("/people/{person}", responses=documented(404))
def erase_person(assent: Acting, person: PersonPath) -> ErasureAnswer:
    """Withdraw every consent of a person, destroy what rests on them, and blank the name (GDPR Art. 17).

    The consent records stay, without a name: they prove that what was done before was allowed.
    """
    return ErasureAnswer(receipts=[ReceiptAnswer.of(receipt) for receipt in assent.people.erase(person)])


@router.get("/people/{person}/export", responses=documented(404))
def export_person(assent: Acting, person: PersonPath) -> ExportAnswer:
    """All that is held on a person (GDPR Art. 15); leaves an entry in the log."""
    return ExportAnswer.model_validate(assent.people.export(person))
