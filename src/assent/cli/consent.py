"""``assent consent``."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import YesOption, open_assent
from assent.cli.output import JsonOption, counting, print_json, print_table, say, when
from assent.errors import IncompleteConsent

if TYPE_CHECKING:
    from assent.store.values import ConsentRecord, ReceiptRecord

app = typer.Typer(
    name="consent", no_args_is_help=True, help="Consents: record, import, list, show, withdraw, sweep."
)

MAX_DAYS = 36_525
"""A hundred years: no consent outlives the person who gave it."""

ConsentArgument = Annotated[str, typer.Argument(help="The consent's id.", show_default=False)]


@app.command()
def record(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="The person's id.", show_default=False)],
    purpose: Annotated[
        str, typer.Option("--purpose", "-p", help="What it covers, e.g. club-photos.", show_default=False)
    ],
    controller: Annotated[str, typer.Option(help="Who is responsible for the data.", show_default=False)],
    notice: Annotated[
        Path, typer.Option(help="File with the exact text the person was shown.", show_default=False)
    ],
    evidence: Annotated[
        str,
        typer.Option(
            help="File of the signed release, or its sha256; only the hash is kept.", show_default=False
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option(help="Last day of the term, e.g. 2027-12-31. This or --days.", show_default=False),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Term in days from now.", show_default=False)
    ] = None,
    notice_version: Annotated[str, typer.Option(help="Your name for that text.")] = "1",
    language: Annotated[str, typer.Option(help="Of the notice.")] = "en",
    method: Annotated[
        str, typer.Option(help="written-signature, electronic-signature, recorded-statement or online-form.")
    ] = "written-signature",
    legal_basis: Annotated[
        str | None, typer.Option(help="Default: explicit consent, GDPR Art. 9(2)(a).")
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(
            help="Where they agree to be recognised in live video; once for each.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record a person's yes to one purpose.

    Example: `assent consent record ana -p club-photos --controller "Chess Club" --notice notice.txt
    --evidence ana-signed.pdf --days 365`
    """
    from assent.service.people import LEGAL_BASIS, read_notice

    text = read_notice(notice)
    with open_assent(ctx) as assent:
        consent = assent.consents.record(
            person,
            purpose=purpose,
            controller=controller,
            notice_text=text,
            notice_version=notice_version,
            language=language,
            method=method,
            evidence=evidence,
            expires_at=_end_of_day(until) if until else None,
            term=None if days is None else timedelta(days=days),
            legal_basis=legal_basis or LEGAL_BASIS,
            places=place or (),
        )
    if as_json:
        print_json(consent)
    else:
        say(f"Recorded consent {consent.id}: {person} agrees to {purpose} until {when(consent.expires_at)}.")


