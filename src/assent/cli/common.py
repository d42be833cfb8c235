"""What the commands share: opening the data folder, options, and how errors are printed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def open_assent(ctx: typer.Context, *, default_threads: int = 0) -> Assent:
    """The data folder of ``--data``, or the default one.

    Args:
        ctx: of the command.
        default_threads: of each network, where the settings do not say; 0 for as many as there are cores.
    """
    from assent.service import Assent

    settings = settings_of(ctx)
    return Assent(settings=settings.model_copy(update={"threads": settings.threads or default_threads}))


def report(error: AssentError, *, as_json: bool, photo: Path | None = None) -> None:
    """Print one error on standard error, with the photo that it is about."""
    if as_json:
        body: dict[str, object] = {
            "error": type(error).__name__,
            "message": error.message,
            "exit_code": error.exit_code,
        }
        if photo is not None:
            body["photo"] = str(photo)
        reasons = getattr(error, "reasons", None)
        if reasons:
            body["reasons"] = [str(reason) for reason in reasons]
        sys.stderr.write(json.dumps(body, ensure_ascii=False) + "\n")
    else:
        from assent.cli.output import printable

        about = "" if photo is None or str(photo) in error.message else f"{photo}: "
        sys.stderr.write(printable(" ".join(f"Error: {about}{error.message}".splitlines())) + "\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write an output file whole or not at all.

    Raises:
        UsageError: the folder cannot be written, or the disk is full.
    """
    if not path.name:
        raise UsageError(f"cannot write {path}: it is a folder; give a file's name")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a file's name"
        raise UsageError(f"cannot write {path}: {why}; choose another place for it") from error


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C and a manager's TERM call ``stop``, so that the work ends in order; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
