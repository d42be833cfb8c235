"""A gallery of tens of millions in one machine's memory, with FAISS.

New templates go into an open segment and are compared as they are: a small gallery is nothing else. What is many is
coded (``assent.gallery.segments``); small coded segments are merged into larger ones, in the background. The list of
segments is replaced, never changed, so that a search goes on with the list that it began with.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from assent.errors import IndexUnavailable, NotEnoughMemory, UsageError
from assent.gallery.candidates import Found, Near, Wanted, best_of, likeliest, together
from assent.gallery.coded_segment import CodedSegment
from assent.gallery.index import (
    Hit,
    Keys,
    Rows,
    check_limit,
    checked_rows,
    checked_templates,
    encoded_keys,
    ranked,
)
from assent.gallery.key_filter import fingerprints
from assent.gallery.open_segment import OpenSegment
from assent.gallery.originals import RowCipher
from assent.gallery.saving import load_rows, save_rows
from assent.gallery.segments import (
    Segment,
    are_held,
    batches_of,
    concatenated,
    held_open,
    read_rows,
    require_new,
    rows_in,
)
from assent.gallery.short_codes import QUICK, THOROUGH
from assent.gallery.snapshot import Saved, Seal
from assent.types import Float32, Float64, Int64

OPEN_ROWS = 32_768
"""Templates compared as they are before they are coded."""
MAX_ROWS = 2**20
"""Templates of one coded segment."""
MERGED_AT_ONCE = 8
_WORTH_A_THREAD = 2_000_000
"""Bytes read in about the time that handing work to another thread may take."""
_IDLE_AT_MOST = 1.25
"""How much longer than all of them together the one with the most to do may have; more shares are more to do."""
_GONE_SHARE = 0.3
_MANY_ROWS = 4 * MAX_ROWS

Progress = Callable[[int, int], None]
"""Called with how many templates are in, of how many."""


def memory_needed(num_templates: int, dim: int, *, key_chars: int = 36, in_memory: bool = False) -> int:
    """About how many bytes so many templates take while they are added.

    Args:
        num_templates: how many.
        dim: length of a template.
        key_chars: of the longest key, bytes.
        in_memory: whether the templates themselves are in memory, too.
    """
    # short codes with row and cell, eight bits an axis, the key, its filter, end of consent and whether it is held
    kept = num_templates * (dim // 4 + 10 + dim + key_chars + 4 + 9 + (4 * dim if in_memory else 0))
    coding = min(num_templates, MAX_ROWS) * dim * 12
    return kept + coding


def available_bytes() -> int:
    """Memory that can be had without swapping, as the operating system reckons it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        [kib] = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
        return int(kib) * 1024
    except (OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class FaissIndex:
    """See the module and ``assent.gallery.index.Index``.

    Args:
        dim: length of a template.
        folder: where templates themselves are kept, in encrypted files without names; None keeps them in memory.
        threads: of one search; 0 takes the machine's cores.
        open_rows: templates compared as they are before they are coded.
        max_rows: templates of one coded segment.
        memory: gives the bytes that can be had.
        on_progress: told of bulk additions.
    """

    def __init__(
        self,
        dim: int,
        *,
        folder: Path | None = None,
        threads: int = 0,
        open_rows: int = OPEN_ROWS,
        max_rows: int = MAX_ROWS,
        memory: Callable[[], int] = available_bytes,
        on_progress: Progress | None = None,
    ) -> None:
        if dim < 1:
            raise UsageError(f"dim must be at least 1, got {dim}")
        self._dim, self._folder = dim, folder
        self._cipher = RowCipher()
        self._open_rows, self._max_rows = open_rows, max_rows
        self._memory, self._on_progress = memory, on_progress
        self._lock = threading.RLock()
        self._merging: threading.Thread | None = None
        self._may_merge = False
        self._trouble: IndexUnavailable | None = None
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="assent-index")
        self._open = OpenSegment(dim, open_rows)
        self._segments: tuple[Segment, ...] = (self._open,)

    @property
    def dim(self) -> int:
        """Length of a template."""
        return self._dim

    @property
    def memory_bytes(self) -> int:
        """What it takes, about."""
        return sum(segment.memory_bytes for segment in self._segments)

    @property
    def is_lost(self) -> bool:
        """Never: it is in this process's memory and files (see ``Index.is_lost``)."""
        return False

    def __len__(self) -> int:
        return sum(map(len, self._segments))

    def __contains__(self, key: str) -> bool:
        return bool(key) and bool(are_held(self._segments, encoded_keys([key]))[0])

    def num_live(self, now_s: float) -> int:
        """How many may be returned (see ``Index.num_live``)."""
        return sum(segment.num_live(now_s) for segment in self._segments)

    def add(self, keys: Sequence[str] | Keys, templates: Float32, *, expires_s: Float64) -> None:
        """Add templates (see ``Index.add``)."""
        rows = checked_rows(keys, templates, expires_s, dim=self._dim)
        self._check_memory(rows)
        with self._lock:
            require_new(self._segments, rows.keys)
            if len(rows.keys) > self._open_rows:
                self._add_coded(rows)
                return
            if len(rows.keys) > self._open.room:
                # the full one is compared as it is until it is coded, which nobody waits for
                self._open = OpenSegment(self._dim, self._open_rows)
                self._segments = (*self._segments, self._open)
                self._may_merge = True
            self._open.append(rows)
            self._merge_in_background()

    def remove(self, keys: Sequence[str]) -> None:
        """Drop templates (see ``Index.remove``)."""
        wanted = np.unique(encoded_keys(keys))
        with self._lock:
            for place, gone in rows_in(self._segments, wanted):
                segment = self._segments[place]
                segment.end(gone)
                self._may_merge |= _is_mostly_gone(segment)

    def search(self, probes: Float32, *, limit: int, min_score: float, now_s: float) -> list[tuple[Hit, ...]]:
        """The most similar templates that may be returned (see ``Index.search``)."""
        array = checked_templates(probes, dim=self._dim, what="probes")
        check_limit(limit)
        if not len(array):
            return []
        segments = [segment for segment in self._segments if segment.num_rows]
        effort = THOROUGH if sum(segment.num_rows for segment in segments) <= _MANY_ROWS else QUICK
        wanted = Wanted(limit, min_score, now_s, effort)
        near = self._near(segments, array, wanted)
        found = []
        for number, probe in enumerate(array):
            parts = [together([share[number] for share in shares]) for shares in near.values()]
            best = _best(list(near), parts, probe, wanted)
            if best is None:  # somebody in whose favour others were passed over has left meanwhile
                [best] = self.search(probe[None], limit=limit, min_score=min_score, now_s=now_s)
            found.append(best)
        return found

    def batches(self, prefix: str = "") -> Iterator[Rows]:
        """What is held (see ``Index.batches``)."""
        with self._lock:
            segments = self._segments
            opened = held_open(segments)
        yield from batches_of(segments, opened, prefix)

    def save(self, path: Path, seal: Seal, *, prefix: str = "") -> Saved:
        """Write what is held to a file (see ``Index.save``)."""
        return save_rows(self, path, seal, prefix=prefix)

    def load(self, path: Path, seal: Seal, saved: Saved) -> None:
        """Add what a file holds (see ``Index.load``)."""
        load_rows(self, path, seal, saved)

    def close(self) -> None:
        """Nothing is held that does not go with it: its files have no names (see ``Index.close``)."""

    def verify(self) -> None:
        """Whether codes and templates agree (see ``Index.verify``)."""
        if self._trouble is not None:
            raise self._trouble
        for segment in self._segments:
            if isinstance(segment, CodedSegment):
                segment.check()

    def settle(self) -> None:
        """Wait until nothing is being merged."""
        merging = self._merging
        if merging is not None:
            merging.join()

    def _near(
        self, segments: Sequence[Segment], probes: Float32, wanted: Wanted
    ) -> dict[Segment, list[list[Near]]]:
        """What may be a hit in each segment: of each of its shares, for each probe."""
        num_threads, num_shares = _threads_for([segment.bytes_read for segment in segments], self._threads)
        # each thread takes the next one, the largest first: whichever is held up by others has fewer to do
        waiting = deque(
            (segment, share)
            for segment in sorted(segments, key=lambda segment: -segment.bytes_read)
            for share in segment.shares(num_shares, wanted)
        )
        num_helpers = min(num_threads, len(waiting)) - 1

        def ask() -> list[tuple[Segment, list[Near]]]:
            answers: list[tuple[Segment, list[Near]]] = []
            while True:
                try:
                    segment, share = waiting.popleft()
                except IndexError:
                    return answers
                answers.append((segment, segment.near(probes, wanted, share)))

        helping = [self._pool.submit(ask) for _ in range(num_helpers)]
        answers = ask()
        for helper in helping:
            if not helper.cancel():  # one that has not begun yet has nothing left to do
                answers += helper.result()
        by_segment: dict[Segment, list[list[Near]]] = {}
        for segment, near in answers:
            by_segment.setdefault(segment, []).append(near)
        return by_segment

    def _check_memory(self, rows: Rows) -> None:
        needed = memory_needed(
            len(rows.keys), self._dim, key_chars=rows.keys.dtype.itemsize, in_memory=self._folder is None
        )
        if len(rows.keys) > self._open_rows and needed > self._memory():
            raise NotEnoughMemory(
                f"{len(rows.keys):,} more templates need about {needed / 1e9:.1f} GB of memory, "
                f"{self._memory() / 1e9:.1f} GB can be had; use a larger machine, or several with Milvus",
                needed_bytes=needed,
            )

    def _add_coded(self, rows: Rows) -> None:
        """Code what is in the open segment together with ``rows``; searches go on with the old list meanwhile."""
        rows = concatenated([self._open.held(), rows], self._dim)
        made = self._coded(rows, self._on_progress)
        coded = [segment for segment in self._segments if segment is not self._open]
        self._open = OpenSegment(self._dim, self._open_rows)
        self._segments, self._may_merge = (*coded, *made, self._open), True
        self._merge_in_background()

    def _coded(self, rows: Rows, on_progress: Progress | None = None) -> list[CodedSegment]:
        """As many as there is need of."""
        total, made = len(rows.keys), []
        for start in range(0, total, self._max_rows):
            part = slice(start, start + self._max_rows)
            some = Rows(rows.keys[part], rows.templates[part], rows.expires_s[part])
            made.append(CodedSegment(some, self._folder, self._cipher))
            if on_progress is not None:
                on_progress(min(part.stop, total), total)
        return made

    def _merge_in_background(self) -> None:
        """Start what is to be done, if it is not being done; looked for only where there may be any."""
        if not self._may_merge or (self._merging is not None and self._merging.is_alive()):
            return
        if not self._mergeable():
            self._may_merge = False
            return
        self._merging = threading.Thread(target=self._merge, name="assent-merge", daemon=True)
        self._merging.start()

    def _mergeable(self) -> Sequence[Segment]:
        """Full open segments; or small coded ones of one size, or one that is mostly gone."""
        with self._lock:
            segments, opened = self._segments, self._open
        full = [segment for segment in segments if isinstance(segment, OpenSegment)]
        if len(full) > 1:
            return [segment for segment in full if segment is not opened]
        coded = [segment for segment in segments if isinstance(segment, CodedSegment)]
        by_size: dict[int, list[CodedSegment]] = {}
        for segment in coded:
            if _is_mostly_gone(segment):
                return [segment]
            if segment.num_rows * 2 <= self._max_rows:
                by_size.setdefault(int(np.log2(segment.num_rows) / 3), []).append(segment)
        for small in by_size.values():
            if len(small) >= MERGED_AT_ONCE:
                return small[:MERGED_AT_ONCE]
        return []

    def _merge(self) -> None:
        try:
            while chosen := self._mergeable():
                self._replace(chosen)
            self._trouble = None
        except IndexUnavailable as error:
            self._trouble = error  # searches go on as they are; the next addition tries again

    def _replace(self, chosen: Sequence[Segment]) -> None:
        with self._lock:
            opened = {id(s): s.held() for s in chosen if isinstance(s, OpenSegment)}
        rows = concatenated(
            [opened[id(s)] if isinstance(s, OpenSegment) else s.held() for s in chosen], self._dim
        )
        made = self._coded(rows)
        with self._lock:
            # what went while they were being merged goes from the new ones, too
            for segment in made:
                segment.end(_gone_meanwhile(segment, chosen))
            kept = [segment for segment in self._segments if segment not in chosen]
            self._segments = (*made, *kept)


