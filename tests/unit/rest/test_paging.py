from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import UsageError
from assent.rest.paging import make_cursor, page_of, parse_cursor

keys = st.tuples(st.one_of(st.text(), st.integers()))


def walked(items: list[str], limit: int) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        chosen, cursor = page_of(items, lambda item: (item,), limit=limit, cursor=cursor)
        pages.append(list(chosen))
        if cursor is None:
            return pages


@pytest.mark.parametrize(
    ("items", "limit", "pages"),
    [
        ([], 2, [[]]),
        (["a"], 2, [["a"]]),
        (["a", "b"], 2, [["a", "b"]]),
        (["b", "c", "a"], 2, [["a", "b"], ["c"]]),
        (["a", "b", "c"], 1, [["a"], ["b"], ["c"]]),
        (["b", "B", "é", "a"], 3, [["B", "a", "b"], ["é"]]),
    ],
)
def test_pages(items: list[str], limit: int, pages: list[list[str]]) -> None:
    assert walked(items, limit) == pages


@given(st.lists(st.text(max_size=5), unique=True, max_size=12), st.integers(1, 5))
def test_every_item_is_given_once(items: list[str], limit: int) -> None:
    assert [item for page in walked(items, limit) for item in page] == sorted(items)


def test_what_changes_meanwhile_shifts_nothing() -> None:
    items = ["a", "b", "c", "d"]
    _, cursor = page_of(items, lambda item: (item,), limit=2, cursor=None)
    assert page_of(["c", "d", "e"], lambda item: (item,), limit=2, cursor=cursor)[0] == ["c", "d"]
    assert page_of(["a", "aa", "b", "bb"], lambda item: (item,), limit=2, cursor=cursor)[0] == ["bb"]


@given(keys)
def test_a_cursor_is_what_it_was_made_of(key: tuple[str | int, ...]) -> None:
    assert parse_cursor(make_cursor(key)) == key


@given(st.one_of(st.text("ABCabc019-_", min_size=1), st.text(min_size=1)))
def test_anything_else_is_no_cursor(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(parse_cursor(text), tuple)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(UsageError, match="cursor"):
        page_of(["a"], lambda item: (item,), limit=2, cursor=make_cursor((7,)))
