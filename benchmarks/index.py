"""What an index can hold and how fast it answers, exact search beside it in the same run.

Capacity is not evidence: a calibration's ``n_max`` still rules what may be answered (docs/scale.md).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assent.gallery import FaissIndex
from assent.gallery.segments import faiss
from assent.types import Float32, Float64, Int64, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.spread import DIM, Templates

FLOOR, NEAR_FLOOR = 0.934, 0.95
"""The default policy's floor for false matches of 1 in 1,000, and the end of "near" it (docs/accuracy.md)."""
ROWS_AT_ONCE = 1_000_000
NUM_MATED = 1000


def keys(count: int, seed: int) -> list[str]:
    """UUIDs."""
    raw = np.random.default_rng(seed).bytes(16 * count)
    return [str(uuid.UUID(bytes=raw[i : i + 16], version=4)) for i in range(0, len(raw), 16)]


def times_s(step: Callable[[Float32], object], probes: Float32) -> Float64:
    """Wall time of each single search, after ten to warm up."""
    taken = []
    for number, probe in enumerate(probes):
        started_s = time.perf_counter()
        step(probe[None])
        if number >= 10:
            taken.append(time.perf_counter() - started_s)
    return np.array(taken)


class Exact:
    """The best ten of every probe, kept up while the gallery is drawn, so that it need not be in memory."""

    def __init__(self, probes: Float32) -> None:
        self._probes = probes
        self.scores: Float32 = np.full((len(probes), 10), -2, np.float32)
        self.rows: Int64 = np.full((len(probes), 10), -1, np.int64)

    def see(self, templates: Float32, first_row: int) -> None:
        """Compare with all of these."""
        flat = faiss().IndexFlatIP(DIM)
        flat.add(templates)
        scores, rows = flat.search(self._probes, 10)
        all_scores = np.concatenate([self.scores, scores], axis=1)
        all_rows = np.concatenate([self.rows, rows + first_row], axis=1)
        best = np.argsort(-all_scores, axis=1, kind="stable")[:, :10]
        self.scores = np.take_along_axis(all_scores, best, axis=1)
        self.rows = np.take_along_axis(all_rows, best, axis=1)


def agreement(index: FaissIndex, probes: Float32, exact: Exact, names: list[str]) -> tuple[float, float]:
    """Share of probes with the exact best one, and share of the exact best ten above the floor that are found."""
    hits = [index.search(probe[None], limit=10, min_score=FLOOR, now_s=0.0)[0] for probe in probes]
    first = [
        bool(found) and found[0].key == names[rows[0]] if scores[0] >= FLOOR else not found
        for found, rows, scores in zip(hits, exact.rows, exact.scores, strict=True)
    ]
    expected = [
        {names[row] for row in rows[scores >= FLOOR]}
        for rows, scores in zip(exact.rows, exact.scores, strict=True)
    ]
    num_expected = sum(map(len, expected))
    num_found = sum(
        len(names_of & {hit.key for hit in found}) for names_of, found in zip(expected, hits, strict=True)
    )
    return float(np.mean(first)), num_found / max(num_expected, 1)


def flat_s(size: int) -> float:
    """Median time of one search of FAISS's flat float index, of at most 2 million and in proportion beyond."""
    held = min(size, 2_000_000)
    flat = faiss().IndexFlatIP(DIM)
    flat.add(Templates(3).draw(held))
    taken = times_s(lambda probe: flat.search(probe, 10), Templates(4).draw(30))
    return float(np.median(taken)) * size / held


def one_size(size: int) -> JsonObject:
    """Every figure of one gallery."""
    drawn = Templates()
    probes: Float32 = drawn.mates(drawn.draw(min(NUM_MATED, size)), FLOOR, NEAR_FLOOR)
    # the same draw again: the mates' templates are the first of the gallery
    drawn = Templates()
    exact, names, adding_s = Exact(probes), list[str](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        index = FaissIndex(DIM, folder=Path(folder))
        for start in range(0, size, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, size - start)
            first = drawn.draw(min(NUM_MATED, size)) if start == 0 else None
            rest = drawn.draw(count - (0 if first is None else len(first)))
            templates = rest if first is None else np.concatenate([first, rest])
            added = keys(count, start)
            exact.see(templates, start)
            names += added
            started_s = time.perf_counter()
            index.add(added, templates, expires_s=np.full(count, np.inf))
            adding_s += time.perf_counter() - started_s
        index.settle()
        taken = times_s(lambda probe: index.search(probe, limit=10, min_score=FLOOR, now_s=0.0), probes)
        top_1, top_10 = agreement(index, probes, exact, names)
        changing = changes(index) if size <= 1_000_000 else {}
        memory = index.memory_bytes
    return {
        "size": size,
        "p50_ms": 1e3 * float(np.median(taken)),
        "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
        "top_1": top_1,
        "top_10": top_10,
        "memory_gb": memory / 1e9,
        "added_a_second": size / adding_s,
        "flat_ms": 1e3 * flat_s(size),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        **changing,
    }


def changes(index: FaissIndex, count: int = 2000) -> JsonObject:
    """Single additions and removals, in turns with searches."""
    new, templates = keys(count, 99), Templates(5).draw(count)
    searching: list[float] = []
    changing_s = 0.0
    for number, key in enumerate(new):
        started_s = time.perf_counter()
        index.add([key], templates[number : number + 1], expires_s=np.array([np.inf]))
        if number % 2:
            index.remove([new[number - 1]])
        changing_s += time.perf_counter() - started_s
        if number % 10 == 0:
            started_s = time.perf_counter()
            index.search(templates[number : number + 1], limit=10, min_score=FLOOR, now_s=0.0)
            searching.append(time.perf_counter() - started_s)
    return {
        "changes_a_second": 1.5 * count / changing_s,
        "p99_while_changing_ms": 1e3 * float(np.quantile(searching, 0.99)),
    }


def rows_of(results: list[JsonObject]) -> list[tuple[Any, ...]]:
    """The table's rows."""
    return [
        (
            f"{r['size']:,}",
            f"{r['p50_ms']:.2f} ms",
            f"{r['p99_ms']:.2f} ms",
            f"{r['top_1']:.4f} / {r['top_10']:.4f}",
            f"{r['memory_gb']:.3f} GB",
            f"{r['added_a_second']:,.0f}",
            f"{r['flat_ms']:.2f} ms",
            f"{r['changes_a_second']:,.0f}" if "changes_a_second" in r else "",
        )
        for r in results
    ]


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    results = []
    for size in options.sizes:
        results.append(one_size(size))
        columns = [
            "gallery",
            "p50",
            "p99",
            "agrees 1 / 10",
            "memory",
            "added/s",
            "FAISS flat p50",
            "changes/s",
        ]
        print_rows("One search, ten best above the floor", columns, rows_of(results))
        write_json("index", {"machine": facts, "floor": FLOOR, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