def _is_mostly_gone(segment: Segment) -> bool:
    """Whether it is worth being made anew; one that is open goes anyway."""
    return isinstance(segment, CodedSegment) and len(segment) < (1 - _GONE_SHARE) * segment.num_rows


def _threads_for(bytes_read: Sequence[int], most: int) -> tuple[int, int]:
    """How many threads have enough to do, and into how many shares the segments are cut for these."""
    num_threads = max(1, min(most, sum(bytes_read) // _WORTH_A_THREAD))
    if num_threads == 1:
        return 1, 1
    num_large = round(sum(bytes_read) / max(bytes_read))
    for num_shares in range(1, 4 * num_threads):
        pieces_of_thread = num_large * num_shares / num_threads
        if math.ceil(pieces_of_thread) <= _IDLE_AT_MOST * pieces_of_thread:
            break
    return num_threads, num_shares


def _best(
    segments: Sequence[Segment], near: Sequence[Near], probe: Float32, wanted: Wanted
) -> tuple[Hit, ...] | None:
    """The hits of one probe, from what is near it in each segment; None where one of these has left.

    Only what may be a hit is read, the likeliest first: their own scores say of most others that they need not be.
    """
    limit, min_score = wanted.limit, wanted.min_score
    parts = best_of(near, limit)
    if not any(len(part.rows) for part in parts):
        return ()
    in_first = likeliest(parts, limit)
    first = _read(segments, [part.at(chosen) for part, chosen in zip(parts, in_first, strict=True)])
    if first is None:
        return None
    hits = ranked(first.keys, first.templates, probe, limit=limit, min_score=min_score)
    at_least = hits[-1].score if len(hits) == limit else min_score
    others = [
        part.at(~chosen & (part.scores + part.off_by >= at_least))
        for part, chosen in zip(parts, in_first, strict=True)
    ]
    if not any(len(part.rows) for part in others):
        return hits
    then = _read(segments, others)
    if then is None:
        return None
    return ranked(
        np.concatenate([first.keys, then.keys]),
        np.concatenate([first.templates, then.templates]),
        probe,
        limit=limit,
        min_score=min_score,
    )


def _read(segments: Sequence[Segment], parts: Sequence[Near]) -> Found | None:
    """Keys and templates of these rows, of which there is one at least; None where one has left."""
    found = read_rows(
        [(segment, part.rows) for segment, part in zip(segments, parts, strict=True) if len(part.rows)]
    )
    return found if len(found.keys) == sum(len(part.rows) for part in parts) else None


def _gone_meanwhile(made: CodedSegment, before: Sequence[Segment]) -> Int64:
    keys = made.held_keys()
    prints = fingerprints(keys)
    gone = ~are_held(before, keys, prints)
    return made.rows_of(keys[gone], prints[gone])
