"""The page: whole without a network, readable without eyes, and its numbers beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assent.errors import UsageError
from assent.evaluation.report.contents import Report
from assent.evaluation.report.page import render_page, write_report
from tests.unit.evaluation.report.builders import small_report, small_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(small_report(), path)
    return path


class Elements(HTMLParser):
    """Every element's name and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else(page_file):
    text = page_file.read_text()
    elements = Elements(text).found
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in elements}
    for _, attributes in elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_names_of_pictures_and_systems_are_text_and_not_markup(page_file):
    text = page_file.read_text()
    assert "How often &lt;it&gt; is wrong" in text
    assert "A matcher &lt;of paper&gt;" in text
    assert "<of paper>" not in text


def test_the_same_ids_are_not_used_twice(page_file):
    ids = [
        attributes["id"] for _, attributes in Elements(page_file.read_text()).found if attributes.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_every_table_has_a_caption_and_heads_with_a_scope(page_file):
    text = page_file.read_text()
    assert text.count("<table>") == text.count("<caption>") > 8
    heads = [attributes for name, attributes in Elements(text).found if name == "th"]
    assert all(attributes.get("scope") in ("row", "col") for attributes in heads)


def test_drawings_and_pictures_have_words(page_file):
    elements = Elements(page_file.read_text()).found
    drawings = [attributes for name, attributes in elements if name == "svg"]
    assert len(drawings) == 5  # det, gallery, and three bars
    assert all(attributes["role"] == "img" and attributes["aria-labelledby"] for attributes in drawings)
    assert all(attributes["alt"] for name, attributes in elements if name == "img")


def test_the_twin_has_every_number(page_file):
    twin = json.loads(page_file.with_suffix(".json").read_text())
    assert twin["result"]["point"]["fmr"]["value"] == small_result().point.fmr.value
    assert len(twin["result"]["det"]["fmr"]) == len(twin["result"]["det"]["fnmr"])
    assert twin["run"]["failures"] == {"no face": 3}
    assert [rule["name"] for rule in twin["rules"]] == ["A rule", "Another rule", "A rule beyond"]
    assert twin["rules"][0]["ratios"][0]["value"] == 2.6
    assert len(twin["rules"][0]["false_matches"]) == 3


def test_an_audit_with_little_in_it_is_a_page_too():
    from dataclasses import replace

    result = replace(small_result(None), identification=None, det=None, groups=(), top_nonmated=(), notes=())
    text = render_page(Report("Little", result))
    assert "Data and method" in text
    assert "None." in text


def test_a_report_of_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.html for the report, got 'report\.pdf'"):
        write_report(small_report(), tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["jinja2", "matplotlib"])
def test_what_is_not_installed_is_named(monkeypatch, tmp_path, name):
    import sys

    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=rf"a report needs {name}.*pip install 'assent\[audit\]'"):
        write_report(small_report(), tmp_path / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no chromium on this machine (/usr/bin/chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield one
        one.close()


def open_page(browser: Browser, path: Path, **options: Any) -> Page:
    page = browser.new_context(offline=True, **options).new_page()
    page.goto(path.as_uri())
    return page


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screen_readers_find_nothing_wrong(browser, page_file, scheme):
    """axe-core: contrast, headings, tables, names, landmarks."""
    from axe_core_python.sync_playwright import Axe

    page = open_page(browser, page_file, color_scheme=scheme)
    for details in page.query_selector_all("details"):
        details.evaluate("one => one.open = true")
    found = Axe().run(page)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert len(found["passes"]) > 15


@pytest.mark.slow
def test_dark_and_print_have_their_own_colours(browser, page_file):
    def colours(page: Page) -> tuple[str, str]:
        style = "getComputedStyle(document.body)"
        return page.evaluate(f"{style}.backgroundColor"), page.evaluate(f"{style}.color")

    light, dark = (
        colours(open_page(browser, page_file, color_scheme=scheme)) for scheme in ("light", "dark")
    )
    assert light != dark
    page = open_page(browser, page_file, color_scheme="dark")
    page.emulate_media(media="print")
    assert colours(page) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    assert page.pdf().startswith(b"%PDF")


def test_a_narrow_screen_does_not_scroll_sideways(browser, page_file):
    page = open_page(browser, page_file, viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
