"""Many consents at once, from a CSV file: each row stands or falls on its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from assent.errors import AssentError, IncompleteConsent, NotFound, UsageError
from assent.service.context import Context
from assent.service.images import read_document
from assent.service.people import LEGAL_BASIS, ConsentForm, evidence_sha256, read_notice
from assent.store.access import Role
from assent.store.transaction import Reading
from assent.store.values import ConsentRecord

REQUIRED = (
    "person",
    "purpose",
    "controller",
    "notice",
    "notice_version",
    "language",
    "method",
    "evidence",
    "until",
)
OPTIONAL = ("name", "given_at", "legal_basis", "places")
MAX_CSV_BYTES = 64 * 2**20


class RowState(StrEnum):
    """What became, or would become, of a row."""

    RECORDED = "recorded"
    WOULD_RECORD = "would record"
    PRESENT = "present"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One row of the file.

    Attributes:
        line: its line in the file; the header is line 1.
        person: the id it names; empty where it names none.
        state: what became of it.
        consent_id: of the consent recorded or already there, or None.
        message: why it was refused; empty otherwise.
    """

    line: int
    person: str
    state: RowState
    consent_id: str | None = None
    message: str = ""


def import_consents(
    ctx: Context,
    path: Path,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ImportedRow, ...]:
    """Record a consent for every row of a CSV file; a row that lacks something is refused, the rest stand.

    People who are not there yet are added. A row whose consent is there already (same person, purpose and evidence, and
    live) changes nothing, so that the same file may be imported again after it was mended.

    Args:
        ctx: the open data folder.
        path: UTF-8, comma-separated, with a header of ``REQUIRED`` and any of ``OPTIONAL``. ``notice`` and ``evidence``
            are files relative to this one, or absolute; ``evidence`` may be a sha256 instead. ``places`` are names with
            spaces between.
        dry_run: check every row, record nothing.
        progress: called with (rows done, rows in all).

    Returns:
        What became of each row, in order.

    Raises:
        Forbidden: the caller is no enroller.
        NotFound: no such file.
        UsageError: it is not CSV, or its header lacks a column or has one that is not known.
    """
    ctx.require(Role.ENROLLER)
    rows = list(_rows(path))
    done = []
    for number, (line, fields) in enumerate(rows, 1):
        done.append(_import_row(ctx, path.parent, line, fields, dry_run=dry_run))
        if progress is not None:
            progress(number, len(rows))
    return tuple(done)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = read_document(path, what="list of consents", max_bytes=MAX_CSV_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} must be UTF-8 text; save it as such") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = tuple(reader.fieldnames or ())
        missing = [name for name in REQUIRED if name not in header]
        unknown = [name for name in header if name not in (*REQUIRED, *OPTIONAL)]
        if missing or unknown or len(set(header)) != len(header):
            raise UsageError(
                f"{path} must have the columns {', '.join(REQUIRED)} and may have {', '.join(OPTIONAL)}; missing: "
                f"{', '.join(missing) or 'none'}, not known: {', '.join(map(str, unknown)) or 'none'}"
            )
        for row in reader:
            # A row with more cells than the header has them under None; with fewer, None is a value.
            yield (
                reader.line_num,
                {name: (cell or "").strip() for name, cell in row.items() if isinstance(name, str)}
                | ({"": "extra"} if None in row else {}),
            )
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: not CSV ({error}); check its quotes") from error


def _import_row(
    ctx: Context, folder: Path, line: int, fields: dict[str, str], *, dry_run: bool
) -> ImportedRow:
    person = fields.get("person", "")
    try:
        if "" in fields:
            raise IncompleteConsent("more cells than the header has; check its commas")
        lacking = [name for name in REQUIRED if not fields.get(name)]
        if lacking:
            raise IncompleteConsent(f"{', '.join(lacking)} must not be empty")
        digest = evidence_sha256(_file_or_digest(folder, fields["evidence"]))
        present = _present(ctx, person, fields["purpose"], digest)
        if present is not None:
            return ImportedRow(line, person, RowState.PRESENT, present.id)
        form = _form(ctx, folder, fields, digest)
        consent_id = _record(ctx, person, fields.get("name") or None, form, dry_run=dry_run)
    except AssentError as error:
        return ImportedRow(line, person, RowState.REFUSED, message=error.message)
    state = RowState.WOULD_RECORD if dry_run else RowState.RECORDED
    return ImportedRow(line, person, state, consent_id)


class _Undo(Exception):
    """Not an error: it ends a dry run's transaction without keeping anything."""


def _record(ctx: Context, person: str, name: str | None, form: ConsentForm, *, dry_run: bool) -> str | None:
    """Add the person if need be and record the consent, in one transaction, which a dry run undoes; its id."""
    try:
        with ctx.records.transaction() as tx:
            if not _is_known(tx, person):
                tx.add_person(person, name=name)
            made = form.record_in(tx, person)
            if dry_run:
                raise _Undo
    except _Undo:
        return None
    return made.id


def _form(ctx: Context, folder: Path, fields: dict[str, str], digest: str) -> ConsentForm:
    return ConsentForm(
        purpose=fields["purpose"],
        controller=fields["controller"],
        notice_text=read_notice(folder / fields["notice"]),
        notice_version=fields["notice_version"],
        language=fields["language"],
        method=fields["method"],
        evidence_sha256=digest,
        legal_basis=fields.get("legal_basis") or LEGAL_BASIS,
        given_at=_moment(fields["given_at"], "given_at") if fields.get("given_at") else ctx.clock(),
        expires_at=_moment(fields["until"], "until", end_of_day=True),
        places=tuple(fields.get("places", "").split()),
    )


def _is_known(tx: Reading, person: str) -> bool:
    try:
        tx.person(person)
    except NotFound:
        return False
    return True


def _present(ctx: Context, person: str, purpose: str, digest: str) -> ConsentRecord | None:
    with ctx.records.reading() as tx:
        if not _is_known(tx, person):
            return None
        for consent in tx.consents(person):
            if (consent.purpose, consent.evidence_sha256) == (purpose, digest) and consent.is_live(tx.now):
                return consent
    return None


def _file_or_digest(folder: Path, evidence: str) -> str | Path:
    is_digest = len(evidence) == 64 and not (folder / evidence).exists()
    return evidence if is_digest else folder / evidence


def _moment(text: str, name: str, *, end_of_day: bool = False) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("2027-12-31"):
            return moment.replace(tzinfo=UTC) + timedelta(days=end_of_day)
    except (ValueError, OverflowError) as error:
        raise IncompleteConsent(
            f"{name} must be a day such as 2027-12-31 or a time with its zone, got {text!r}"
        ) from error
    if moment.tzinfo is None:
        raise IncompleteConsent(f"{name} must have a time zone, such as 2027-12-31T12:00:00Z, got {text!r}")
    return moment
