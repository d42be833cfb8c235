"""What every index of templates does, whatever it is made of.

An index is derived: the records are the truth. It holds unit-norm templates under the caller's keys, each with
the moment its consent ends, and answers with the most similar ones *that may be returned at that moment*: the
filter is part of the search, so that k results are k allowed results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from assent.errors import UsageError
from assent.gallery.snapshot import Saved, Seal
from assent.types import Float32, Float64

Keys = npt.NDArray[np.bytes_]
"""Keys as UTF-8 in a fixed width: a tenth of the memory of Python's strings, and in the same order."""

SCORE_ERROR = 2e-6
"""More than a float32 dot product of unit vectors of at most 4096 dimensions is off by."""
_NUMBERS_AT_ONCE: Final = 2**17
"""So few that BLAS multiplies them in the thread that asks. With more it wakes its own threads, and waits for these for
tens of milliseconds where the machine has other work to do."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One template of the gallery that answers a probe.

    Attributes:
        key: the caller's key of the template.
        score: cosine similarity, -1 to 1; higher is more alike.
    """

    key: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some of an index's templates.

    Attributes:
        keys: (N,) their keys.
        templates: (N, dim) float32, unit norm.
        expires_s: (N,) float64, when each consent ends, seconds since the epoch; infinity for never.
    """

    keys: Keys
    templates: Float32
    expires_s: Float64


class Index(Protocol):
    """Templates under keys, searched by cosine similarity. Several threads may use one at once."""

    @property
    def dim(self) -> int:
        """Length of a template."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether what holds the templates is gone, so that only a new index helps; never in this process's memory."""
        ...

    def __len__(self) -> int:
        """How many templates are held, whether or not their consent is live."""
        ...

    def __contains__(self, key: str) -> bool:
        """Whether a template is held under ``key``."""
        ...

    def num_live(self, now_s: float) -> int:
        """How many templates may be returned at that moment, seconds since the epoch."""
        ...

    def add(self, keys: Sequence[str] | Keys, templates: Float32, *, expires_s: Float64) -> None:
        """Add templates; the next search sees them.

        Args:
            keys: N keys, none of them held yet.
            templates: (N, dim) float32, unit norm.
            expires_s: (N,) float64, when each consent ends, seconds since the epoch; infinity for never.

        Raises:
            UsageError: a shape, a norm, or a key is wrong; nothing was added.
            NotEnoughMemory: they would not fit, said before anything is added.
            IndexUnavailable: the disk or the server that holds them refuses; nothing was added.
        """
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates; the next search does not see them.

        Raises:
            UsageError: a key is not held; nothing was removed.
            IndexUnavailable: the server that holds them refuses.
        """
        ...

    def search(self, probes: Float32, *, limit: int, min_score: float, now_s: float) -> list[tuple[Hit, ...]]:
        """The most similar templates of each probe, best first; equal scores in the order of their keys.

        Args:
            probes: (Q, dim) float32, unit norm.
            limit: how many hits a probe may have at most, at least 1.
            min_score: a hit's score is at least this (score >= threshold is a match).
            now_s: seconds since the epoch; a template whose consent ended by then is not a hit.

        Returns:
            One tuple of at most ``limit`` hits for each probe.

        Raises:
            UsageError: a shape, a norm, or ``limit`` is wrong.
            IndexUnavailable: the server that holds the templates does not answer.
        """
        ...

    def batches(self, prefix: str = "") -> Iterator[Rows]:
        """What is held under keys that begin so, some thousands at a time, of the rows there at the first batch."""
        ...

    def save(self, path: Path, seal: Seal, *, prefix: str = "") -> Saved:
        """Write what is held to a file, encrypted; the file is there whole, or not at all.

        Args:
            path: of the file; replaced if it is there.
            seal: the key, and what the file says it is of.
            prefix: only templates whose keys begin so.

        Raises:
            IndexUnavailable: the disk refuses; what was there before is still there.
        """
        ...

    def load(self, path: Path, seal: Seal, saved: Saved) -> None:
        """Add what a file holds, having checked all of it.

        Args:
            path: of the file.
            seal: the key, and what the file must be of.
            saved: what ``save`` returned.

        Raises:
            SnapshotUnusable: truncated, altered, or of another index; nothing was added.
            UsageError: a key in it is held already; nothing was added.
        """
        ...

    def verify(self) -> None:
        """Compare the parts of the index with each other.

        Raises:
            IndexUnavailable: they disagree; make the index anew from the records.
        """
        ...

    def close(self) -> None:
        """Give back what is held outside of this process's memory; the index is not used again."""
        ...


