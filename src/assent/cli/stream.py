"""``assent stream`` and ``assent live-worker``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import open_assent, stopped_by_signals
from assent.cli.output import JsonOption, print_json, print_table, say

if TYPE_CHECKING:
    from assent.store.streams import StreamRecord

app = typer.Typer(
    name="stream",
    no_args_is_help=True,
    help="Streams: cameras of places that workers watch: add, list, show, start, stop, remove.",
)

StreamArgument = Annotated[str, typer.Argument(help="The stream's name.", show_default=False)]


@app.command()
def add(
    ctx: typer.Context,
    name: StreamArgument,
    place: Annotated[str, typer.Option("--place", "-P", help="Where.", show_default=False)],
    camera: Annotated[str, typer.Option(help="Which of the place's cameras.", show_default=False)],
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Similarity, 0 to 100. Default: 90, or the place's floor if stricter.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a stream, stopped.

    Example: `assent stream add front-door --place door --camera entrance`
    """
    with open_assent(ctx) as assent:
        stream = assent.streams.add(name, place=place, camera=camera, threshold=threshold)
    _print(stream, f"Added {name}. Next: assent stream start {name}", as_json=as_json)


@app.command("list")
def list_streams(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every stream and how it does.

    Example: `assent stream list`
    """
    with open_assent(ctx) as assent:
        found = assent.streams.list()
    if as_json:
        print_json(found)
    else:
        rows = [(item.name, item.place, item.camera, item.state.value, item.message) for item in found]
        print_table("Streams", ["name!", "place", "camera", "state", "message"], rows)


@app.command()
def show(ctx: typer.Context, name: StreamArgument, as_json: JsonOption = False) -> None:
    """A stream, and how its worker says it does.

    Example: `assent stream show front-door`
    """
    from assent.cli.output import to_json

    with open_assent(ctx) as assent:
        stream, health = assent.streams.get(name), assent.streams.health(name)
    members = {**to_json(stream), "health": health}
    if as_json:
        print_json(members)
    else:
        print_table(None, ["field", "value"], members.items())


@app.command()
def start(ctx: typer.Context, name: StreamArgument, as_json: JsonOption = False) -> None:
    """Have a worker watch it until it is stopped, also through restarts.

    Example: `assent stream start front-door`
    """
    with open_assent(ctx) as assent:
        stream = assent.streams.start(name)
    _print(stream, f"Started {name}: a worker (assent live-worker) takes it on.", as_json=as_json)


@app.command()
def stop(ctx: typer.Context, name: StreamArgument, as_json: JsonOption = False) -> None:
    """Have its worker end it.

    Example: `assent stream stop front-door`
    """
    with open_assent(ctx) as assent:
        stream = assent.streams.stop(name)
    _print(stream, f"Stopped {name}.", as_json=as_json)


@app.command()
def remove(ctx: typer.Context, name: StreamArgument, as_json: JsonOption = False) -> None:
    """Forget a stream; the place and its cameras stay.

    Example: `assent stream remove front-door`
    """
    with open_assent(ctx) as assent:
        assent.streams.remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        say(f"Removed {name}.")


def live_worker(
    ctx: typer.Context,
    streams: Annotated[int, typer.Option(min=1, max=64, help="Streams watched at once.")] = 4,
    fps: Annotated[
        float, typer.Option(min=0.5, max=60, help="Frames analysed a second of each, at most.")
    ] = 12.0,
    look: Annotated[
        int, typer.Option(min=160, max=1920, help="Longer side of the look at each frame, pixels.")
    ] = 640,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="URL that is told of each event, signed with ASSENT_WEBHOOK_SECRET.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the streams that were started, apart from the server. Ctrl-C ends it; the next worker goes on.

    Example: `assent live-worker --streams 2`
    """
    from assent.service.liveoptions import LiveOptions
    from assent.wire.streamoutput import output_of

    options = LiveOptions(has_preview=True, max_fps=fps, look_px=look, webhook=webhook)
    should_stop = threading.Event()
    # Streams are looked at side by side: threads that wait for each other within one look cost a third of the frames.
    with open_assent(ctx, default_threads=1 if streams > 1 else 0) as assent:
        worker = assent.live_worker(max_streams=streams, options=options, outputs=output_of)
        assent.warm_up()
        with stopped_by_signals(should_stop.set):
            if as_json:
                print_json({"worker": worker.name, "max_streams": streams})
            else:
                say(f"Worker {worker.name} watches up to {streams} streams (Ctrl-C stops it).")
            worker.run(should_stop)


def _print(stream: StreamRecord, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(stream)
    else:
        say(text)
