"""``assent jobs`` and ``assent worker``: what takes longer than a request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import open_assent, stopped_by_signals
from assent.cli.output import JsonOption, print_json, print_table, say, when
from assent.cli.timeline import print_timeline

if TYPE_CHECKING:
    from assent.service.jobs import Job

app = typer.Typer(name="jobs", no_args_is_help=True, help="Jobs: list, show, cancel.")

JobArgument = Annotated[str, typer.Argument(help="The job's id.", show_default=False)]


@app.command("list")
def list_jobs(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every job that is still there, newest first.

    Example: `assent jobs list`
    """
    with open_assent(ctx) as assent:
        jobs = assent.jobs.list()
    if as_json:
        print_json(jobs)
        return
    rows = [
        (j.id, j.kind, j.collection, j.state, f"{j.progress:.0%}", when(j.created_at), when(j.kept_until))
        for j in jobs
    ]
    print_table("Jobs", ["job!", "kind", "collection", "state", "done>", "asked", "kept until"], rows)


@app.command()
def show(ctx: typer.Context, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Where a job stands, and what came of it.

    Example: `assent jobs show 3f6d...`
    """
    with open_assent(ctx) as assent:
        answer = assent.jobs.answer(job_id)
    if as_json:
        print_json({"job": answer.job, "timeline": answer.timeline, "has_output": answer.has_output})
        return
    _say_state(answer.job)
    if answer.timeline is not None and answer.findings is not None and answer.findings.search is not None:
        print_timeline(answer.timeline)


@app.command()
def cancel(ctx: typer.Context, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """End a job that waits or runs; one that has ended stays as it is.

    Example: `assent jobs cancel 3f6d...`
    """
    with open_assent(ctx) as assent:
        job = assent.jobs.cancel(job_id)
    print_json(job) if as_json else _say_state(job)


def worker(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="End when there is nothing to do.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Work on jobs, in this process, until Ctrl-C; as many processes as you like, on as many machines.

    All work on the same records (ASSENT_DATABASE_URL) with the same key file, and the same ASSENT_JOBS_DIR.

    Example: `assent worker`
    """
    should_stop = threading.Event()
    with stopped_by_signals(should_stop.set), open_assent(ctx) as assent:
        num_done = assent.worker().run(should_stop, until_idle=once)
    if as_json:
        print_json({"num_done": num_done})
    else:
        say("Nothing was done." if not num_done else f"Done: {num_done}.")


def _say_state(job: Job) -> None:
    kept = f"; kept until {when(job.kept_until)}" if job.kept_until is not None else ""
    why = f": {job.error}, {job.message}" if job.error else ""
    say(f"{job.kind}: {job.state}{why}, {job.progress:.0%} done, taken up {job.attempts} times{kept}.")
