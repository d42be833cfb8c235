"""Pages: whole, in order, and unmoved by what comes and goes between them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.wire.call import Call
from assent.wire.errors import WireError
from assent.wire.model import input_shape
from assent.wire.paging import Page, page_of


def ask(items: list[str], operation: str = "ListCollections", **params: Any) -> Page[str]:
    call = Call(operation, cast("Any", None), cast("Any", None), params)
    return page_of(call, items, place=lambda item: item)


def walk(items: list[str], size: int) -> list[str]:
    seen: list[str] = []
    token = None
    while True:
        page = ask(items, MaxResults=size, **({"NextToken": token} if token else {}))
        assert 0 < len(page.items) <= size or not items
        seen += page.items
        token = page.next_token
        if token is None:
            return seen
        assert len(token) <= 255


NAMES = st.lists(st.from_regex(r"\A[a-zA-Z0-9_.\-]{1,255}\Z"), unique=True, max_size=30)


@given(items=NAMES, size=st.integers(1, 12))
def test_all_pages_are_the_whole_list(items: list[str], size: int) -> None:
    assert sorted(walk(items, size)) == sorted(items)
    short = [item for item in items if len(item) <= 160]
    assert walk(short, size) == sorted(short)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_long_names_that_begin_alike(size: int) -> None:
    items = ["x" * 250 + str(number) for number in range(5)]
    assert sorted(walk(items, size)) == items


@given(before=NAMES, after=NAMES, size=st.integers(1, 5))
def test_what_comes_and_goes_moves_nothing(before: list[str], after: list[str], size: int) -> None:
    first = ask(before, MaxResults=size)
    if first.next_token is None:
        return
    rest = ask(after, MaxResults=1000, NextToken=first.next_token).items
    kept = set(before) & set(after)
    # Whoever was there all along is seen once, on the first page or after.
    assert kept <= set(first.items) | set(rest)
    assert not set(first.items) & set(rest)


def test_the_last_page_has_no_token() -> None:
    assert ask([]).next_token is None
    assert ask(["a", "b"], MaxResults=2).next_token is None
    assert ask(["a", "b"]).next_token is None
    assert ask(["a", "b"], MaxResults=0).items == ["a", "b"]  # the model allows 0: no wish
    assert ask(["a", "b", "c"], MaxResults=2).next_token is not None


@pytest.mark.parametrize(
    "token", ["x", "=", "AAAA", "A" * 255, "é", "....", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
)
def test_tokens_that_were_never_given_out(token: str) -> None:
    with pytest.raises(WireError) as refused:
        ask(["a"], NextToken=token)
    assert (refused.value.code, refused.value.message) == (
        "InvalidPaginationTokenException",
        "Invalid Pagination Token",
    )


def test_a_token_belongs_to_its_question() -> None:
    token = ask(["a", "b"], "ListFaces", CollectionId="one", MaxResults=1).next_token
    assert ask(["a", "b"], "ListFaces", CollectionId="one", NextToken=token).items == ["b"]
    for operation, params in (
        ("ListFaces", {"CollectionId": "two"}),
        ("ListFaces", {"CollectionId": "one", "UserId": "ana"}),
        ("ListUsers", {"CollectionId": "one"}),
    ):
        with pytest.raises(WireError, match="Invalid Pagination Token"):
            ask(["a", "b"], operation, NextToken=token, **params)


def test_a_changed_token_is_none() -> None:
    token = ask(["a", "b"], MaxResults=1).next_token
    assert token is not None
    for at in range(len(token)):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        try:
            page = ask(["a", "b"], NextToken=other)
        except WireError:
            continue
        # The last character has bits that base64 does not use.
        assert at == len(token) - 1
        assert page.items == ["b"]


def test_every_list_of_ours_takes_a_token() -> None:
    for operation in ("ListCollections", "ListFaces", "ListUsers"):
        assert {"NextToken", "MaxResults"} <= set(input_shape(operation).members)
