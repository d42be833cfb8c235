"""The Merkle tree of RFC 9162 section 2.1: roots, inclusion proofs, consistency proofs, and checking these.

A node without a right neighbour moves up unchanged; level by level that gives the same tree as the RFC's recursive
definition, which splits at the largest power of two (the tests hold the two together). Nothing here is recursive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """sha256(0x00 || entry): 32 bytes."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """sha256(0x01 || left || right): 32 bytes."""
    return sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """What must be kept of a tree to grow it: the roots of its perfect subtrees.

    Attributes:
        size: number of leaves.
        peaks: 32 bytes each, from the largest subtree to the smallest; as many as ``size`` has one bits.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(
                f"a frontier of {self.size} leaves has {max(self.size, 0).bit_count()} peaks, got {len(self.peaks)}"
            )
        if any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise ValueError(f"a peak has {HASH_BYTES} bytes")

    def extended(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after appending leaf hashes, 32 bytes each."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node, carry = leaf, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash, 32 bytes."""
        if not self.peaks:
            return EMPTY_ROOT
        *larger, root = self.peaks
        for peak in reversed(larger):
            root = node_hash(peak, root)
        return root


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash over leaf hashes (section 2.1.1)."""
    return Frontier().extended(leaves).root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from one leaf to the root (section 2.1.3.1), lowest first.

    Args:
        leaves: the leaf hashes of the whole tree.
        index: of the leaf, from 0.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no leaf {index}")
    return tuple(_siblings(b"".join(leaves), index))


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """The hashes that show a tree to be an older one, extended (section 2.1.4.1).

    Args:
        leaves: the leaf hashes of the whole tree.
        old_size: how many of them the older tree had. Of 0 there is nothing to show, nor of the whole tree.

    Raises:
        IndexError: the older tree is larger.
    """
    if not 0 <= old_size <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves was never one of {old_size}")
    if old_size in (0, len(leaves)):
        return ()
    level, index = b"".join(leaves), old_size - 1
    while index & 1:  # up to the largest perfect subtree that ends where the older tree ended
        level, index = _level_above(level), index >> 1
    # of a perfect older tree this node is its root, which the checker has
    start = () if index == 0 else (level[index * HASH_BYTES : (index + 1) * HASH_BYTES],)
    return (*start, *_siblings(level, index))


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (section 2.1.3.2); None where it has not the right length.

    Args:
        leaf: the leaf's hash.
        index: of the leaf, from 0.
        size: of the tree, in leaves.
        path: from ``inclusion_proof``.
    """
    if not 0 <= index < size:
        return None
    node, fn, sn = leaf, index, size - 1
    for sibling in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while fn and not fn & 1:  # nodes without a right neighbour moved up
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    return node if sn == 0 else None


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows the leaf at ``index`` of the tree with this size and root."""
    return root_of_inclusion(leaf, index, size, path) == root


def is_consistent(
    old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the proof shows the new tree to be the old one, extended (section 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    nodes = list(path) if fn else [old_root, *path]
    if not nodes:
        return False
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == old_root and new == new_root


def _siblings(level: bytes, index: int) -> Iterable[bytes]:
    """The neighbours on the way from a node to the root; ``level`` is the node's, hashes end to end."""
    while len(level) > HASH_BYTES:
        start = (index ^ 1) * HASH_BYTES
        if start < len(level):
            yield level[start : start + HASH_BYTES]
        level, index = _level_above(level), index >> 1


def _level_above(level: bytes) -> bytes:
    """The next level, hashes end to end: packed so that a million leaves are 32 MB."""
    width = 2 * HASH_BYTES
    whole = len(level) - len(level) % width
    pairs = [sha256(b"\1" + level[at : at + width]).digest() for at in range(0, whole, width)]
    return b"".join(pairs) + level[whole:]
