"""What the commands share: opening the data folder, options, and how errors are printed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.errors import AssentError, UsageError

if TYPE_CHECKING:
    from assent.config import Settings
    from assent.service import Assent

PhotoArgument = Annotated[Path, typer.Argument(help="A photo: JPEG, PNG, WebP, ...", show_default=False)]
PhotosArgument = Annotated[
    list[Path], typer.Argument(help="Photos: JPEG, PNG, WebP, ...", show_default=False)
]
CollectionOption = Annotated[
    str, typer.Option("--collection", "-c", help="The collection's name.", show_default=False)
]
PurposeOption = Annotated[
    str, typer.Option("--purpose", "-p", help="What it is for; must be the collection's.", show_default=False)
]
LargestOption = Annotated[
    bool, typer.Option("--largest", help="Take the largest face when there are several.", show_default=False)
]
YesOption = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do it; without this, only say what would be done.", show_default=False),
]


def settings_of(ctx: typer.Context) -> Settings:
    """The settings, with the data folder of ``--data`` if it was given."""
    from pydantic import ValidationError

    from assent.config import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "ASSENT_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(
            f"the setting {name} cannot be used: {first['msg']}; see docs/settings.md"
        ) from error
    data_dir = ctx.obj
    return settings.model_copy(update={"data_dir": data_dir}) if data_dir is not None else settings


def open_assent(ctx: typer.Context) -> Assent:
    """The data folder of ``--data``, or the default one."""
    from assent.service import Assent

    return Assent(settings=settings_of(ctx))


def report(error: AssentError, *, as_json: bool) -> None:
    """Print one error on standard error."""
    if as_json:
        body = {"error": type(error).__name__, "message": error.message, "exit_code": error.exit_code}
        reasons = getattr(error, "reasons", None)
        if reasons:
            body["reasons"] = [str(reason) for reason in reasons]
        sys.stderr.write(json.dumps(body, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"Error: {error.message}\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write an output file whole or not at all.

    Raises:
        UsageError: the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place for it") from error
