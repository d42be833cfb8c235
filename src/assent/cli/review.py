"""``assent review``: what two people are looking at, and what they found. Judging is done in the console or by REST."""

from __future__ import annotations

from typing import Annotated

import typer

from assent.cli.common import open_assent
from assent.cli.output import JsonOption, print_json, print_table, rate, say, when

app = typer.Typer(name="review", no_args_is_help=True, help="Reviews by two people: list, outcome.")


@app.command("list")
def list_reviews(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every review, newest first: where it stands, and until when it waits.

    Example: `assent review list`
    """
    with open_assent(ctx) as assent:
        reviews = assent.reviews.list()
    if as_json:
        print_json(reviews)
        return
    rows = [
        (
            r.id,
            r.collection,
            r.status,
            when(r.asked_at),
            when(r.expires_at),
            r.num_pairs,
            r.num_open,
            len(r.confirmed),
        )
        for r in reviews
    ]
    columns = ["review!", "collection", "status", "asked", "until", "pairs>", "open>", "confirmed>"]
    print_table("Reviews", columns, rows)


@app.command()
def outcome(
    ctx: typer.Context,
    review_id: Annotated[
        str, typer.Argument(help="The review's id, as the search gave it.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """What two people found: who was confirmed, with the error rate of the score that led there.

    Example: `assent review outcome 3f6d...`
    """
    with open_assent(ctx) as assent:
        found = assent.reviews.outcome(review_id)
    if as_json:
        print_json(found)
        return
    say(
        f"{found.status}: of {found.num_pairs} pairs {len(found.confirmed)} confirmed, {found.num_rejected} rejected, "
        f"{found.num_inconclusive} without agreement, {found.num_open} still to be judged; open until "
        f"{when(found.expires_at)}."
    )
    rows = [
        (
            c.name or c.person,
            f"{c.similarity:.1f}",
            rate(c.fmr_at_score),
            f"{c.expected_false_candidates:.5f}",
        )
        for c in found.confirmed
    ]
    if rows:
        print_table(None, ["who", "similarity>", "error rate>", "expected>"], rows)
