"""Consents: shown exactly before they are recorded, and ended at once when the person says no."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from assent.console.views.people import enrolled
from assent.console.visit import Page, Visit, sentence, status_of
from assent.console.wording import day, last_day
from assent.errors import AlreadyExists, AssentError, ConsentError, IncompleteConsent, NotFound, UsageError
from assent.service.people import LEGAL_BASIS, MAX_NOTICE_BYTES
from assent.store.values import ConsentMethod, NoticeRecord

# What the first page asks and the second shows; carried between them in the form itself.
_FIELDS = ("purpose", "controller", "until", "notice_version", "language", "legal_basis")
_METHODS = {
    ConsentMethod.WRITTEN_SIGNATURE: "signed on paper",
    ConsentMethod.ELECTRONIC_SIGNATURE: "signed electronically",
    ConsentMethod.ONLINE_FORM: "sent a form",
    ConsentMethod.RECORDED_STATEMENT: "said so on a recording",
}


def begin(visit: Visit) -> Response:
    """First step: to what, for how long, and with which notice."""
    return _first(visit, visit.query("person"))


def _first(visit: Visit, ref: str, error: AssentError | None = None) -> Response:
    person = visit.assent.people.get(ref)
    notices, given = _notices(visit), visit.form
    default_until = day(visit.assent.now() + timedelta(days=365))
    values = {name: given.text(name) for name in _FIELDS}
    values["controller"] = values["controller"] or _last_controller(visit)
    values["until"] = values["until"] or default_until
    values["language"] = values["language"] or "en"
    values["legal_basis"] = values["legal_basis"] or LEGAL_BASIS
    return visit.page(
        "consent_new.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        person=person,
        notices=notices,
        chosen=given.text("notice_id") or (notices[0].id if notices else "new"),
        notice_text=_lf(given.exact("notice_text")),
        purposes=sorted({item.collection.purpose for item in visit.assent.collections.list()}),
        values=values,
    )


def preview(visit: Visit) -> Response:
    """Second step: the notice exactly as it will be kept, to be read by the person."""
    ref = visit.form.text("person")
    try:
        until = end_of_day(visit.form.text("until"))
        if until <= visit.assent.now():
            raise IncompleteConsent("the last day of the term must be in the future; give a later one")
        if not visit.form.text("purpose") or not visit.form.text("controller"):
            raise IncompleteConsent("a consent names its purpose and who is responsible; fill in both")
        version, language, text = _given_notice(visit)
    except (ConsentError, UsageError, NotFound) as error:
        return _first(visit, ref, error)
    return _second(visit, ref, version, language, text)


def _second(
    visit: Visit, ref: str, version: str, language: str, text: str, error: AssentError | None = None
) -> Response:
    values = {name: visit.form.text(name) for name in _FIELDS}
    values |= {"notice_version": version, "language": language}
    values["legal_basis"] = values["legal_basis"] or LEGAL_BASIS
    return visit.page(
        "consent_read.html",
        status=status_of(error) if error else 200,
        error=sentence(error) if error else "",
        person=visit.assent.people.get(ref),
        text=text,
        sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        # In base64, since a form changes the line ends of what it sends and what is kept is what was shown.
        notice_base64=base64.b64encode(text.encode("utf-8")).decode("ascii"),
        methods=_METHODS,
        method=visit.form.text("method") or ConsentMethod.WRITTEN_SIGNATURE,
        given_on=visit.form.text("given_on") or day(visit.assent.now()),
        evidence_sha256=visit.form.text("evidence_sha256"),
        values=values,
    )


def record(visit: Visit) -> Response:
    """Record it, with the notice that the second step showed."""
    form, ref = visit.form, visit.form.text("person")
    version, language = form.text("notice_version"), form.text("language")
    text = _decoded(form.text("notice_base64"))
    upload = form.file("evidence")
    try:
        consent = visit.assent.consents.record(
            ref,
            purpose=form.text("purpose"),
            controller=form.text("controller"),
            notice_text=text,
            notice_version=version,
            language=language,
            method=form.text("method"),
            evidence=upload.data if upload is not None else _sha256(form.text("evidence_sha256")),
            expires_at=end_of_day(form.text("until")),
            given_at=_given_at(form.text("given_on"), visit.assent.now()),
            legal_basis=form.text("legal_basis") or LEGAL_BASIS,
        )
    except (ConsentError, UsageError, AlreadyExists) as error:
        return _second(visit, ref, version, language, text, error)
    note = f"Recorded: {consent.purpose} until {last_day(consent.expires_at)}. Next: add photos."
    return visit.go("/person", id=ref, note=note)


def show(visit: Visit) -> Response:
    """Everything a consent holds, with the text that was shown."""
    consent = visit.assent.consents.get(visit.request.path_params["consent_id"])
    return visit.page(
        "consent.html",
        consent=consent,
        notice=visit.assent.consents.notice(consent.id),
        state=consent.state(visit.assent.now()),
        num_templates=visit.assent.consents.num_templates(consent.id),
        method=_METHODS[consent.method],
    )


def ask_to_withdraw(visit: Visit) -> Response:
    """What a no would destroy."""
    consent = visit.assent.consents.get(visit.request.path_params["consent_id"])
    places = [
        (item.collection, sum(template.consent_id == consent.id for template in item.templates))
        for item in enrolled(visit, consent.person_ref)
    ]
    return visit.page(
        "withdraw.html",
        consent=consent,
        places=[(name, count) for name, count in places if count],
        num_templates=visit.assent.consents.num_templates(consent.id),
    )


def withdraw(visit: Visit) -> Response:
    """A no, final at once; on to the receipt."""
    consent_id = visit.request.path_params["consent_id"]
    visit.assent.consents.withdraw(consent_id, reason=visit.form.text("reason") or None)
    return visit.go(f"/consents/{consent_id}/receipt")


def receipt(visit: Visit) -> Response:
    """What the person is handed, to print."""
    consent = visit.assent.consents.get(visit.request.path_params["consent_id"])
    found = visit.assent.consents.receipt(consent.id)
    if found is None:
        raise NotFound("this consent has not ended, so that there is no receipt of its end")
    if visit.query("as") == "json":
        text = json.dumps(found.as_json(), indent=2) + "\n"
        return visit.download(text, filename=f"receipt-{found.id}.json", media_type="application/json")
    return visit.page("receipt.html", receipt=found, consent=consent)


def end_of_day(text: str) -> datetime:
    """The moment after a day written as 2027-12-31 has ended, in UTC.

    Raises:
        IncompleteConsent: it is no such day.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise IncompleteConsent("a consent needs the last day of its term, such as 2027-12-31") from error


