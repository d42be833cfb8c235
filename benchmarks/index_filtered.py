"""Searching among those whose consent goes on: what it costs and what it misses, from everybody to one in a million.

One index for all of them: each row's consent ends at a moment of its own, so that the later a search is, the fewer rows
may be returned. Capacity is not evidence (docs/scale.md).
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from assent.gallery import FaissIndex
from assent.types import Float64, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.index import FLOOR, Exact, drawn, found_by, mated_probes, size_of, times_s
from benchmarks.spread import DIM

SHARES = (1.0, 0.999, 0.5, 0.1, 0.03, 0.02, 0.01, 0.001, 1e-4, 1e-5, 1e-6)
"""Of the rows, those that may be returned at moment 0, 1, 2 ..."""
NUM_PROBES = 2000
NUM_TIMED = 200
NUM_TURNS = 5
COLUMNS = ("may be returned", "p50", "against all", "p99", "first, p50", "agrees 1 / 10", "probes")


def ends_s(size: int) -> Float64:
    """(size,) float64: ends of consent, so that of all rows the first ``SHARES[i]`` are there at moment ``i``."""
    rows = np.arange(size)
    moments = np.searchsorted(-np.array(SHARES), -rows / size, side="left")
    return np.asarray(moments, np.float64)


def filled(size: int, num_probes: int, folder: Path, exact: list[Exact]) -> FaissIndex:
    """The index; each of ``exact`` has seen those who may be returned at its moment."""
    index, ending_s, start = FaissIndex(DIM, folder=folder), ends_s(size), 0
    with Progress() as progress:
        task = progress.add_task(f"{size:,} templates", total=size)
        for names, templates in drawn(size, num_probes):
            for share, best in zip(SHARES, exact, strict=True):
                num_seen = min(max(math.ceil(share * size) - start, 0), len(names))
                if num_seen:
                    best.see(templates[:num_seen], names[:num_seen])
            index.add(names, templates, expires_s=ending_s[start : start + len(names)])
            start += len(names)
            progress.advance(task, len(names))
        index.settle()
    return index


def one_size(size: int) -> list[JsonObject]:
    """A row for each share."""
    probes = mated_probes(size)[:NUM_PROBES]
    # those whose mate may be returned: the gallery begins with their mates
    asked = [probes[: math.ceil(share * size)] for share in SHARES]
    exact = [Exact(some) for some in asked]
    with tempfile.TemporaryDirectory() as folder:
        index = filled(size, len(probes), Path(folder), exact)
        taken: list[list[float]] = [[] for _ in SHARES]
        # after consents have ended, who may be returned is reckoned anew
        first: list[list[float]] = [[] for _ in SHARES]
        for _ in range(NUM_TURNS):
            for moment, some in enumerate(asked):
                search = partial(index.search, limit=10, min_score=FLOOR, now_s=moment)
                started_s = time.perf_counter()
                search(some[:1])
                first[moment].append(time.perf_counter() - started_s)
                taken[moment] += times_s(search, np.resize(some, (NUM_TIMED + 10, DIM))).tolist()
        agreement = [
            best.agreement(found_by(index, some, now_s=moment))
            for moment, (best, some) in enumerate(zip(exact, asked, strict=True))
        ]
        live = [index.num_live(moment) for moment in range(len(SHARES))]
    return [
        {
            "share": share,
            "num_live": num_live,
            "num_probes": len(some),
            "p50_ms": 1e3 * float(np.median(times)),
            "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
            "first_ms": 1e3 * float(np.median(firsts)),
            "top_1": top_1,
            "top_10": top_10,
        }
        for share, num_live, some, times, firsts, (top_1, top_10) in zip(
            SHARES, live, asked, taken, first, agreement, strict=True
        )
    ]


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=1_000_000)
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    results = one_size(options.size)
    rows = [
        (
            f"{100 * result['share']:g} %, {result['num_live']:,}",
            f"{result['p50_ms']:.2f} ms",
            f"{result['p50_ms'] / results[0]['p50_ms']:.2f}",
            f"{result['p99_ms']:.2f} ms",
            f"{result['first_ms']:.2f} ms",
            f"{result['top_1']:.4f} / {result['top_10']:.4f}",
            f"{result['num_probes']:,}",
        )
        for result in results
    ]
    print_rows(f"One search of {options.size:,} templates, ten best above the floor", COLUMNS, rows)
    write_json(
        f"index-filtered-{options.size}",
        {"machine": facts, "floor": FLOOR, "size": options.size, "results": results},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
