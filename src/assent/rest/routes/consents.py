"""Consents: recorded with the exact notice, withdrawn with a receipt."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter

from assent.errors import NotFound
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.consents import (
    ConsentAnswer,
    ConsentDetail,
    NewConsent,
    ReceiptAnswer,
    SweepAnswer,
    Withdrawal,
)
from assent.rest.shapes.fields import ConsentPath, PersonPath
from assent.service import Assent

router = APIRouter(tags=["Consents"], route_class=BoundedRoute)


@router.get("/people/{person}/consents", responses=documented(404))
def list_consents_of_person(
    assent: Acting, person: PersonPath, limit: Limit = 100, cursor: Cursor = None
) -> Page[ConsentAnswer]:
    """A person's consents, oldest first, ended ones too."""
    return _page(assent, person, limit, cursor)


@router.post("/people/{person}/consents", status_code=201, responses=documented(400, 404, 409, 413))
def record_consent(assent: Acting, person: PersonPath, new: NewConsent) -> ConsentAnswer:
    """Record a person's yes to one purpose."""
    record = assent.consents.record(
        person,
        purpose=new.purpose,
        controller=new.controller,
        notice_text=new.notice_text,
        notice_version=new.notice_version,
        language=new.language,
        method=new.method,
        evidence=new.evidence,
        expires_at=new.expires_at,
        term=None if new.days is None else timedelta(days=new.days),
        given_at=new.given_at,
        legal_basis=new.legal_basis,
        places=new.places,
    )
    return ConsentAnswer.of(record, assent.now())


@router.get("/consents", responses=documented())
def list_consents(assent: Acting, limit: Limit = 100, cursor: Cursor = None) -> Page[ConsentAnswer]:
    """Everybody's consents, oldest first, ended ones too."""
    return _page(assent, None, limit, cursor)


@router.get("/consents/{consent_id}", responses=documented(404))
def get_consent(assent: Acting, consent_id: ConsentPath) -> ConsentDetail:
    """A consent, with the text that the person was shown."""
    return ConsentDetail.with_notice(
        assent.consents.get(consent_id), assent.consents.notice(consent_id), assent.now()
    )


@router.post("/consents/{consent_id}/withdraw", responses=documented(400, 404, 413))
def withdraw_consent(assent: Acting, consent_id: ConsentPath, how: Withdrawal | None = None) -> ReceiptAnswer:
    """A no, final at once: key, templates and index entries are gone when this answers.

    Asked again, it answers the same receipt.
    """
    said = how or Withdrawal()
    return ReceiptAnswer.of(assent.consents.withdraw(consent_id, reason=said.reason, channel=said.channel))


@router.get("/consents/{consent_id}/receipt", responses=documented(404))
def get_receipt(assent: Acting, consent_id: ConsentPath) -> ReceiptAnswer:
    """The receipt of a consent that ended."""
    receipt = assent.consents.receipt(consent_id)
    if receipt is None:
        raise NotFound("this consent has not ended, so that there is no receipt; withdraw it first")
    return ReceiptAnswer.of(receipt)


@router.post("/consents/sweep", responses=documented())
def sweep_consents(assent: Acting) -> SweepAnswer:
    """End every consent whose term is over; searches have ignored these since that moment."""
    return SweepAnswer(receipts=[ReceiptAnswer.of(receipt) for receipt in assent.consents.sweep()])


def _page(assent: Assent, person: str | None, limit: int, cursor: str | None) -> Page[ConsentAnswer]:
    chosen, after = page_of(
        assent.consents.list(person),
        lambda consent: (consent.recorded_at.isoformat(timespec="microseconds"), consent.id),
        limit=limit,
        cursor=cursor,
    )
    now = assent.now()
    return Page(items=[ConsentAnswer.of(record, now) for record in chosen], next_cursor=after)
