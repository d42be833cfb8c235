"""The tree: the reference leaves of Certificate Transparency, and agreement with the RFC's own recursion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.ledger import tree
from assent.store import log as store_log
from tests.unit.ledger import slow_tree

REFERENCE = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ENTRIES = [b"entry %d" % number for number in range(131)]
LEAVES = [tree.leaf_hash(entry) for entry in ENTRIES]


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a98"),
        (2, "fac54203"),
        (3, "aeb6bcfe"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_roots_of_the_reference_leaves(size: int, root: str) -> None:
    leaves = [tree.leaf_hash(entry) for entry in REFERENCE[:size]]
    assert tree.tree_root(leaves).hex().startswith(root)
    assert slow_tree.mth(REFERENCE[:size]).hex().startswith(root)


def test_a_leaf_is_hashed_as_the_records_hash_it() -> None:
    assert tree.leaf_hash(b'{"a":1}').hex() == store_log.leaf_hash('{"a":1}')


@pytest.mark.parametrize("size", range(len(ENTRIES)))
def test_roots_and_inclusion_agree_with_the_recursion(size: int) -> None:
    leaves, entries = LEAVES[:size], ENTRIES[:size]
    root = slow_tree.mth(entries)
    assert tree.tree_root(leaves) == root
    for index in {0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size)):
        path = tree.inclusion_proof(leaves, index)
        assert list(path) == slow_tree.path(index, entries)
        assert tree.is_included(leaves[index], index, size, path, root)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 21, 33, 64, 65])
def test_consistency_agrees_with_the_recursion(size: int) -> None:
    leaves, entries = LEAVES[:size], ENTRIES[:size]
    for old in range(size + 1):
        path = tree.consistency_proof(leaves, old)
        if old:
            assert list(path) == slow_tree.proof(old, entries)
        assert tree.is_consistent(old, size, path, slow_tree.mth(entries[:old]), slow_tree.mth(entries))


@given(st.lists(st.binary(max_size=40), max_size=130), st.data())
@settings(deadline=None, max_examples=60)
def test_any_leaves_agree(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [tree.leaf_hash(entry) for entry in entries]
    root = slow_tree.mth(entries)
    old = data.draw(st.integers(0, len(entries)), label="old size")
    frontier = tree.Frontier().extended(leaves[:old])
    assert frontier.root == slow_tree.mth(entries[:old])
    assert frontier.extended(leaves[old:]).root == root
    path = tree.consistency_proof(leaves, old)
    assert tree.is_consistent(old, len(leaves), path, frontier.root, root)
    if entries:
        index = data.draw(st.integers(0, len(entries) - 1), label="index")
        inclusion = tree.inclusion_proof(leaves, index)
        assert tree.is_included(leaves[index], index, len(leaves), inclusion, root)


@given(size=st.integers(1, 40), data=st.data())
@settings(deadline=None, max_examples=80)
def test_a_proof_of_inclusion_shows_nothing_else(size: int, data: st.DataObject) -> None:
    leaves, root = LEAVES[:size], tree.tree_root(LEAVES[:size])
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion_proof(leaves, index)
    other = data.draw(st.integers(0, len(LEAVES) - 1).filter(lambda number: number != index))
    assert not tree.is_included(LEAVES[other], index, size, path, root)
    assert not tree.is_included(leaves[index], other, size, path, root)
    assert not tree.is_included(leaves[index], index, size, (*path, root), root)
    assert not tree.is_included(leaves[index], index, size, path, LEAVES[0] if size > 1 else LEAVES[1])
    if path:
        assert not tree.is_included(leaves[index], index, size, path[:-1], root)
        at = data.draw(st.integers(0, len(path) - 1))
        changed = (*path[:at], tree.leaf_hash(path[at]), *path[at + 1 :])
        assert not tree.is_included(leaves[index], index, size, changed, root)


@given(size=st.integers(2, 40), data=st.data())
@settings(deadline=None, max_examples=80)
def test_a_proof_of_consistency_shows_nothing_else(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    leaves = LEAVES[:size]
    path = tree.consistency_proof(leaves, old)
    old_root, root = tree.tree_root(leaves[:old]), tree.tree_root(leaves)
    changed = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves[:changed], LEAVES[-1], *leaves[changed + 1 :]]
    honest_of_rewritten = tree.consistency_proof(rewritten, old)
    assert not tree.is_consistent(old, size, honest_of_rewritten, old_root, tree.tree_root(rewritten))
    assert not tree.is_consistent(old, size, path, root, old_root)
    assert not tree.is_consistent(old, size, (*path, root), old_root, root)
    assert not tree.is_consistent(old, size, path[:-1], old_root, root)
    assert not tree.is_consistent(size, old, path, root, old_root)


@pytest.mark.parametrize(
    ("old", "new", "path", "old_root", "new_root", "holds"),
    [
        (0, 0, (), tree.EMPTY_ROOT, tree.EMPTY_ROOT, True),
        (0, 1, (), tree.EMPTY_ROOT, LEAVES[0], True),
        (0, 1, (), LEAVES[1], LEAVES[0], False),
        (0, 1, (LEAVES[0],), tree.EMPTY_ROOT, LEAVES[0], False),
        (1, 1, (), LEAVES[0], LEAVES[0], True),
        (1, 1, (), LEAVES[0], LEAVES[1], False),
        (1, 1, (LEAVES[0],), LEAVES[0], LEAVES[0], False),
        (3, 4, (), LEAVES[0], LEAVES[1], False),
        (-1, 1, (), LEAVES[0], LEAVES[0], False),
    ],
)
def test_the_edges_of_consistency(old, new, path, old_root, new_root, holds) -> None:
    assert tree.is_consistent(old, new, path, old_root, new_root) is holds


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError, match=f"no leaf {index}"):
            tree.inclusion_proof(LEAVES[:3], index)
    with pytest.raises(IndexError, match="never one of 4"):
        tree.consistency_proof(LEAVES[:3], 4)


@pytest.mark.parametrize(("size", "peaks"), [(-1, ()), (1, ()), (0, (b"x" * 32,)), (1, (b"x" * 31,))])
def test_a_frontier_fits_its_size(size: int, peaks: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="peak"):
        tree.Frontier(size, peaks)