def checked_templates(templates: Float32, *, dim: int, what: str) -> Float32:
    """``templates`` as contiguous float32 if they are (N, dim), finite and of unit norm.

    Args:
        templates: what came.
        dim: the length a template must have.
        what: how the error calls them: "templates", "probes".

    Raises:
        UsageError: says the shape or norm expected, and what came.
    """
    array = np.ascontiguousarray(templates, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != dim:
        raise UsageError(
            f"{what} must be (N, {dim}) float32, got {np.shape(templates)}; were they made with another model?"
        )
    norms = np.linalg.norm(array, axis=1)
    # NaN fails every comparison, so "not close" also catches NaN and infinity.
    if not np.all(np.abs(norms - 1.0) <= 1e-3):
        worst = norms[np.argmax(np.where(np.isfinite(norms), np.abs(norms - 1.0), np.inf))]
        raise UsageError(
            f"{what} must have unit norm and be finite, got a norm of {worst}; divide by the norm"
        )
    return array


def checked_rows(keys: Sequence[str] | Keys, templates: Float32, expires_s: Float64, *, dim: int) -> Rows:
    """What came to be added, in the form in which it is kept.

    Raises:
        UsageError: shapes, norms or lengths are wrong, or a key comes twice.
    """
    array = checked_templates(templates, dim=dim, what="templates")
    expires = np.asarray(expires_s, np.float64)
    if len(keys) != len(array) or expires.shape != (len(array),):
        raise UsageError(
            f"keys, templates and expires_s must have one length, got {len(keys)}, {len(array)}, {expires.shape}"
        )
    if np.isnan(expires).any():
        raise UsageError("expires_s must be seconds since the epoch or infinity, got NaN")
    encoded = keys if isinstance(keys, np.ndarray) else encoded_keys(keys)
    ordered = np.sort(encoded)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        raise held_twice(repeated[0].decode())
    return Rows(encoded, array, expires)


def encoded_keys(keys: Sequence[str]) -> Keys:
    """Keys as UTF-8. Raises ``UsageError``: one ends in a zero character, which a fixed width cannot tell."""
    encoded = np.array([key.encode() for key in keys], np.bytes_) if len(keys) else np.zeros(0, "S1")
    if any(key.endswith("\0") or not key for key in keys):
        raise UsageError("a key must have at least one character and not end in a zero one, got another")
    return encoded


def begin_with(keys: Keys, prefix: str) -> slice:
    """Where the keys that begin so are among keys in order."""
    if not prefix:
        return slice(0, len(keys))
    wanted = prefix.encode()
    # no UTF-8 has the byte 0xff, so whatever begins so sorts before this
    ends = np.array([wanted, wanted + b"\xff" * max(1, keys.dtype.itemsize)], np.bytes_)
    start, stop = np.searchsorted(keys, ends)
    return slice(int(start), int(stop))


def held_twice(key: str) -> UsageError:
    """The error for a key that is held or came already."""
    return UsageError(f"each key may be held once, {key!r} came again; remove it first")


def not_held(missing: Sequence[str]) -> UsageError:
    """The error for keys that are to go and are not there."""
    return UsageError(f"{len(missing)} keys are not held, the first is {missing[0]!r}; nothing was removed")


def check_limit(limit: int) -> None:
    """Raises ``UsageError`` where there is nothing to return."""
    if limit < 1:
        raise UsageError(f"limit must be at least 1, got {limit}")


def rows_at_once(dim: int) -> int:
    """How many rows of so many dimensions are multiplied with one probe at once, by the thread that asks."""
    return max(1, _NUMBERS_AT_ONCE // dim)


def compared(templates: Float32, probe: Float32) -> Float32:
    """(N,) float32: the scores of (N, dim) templates, to within ``SCORE_ERROR``, by the thread that asks alone."""
    scores, at_once = np.empty(len(templates), np.float32), rows_at_once(len(probe))
    for start in range(0, len(templates), at_once):
        part = slice(start, min(start + at_once, len(templates)))
        np.matmul(templates[part], probe, out=scores[part])
    return scores


def ranked(
    keys: Keys, templates: Float32, probe: Float32, *, limit: int, min_score: float
) -> tuple[Hit, ...]:
    """The hits among a few templates that are candidates and may be returned.

    Every index scores its candidates here, in float64 and rounded once, so that all give the same scores, the same
    order, and the same answer at the threshold.

    Args:
        keys: (C,) keys of the candidates.
        templates: (C, dim) float32, theirs.
        probe: (dim,) float32.
        limit: at most so many.
        min_score: a hit's score is at least this.
    """
    scores = np.einsum("cd,d->c", templates, probe, dtype=np.float64).astype(np.float32)
    enough = np.flatnonzero(scores.astype(np.float64) >= min_score)
    order = enough[np.lexsort((keys[enough], -scores[enough]))][:limit]
    return tuple(Hit(keys[i].decode(), float(scores[i])) for i in order)
