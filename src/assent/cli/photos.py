"""Doing one thing to many photos: each stands on its own, and what was done is said whatever comes after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import typer

from assent.cli.common import report
from assent.cli.output import print_table, say, steps
from assent.errors import AlreadyExists, AssentError, FaceError, ImageError

_T = TypeVar("_T")
_F = TypeVar("_F", bound="_WithFrames")


class _WithFrames(Protocol):
    @property
    def num_frames(self) -> int: ...


OF_ONE_PHOTO = (ImageError, FaceError, AlreadyExists)
"""Errors that say something of one photo and nothing of the next."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """What became of one photo: a result, or an error."""

    photo: Path
    result: _T | None = None
    error: AssentError | None = None

    def as_json(self, fields: Callable[[_T], dict[str, object]]) -> dict[str, object]:
        """One JSON object; ``fields`` gives those of a result."""
        if self.result is not None:
            return {"photo": self.photo, **fields(self.result)}
        assert self.error is not None
        return {"photo": self.photo, "refused": type(self.error).__name__, "message": self.error.message}


def each_photo(photos: Sequence[Path], label: str, act: Callable[[Path], _T]) -> list[Outcome[_T]]:
    """Do ``act`` to each photo, with a progress bar.

    An error of one photo is kept and the next photo is taken; any other error ends it, but what was done before
    is not lost: it is kept as the last outcome.

    Raises:
        NotFound: a photo is not there; nothing was done.
        AssentError: an error that is not of one photo, before anything was done.
    """
    from assent.service.images import require_file

    for photo in photos:
        require_file(photo)
    outcomes: list[Outcome[_T]] = []
    with steps(label, len(photos)) as step:
        for photo in photos:
            try:
                outcomes.append(Outcome(photo, result=act(photo)))
            except OF_ONE_PHOTO as error:
                outcomes.append(Outcome(photo, error=error))
            except AssentError as error:
                if not outcomes:
                    raise
                outcomes.append(Outcome(photo, error=error))
                break
            step()
    return outcomes


def print_outcomes(rows: Iterable[Sequence[object]], title: str | None, columns: Sequence[str]) -> None:
    """A table of what was done; nothing where all photos were refused."""
    kept = list(rows)
    if kept:
        print_table(title, columns, kept)


def finish(outcomes: Sequence[Outcome[_F]], *, as_json: bool) -> None:
    """Say of which files only the first frame was looked at, and report each refusal on standard error.

    Raises:
        Exit: something was refused; with the exit code of the last refusal.
    """
    for outcome in outcomes:
        if not as_json and outcome.result is not None and outcome.result.num_frames > 1:
            say(f"{outcome.photo} has {outcome.result.num_frames} frames; only the first was looked at.")
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        assert outcome.error is not None
        report(outcome.error, as_json=as_json, photo=outcome.photo)
    if failed:
        assert failed[-1].error is not None
        raise typer.Exit(failed[-1].error.exit_code)
