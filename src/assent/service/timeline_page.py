"""A timeline as one page that needs no network and no script: a bar for each person, no picture of anybody."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Final

from assent.service.watching import PersonInVideo, Timeline

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem .3rem 0; }
svg { width: 100%; height: 1.2rem; background: #e8e8e8; } rect { fill: #1a5fb4; } rect.unsure { fill: #c88800; }
"""


def timeline_page(found: Timeline, *, title: str) -> str:
    """HTML.

    Args:
        found: the timeline.
        title: what the page is called, such as the video's name.
    """
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{html.escape(title)}</h1>",
            *_summary(found),
            *(line for person in found.people for line in _person(person, found.findings.duration_s)),
            "</body></html>",
            "",
        ]
    )


def _summary(found: Timeline) -> Iterator[str]:
    search = found.findings.search
    yield (
        f"<p>{len(found.people)} of the people who agreed may be in this video of "
        f"{found.findings.duration_s:.1f} seconds. {found.num_others} other faces were followed and not named, "
        f"{found.num_undecided} of them undecided.</p>"
    )
    if search is not None and search.max_fmr is not None:
        yield (
            f"<p>Collection {html.escape(search.collection)}, purpose {html.escape(search.purpose)}, "
            f"{search.gallery_size} people compared. Threshold {search.similarity:.1f}: two different people are so "
            f"alike at most once in {1 / search.max_fmr:,.0f} comparisons. Record of this search: "
            f"<code>{html.escape(search.log_leaf)}</code></p>"
        )
    if search is not None and search.review_id is not None:
        yield f"<p>Two people look first: review <code>{html.escape(search.review_id)}</code>.</p>"
    if found.findings.damages:
        yield f"<p>{len(found.findings.damages)} frames could not be read.</p>"


def _person(person: PersonInVideo, duration_s: float) -> Iterator[str]:
    length = max(duration_s, 1e-3)
    yield f"<h2>{html.escape(person.name or person.person)}</h2>"
    bars = "".join(
        f'<rect class="{"" if item.is_confirmed else "unsure"}" x="{100 * item.start_s / length:.3f}" y="0" '
        f'width="{100 * (item.end_s - item.start_s) / length:.3f}" height="10"/>'
        for item in person.appearances
    )
    yield f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="when">{bars}</svg>'
    yield "<table><tr><th>from</th><th>to</th><th>similarity</th><th>error rate</th><th></th></tr>"
    for item in person.appearances:
        standing = "" if item.is_confirmed else "to be looked at"
        yield (
            f"<tr><td>{item.start_s:.2f} s</td><td>{item.end_s:.2f} s</td><td>{item.similarity:.1f}</td>"
            f"<td>1 in {1 / item.fmr_at_score:,.0f}</td><td>{standing}</td></tr>"
        )
    yield "</table>"
