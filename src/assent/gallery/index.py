"""What every index of templates does, whatever it is made of.

An index is derived: the records are the truth. It holds unit-norm templates under the caller's keys, each with
the moment its consent ends, and answers with the most similar ones *that may be returned at that moment*: the
filter is part of the search, so that k results are k allowed results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from assent.errors import UsageError
from assent.types import Float32, Float64


@dataclass(frozen=True, slots=True)
class Hit:
    """One template of the gallery that answers a probe.

    Attributes:
        key: the caller's key of the template.
        score: cosine similarity, -1 to 1; higher is more alike.
    """

    key: str
    score: float


class Index(Protocol):
    """Templates under keys, searched by cosine similarity."""

    @property
    def dim(self) -> int:
        """Length of a template."""
        ...

    def __len__(self) -> int:
        """How many templates are held, whether or not their consent is live."""
        ...

    def __contains__(self, key: str) -> bool:
        """Whether a template is held under ``key``."""
        ...

    def add(self, keys: Sequence[str], templates: Float32, *, expires_s: Float64) -> None:
        """Add templates; the next search sees them.

        Args:
            keys: N keys, none of them held yet.
            templates: (N, dim) float32, unit norm.
            expires_s: (N,) float64, when each consent ends, seconds since the epoch; infinity for never.

        Raises:
            UsageError: a shape, a norm, or a key is wrong; nothing was added.
        """
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates; the next search does not see them.

        Raises:
            UsageError: a key is not held; nothing was removed.
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
        """
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
