"""``assent``: the command line's front page, options that come before every command, and its exit codes."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from assent.cli import (
    audit,
    audit_runs,
    calibrate,
    collection,
    consent,
    demo,
    faces,
    jobs,
    keys,
    live,
    log,
    models,
    person,
    place,
    redact,
    review,
    serve,
    stream,
    timeline,
)
from assent.cli.common import report
from assent.errors import AssentError, UsageError
from assent.version import __version__

app = typer.Typer(
    name="assent",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `assent demo`, or: `assent models pull`, `assent person add`, `assent consent record`, "
    "`assent collection create`, `assent enrol`, `assent search`. Every command takes `--json`.",
)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"assent {__version__}\n")
        raise typer.Exit


@app.callback()
def front_page(
    ctx: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "-d", help="Data folder. Default: ASSENT_DATA_DIR, or the user's data folder."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Face matching for people who said yes: consent, error rates and redaction as parts of the machine."""
    ctx.obj = data


audit_runs.add_to(audit.app)
for module in (person, consent, collection, place, stream, review, jobs, models, keys, log, audit):
    app.add_typer(module.app)
faces.add_to(app)
app.command()(redact.redact)
app.command("export")(person.export)
app.command("calibrate")(calibrate.calibrate)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("live")(live.live)
app.command("live-worker")(stream.live_worker)
app.command("timeline")(timeline.timeline)
app.command("worker")(jobs.worker)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; an error becomes one line (or one JSON object) on standard error.

    Args:
        arguments: without the program's name.

    Returns:
        The exit code (docs/errors.md).
    """
    as_json = "--json" in arguments
    _accept_any_text()
    try:
        _refuse_several_collections(arguments)
        code = app(arguments, prog_name="assent", standalone_mode=False)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except typer.TyperException as error:
        return _refuse_usage(error, as_json=as_json)
    except AssentError as error:
        report(error, as_json=as_json)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _refuse_several_collections(arguments: list[str]) -> None:
    """The last of several would silently win, and look like an answer for all of them."""
    given = [word for word in arguments if word == "--collection" or re.match(r"-c|--collection=", word)]
    if len(given) > 1:
        raise UsageError(f"expected one collection, got {len(given)}; ask of one collection at a time")


def _accept_any_text() -> None:
    """Print what the terminal's encoding lacks, such as a file's name of odd bytes, as an escape."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


def _refuse_usage(error: typer.TyperException, *, as_json: bool) -> int:
    """One line for a word that is missing or off; nothing more where the help was shown already."""
    said = " ".join(error.format_message().split()).rstrip(".")
    if said:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "assent"
        report(UsageError(f"{said}; see {command} --help"), as_json=as_json)
    return error.exit_code
