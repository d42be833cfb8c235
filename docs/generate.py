"""Makes the reference pages from the code: ``python -m docs.generate`` (``make docs``).

``tests/docs`` fails when a page is stale.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined

import assent
from assent import errors
from assent.cli.main import app
from assent.config import Settings
from assent.service.access import AccessKeys
from assent.service.collections import Collections
from assent.service.jobs import Jobs
from assent.service.logbook import Logbook
from assent.service.people import Consents, People
from assent.service.places import Places
from assent.service.reviewing import Reviews
from assent.service.streams import Streams
from assent.service.users import Users
from assent.wire.operations import operations_page
from docs.rest_reference import rest_page

FOLDER = Path(__file__).parent / "reference"
GUIDES = Path(__file__).parent
_ARGS = re.compile(r"^Args:\n(?: {4}.*\n)+", re.MULTILINE)
_ARG = re.compile(r"^ {4}(\w+): .*\n(?: {5,}.*\n)*", re.MULTILINE)
"""One argument in these, with its further lines."""
MADE = "<!-- Made from the code by `make docs`; changes here are lost. -->\n\n"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "cli.md": MADE + cli_page(),
        "errors.md": MADE + errors_page(),
        "python.md": MADE + python_page(),
        "rest.md": MADE + rest_page(),
        "settings.md": MADE + settings_page(),
    }


def guides() -> dict[str, str]:
    """Generated pages that stand among the guides, by file name."""
    return {"operations.md": MADE + operations_page()}


def cli_page() -> str:
    """Every command with its arguments, options and examples."""
    root = typer.main.get_command(app)
    parts = [
        "# The command line\n",
        "`assent [--data DIR] COMMAND ...`. Every command takes `--json` (one JSON value on standard output, errors as "
        "one JSON object on standard error) and `--help`. Exit codes: [errors](errors.md).\n",
    ]
    for path, command in _commands(root, "assent"):
        parts.append(f"## {path}\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [_option_row(option) for option in command.params if option.name not in {"help", "as_json"}]
        if rows:
            parts.append("| | | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], f"{path} {name}")
    else:
        yield path, command


def _option_row(option: Any) -> str:
    is_argument = option.param_type_name == "argument"
    name = (
        option.name.upper() + ("..." if option.nargs == -1 else "") if is_argument else ", ".join(option.opts)
    )
    default = (
        "required"
        if option.required
        else ""
        if option.default in (None, False, ())
        else f"`{option.default}`"
    )
    return f"| `{name}` | {_cell(option.help or '')} | {default} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def errors_page() -> str:
    """Every error with its exit code and meaning."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.AssentError) and kind is not errors.AssentError
    ]
    kinds.sort(key=lambda kind: (kind.exit_code, len(kind.__mro__), kind.__name__))
    rows = [f"| {kind.exit_code} | `{kind.__name__}` | {_cell(_first_line(kind))} |" for kind in kinds]
    return (
        "# Errors and exit codes\n\n"
        "Every error is one line that says what was expected, what came, and what to do next. 0 is success, 1 the "
        "answer no (`assent verify`) or a failure of another kind, 2 a command line that cannot be understood, 130 "
        "stopped by Ctrl-C. All derive from `AssentError`; a row's error includes those below it with the same code "
        "that derive from it.\n\n"
        "| exit code | error | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _first_line(thing: object) -> str:
    return inspect.getdoc(thing).split("\n\n")[0] if inspect.getdoc(thing) else ""  # type: ignore[union-attr]


def settings_page() -> str:
    """Every setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (PydanticUndefined, None) else f"`{field.default}`"
        if name == "data_dir":
            default = "the user's data folder"
        rows.append(f"| `ASSENT_{name.upper()}` | {_cell(field.description or '')} | {default} |")
    return (
        "# Settings\n\nEach is an environment variable, or a field of `assent.Settings`. The command line's `--data` "
        "wins over `ASSENT_DATA_DIR`.\n\n| variable | meaning | default |\n| --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n"
    )


def python_page() -> str:
    """The Python interface, with its docstrings."""
    parts = [
        "# From Python\n",
        "`from assent import Assent`. Results are frozen dataclasses (`assent.service.results`); errors are in "
        "[errors](errors.md).\n",
        _class_section("Assent", assent.Assent),
        _class_section("Assent.people", People),
        _class_section("Assent.consents", Consents),
        _class_section("Assent.collections", Collections),
        _class_section("Assent.places", Places),
        _class_section("Assent.streams", Streams),
        _class_section("Assent.users", Users),
        _class_section("Assent.reviews", Reviews),
        _class_section("Assent.jobs", Jobs),
        _class_section("Assent.access", AccessKeys),
        _class_section("Assent.logbook", Logbook),
    ]
    return "\n".join(parts)


def _class_section(title: str, kind: type) -> str:
    own = [
        (name, member)
        for name, member in vars(kind).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    ]
    parts = [f"## {title}\n\n{_doc_block(kind)}"]
    for name, member in own:
        signature = "" if isinstance(member, property) else _signature(member)
        parts.append(f"### {name}\n\n```python\n{name}{signature}\n```\n\n{_doc_block(member)}")
    return "\n".join(parts)


def _signature(function: Any) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    text = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text).replace("'", "")
    return (
        text
        if len(text) < 90
        else text.replace("(", "(\n    ", 1).replace(", ", ",\n    ").replace(") ->", ",\n) ->")
    )


def _doc_block(thing: object) -> str:
    """A docstring; one that only points to another (``see ``module.function````) brings that along."""
    text = inspect.getdoc(thing) or ""
    pointed = re.search(r" \(see ``(assent[\w.]+)\.(\w+)``\)", text)
    if pointed:
        text = inspect.getdoc(getattr(importlib.import_module(pointed[1]), pointed[2])) or ""
        taken = inspect.signature(thing).parameters  # type: ignore[arg-type]
        text = _ARGS.sub(lambda args: _ARG.sub(lambda arg: arg[0] if arg[1] in taken else "", args[0]), text)
    return f"```text\n{text}\n```\n"


def main() -> int:
    """Write every page.

    Returns:
        The exit code.
    """
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {FOLDER.name}/{name}\n")
    for name, text in guides().items():
        (GUIDES / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
