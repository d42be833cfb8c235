"""A gallery that is searched by Milvus, which may be a cluster of many machines.

What Milvus has is a row for each template: a number without a meaning, when the consent ends, and the template turned
by a secret matrix, which changes no score. Whose row it is, and the template as it is, stay here, and so does the
matrix, in this process's memory only: what Milvus has on its disks, or keeps of what was deleted, is no template
without it. Milvus says which rows may be nearest; their scores, ties and ends are found here, as in every index, so
that whoever was removed is no hit whatever Milvus answers (docs/decisions/0009-index.md).
"""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import get_args

import numpy as np

from assent.errors import IndexUnavailable, NotEnoughMemory, UsageError
from assent.gallery.faiss_index import OPEN_ROWS, available_bytes
from assent.gallery.index import (
    SCORE_ERROR,
    Hit,
    Keys,
    Rows,
    check_limit,
    checked_rows,
    checked_templates,
    encoded_keys,
    ranked,
)
from assent.gallery.kept import KeptSegment
from assent.gallery.milvus_connection import Gone
from assent.gallery.milvus_ending import close_at_exit, drop_all, drop_soon, in_use, tidy_later
from assent.gallery.milvus_rows import Segment, State, live_rows, numbers_of
from assent.gallery.milvus_server import MAX_CANDIDATES, Collection, Kind, MilvusServer
from assent.gallery.open_segment import OpenSegment
from assent.gallery.saving import load_rows, save_rows
from assent.gallery.segments import are_held, batches_of, concatenated, held_open, require_new, rows_in
from assent.gallery.snapshot import Saved, Seal
from assent.types import Float32, Float64, Int64

MAX_LIMIT = MAX_CANDIDATES // 2
RENEW_ROWS = 65_536
"""Smaller galleries are put into a collection of their own anew, turned anew, after somebody left."""
TIDY_AFTER_S = 30.0
_MAX_ROWS = 2**20
_SPARE = 16
_APPROXIMATE_SPARE = 64
_OFF_BY: dict[Kind, float] = dict.fromkeys(get_args(Kind), 2 * SCORE_ERROR) | {"HNSW_SQ": 0.02}
"""More than a score of Milvus is off by: float32 of vectors that were turned in float32, or eight bits an axis."""
_CHECKED_ROWS = 50_000
_WORST_TURN = 1e-5
_PATIENCE = 8
_MANY_ROWS = 1000