def _given_at(text: str, now: datetime) -> datetime:
    """When they agreed: now for today, noon for an earlier day."""
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(hour=12, tzinfo=UTC)
    except ValueError as error:
        raise IncompleteConsent("the day on which they agreed must be one such as 2026-01-31") from error
    return now if at.date() == now.astimezone(UTC).date() else at


def _given_notice(visit: Visit) -> tuple[str, str, str]:
    """Version, language and exact text of the notice that was chosen, uploaded or written."""
    form, chosen = visit.form, visit.form.text("notice_id")
    if chosen and chosen != "new":
        found = next((item for item in _notices(visit) if item.id == chosen), None)
        if found is None:
            raise NotFound("that notice is not here any more; choose another")
        return found.version, found.language, found.text
    upload = form.file("notice_file")
    # A text field sends its line ends as CR LF whatever was typed; a file's are kept.
    data = upload.data if upload is not None else _lf(form.exact("notice_text")).encode("utf-8")
    if not 0 < len(data) <= MAX_NOTICE_BYTES:
        raise IncompleteConsent(
            f"expected the text of a notice, 1 to {MAX_NOTICE_BYTES:,} bytes, got {len(data):,}; write or choose one"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IncompleteConsent("the notice must be UTF-8 text; save the file as such") from error
    if not form.text("notice_version"):
        raise IncompleteConsent("a new notice needs a version, such as 2026-01, to be called by")
    return form.text("notice_version"), form.text("language"), text


def _notices(visit: Visit) -> list[NoticeRecord]:
    """The notices that consents here were given on, the newest first."""
    found: dict[str, NoticeRecord] = {}
    for item in visit.assent.consents.list():
        if item.notice_id not in found:
            found[item.notice_id] = visit.assent.consents.notice(item.id)
    return sorted(found.values(), key=lambda notice: notice.created_at, reverse=True)


def _last_controller(visit: Visit) -> str:
    held = visit.assent.consents.list()
    return max(held, key=lambda item: item.recorded_at).controller if held else ""


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise UsageError("the notice did not come back as it was shown; begin again") from error


def _sha256(text: str) -> str:
    """The hash, where it is one; never a path: the console reads no file of the server."""
    if len(text) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return text
    raise IncompleteConsent(
        "a consent needs its evidence: choose the file of the signed release or the recording, or give its sha256 "
        "(64 hexadecimal digits)"
    )


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


PAGES = (
    Page("GET", "/consent/new", begin),
    Page("POST", "/consent/preview", preview),
    Page("POST", "/consent/record", record, takes_files=True),
    Page("GET", "/consents/{consent_id}", show),
    Page("GET", "/consents/{consent_id}/withdraw", ask_to_withdraw),
    Page("POST", "/consents/{consent_id}/withdraw", withdraw),
    Page("GET", "/consents/{consent_id}/receipt", receipt),
)
