"""How the command line speaks: JSON of everything, tables as they are, names that steer nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from assent.cli.output import json_text, print_table, printable, rate, say, to_json, when


class Colour(Enum):
    RED = "red"


@dataclass
class Inner:
    box: object


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("é [b]", "é [b]"),
        (Colour.RED, "red"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (Path("a/b"), "a/b"),
        ((1, "x"), [1, "x"]),
        ({Path("k"): {1}}, {"k": [1]}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.5, 2]], np.float32), [[1.5, 2.0]]),
        (np.zeros(0, np.float32), []),
        (Inner(Inner(np.arange(2))), {"box": {"box": [0, 1]}}),
        (iter([Inner(None)]), [{"box": None}]),
    ],
)
def test_everything_that_is_answered_has_its_json(value: object, expected: object) -> None:
    made = to_json(value)
    assert made == expected
    assert json.loads(json.dumps(made)) == expected
    assert type(made) is type(expected)


def test_what_has_no_json_is_not_made_up() -> None:
    with pytest.raises(TypeError, match="no JSON for object"):
        to_json(object())
    with pytest.raises(ValueError, match="JSON"):
        json_text({"similarity": float("nan")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë Ω 日本", "Zoë Ω 日本"),
        ("a\nb", "a\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\r\x00\x07", "\\r\\x00\\x07"),
        ("\u202eevil", "\\u202eevil"),
        ("\udcff", "\\udcff"),
    ],
)
def test_nothing_printed_steers_the_terminal(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]x[/bold] [/] " + "long " * 100)
    print_table("[t]", ["id!", "n>"], [("[/] [red]" + "x" * 200, 3), (None, "[b]")])
    out = capsys.readouterr().out
    assert "[bold]x[/bold] [/] " in out
    assert "[/] [red]" + "x" * 200 in out
    assert len(out.splitlines()) == 5  # nothing is folded where there is no terminal
    print_table("Things", ["a"], [])
    print_table(None, ["a"], [])
    assert capsys.readouterr().out == "Things: none\nnone\n"


@pytest.mark.parametrize(
    ("value", "said"), [(0.0005, "1 in 2,000"), (0.5, "1 in 2"), (0.7, "70%"), (1.0, "100%"), (0.0, "0%")]
)
def test_rates_are_said_as_people_say_them(value: float, said: str) -> None:
    assert rate(value) == said


def test_moments_are_said_in_utc() -> None:
    assert when(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04 UTC"
    assert when(None) == ""
