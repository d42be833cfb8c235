"""Exact search in a few readable lines of NumPy; every other index is tested against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assent.errors import UsageError
from assent.gallery.index import Hit, checked_templates
from assent.types import Float32, Float64


class ExactIndex:
    """All templates in one matrix, every one compared (see ``assent.gallery.index.Index``).

    Rows are kept in the order of their keys, which makes equal scores come out in that order.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise UsageError(f"dim must be at least 1, got {dim}")
        self._dim = dim
        self._keys: np.ndarray[tuple[int], np.dtype[np.str_]] = np.zeros(0, "U1")
        self._templates: Float32 = np.zeros((0, dim), np.float32)
        self._expires_s: Float64 = np.zeros(0, np.float64)

    @property
    def dim(self) -> int:
        """Length of a template."""
        return self._dim

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        at = int(np.searchsorted(self._keys, key))
        return at < len(self._keys) and bool(self._keys[at] == key)

    def add(self, keys: Sequence[str], templates: Float32, *, expires_s: Float64) -> None:
        """Add templates (see ``Index.add``)."""
        array = checked_templates(templates, dim=self._dim, what="templates")
        expires = np.asarray(expires_s, np.float64)
        if len(keys) != len(array) or expires.shape != (len(array),):
            raise UsageError(
                f"keys, templates and expires_s must have one length, got {len(keys)}, {len(array)}, {expires.shape}"
            )
        if np.isnan(expires).any():
            raise UsageError("expires_s must be seconds since the epoch or infinity, got NaN")
        merged = np.concatenate([self._keys, np.asarray(keys, np.str_)]) if keys else self._keys
        order = np.argsort(merged, kind="stable")
        ordered = merged[order]
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            raise UsageError(f"each key may be held once, {str(repeated[0])!r} came again; remove it first")
        self._templates = np.concatenate([self._templates, array])[order]
        self._expires_s = np.concatenate([self._expires_s, expires])[order]
        self._keys = ordered

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates (see ``Index.remove``)."""
        gone = np.isin(self._keys, np.asarray(list(keys), np.str_))
        if gone.sum() != len(set(keys)):
            missing = sorted(set(keys) - set(self._keys.tolist()))
            raise UsageError(
                f"{len(missing)} keys are not held, the first is {missing[0]!r}; nothing was removed"
            )
        self._keys, self._expires_s = self._keys[~gone], self._expires_s[~gone]
        self._templates = self._templates[~gone]

    def search(self, probes: Float32, *, limit: int, min_score: float, now_s: float) -> list[tuple[Hit, ...]]:
        """Compare every probe with every template (see ``Index.search``)."""
        array = checked_templates(probes, dim=self._dim, what="probes")
        if limit < 1:
            raise UsageError(f"limit must be at least 1, got {limit}")
        live = self._expires_s > now_s
        return [self._best(probe, live, limit, min_score) for probe in array]

    def _best(
        self, probe: Float32, live: np.ndarray[tuple[int], np.dtype[np.bool_]], limit: int, min_score: float
    ) -> tuple[Hit, ...]:
        scores = self._templates @ probe
        allowed = np.flatnonzero(live & (scores >= min_score))
        best = allowed[np.argsort(-scores[allowed], kind="stable")][:limit]
        return tuple(Hit(str(self._keys[i]), float(scores[i])) for i in best)
