"""``assent audit``: how often a face matcher is wrong, for whom, and how sure that is."""

from __future__ import annotations

import typer

app = typer.Typer(name="audit", help="Measure any face matcher's errors, by group.", no_args_is_help=True)
