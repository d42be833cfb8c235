"""Beside usearch and hnswlib: the same gallery, probes and exact answers; run in the benchmarks' own environment."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
import usearch.index
from rich.progress import track

from assent.gallery import FaissIndex
from assent.gallery.index import Keys
from assent.types import Float32, Int64, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.index import FLOOR, ROWS_AT_ONCE, Exact, drawn, mated_probes, size_of, times_s
from benchmarks.spread import DIM

EFFORTS = (256, 1024, 4096)
"""How far the graphs are searched: agreement against time."""
GRAPH_ROWS_AT_ONCE = 250_000
"""For a bar that moves; a graph is the same however it is filled, where ours is made of what is added at once."""
NUM_PROBES = 2000
COLUMNS = ["index", "p50", "p99", "each of many", "agrees 1 / 10", "memory", "built in"]


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """What is searched, and what is right.

    Attributes:
        names: (N,) keys.
        templates: (N, dim) float32.
        probes: (Q, dim) float32.
        exact: the right answers.
    """

    names: Keys
    templates: Float32
    probes: Float32
    exact: Exact

    def above(self, rows: Int64, scores: Float32) -> list[list[bytes]]:
        """The keys of those of (Q, K) rows whose scores reach the floor."""
        return [
            [bytes(self.names[row]) for row in of_one[good >= FLOOR]]
            for of_one, good in zip(np.atleast_2d(rows), np.atleast_2d(scores), strict=True)
        ]

    def measured(
        self, name: str, find: Callable[[Float32], list[list[bytes]]], building_s: float, num_bytes: int
    ) -> JsonObject:
        """One row."""
        taken = times_s(find, self.probes)
        found = [find(probe[None])[0] for probe in self.probes]
        top_1, top_10 = self.exact.agreement(found)
        started_s = time.perf_counter()
        find(self.probes)
        return {
            "name": name,
            "p50_ms": 1e3 * float(np.median(taken)),
            "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
            "batch_ms": 1e3 * (time.perf_counter() - started_s) / len(self.probes),
            "top_1": top_1,
            "top_10": top_10,
            "memory_gb": num_bytes / 1e9,
            "building_s": building_s,
        }


def gallery_of(size: int) -> Gallery:
    """Drawn, with the exact answers."""
    probes = mated_probes(size)[:NUM_PROBES]
    exact, start = Exact(probes), 0
    names, templates = np.zeros(size, "S36"), np.empty((size, DIM), np.float32)
    for some_names, some in drawn(size, len(probes)):
        exact.see(some, some_names)
        part = slice(start, start + len(some))
        names[part], templates[part], start = some_names, some, part.stop
    return Gallery(names, templates, probes, exact)


def parts_of(size: int, name: str, at_once: int = GRAPH_ROWS_AT_ONCE) -> Iterator[slice]:
    """The rows a part at a time, with a bar."""
    for start in track(range(0, size, at_once), f"{name} is filled"):
        yield slice(start, min(start + at_once, size))


def of_assent(gallery: Gallery) -> Iterator[JsonObject]:
    """Ours, filled a million at a time."""
    with tempfile.TemporaryDirectory() as folder:
        index = FaissIndex(DIM, folder=Path(folder))
        started_s, size = time.perf_counter(), len(gallery.names)
        for part in parts_of(size, "Assent", ROWS_AT_ONCE):
            expires_s = np.full(part.stop - part.start, np.inf)
            index.add(gallery.names[part], gallery.templates[part], expires_s=expires_s)
        index.settle()
        built_s = time.perf_counter() - started_s

        def find(some: Float32) -> list[list[bytes]]:
            hits = index.search(some, limit=10, min_score=FLOOR, now_s=0.0)
            return [[hit.key.encode() for hit in of_one] for of_one in hits]

        yield gallery.measured("Assent", find, built_s, index.memory_bytes)


def of_hnswlib(gallery: Gallery) -> Iterator[JsonObject]:
    """Its graph over the templates as they are."""
    started_s = time.perf_counter()
    graph = hnswlib.Index("ip", DIM)
    graph.init_index(len(gallery.names), ef_construction=100, M=16)
    for part in parts_of(len(gallery.names), "hnswlib"):
        graph.add_items(gallery.templates[part], np.arange(part.start, part.stop))
    built_s = time.perf_counter() - started_s

    def find(some: Float32) -> list[list[bytes]]:
        rows, distances = graph.knn_query(some, 10)
        return gallery.above(rows, 1 - distances)

    for effort in EFFORTS:
        graph.set_ef(effort)
        yield gallery.measured(f"hnswlib, ef {effort}", find, built_s, graph.index_file_size())


def of_usearch(gallery: Gallery) -> Iterator[JsonObject]:
    """Its graph over eight bits an axis; four times as many as are wanted are scored by the templates."""
    started_s = time.perf_counter()
    graph: Any = usearch.index.Index(ndim=DIM, metric="ip", dtype="i8", connectivity=16, expansion_add=100)
    for part in parts_of(len(gallery.names), "usearch"):
        graph.add(np.arange(part.start, part.stop), gallery.templates[part])
    built_s = time.perf_counter() - started_s

    def find(some: Float32) -> list[list[bytes]]:
        found = graph.search(some, 40)
        rows = np.atleast_2d(found.keys).astype(np.int64)
        scores = np.einsum("qkd,qd->qk", gallery.templates[rows], some)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        return gallery.above(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))

    for effort in EFFORTS:
        graph.expansion_search = effort
        yield gallery.measured(f"usearch i8, {effort}", find, built_s, graph.memory_usage)


INDEXES = {"assent": of_assent, "hnswlib": of_hnswlib, "usearch": of_usearch}


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen after each row, JSON in ``build/bench``. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=100_000)
    parser.add_argument("--only", choices=INDEXES, nargs="+", default=list(INDEXES))
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    gallery, results = gallery_of(options.size), []
    for name in options.only:
        for result in INDEXES[name](gallery):
            results.append(result)
            print_rows(f"{options.size:,} templates", COLUMNS, [row_of(each) for each in results])
            write_json(
                f"index-beside-{options.size}",
                {"machine": facts, "floor": FLOOR, "size": options.size, "results": results},
            )
    return 0


def row_of(result: JsonObject) -> tuple[str, ...]:
    """As the table has it."""
    return (
        result["name"],
        f"{result['p50_ms']:.2f} ms",
        f"{result['p99_ms']:.2f} ms",
        f"{result['batch_ms']:.2f} ms",
        f"{result['top_1']:.4f} / {result['top_10']:.4f}",
        f"{result['memory_gb']:.3f} GB",
        f"{result['building_s']:.0f} s",
    )


if __name__ == "__main__":
    sys.exit(main())
