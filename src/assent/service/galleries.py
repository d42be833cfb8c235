"""Galleries in memory, derived from the records and never ahead of or behind them.

A collection's epoch rises in every transaction that changes who may be found in it, and the records say at which epoch
each person changed last. A search reads the epoch in its own transaction; where the gallery in memory is of an earlier
one, those who changed since, in this process or another, are taken out and put in as the records have them now.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assent.calibration.profile import ReferenceKind
from assent.errors import IndexUnavailable, SnapshotUnusable
from assent.gallery import Index, Rows
from assent.gallery.index import encoded_keys
from assent.gallery.segments import concatenated
from assent.service.indexes import Indexes
from assent.service.policy import LiveGallery
from assent.service.saved_galleries import SavedGalleries, SavedPart
from assent.store.records import Records
from assent.store.snapshots import PARTS, SnapshotRecord
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord, GalleryRows
from assent.types import Bool, Float32, Float64

Among = Literal["people", "users"]
"""Whom a search compares with: everybody enrolled, by all their photos, or users, by their associated ones."""

MAX_GALLERIES = 16
"""Collections held in memory at once; the one used longest ago is dropped first."""

_PUT_IN_AT_ONCE = 2**20
_FEW_CHANGES = 1000
"""People that are followed at once; where more than this and half of the gallery changed, it is read anew."""


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
    """

    epoch: int
    indexes: dict[ReferenceKind, Index]
    entries: dict[str, GalleryEntry]

    @property
    def is_lost(self) -> bool:
        """Whether an index's server has it no more; then it is read anew."""
        return any(index.is_lost for index in self.indexes.values())

    def live(self, now_s: float) -> LiveGallery:
        """How many people of which kinds may be returned at that moment."""
        counts = {kind: index.num_live(now_s) for kind, index in self.indexes.items()}
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


