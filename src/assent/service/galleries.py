"""Galleries in memory, derived from the records and never ahead of or behind them.

A collection's epoch rises in every transaction that changes who may be found in it. A search reads the epoch in its
own transaction and uses the gallery in memory only when it was made from that very epoch.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assent.calibration.profile import ReferenceKind
from assent.gallery import ExactIndex, Index
from assent.service.policy import LiveGallery
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord, GalleryRows
from assent.types import Bool, Float32, Float64

Among = Literal["people", "users"]
"""Whom a search compares with: everybody enrolled, by all their photos, or users, by their associated ones."""

MAX_GALLERIES = 16
"""Collections held in memory at once; the one used longest ago is dropped first."""


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """Who a user vector belongs to."""

    person_ref: str
    num_templates: int


@dataclass(frozen=True, slots=True, eq=False)
class LoadedGallery:
    """The user vectors of one collection at one epoch, by kind of reference.

    Attributes:
        epoch: of the collection when they were read.
        indexes: the templates, under people's ids.
        entries: whose they are, under the same ids.
        expires_s: by kind, (N,) float64, when each consent ends, seconds since the epoch of Unix.
    """

    epoch: int
    indexes: dict[ReferenceKind, Index]
    entries: dict[str, GalleryEntry]
    expires_s: dict[ReferenceKind, Float64]

    def live(self, now_s: float) -> LiveGallery:
        """How many people of which kinds may be returned at that moment."""
        counts = {kind: int(np.count_nonzero(ends > now_s)) for kind, ends in self.expires_s.items()}
        return LiveGallery(sum(counts.values()), tuple(kind for kind, count in counts.items() if count))


def kind_of(num_templates: int) -> ReferenceKind:
    """Means score closer than single templates, so each has its own error curve."""
    return ReferenceKind.MEAN if num_templates > 1 else ReferenceKind.SINGLE


def score_against_mean(vectors: Float32, template: Float32) -> float:
    """Cosine similarity of a template with the mean of a person's.

    Args:
        vectors: (N, D) float32, unit norm, at least one.
        template: (D,) float32, unit norm.
    """
    mean = vectors.mean(axis=0)
    return float(mean @ template / np.linalg.norm(mean))


class Galleries:
    """The galleries of the collections that were searched lately; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, Among], LoadedGallery] = OrderedDict()

    def at(self, tx: Reading, collection: CollectionRecord, among: Among = "people") -> LoadedGallery:
        """The gallery of a collection as the transaction sees it.

        Args:
            tx: the transaction in which the answer is given.
            collection: read in that transaction.
            among: whom to compare with.
        """
        key = (collection.id, among)
        with self._lock:
            gallery = self._loaded.get(key)
            if gallery is None or gallery.epoch != collection.epoch:
                gallery = _load(collection, _rows(tx, collection, among))
            self._loaded[key] = gallery
            self._loaded.move_to_end(key)
            while len(self._loaded) > MAX_GALLERIES:
                self._loaded.popitem(last=False)
            return gallery

    def forget(self, collection_ids: Iterable[str] | None = None) -> None:
        """Drop the templates of some collections from memory; of all by default."""
        with self._lock:
            chosen = None if collection_ids is None else set(collection_ids)
            for key in [key for key in self._loaded if chosen is None or key[0] in chosen]:
                del self._loaded[key]


def _rows(tx: Reading, collection: CollectionRecord, among: Among) -> GalleryRows:
    if among == "people":
        return tx.gallery_rows(collection.name, kind="user")
    return _means(tx.gallery_rows(collection.name, kind="associated"))


def _means(rows: GalleryRows) -> GalleryRows:
    """One row a person: the mean of their rows, which stand together, for as long as the first of them may stand."""
    person_ids = np.array(rows.person_ids, dtype=object)
    starts = np.flatnonzero(np.r_[True, person_ids[1:] != person_ids[:-1]]) if len(rows) else np.zeros(0, int)
    counts = np.diff(np.r_[starts, len(rows)])
    vectors = np.zeros((0, rows.vectors.shape[1]), np.float32)
    expires_s: Float64 = np.zeros(0)
    if len(rows):
        sums = np.add.reduceat(rows.vectors.astype(np.float64), starts, axis=0)
        vectors = np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)
        expires_s = np.minimum.reduceat(rows.consent_expires_at_s, starts)
    return dataclasses.replace(
        rows,
        vectors=vectors,
        person_ids=tuple(rows.person_ids[i] for i in starts),
        person_refs=tuple(rows.person_refs[i] for i in starts),
        template_ids=(),
        consent_expires_at_s=expires_s,
        num_templates=np.asarray(counts, np.int64),
    )


def _load(collection: CollectionRecord, rows: GalleryRows) -> LoadedGallery:
    columns = (rows.person_ids, rows.person_refs, rows.num_templates)
    entries = {person_id: GalleryEntry(ref, int(num)) for person_id, ref, num in zip(*columns, strict=True)}
    is_mean: Bool = np.asarray(rows.num_templates) > 1
    chosen = {ReferenceKind.SINGLE: ~is_mean, ReferenceKind.MEAN: is_mean}
    return LoadedGallery(
        epoch=collection.epoch,
        indexes={kind: _index(rows, of_kind, collection.dim) for kind, of_kind in chosen.items()},
        entries=entries,
        expires_s={kind: rows.consent_expires_at_s[of_kind] for kind, of_kind in chosen.items()},
    )


def _index(rows: GalleryRows, chosen: Bool, dim: int) -> Index:
    index = ExactIndex(dim)
    at = np.flatnonzero(chosen)
    index.add([rows.person_ids[i] for i in at], rows.vectors[at], expires_s=rows.consent_expires_at_s[at])
    return index
