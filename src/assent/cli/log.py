"""``assent log``."""

from __future__ import annotations

from typing import Annotated

import typer

from assent.cli.common import open_assent
from assent.cli.output import JsonOption, print_json, print_table


def log(
    ctx: typer.Context,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of act, e.g. search; repeatable.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """The record of acts: who asked for what, when, and how many were returned. No names, no images.

    Example: `assent log --kind search --json`
    """
    with open_assent(ctx) as assent:
        entries = assent.log(kinds=tuple(kind or ()))[-last:]
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            e["seq"],
            str(e["at"])[:19].replace("T", " "),
            e["kind"],
            e.get("actor", ""),
            e.get("purpose", ""),
            _count(e),
        )
        for e in entries
    ]
    print_table("Log", ["#>", "at (UTC)", "act", "who", "purpose", "returned>"], rows)


def _count(entry: dict[str, object]) -> str:
    candidates = entry.get("candidates")
    return str(len(candidates)) if isinstance(candidates, list) else ""
