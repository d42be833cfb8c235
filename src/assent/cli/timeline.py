"""``assent timeline``: who of the consenting is in a video, and when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import CollectionOption, PurposeOption, open_assent, write_bytes
from assent.cli.output import JsonOption, print_json, print_table, rate, say, watching

if TYPE_CHECKING:
    from assent.service.watching import Appearance, Timeline


def timeline(
    ctx: typer.Context,
    video: Annotated[Path, typer.Argument(help="A video: MP4, MKV, MOV, WebM, GIF, ...", show_default=False)],
    collection: CollectionOption,
    purpose: PurposeOption,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Similarity, 0 to 100; stricter than the collection's floor or without effect. Default: 90, 1 in "
            "10,000.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the same as a page (HTML) that needs no network.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Who of a collection may be in a video, and when. Everybody else is a number.

    Example: `assent timeline party.mp4 -c club -p club-photos`
    """
    with open_assent(ctx) as assent, watching("Watching") as progress:
        found = assent.timeline(
            video, collection=collection, purpose=purpose, threshold=threshold, progress=progress
        )
    if report is not None:
        from assent.service.timeline_page import timeline_page

        write_bytes(report, timeline_page(found, title=video.name).encode())
    if as_json:
        print_json(found)
        return
    print_timeline(found)
    if report is not None:
        say(f"The page is {report}.")


def print_timeline(found: Timeline) -> None:
    """People, times and error rates; what the search was held to; who was not named."""
    rows = [
        (
            person.name or person.person,
            f"{clock(appearance.start_s)} to {clock(appearance.end_s)}",
            f"{appearance.similarity:.1f}",
            rate(appearance.fmr_at_score),
            _standing(appearance),
        )
        for person in found.people
        for appearance in person.appearances
    ]
    if rows:
        print_table(None, ["who", "when", "similarity>", "error rate>", ""], rows)
    search = found.findings.search
    others = "1 face was" if found.num_others == 1 else f"{found.num_others:,} faces were"
    undecided = f", {found.num_undecided:,} of them undecided" if found.num_undecided else ""
    say(f"{others} followed and not named{undecided}.")
    if search is None:
        return
    if search.review_id is not None:
        say(f"Two people look first; then see assent review outcome {search.review_id}")
    if search.similarity is None:
        say("Nobody is enrolled with a live consent: nothing was compared.")
    elif search.max_fmr is not None:
        say(
            f"Threshold {search.similarity:.1f}: an error rate of {rate(search.max_fmr)} for each face and person."
        )
    if found.findings.damages:
        say(f"{len(found.findings.damages):,} frames could not be read.")


def _standing(appearance: Appearance) -> str:
    return "" if appearance.is_confirmed else "to be looked at"


def clock(seconds: float) -> str:
    """A time in a video.

    Example:
        >>> clock(3723.45)
        '1:02:03.4'
    """
    tenths = int(seconds * 10 + 1e-6)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600
    shown = f"{minutes}:{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{rest // 10:02d}.{rest % 10}" if hours else shown