class MilvusIndex:
    """See the module and ``assent.gallery.index.Index``.

    Args:
        dim: length of a template.
        server: may be shared by several.
        folder: where templates themselves are kept, in encrypted files without names; None keeps them in memory.
        kind: how Milvus searches; ``FLAT`` compares all and misses nobody.
        open_rows: single additions kept in memory before they are put into a file.
        renew_rows: galleries of at most so many are turned anew after somebody left.
        tidy_after_s: how long after that, seconds.
    """

    def __init__(
        self,
        dim: int,
        *,
        server: MilvusServer,
        folder: Path | None = None,
        kind: Kind = "FLAT",
        open_rows: int = OPEN_ROWS,
        renew_rows: int = RENEW_ROWS,
        tidy_after_s: float = TIDY_AFTER_S,
    ) -> None:
        if dim < 1:
            raise UsageError(f"dim must be at least 1, got {dim}")
        self._dim, self._server, self._folder, self._kind = dim, server, folder, kind
        self._open_rows, self._renew_rows, self._tidy_after_s = open_rows, renew_rows, tidy_after_s
        self._lock = threading.RLock()
        self._state = State(None, (OpenSegment(dim, open_rows),))
        self._owed: list[Int64] = []
        self._is_untidy = False
        self._is_lost = False
        self._over = threading.Event()
        self._tidying: threading.Thread | None = None
        self._collections: list[Collection] = []
        # an index that nobody uses any more leaves nothing in Milvus
        self._leave = weakref.finalize(self, drop_soon, server, self._collections, self._over)
        self._leave.atexit = False
        in_use.add(self)

    @property
    def dim(self) -> int:
        """Length of a template."""
        return self._dim

    @property
    def memory_bytes(self) -> int:
        """What it takes here, about."""
        return sum(segment.memory_bytes for segment in self._state.segments)

    @property
    def is_lost(self) -> bool:
        """Whether its collection was found gone; then only a new index helps."""
        return self._is_lost

    def __len__(self) -> int:
        return sum(map(len, self._state.segments))

    def __contains__(self, key: str) -> bool:
        return bool(key) and bool(are_held(self._state.segments, encoded_keys([key]))[0])

    def num_live(self, now_s: float) -> int:
        """How many may be returned (see ``Index.num_live``); Milvus is not asked."""
        return sum(segment.num_live(now_s) for segment in self._state.segments)

    def add(self, keys: Sequence[str] | Keys, templates: Float32, *, expires_s: Float64) -> None:
        """Add templates (see ``Index.add``)."""
        rows = checked_rows(keys, templates, expires_s, dim=self._dim)
        if not len(rows.keys):
            return
        self._check_memory(rows)
        # in an order of chance: numbers say nothing of the keys
        order = np.random.default_rng(secrets.randbits(128)).permutation(len(rows.keys))
        rows = Rows(rows.keys[order], rows.templates[order], rows.expires_s[order])
        with self._lock:
            self._require_open()
            require_new(self._state.segments, rows.keys)
            with self._saying_what_is_gone():
                self._pay()
                if len(rows.keys) > self._open_rows:
                    self._add_many(rows)
                else:
                    self._add_few(rows)

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates (see ``Index.remove``).

        No search finds them from the beginning of this on, also where it raises; what Milvus has of them is deleted as
        soon as it answers.
        """
        wanted = np.unique(encoded_keys(keys))
        with self._lock:
            self._require_open()
            segments = self._state.segments
            for place, gone in rows_in(segments, wanted):
                segments[place].end(gone)
                self._owed.append(numbers_of(place, gone))
            if len(wanted):
                self._tidy_soon()
            with self._saying_what_is_gone():
                self._pay()

    def search(self, probes: Float32, *, limit: int, min_score: float, now_s: float) -> list[tuple[Hit, ...]]:
        """The most similar templates that may be returned (see ``Index.search``).

        Raises:
            UsageError: ``limit`` is over ``MAX_LIMIT``, too.
        """
        array = checked_templates(probes, dim=self._dim, what="probes")
        check_limit(limit)
        if limit > MAX_LIMIT:
            raise UsageError(f"Milvus gives at most {MAX_LIMIT:,} for one probe, got a limit of {limit:,}")
        while True:
            state = self._state
            self._require_open()
            try:
                answers = self._search(state, array, limit, min_score, now_s)
            except Gone as error:
                if self._state.collection is state.collection:
                    raise self._lost() from error
                continue
            # where it was turned anew meanwhile, the old collection was dropped under this search
            if self._state.collection is state.collection:
                return answers

    def batches(self, prefix: str = "") -> Iterator[Rows]:
        """What is held (see ``Index.batches``); Milvus is not asked."""
        with self._lock:
            segments = self._state.segments
            opened = held_open(segments)
        yield from batches_of(segments, opened, prefix)

    def save(self, path: Path, seal: Seal, *, prefix: str = "") -> Saved:
        """Write what is held to a file (see ``Index.save``)."""
        return save_rows(self, path, seal, prefix=prefix)

    def load(self, path: Path, seal: Seal, saved: Saved) -> None:
        """Add what a file holds (see ``Index.load``)."""
        load_rows(self, path, seal, saved)

    def verify(self) -> None:
        """Whether Milvus has what it was given: all counted, some tens of thousands compared (see ``Index.verify``)."""
        with self._lock, self._saying_what_is_gone():
            self._require_open()
            self._pay()
            collection, segments = self._state.collection, self._state.segments
            if collection is None:
                return
            differs = IndexUnavailable(
                f"Milvus at {self._server.address} has other rows than it was given; "
                "make the index anew from the records"
            )
            if self._server.count(collection) != len(self):
                raise differs
            step = max(1, len(self) // _CHECKED_ROWS)
            for place, segment in enumerate(segments):
                at = segment.held_rows()[::step]
                numbers, vectors = self._server.fetch(collection, numbers_of(place, at))
                found = numbers - numbers_of(place, np.zeros(1, np.int64))[0]
                if not np.array_equal(np.sort(found), at):
                    raise differs
                expected = collection.turned(segment.live(found, -np.inf).templates)
                if not np.allclose(vectors, expected, atol=_WORST_TURN):
                    raise differs

    def close(self) -> None:
        """Drop the collection (see ``Index.close``)."""
        self.leave()

    def leave(self) -> bool:
        """Close; whether Milvus answered, or was not asked."""
        with self._lock:
            if self._leave.detach() is None:
                return True
            self._state = State(None, (OpenSegment(self._dim, 0),))
            return drop_all(self._server, self._collections, self._over)

    def tidy(self) -> None:
        """Have what Milvus still holds of those who left made unreadable, or left out of what it writes.

        A gallery of at most ``renew_rows`` is put into a new collection, turned by a new matrix, and the old collection
        is dropped, the old matrix with it. Of a larger one Milvus is asked to write its segments anew without them.

        Raises:
            IndexUnavailable: Milvus does not answer; what was there still is.
        """
        with self._lock, self._saying_what_is_gone():
            self._pay()
            if not self._is_untidy or not self._leave.alive:
                return
            collection = self._state.collection
            if len(self) <= self._renew_rows:
                self._renew()
            elif collection is not None:
                self._server.compact(collection)
            self._is_untidy = False

    # --- adding

    def _add_few(self, rows: Rows) -> None:
        opened = self._opened()
        if len(rows.keys) > opened.room:
            self._open_another()
            opened = self._opened()
        collection, start = self._state.collection or self._new_collection(), opened.size
        numbers = numbers_of(len(self._state.segments) - 1, np.arange(start, start + len(rows.keys)))
        try:
            self._server.insert(collection, numbers, rows.templates, rows.expires_s)
        except IndexUnavailable:
            opened.skip(len(rows.keys))  # some may be there, and are nobody's
            self._owed.append(numbers)
            raise
        opened.append(rows)
        self._state = State(collection, self._state.segments)
        self._write_out(collection, len(rows.keys))

    def _add_many(self, rows: Rows) -> None:
        """Segments of their own; all or none are there at the end."""
        collection = self._state.collection or self._new_collection()
        first = len(self._state.segments) - 1
        made: list[Segment] = []
        try:
            for start in range(0, len(rows.keys), _MAX_ROWS):
                part = slice(start, start + _MAX_ROWS)
                some = Rows(rows.keys[part], rows.templates[part], rows.expires_s[part])
                made.append(KeptSegment(some, self._folder))
                numbers = numbers_of(first + len(made), np.arange(len(some.keys)))
                self._owed.append(numbers)
                self._server.insert(collection, numbers, some.templates, some.expires_s)
        except IndexUnavailable:
            for segment in made:
                segment.end(segment.held_rows())
            self._publish(collection, made)
            raise
        del self._owed[-len(made) :]
        self._publish(collection, made)
        self._write_out(collection, len(rows.keys))

    def _write_out(self, collection: Collection, count: int) -> None:
        """Have many rows coded for search now; few wait until Milvus does it by itself."""
        if count >= _MANY_ROWS:
            with suppress(IndexUnavailable):  # they are there all the same
                self._server.flush(collection)

    def _publish(self, collection: Collection, made: Sequence[Segment]) -> None:
        """Put segments where their numbers say; a new open one comes last."""
        *others, opened = self._state.segments
        before = opened if len(opened) else OpenSegment(self._dim, 0)
        another = OpenSegment(self._dim, self._open_rows)
        self._state = State(collection, (*others, before, *made, another))

    def _opened(self) -> OpenSegment:
        last = self._state.segments[-1]
        assert isinstance(last, OpenSegment)
        return last

    def _open_another(self) -> None:
        """Put the open segment into a file, under the same numbers."""
        *others, _ = self._state.segments
        opened = self._opened()
        kept = KeptSegment(opened.in_order(), self._folder)
        another = OpenSegment(self._dim, self._open_rows)
        self._state = State(self._state.collection, (*others, kept, another))

    def _new_collection(self) -> Collection:
        collection = self._server.create(self._dim, self._kind)
        close_at_exit()
        self._collections.append(collection)
        self._state = State(collection, self._state.segments)
        return collection

    def _check_memory(self, rows: Rows) -> None:
        count = len(rows.keys)
        needed = count * (rows.keys.dtype.itemsize + 17 + (4 * self._dim if self._folder is None else 0))
        if count > self._open_rows and needed > available_bytes():
            raise NotEnoughMemory(
                f"{count:,} more templates need about {needed / 1e9:.1f} GB of memory here, "
                f"{available_bytes() / 1e9:.1f} GB can be had; use a larger machine",
                needed_bytes=needed,
            )

    # --- searching

    def _search(
        self, state: State, probes: Float32, limit: int, min_score: float, now_s: float
    ) -> list[tuple[Hit, ...]]:
        answers: list[tuple[Hit, ...]] = [()] * len(probes)
        if state.collection is None:
            return answers
        waiting = list(range(len(probes)))
        is_exact = self._kind == "FLAT"
        count = min(limit + (_SPARE if is_exact else _APPROXIMATE_SPARE), MAX_CANDIDATES)
        while waiting:
            found = self._server.search(state.collection, probes[waiting], count=count, now_s=now_s)
            again = []
            for number, (numbers, scores) in zip(waiting, found, strict=True):
                near = live_rows(state, numbers, now_s, self._dim)
                hits = ranked(near.keys, near.templates, probes[number], limit=limit, min_score=min_score)
                answers[number] = hits
                if count < MAX_CANDIDATES and not self._is_whole(
                    state, scores, count, hits, limit, min_score, now_s
                ):
                    again.append(number)
            waiting, count = again, min(_PATIENCE * count, MAX_CANDIDATES)
        return answers

    def _is_whole(
        self,
        state: State,
        scores: Float64,
        count: int,
        hits: Sequence[Hit],
        limit: int,
        min_score: float,
        now_s: float,
    ) -> bool:
        """Whether nobody can be missing whom Milvus did not name."""
        if len(scores) < count:
            # a graph may give fewer than there are
            return self._kind == "FLAT" or len(scores) >= sum(s.num_live(now_s) for s in state.segments)
        best_left_out = float(scores.min()) + _OFF_BY[self._kind]
        return best_left_out < min_score or (len(hits) == limit and best_left_out < hits[-1].score)

    # --- leaving

    def _pay(self) -> None:
        """Delete in Milvus what is gone here."""
        collection = self._state.collection
        if collection is not None and self._owed:
            self._server.delete(collection, np.concatenate(self._owed))
        self._owed.clear()

    def _renew(self) -> None:
        """Put everything into a new collection under a new turn, and drop the old one."""
        rows = concatenated([segment.held() for segment in self._state.segments], self._dim)
        old, opened = self._state.collection, OpenSegment(self._dim, self._open_rows)
        if len(rows.keys):
            order = np.random.default_rng(secrets.randbits(128)).permutation(len(rows.keys))
            rows = Rows(rows.keys[order], rows.templates[order], rows.expires_s[order])
            kept = KeptSegment(rows, self._folder)
            collection = self._server.create(self._dim, self._kind)
            self._collections.append(collection)
            try:
                self._server.insert(
                    collection, numbers_of(0, np.arange(len(order))), rows.templates, rows.expires_s
                )
            except IndexUnavailable:
                self._drop(collection)
                raise
            self._state = State(collection, (kept, opened))
        else:
            self._state = State(None, (opened,))
        self._owed.clear()
        if old is not None:
            self._drop(old)

    def _drop(self, collection: Collection) -> None:
        self._collections.remove(collection)
        self._server.drop(collection)

    def _tidy_soon(self) -> None:
        self._is_untidy = True
        if self._tidying is None:
            self._tidying = threading.Thread(
                target=tidy_later,
                args=(weakref.ref(self), self._over, self._tidy_after_s),
                name="assent-milvus",
                daemon=True,
            )
            self._tidying.start()

    def has_tidied(self) -> bool:
        """Whether there is nothing left for the thread to do."""
        with self._lock:
            if self._is_untidy and self._leave.alive and not self._is_lost:
                return False
            self._tidying = None
            return True

    # --- the end

    def _require_open(self) -> None:
        if not self._leave.alive:
            raise IndexUnavailable("this index was closed with its data folder; open it again")
        if self._is_lost:
            raise self._lost()

    def _lost(self) -> IndexUnavailable:
        self._is_lost = True
        return IndexUnavailable(
            f"Milvus at {self._server.address} has the collection of this index no more; "
            "make the index anew from the records (the next search does)"
        )

    @contextmanager
    def _saying_what_is_gone(self) -> Iterator[None]:
        try:
            yield
        except Gone as error:
            raise self._lost() from error