@app.command("list")
def list_consents(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Argument(help="Only this person's.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Consents, the live and the ended ones.

    Example: `assent consent list ana`
    """
    with open_assent(ctx) as assent:
        consents, now = assent.consents.list(person), assent.now()

    if as_json:
        print_json([{**_fields(consent), "is_live": consent.is_live(now)} for consent in consents])
        return
    rows = [
        (c.id, c.person_ref, c.purpose, _state(c, now), when(c.given_at), when(c.expires_at))
        for c in consents
    ]
    print_table("Consents", ["id!", "person", "purpose", "state", "given", "until"], rows)


@app.command()
def show(ctx: typer.Context, consent_id: ConsentArgument, as_json: JsonOption = False) -> None:
    """Everything a consent holds.

    Example: `assent consent show 3f6b...`
    """
    with open_assent(ctx) as assent:
        consent, now = assent.consents.get(consent_id), assent.now()
    if as_json:
        print_json({**_fields(consent), "is_live": consent.is_live(now)})
        return
    print_table(None, ["field", "value"], [("state", _state(consent, now)), *_fields(consent).items()])


@app.command()
def withdraw(
    ctx: typer.Context,
    consent_id: ConsentArgument,
    reason: Annotated[str | None, typer.Option(help="Kept with the consent; optional.")] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """A no, final at once: key, templates and index entries are destroyed. Says what it would do unless --yes.

    Example: `assent consent withdraw 3f6b... --yes`
    """
    with open_assent(ctx) as assent:
        if not yes:
            consent = assent.consents.get(consent_id)
            num_templates = assent.consents.num_templates(consent_id)
            if as_json:
                print_json({"dry_run": True, "consent": consent.id, "would_destroy_templates": num_templates})
            else:
                say(
                    f"Would withdraw consent {consent.id} ({consent.purpose}) and destroy {num_templates} templates "
                    f"and their key. Nothing was done; add --yes to do it."
                )
            return
        receipt = assent.consents.withdraw(consent_id, reason=reason)
    if as_json:
        print_json(receipt)
    else:
        print_receipt(receipt)


@app.command("import")
def import_csv(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a row for each consent.", show_default=False)],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Record many consents at once, each row with its own evidence and term. Says what it would do unless --yes.

    Columns: person, purpose, controller, notice, notice_version, language, method, evidence, until; optional: name,
    given_at, legal_basis, places (names with spaces between). `notice` and `evidence` are files beside the CSV;
    `evidence` may be a sha256. People who are not there yet are added.
    A row that lacks something is refused with the reason (exit code 7), the others stand.

    Example: `assent consent import members.csv --yes`
    """
    with open_assent(ctx) as assent, counting("Reading") as progress:
        rows = assent.import_consents(file, dry_run=not yes, progress=progress)
    refused = [row for row in rows if row.state == "refused"]
    if as_json:
        print_json({"dry_run": not yes, "rows": rows})
    else:
        shown = rows if len(rows) <= 20 else refused
        cells = [(row.line, row.person, row.state, row.consent_id or row.message) for row in shown]
        print_table(None, ["line>", "person", "what", "consent, or why not"], cells)
        counts = ", ".join(f"{count} {state}" for state, count in Counter(row.state for row in rows).items())
        say(
            f"{len(rows)} rows: {counts or 'none'}."
            + ("" if yes else " Nothing was done; add --yes to do it.")
        )
    if refused:
        raise typer.Exit(IncompleteConsent.exit_code)


@app.command()
def sweep(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Destroy what rests on consents whose term has ended (searches ignore it already). Run it daily.

    Example: `assent consent sweep`
    """
    with open_assent(ctx) as assent:
        receipts = list(assent.consents.sweep())
    if as_json:
        print_json(receipts)
    elif not receipts:
        say("No consent has expired since the last sweep.")
    for receipt in () if as_json else receipts:
        print_receipt(receipt)


def print_receipt(receipt: ReceiptRecord) -> None:
    """A receipt for people: what was destroyed, and what that proves."""
    say(f"Receipt {receipt.id}")
    rows = [
        ("consent", f"{receipt.consent_id} ({receipt.purpose}), {receipt.cause} {when(receipt.ended_at)}"),
        ("person", receipt.person_id),
        *(
            (
                f"in {place.collection_name}",
                f"{place.num_destroyed} templates and key {place.destroyed_key_fingerprint} destroyed",
            )
            for place in receipt.destroyed
        ),
        ("log", f"entry {receipt.log_seq}, leaf {receipt.log_leaf_sha256}"),
        ("proves", receipt.proves),
        ("does not prove", receipt.does_not_prove),
    ]
    print_table(None, ["what", ""], rows)


def _state(consent: ConsentRecord, now: datetime) -> str:
    ended = f" {when(consent.withdrawn_at)}" if consent.withdrawn_at else ""
    return consent.state(now) + ended


def _fields(consent: ConsentRecord) -> dict[str, object]:
    from assent.cli.output import to_json

    return dict(to_json(consent))


def _end_of_day(day: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise IncompleteConsent(f"--until must be a day such as 2027-12-31, got {day!r}") from error