class _Place:
    """Where one collection's gallery is kept, and who waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.gallery: LoadedGallery | None = None


class Galleries:
    """The galleries of the collections that were searched lately; safe for several threads.

    Args:
        indexes: makes what galleries are put into; FAISS or exact search, in memory, when None.
        saved: where large galleries are saved, to start fast; None saves none.
    """

    def __init__(self, indexes: Indexes | None = None, saved: SavedGalleries | None = None) -> None:
        self._lock = threading.Lock()
        self._indexes, self._saved = indexes if indexes is not None else Indexes(), saved
        self._places: OrderedDict[tuple[str, Among], _Place] = OrderedDict()

    def at(self, tx: Reading, collection: CollectionRecord, among: Among = "people") -> LoadedGallery:
        """The gallery of a collection as the transaction sees it.

        Args:
            tx: the transaction in which the answer is given.
            collection: read in that transaction.
            among: whom to compare with.
        """
        place = self._place(collection.id, among)
        with place.lock:
            held = place.gallery
            # What a transaction changed may yet be undone; an older moment is nobody else's business.
            if tx.has_logged or (held is not None and held.epoch > collection.epoch):
                return self._load(tx, collection, among)
            return self._bring_up_to_date(place, tx, collection, among)

    def prepare(self, tx: Reading, collection: CollectionRecord, among: Among = "people") -> None:
        """Load a gallery, or bring it up to date, before the transaction that writers wait for."""
        place = self._place(collection.id, among)
        with place.lock:
            held = place.gallery
            if held is None or held.is_lost or held.epoch < collection.epoch:
                self._bring_up_to_date(place, tx, collection, among)

    def forget(self) -> None:
        """Drop every template from memory."""
        with self._lock:
            self._places.clear()

    def close(self) -> None:
        """Drop every template from memory, and whatever holds them elsewhere."""
        self._indexes.close()
        self.forget()

    def follow(self, tx: Reading, collection_ids: Iterable[str]) -> None:
        """Take out of memory at once who left these collections; a gallery that cannot follow is dropped whole.

        Args:
            tx: begun after they left.
            collection_ids: which; those that are not in memory, or not in the records, are dropped.
        """
        if self._saved is not None:
            self._saved.clean(tx)
        chosen = set(collection_ids)
        with self._lock:
            held = {key: place for key, place in self._places.items() if key[0] in chosen}
        there = {record.id: record for record in tx.collections()} if held else {}
        for (collection_id, among), place in held.items():
            with place.lock:
                record = there.get(collection_id)
                if record is None:
                    place.gallery = None
                elif place.gallery is not None and place.gallery.epoch < record.epoch:
                    try:
                        self._bring_up_to_date(place, tx, record, among)
                    except IndexUnavailable:
                        place.gallery = None  # who left goes with all others

    def save(self, records: Records) -> int:
        """Save the large ones that are in memory; how many parts were written. Searches and changes go on.

        Raises:
            IndexUnavailable: the disk refuses; what was saved before still is.
        """
        if self._saved is None:
            return 0
        with self._lock:
            held = {key[0]: place for key, place in self._places.items() if key[1] == "people"}
        with records.reading() as tx:
            saved = self._saved
            chosen = [c for c in tx.collections() if c.id in held and saved.is_large(tx, c)]
        num_saved = 0
        for collection in chosen:
            with held[collection.id].lock:
                gallery = held[collection.id].gallery
            if gallery is not None:
                num_saved += saved.save(records, collection, gallery.epoch, gallery.indexes)
        return num_saved

    def _place(self, collection_id: str, among: Among) -> _Place:
        with self._lock:
            place = self._places.setdefault((collection_id, among), _Place())
            self._places.move_to_end((collection_id, among))
            while len(self._places) > MAX_GALLERIES:
                self._places.popitem(last=False)
            return place

    def _bring_up_to_date(
        self, place: _Place, tx: Reading, collection: CollectionRecord, among: Among
    ) -> LoadedGallery:
        """The gallery at the collection's epoch, which is not before the one that is held."""
        # Only a whole gallery is put back: one that fails halfway is read anew next time.
        held, place.gallery = place.gallery, None
        if held is not None and held.is_lost:
            held = None
        if held is not None and held.epoch < collection.epoch:
            changed = tx.changed_people(collection.name, after_epoch=held.epoch)
            if len(changed) > max(_FEW_CHANGES, len(held.entries) // 2):
                held = None
            else:
                try:
                    held = _followed(held, tx, collection, among, changed)
                except IndexUnavailable:
                    # what was done is done again, from the same epoch, when the index's server answers
                    place.gallery = held
                    raise
        place.gallery = held if held is not None else self._load(tx, collection, among)
        return place.gallery

    def _load(self, tx: Reading, collection: CollectionRecord, among: Among) -> LoadedGallery:
        indexes = {kind: self._indexes.make(collection.dim) for kind in ReferenceKind}
        gallery = LoadedGallery(collection.epoch, indexes, {})
        saved = self._saved
        if saved is None or among != "people" or not saved.is_large(tx, collection):
            _add(gallery, _rows(tx, collection, among))
            return gallery
        with suppress(IndexUnavailable):  # what is left is noise
            saved.clean(tx)
        files: dict[str, list[SnapshotRecord]] = {}
        for record in tx.snapshots(collection.name):
            files.setdefault(record.part, []).append(record)
        waiting = _Waiting(gallery)
        for part in PARTS:
            try:
                loaded = saved.load(tx, collection, part, files.get(part, []))
            except SnapshotUnusable:
                waiting.take(tx.gallery_rows(collection.name, part=part))
                continue
            waiting.take_saved(loaded)
            for start in range(0, len(loaded.changed), _FEW_CHANGES):
                some = loaded.changed[start : start + _FEW_CHANGES]
                waiting.take(_rows(tx, collection, among, some))
        waiting.put_in()
        return gallery


class _Waiting:
    """Rows of a gallery that is being loaded, put in some hundred thousand at a time: an index codes many at once."""

    def __init__(self, gallery: LoadedGallery) -> None:
        self._gallery = gallery
        self._rows: dict[ReferenceKind, list[Rows]] = {}
        self._num_rows = 0

    def take(self, rows: GalleryRows) -> None:
        """Rows of the records."""
        self._take(_by_kind(rows), (_entry(rows, number) for number in range(len(rows))))

    def take_saved(self, part: SavedPart) -> None:
        """Rows of files."""
        self._take(part.rows, ((e.person_id, GalleryEntry(e.ref, e.num_templates)) for e in part.entries))

    def put_in(self) -> None:
        """All that wait."""
        for kind, parts in self._rows.items():
            together = concatenated(parts, self._gallery.indexes[kind].dim)
            self._gallery.indexes[kind].add(together.keys, together.templates, expires_s=together.expires_s)
        self._rows, self._num_rows = {}, 0

    def _take(self, by_kind: dict[ReferenceKind, Rows], entries: Iterable[tuple[str, GalleryEntry]]) -> None:
        self._gallery.entries.update(entries)
        for kind, rows in by_kind.items():
            if len(rows.keys):
                self._rows.setdefault(kind, []).append(rows)
                self._num_rows += len(rows.keys)
        if self._num_rows >= _PUT_IN_AT_ONCE:
            self.put_in()


def _entry(rows: GalleryRows, number: int) -> tuple[str, GalleryEntry]:
    return rows.person_ids[number], GalleryEntry(rows.person_refs[number], int(rows.num_templates[number]))


def _by_kind(rows: GalleryRows) -> dict[ReferenceKind, Rows]:
    keys = encoded_keys(rows.person_ids)
    is_mean: Bool = np.asarray(rows.num_templates) > 1
    return {
        kind: Rows(keys[of_kind], rows.vectors[of_kind], rows.consent_expires_at_s[of_kind])
        for kind, of_kind in ((ReferenceKind.SINGLE, ~is_mean), (ReferenceKind.MEAN, is_mean))
    }


def _followed(
    held: LoadedGallery, tx: Reading, collection: CollectionRecord, among: Among, changed: Sequence[str]
) -> LoadedGallery:
    """The gallery after what happened to these people: each is taken out, and put in as the records have them now."""
    for start in range(0, len(changed), _FEW_CHANGES):
        some = changed[start : start + _FEW_CHANGES]
        for index in held.indexes.values():
            gone = [person_id for person_id in some if person_id in index]
            if gone:
                index.remove(gone)
        for person_id in some:
            held.entries.pop(person_id, None)
        _add(held, _rows(tx, collection, among, some))
    return dataclasses.replace(held, epoch=collection.epoch)


def _add(gallery: LoadedGallery, rows: GalleryRows) -> None:
    waiting = _Waiting(gallery)
    waiting.take(rows)
    waiting.put_in()


def _rows(
    tx: Reading, collection: CollectionRecord, among: Among, person_ids: Sequence[str] | None = None
) -> GalleryRows:
    if among == "people":
        return tx.gallery_rows(collection.name, kind="user", person_ids=person_ids)
    return _means(tx.gallery_rows(collection.name, kind="associated", person_ids=person_ids))


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
