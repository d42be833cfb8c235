"""Driving the command line in this process: every word that it prints, and its exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assent.cli.main import run

PURPOSE = "club-photos"
NOTICE = "We keep a template of your face to find you in the club's photos."


@dataclass(frozen=True, slots=True)
class Printed:
    """What one command line did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as the one JSON value it must be."""
        return json.loads(self.out)

    def error(self) -> dict[str, Any]:
        """Standard error as the one JSON object it must be."""
        [line] = self.err.splitlines()
        value = json.loads(line)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True, slots=True)
class Cli:
    """The command line on one data folder."""

    data: Path
    models: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The settings' variables."""
        folders = {"ASSENT_DATA_DIR": str(self.data), "ASSENT_MODELS_DIR": str(self.models)}
        return {**folders, "ASSENT_THREADS": "1", **self.env}

    def __call__(self, *words: object) -> Printed:
        """Run one command line, whatever comes of it."""
        with _environment(self.environment()), _captured() as (out, err):
            code = run([str(word) for word in words])
        return Printed(code, _text(out), _text(err))

    def ok(self, *words: object) -> str:
        """What a command line prints that must succeed and say nothing on standard error."""
        printed = self(*words)
        assert (printed.code, printed.err) == (0, ""), printed
        return printed.out

    def json(self, *words: object) -> Any:
        """The JSON of a command line that must succeed and say nothing on standard error."""
        return json.loads(self.ok(*words, "--json"))

    def agree(self, person: str, folder: Path, *, purpose: str = PURPOSE, days: int = 365) -> str:
        """Record a consent of a person who was added; its id."""
        notice, evidence = folder / "notice.txt", folder / f"{person}.signed"
        notice.write_text(NOTICE)
        evidence.write_text(f"signed by {person}")
        words = ("--controller", "Club", "--notice", notice, "--evidence", evidence, "--days", days)
        made = self.json("consent", "record", person, "-p", purpose, *words)
        return str(made["id"])


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _captured() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Standard streams as a program started from a script has them: encoded, and no terminal."""
    streams = (io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8"))
    before = (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        sys.stdout, sys.stderr = before


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("utf-8")
