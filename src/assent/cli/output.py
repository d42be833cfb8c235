"""How the command line speaks: tables for people, JSON for machines, progress on standard error.

Only the answer goes to standard output. ``--json`` prints one JSON value there and nothing else; an error is then
a JSON object on standard error.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.", show_default=False)]

console = Console()
errors = Console(stderr=True)

_WIDE = 10_000
"""Columns of what is not a terminal: a table in a file or a pipe is not folded."""


def to_json(value: Any) -> Any:
    """``value`` as plain JSON types: dataclasses become objects, times ISO 8601, arrays lists.

    Raises:
        TypeError: there is no JSON for a value of this type.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers, without loading it for those who have none
        return value.tolist()
    if isinstance(value, Iterable):
        return [to_json(item) for item in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"no JSON for {type(value).__name__}")


def print_json(value: Any) -> None:
    """One JSON value on standard output, indented."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """One JSON value, indented."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False)


def say(text: str) -> None:
    """A sentence for people on standard output, as it is: brackets are not markup, nothing is folded in a pipe."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def printable(text: str) -> str:
    r"""``text`` with what would steer a terminal, as a file's name may hold, written as escapes; lines stay.

    Example:
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def print_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people.

    Args:
        title: above it; None for none.
        columns: headers; ``>`` at the end sets the column to the right, ``!`` never folds it.
        rows: cells, shown as they are: brackets are not markup.
    """
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.rstrip(">!"),
            justify="right" if column.endswith(">") else "left",
            no_wrap=column.endswith("!"),
            overflow="fold",
        )
    num_rows = 0
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
        num_rows += 1
    if not num_rows:
        say(f"{title + ': ' if title else ''}none")
    elif console.is_terminal:
        console.print(table)
    else:
        Console(width=_WIDE).print(table)


def rate(value: float) -> str:
    """A rate as people say it.

    Example:
        >>> rate(0.0005), rate(0.25)
        ('1 in 2,000', '1 in 4')
    """
    return f"1 in {1 / value:,.0f}" if 0 < value <= 0.5 else f"{value:.0%}"


def when(moment: datetime | None) -> str:
    """A moment, to the minute, in UTC; empty for None."""
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")


class BytesProgress:
    """A progress bar for downloads (``assent.models.fetch.Progress``), shown on standard error."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )
        self._task: int | None = None

    def start(self, label: str, total_bytes: int | None) -> None:
        """A file begins; ``total_bytes`` None when its size is not known."""
        self._progress.start()
        self._task = self._progress.add_task(label, total=total_bytes)

    def advance(self, num_bytes: int) -> None:
        """That many more bytes have come."""
        if self._task is not None:
            self._progress.advance(TaskID(self._task), num_bytes)

    def finish(self) -> None:
        """The file is there."""
        self._progress.stop()


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; yields a function to call with (done, in all)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def steps(label: str, total: int) -> Iterator[Any]:
    """A progress bar over ``total`` steps on standard error; yields a function to call after each."""
    from rich.progress import Progress

    # Standard error of a script is for errors alone.
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def watching(label: str) -> Iterator[Callable[[float, float | None], None]]:
    """A progress bar with the time left, over a video's seconds; yields a ``Progress`` of ``assent.video``."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done_s, total_s: progress.update(task, completed=done_s, total=total_s)
