"""``assent place``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import YesOption, open_assent
from assent.cli.output import JsonOption, print_json, print_table, say, when

if TYPE_CHECKING:
    from assent.service.places import PlaceSummary
    from assent.store.live import LiveEvent

app = typer.Typer(
    name="place",
    no_args_is_help=True,
    help="Places of live video: add, list, show, change, remove; their cameras and events.",
)

PlaceArgument = Annotated[str, typer.Argument(help="The place's name.", show_default=False)]
CameraArgument = Annotated[str, typer.Argument(help="The camera's name.", show_default=False)]
NoticeOption = Annotated[
    Path | None, typer.Option(help="File with the exact text posted there.", show_default=False)
]


@app.command()
def add(
    ctx: typer.Context,
    name: PlaceArgument,
    collection: Annotated[
        str,
        typer.Option("--collection", "-c", help="Whose people may agree to it.", show_default=False),
    ],
    responsible: Annotated[str, typer.Option(help="Who answers for it.", show_default=False)],
    notice: NoticeOption = None,
    keep_hours: Annotated[float, typer.Option(help="How long events are kept; at most 720.")] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Declare a place. Nobody is recognised there before a consent names it.

    Example: `assent place add door -c club --responsible "Chess Club" --notice door-notice.txt`
    """
    from assent.service.people import read_notice

    text = None if notice is None else read_notice(notice)
    with open_assent(ctx) as assent:
        place = assent.places.add(
            name, collection=collection, responsible=responsible, notice=text, keep_hours=keep_hours
        )
    if as_json:
        print_json(place)
    else:
        say(f"Added {place.name}. Next: assent place camera {place.name} CAMERA SOURCE")


@app.command()
def camera(
    ctx: typer.Context,
    name: PlaceArgument,
    camera: CameraArgument,
    source: Annotated[
        str | None,
        typer.Argument(help="rtsp://..., http://..., /dev/video0 or a file.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the camera.", show_default=False)] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a camera to a place, or give it another source. The source is sealed, since it may hold a password.

    Without a source it is read from standard input, so that a password stays out of the shell's history.

    Example: `assent place camera door entrance rtsp://user:secret@10.0.0.7/stream`
    """
    import sys

    with open_assent(ctx) as assent:
        if remove:
            place = assent.places.remove_camera(name, camera)
        else:
            place = assent.places.set_camera(name, camera, source or sys.stdin.readline())
    if as_json:
        print_json(place)
    else:
        say(f"{place.name} has {len(place.cameras)} cameras. Next: assent live --place {place.name}")


@app.command()
def change(
    ctx: typer.Context,
    name: PlaceArgument,
    responsible: Annotated[str | None, typer.Option(help="Who answers for it.", show_default=False)] = None,
    notice: NoticeOption = None,
    keep_hours: Annotated[
        float | None, typer.Option(help="How long events are kept; at most 720.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change who answers for a place, its notice, or how long its events are kept.

    Example: `assent place change door --keep-hours 4`
    """
    from assent.service.people import read_notice

    text = None if notice is None else read_notice(notice)
    with open_assent(ctx) as assent:
        place = assent.places.change(name, responsible=responsible, notice=text, keep_hours=keep_hours)
    if as_json:
        print_json(place)
    else:
        say(f"Changed {place.name}: events are kept for {place.keep_hours:g} hours.")


@app.command("list")
def list_places(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every place, who agreed to it, and whether live video may run there.

    Example: `assent place list`
    """
    with open_assent(ctx) as assent:
        found = assent.places.list()
    if as_json:
        print_json([_members(item) for item in found])
        return
    rows = [
        (item.place.name, item.place.collection_name, item.num_agreed, item.num_enrolled, _state(item))
        for item in found
    ]
    print_table("Places", ["name!", "collection", "agreed>", "enrolled>", "state"], rows)


@app.command()
def show(ctx: typer.Context, name: PlaceArgument, as_json: JsonOption = False) -> None:
    """Everything a place holds; its sources without their passwords.

    Example: `assent place show door`
    """
    with open_assent(ctx) as assent:
        item = assent.places.get(name)
    if as_json:
        print_json(_members(item))
        return
    place = item.place
    rows = [
        ("state", _state(item)),
        ("collection", place.collection_name),
        ("purpose", place.purpose),
        ("responsible", place.responsible),
        ("people who agreed", item.num_agreed),
        ("of these enrolled", item.num_enrolled),
        ("events are kept", f"{place.keep_hours:g} hours"),
        ("since", when(place.created_at)),
        *((f"camera {each.name}", each.shown) for each in place.cameras),
        ("notice", place.notice),
    ]
    print_table(None, ["field", "value"], rows)


@app.command()
def events(
    ctx: typer.Context,
    name: PlaceArgument,
    after: Annotated[int, typer.Option(min=0, help="Only events with a greater number.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Who of the consenting came to one place and went, for as long as events are kept there.

    Example: `assent place events door`
    """
    with open_assent(ctx) as assent:
        found = tuple(assent.places.all_events(name, after=after))
    if as_json:
        print_json(found)
    else:
        print_events(found)


@app.command()
def remove(
    ctx: typer.Context, name: PlaceArgument, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """End a place and destroy its cameras and events. Says what it would do unless --yes.

    Example: `assent place remove door --yes`
    """
    with open_assent(ctx) as assent:
        item = assent.places.get(name)
        if yes:
            assent.places.remove(name)
    if as_json:
        print_json({"dry_run": not yes, "place": name})
    elif yes:
        say(f"Removed {name}.")
    else:
        say(
            f"Would remove {name} with {len(item.place.cameras)} cameras and its events; {item.num_agreed} people "
            f"agreed to it. Nothing was done; add --yes to do it."
        )


def print_events(found: tuple[LiveEvent, ...]) -> None:
    """A table of events for people."""
    rows = [
        (
            item.seq,
            when(item.at),
            item.person,
            item.name,
            item.kind.value,
            item.camera,
            f"{item.similarity:.1f}",
        )
        for item in found
    ]
    print_table("Events", ["number>", "at", "person", "name", "what", "camera", "similarity>"], rows)


def _state(item: PlaceSummary) -> str:
    return "ready" if item.problem is None else item.problem


def _members(item: PlaceSummary) -> dict[str, object]:
    from assent.cli.output import to_json

    return {**to_json(item.place), **{k: v for k, v in to_json(item).items() if k != "place"}}
