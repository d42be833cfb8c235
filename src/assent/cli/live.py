"""``assent live``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assent.cli.common import open_assent, stopped_by_signals
from assent.cli.output import errors, printable, say

if TYPE_CHECKING:
    from assent.service.livehealth import LiveStatus


def live(
    ctx: typer.Context,
    place: Annotated[
        str,
        typer.Option(
            "--place", "-P", help="Where this is; only who agreed to it is named.", show_default=False
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            help="rtsp://..., http://..., /dev/video0 or a file; by default the place's camera.",
            show_default=False,
        ),
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Which camera of the place, where it has several.", show_default=False)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Similarity, 0 to 100. Default: 90, or the place's floor if stricter.", show_default=False
        ),
    ] = None,
    away: Annotated[float, typer.Option(min=0.5, help="Seconds unseen after which somebody has left.")] = 5.0,
    fps: Annotated[float, typer.Option(min=0.5, max=60, help="Frames analysed a second, at most.")] = 12.0,
    look: Annotated[
        int, typer.Option(min=160, max=1920, help="Longer side of the look at each frame, pixels.")
    ] = 640,
    udp: Annotated[
        bool,
        typer.Option("--udp", help="RTSP over UDP: packets may be lost, none is late.", show_default=False),
    ] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Play a file again and again.", show_default=False)
    ] = False,
    strangers: Annotated[
        bool,
        typer.Option(
            "--strangers", help="Say how many faces have no name: a number only.", show_default=False
        ),
    ] = False,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="URL that is told of each event, signed with ASSENT_WEBHOOK_SECRET.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line for each event.", show_default=False)
    ] = False,
) -> None:
    """Say who of the people who agreed to a place comes and goes there, in live video. Ctrl-C ends it.

    Frames are dropped rather than queued; a lost source is tried again. Nobody else is named, counted or kept.

    Example: `assent live rtsp://10.0.0.7/stream --place door --json`
    """
    from assent.live.values import SourceSettings
    from assent.service.liveoptions import LiveOptions

    options = LiveOptions(
        threshold=threshold,
        away_s=away,
        max_fps=fps,
        look_px=look,
        counts_strangers=strangers,
        webhook=webhook,
        source=SourceSettings(transport="udp" if udp else "tcp", is_looped=loop),
    )
    with open_assent(ctx) as assent:
        tell = _print_line if as_json else _say_event
        run = assent.live(place, camera=camera, source=source, options=options, tell=tell)
        assent.warm_up()
        with stopped_by_signals(run.stop):
            status = run.run()
    if not as_json:
        _say_end(status)


def _print_line(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _say_event(event: dict[str, Any]) -> None:
    kind = event["event"]
    if kind == "state":
        about = f": {event['message']}" if event["message"] else ""
        errors.print(
            printable(f"{event['camera']} is {event['state']}{about}"), markup=False, highlight=False
        )
    elif kind == "strangers":
        say(f"{event['count']} faces without a name")
    else:
        who = event["name"] or event["person"]
        say(
            f"{event['at'][11:19]}  {kind}  {who}  (similarity {event['similarity']:.1f}, "
            f"false match rate at most {event['fmr_at_score']:.2g})"
        )


def _say_end(status: LiveStatus) -> None:
    source = status.source
    say(
        f"{status.num_analysed} frames analysed of {source.num_frames}, {source.num_damaged} damaged, "
        f"{source.num_lost} times lost."
    )
