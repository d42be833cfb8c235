"""Beside usearch and hnswlib: the same gallery, probes and exact answers; run in the benchmarks' own environment."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hnswlib
import numpy as np
import usearch.index

from assent.gallery import FaissIndex
from assent.types import Float32, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.index import FLOOR, Exact, drawn, found_by, mated_probes, size_of, times_s
from benchmarks.spread import DIM

EFFORTS = (64, 256, 1024)
"""How far the graphs are searched: agreement against time."""


def measured(
    name: str,
    exact: Exact,
    probes: Float32,
    find: Callable[[Float32], list[list[bytes]]],
    building_s: float,
    num_bytes: int,
) -> JsonObject:
    """One row."""
    taken = times_s(find, probes)
    found = [find(probe[None])[0] for probe in probes]
    top_1, top_10 = exact.agreement(found)
    started_s = time.perf_counter()
    find(probes)
    return {
        "name": name,
        "p50_ms": 1e3 * float(np.median(taken)),
        "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
        "batch_ms": 1e3 * (time.perf_counter() - started_s) / len(probes),
        "top_1": top_1,
        "top_10": top_10,
        "memory_gb": num_bytes / 1e9,
        "building_s": building_s,
    }


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=100_000)
    size = parser.parse_args(argv).size
    facts = machine()
    print_machine(facts)
    probes = mated_probes(size)
    exact = Exact(probes)
    parts = list(drawn(size, len(probes)))
    for names, templates in parts:
        exact.see(templates, names)
    names, templates = (np.concatenate(column) for column in zip(*parts, strict=True))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        ours = FaissIndex(DIM, folder=Path(folder))
        ours.add(names, templates, expires_s=np.full(size, np.inf))
        ours.settle()
        built_s = time.perf_counter() - started_s

        def by_us(some: Float32) -> list[list[bytes]]:
            if len(some) == 1:
                return found_by(ours, some)
            hits = ours.search(some, limit=10, min_score=FLOOR, now_s=0.0)
            return [[hit.key.encode() for hit in of_one] for of_one in hits]

        results.append(measured("Assent", exact, probes, by_us, built_s, ours.memory_bytes))

    def above(rows: np.ndarray, scores: np.ndarray) -> list[list[bytes]]:
        return [
            [bytes(names[row]) for row in of_one[good >= FLOOR]]
            for of_one, good in zip(np.atleast_2d(rows), np.atleast_2d(scores), strict=True)
        ]

    started_s = time.perf_counter()
    graph = hnswlib.Index("ip", DIM)
    graph.init_index(size, ef_construction=100, M=16)
    graph.add_items(templates, np.arange(size))
    built_s = time.perf_counter() - started_s
    for effort in EFFORTS:
        graph.set_ef(effort)

        def by_hnswlib(some: Float32) -> list[list[bytes]]:
            rows, distances = graph.knn_query(some, 10)
            return above(rows, 1 - distances)

        results.append(
            measured(f"hnswlib, ef {effort}", exact, probes, by_hnswlib, built_s, graph.index_file_size())
        )
    started_s = time.perf_counter()
    other = usearch.index.Index(ndim=DIM, metric="ip", dtype="i8", connectivity=16, expansion_add=100)
    other.add(np.arange(size), templates)
    built_s = time.perf_counter() - started_s
    for effort in EFFORTS:
        other.expansion_search = effort

        def by_usearch(some: Float32) -> list[list[bytes]]:
            found = other.search(some, 10)
            rows = np.atleast_2d(found.keys).astype(np.int64)
            scores = np.einsum("qkd,qd->qk", templates[rows], some)
            order = np.argsort(-scores, axis=1, kind="stable")
            return above(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))

        results.append(
            measured(f"usearch i8, {effort}", exact, probes, by_usearch, built_s, other.memory_usage)
        )
    columns = ["index", "p50", "p99", "each of many", "agrees 1 / 10", "memory", "built in"]
    rows = [
        (
            r["name"],
            f"{r['p50_ms']:.2f} ms",
            f"{r['p99_ms']:.2f} ms",
            f"{r['batch_ms']:.2f} ms",
            f"{r['top_1']:.4f} / {r['top_10']:.4f}",
            f"{r['memory_gb']:.3f} GB",
            f"{r['building_s']:.0f} s",
        )
        for r in results
    ]
    print_rows(f"{size:,} templates", columns, rows)
    write_json(f"index-beside-{size}", {"machine": facts, "floor": FLOOR, "size": size, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
