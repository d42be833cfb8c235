"""``assent person`` and ``assent export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assent.cli.common import YesOption, open_assent, write_bytes
from assent.cli.output import JsonOption, print_json, print_table, say, when

app = typer.Typer(name="person", no_args_is_help=True, help="People: add, list, erase.")

RefArgument = Annotated[str, typer.Argument(help="The id you use for this person.", show_default=False)]


@app.command()
def add(
    ctx: typer.Context,
    ref: RefArgument,
    name: Annotated[str | None, typer.Option(help="What answers call them.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a person. Nothing of their face is stored until they agree.

    Example: `assent person add ana --name "Ana Lovelace"`
    """
    with open_assent(ctx) as assent:
        person = assent.people.add(ref, name=name)
    if as_json:
        print_json(person)
    else:
        say(f"Added {person.ref}. Next: assent consent record {person.ref} ...")


@app.command("list")
def list_people(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Everybody, with the purposes that they agree to now.

    Example: `assent person list`
    """
    with open_assent(ctx) as assent:
        people, consents, now = assent.people.list(), assent.consents.list(), assent.now()
    purposes = {
        person.id: sorted({c.purpose for c in consents if c.person_id == person.id and c.is_live(now)})
        for person in people
    }
    if as_json:
        print_json([{"person": person, "live_purposes": purposes[person.id]} for person in people])
        return
    rows = [(p.ref, p.name or "", ", ".join(purposes[p.id]) or "-", when(p.created_at)) for p in people]
    print_table("People", ["id!", "name", "agrees to", "added"], rows)


@app.command()
def erase(ctx: typer.Context, ref: RefArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Withdraw every consent of a person and blank their name (GDPR Art. 17). Says what it would do unless --yes.

    Example: `assent person erase ana --yes`
    """
    with open_assent(ctx) as assent:
        if not yes:
            now = assent.now()
            assent.people.get(ref)
            live = [consent.id for consent in assent.consents.list(ref) if consent.is_live(now)]
            _say_dry_run(ref, live, as_json=as_json)
            return
        receipts = assent.people.erase(ref)
    if as_json:
        print_json(receipts)
    else:
        say(f"Erased {ref}: {len(receipts)} consents withdrawn, name blanked.")
        for receipt in receipts:
            say(f"  receipt {receipt.id}")


def _say_dry_run(ref: str, live: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "person": ref, "would_withdraw": live})
    else:
        say(
            f"Would withdraw {len(live)} live consents of {ref}, destroy their keys and templates, and blank the name. "
            f"Nothing was done; add --yes to do it."
        )


def export(
    ctx: typer.Context,
    ref: RefArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """All that is held on a person, as JSON (GDPR Art. 15). Templates' numbers never leave the store.

    Example: `assent export ana --out ana.json`
    """
    from assent.cli.output import json_text

    with open_assent(ctx) as assent:
        held = assent.people.export(ref)
    if out is None:
        print_json(held)
        return
    write_bytes(out, (json_text(held) + "\n").encode())
    if as_json:
        print_json({"written": out})
    else:
        say(f"Wrote {out}.")
