"""What Milvus costs for each template and each search, measured on Milvus Lite in a process of its own.

Lite is one process and no cluster: what a cluster would take is reckoned from it in docs/scale.md, and said to be so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np

from assent.gallery import MilvusIndex, MilvusServer
from assent.gallery.milvus_server import Kind
from assent.gallery.short_codes import faiss
from assent.types import Float32, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.index import FLOOR, Exact, drawn, mated_probes, size_of, times_s
from benchmarks.spread import DIM, Templates

NUM_SEARCHES = 100
COLUMNS = (
    "gallery", "how", "p50", "p99", "processor", "agrees 1 / 10", "added/s", "memory there", "disk there",
    "memory here",
)  # fmt: skip
_SERVE = """
import sys, time
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, db, port = start_server_in_thread(sys.argv[1])
print(port, flush=True)
time.sleep(1e6)
"""


@contextmanager
def served() -> Iterator[tuple[str, int, Path]]:
    """Milvus Lite in a process: its URI, the process's number, its folder."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVE, folder], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid, Path(folder)
        finally:
            process.kill()
            process.wait()


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_s(pid: int) -> float:
    """Processor time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one(size: int, kind: Kind) -> JsonObject:
    """Every figure of one gallery and way to search."""
    probes = mated_probes(size)[:NUM_SEARCHES]
    exact, adding_s = Exact(probes), 0.0
    with served() as (uri, pid, folder), tempfile.TemporaryDirectory() as here:
        index = MilvusIndex(
            DIM, server=MilvusServer(uri, timeout_s=600), folder=Path(here), kind=kind, tidy_after_s=1e6
        )
        empty = resident_bytes(pid)
        for names, templates in drawn(size, 1000):
            exact.see(templates, names)
            started_s = time.perf_counter()
            index.add(names, templates, expires_s=np.full(len(names), np.inf))
            adding_s += time.perf_counter() - started_s
        started_s = time.perf_counter()
        index.search(probes[:1], limit=10, min_score=FLOOR, now_s=0.0)
        first_s = time.perf_counter() - started_s
        before_s = processor_s(pid)
        found: list[list[bytes]] = []

        def search(probe: Float32) -> None:
            [hits] = index.search(probe, limit=10, min_score=FLOOR, now_s=0.0)
            found.append([hit.key.encode() for hit in hits])

        taken = times_s(search, probes)
        server_s = (processor_s(pid) - before_s) / len(probes)
        top_1, top_10 = exact.agreement(found)
        new, started_s = Templates(5).draw(20), time.perf_counter()
        for number, template in enumerate(new):
            index.add([f"new{number}"], template[None], expires_s=np.array([np.inf]))
        single_s = (time.perf_counter() - started_s) / len(new)
        return {
            "size": size,
            "kind": kind,
            "p50_ms": 1e3 * float(np.median(taken)),
            "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
            "first_s": first_s,
            "server_cpu_ms": 1e3 * server_s,
            "top_1": top_1,
            "top_10": top_10,
            "added_a_second": size / adding_s,
            "single_add_ms": 1e3 * single_s,
            "server_bytes_each": (resident_bytes(pid) - empty) / size,
            "disk_bytes_each": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / size,
            "here_bytes_each": index.memory_bytes / size,
            "load": os.getloadavg()[0],
        }


def engine(size: int, kind: Kind) -> JsonObject:
    """The same search as one segment of a Milvus node does it, which runs FAISS: no Milvus, no network, no filter."""
    probes = mated_probes(size)[:NUM_SEARCHES]
    [(names, templates)] = drawn(size, 1000)
    exact = Exact(probes)
    exact.see(templates, names)
    library = faiss()
    made = library.IndexFlatIP(DIM) if kind == "FLAT" else _graph(library, kind)
    started_s = time.perf_counter()
    if kind == "HNSW_SQ":
        made.train(templates[:20_000])
    made.add(templates)
    building_s = time.perf_counter() - started_s
    held = library.serialize_index(made).nbytes / size
    library.omp_set_num_threads(1)
    found: list[list[bytes]] = []

    def search(probe: Float32) -> None:
        scores, rows = made.search(probe, 74)
        best = [row for row, score in zip(rows[0], scores[0], strict=True) if score >= FLOOR - 0.02]
        again = templates[best] @ probe[0]
        order = np.argsort(-again)[:10]
        found.append([bytes(names[best[i]]) for i in order if again[i] >= FLOOR])

    taken = times_s(search, probes)
    library.omp_set_num_threads(os.cpu_count() or 1)
    top_1, top_10 = exact.agreement(found)
    return {
        "size": size,
        "kind": kind,
        "p50_ms": 1e3 * float(np.median(taken)),
        "built_a_second": size / building_s,
        "bytes_each": held,
        "top_1": top_1,
        "top_10": top_10,
        "load": os.getloadavg()[0],
    }


def _graph(library: Any, kind: Kind) -> Any:
    ip = library.METRIC_INNER_PRODUCT
    if kind == "HNSW":
        made = library.IndexHNSWFlat(DIM, 32, ip)
    else:
        made = library.IndexHNSWSQ(DIM, library.ScalarQuantizer.QT_8bit, 32, ip)
    made.hnsw.efConstruction, made.hnsw.efSearch = 360, 256
    return made


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--kind", nargs="+", default=["FLAT", "HNSW"])
    parser.add_argument("--segment", type=size_of, default=100_000, help="of one node; 0 leaves it out")
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    results = []
    for size in options.size:
        for kind in options.kind:
            results.append(one(size, kind))
            print_rows(
                "Milvus Lite, one search, ten best above the floor",
                COLUMNS,
                [
                    (
                        f"{r['size']:,}",
                        r["kind"],
                        f"{r['p50_ms']:.1f} ms",
                        f"{r['p99_ms']:.1f} ms",
                        f"{r['server_cpu_ms']:.1f} ms",
                        f"{r['top_1']:.4f} / {r['top_10']:.4f}",
                        f"{r['added_a_second']:,.0f}",
                        f"{r['server_bytes_each']:,.0f} B",
                        f"{r['disk_bytes_each']:,.0f} B",
                        f"{r['here_bytes_each']:,.0f} B",
                    )
                    for r in results
                ],
            )
            write_json("milvus", {"machine": facts, "floor": FLOOR, "results": results})
    if options.segment:
        segments = [engine(options.segment, kind) for kind in get_args(Kind) if kind != "DISKANN"]
        print_rows(
            "One segment of a node, one thread",
            ("rows", "how", "p50", "coded/s, all cores", "memory each", "agrees 1 / 10"),
            [
                (
                    f"{r['size']:,}",
                    r["kind"],
                    f"{r['p50_ms']:.2f} ms",
                    f"{r['built_a_second']:,.0f}",
                    f"{r['bytes_each']:,.0f} B",
                    f"{r['top_1']:.4f} / {r['top_10']:.4f}",
                )
                for r in segments
            ],
        )
        facts = {"machine": facts, "floor": FLOOR, "results": results, "segments": segments}
        write_json("milvus", facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
