"""The pages say what is true: generated ones are fresh, commands and links in the others exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from docs.generate import FOLDER, GUIDES, guides, pages

from assent.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "requirements").glob("*.md")]
    if page.parent != FOLDER
)


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_pages_are_fresh(name: str) -> None:
    path = FOLDER / name
    assert path.is_file(), f"{name} is missing; run `make docs`"
    assert path.read_text(encoding="utf-8") == pages()[name], f"{name} is stale; run `make docs`"


@pytest.mark.parametrize("name", sorted(guides()))
def test_generated_guides_are_fresh(name: str) -> None:
    path = GUIDES / name
    assert path.is_file(), f"{name} is missing; run `make docs`"
    assert path.read_text(encoding="utf-8") == guides()[name], f"{name} is stale; run `make docs`"


def test_no_generated_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(pages())


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def shell_commands(page: Path) -> list[list[str]]:
    """The ``assent`` command lines in a page's shell blocks."""
    lines: list[str] = []
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        lines += re.sub(r" >>? .*", "", block.replace("\\\n", " ")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip().startswith("assent ")]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_in_the_pages_exist(page: Path) -> None:
    for words in shell_commands(page):
        command = typer.main.get_command(app)
        rest = words[1:]
        while hasattr(command, "commands"):
            assert rest, f"{page.name}: {shlex.join(words)}"
            assert rest[0] in command.commands, f"{page.name}: {shlex.join(words)}"
            command, rest = command.commands[rest[0]], rest[1:]
        # Parsing alone finds unknown options and missing arguments; nothing runs.
        command.make_context("assent", list(rest))


def test_readme_examples_are_commands_too() -> None:
    assert shell_commands(ROOT / "README.md")


def test_every_setting_and_exit_code_is_documented() -> None:
    from assent import errors
    from assent.config import Settings

    settings_page, errors_page = pages()["settings.md"], pages()["errors.md"]
    for name in Settings.model_fields:
        assert f"ASSENT_{name.upper()}" in settings_page
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.AssentError) and kind is not errors.AssentError:
            assert f"`{name}`" in errors_page
            assert name in (errors.__doc__ or ""), f"{name} is not in the tree at the top of errors.py"
