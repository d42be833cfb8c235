"""Speed and memory of an audit: 100 million scores from text and from an array, and bootstrap draws.

Run ``python -m benchmarks.audit`` (``make bench-audit``), or a part of it: ``--parts csv npy bootstrap``;
``--parts large`` is a file of 10.8 GB, which is not among the usual ones. Each reading is a process of its own, so
that its peak memory is its own. The scores are made up: people who differ, everybody against everybody. The
files take about 3 GB in a temporary folder; what a run keeps of them takes 1.7 GB there besides.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from assent.calibration.draws import DrawOptions
from assent.evaluation.audit import AuditOptions, audit
from assent.evaluation.bootstrap import WeightedRows, false_match_draws
from assent.evaluation.reading import read_scores
from assent.evaluation.universe import SummedPairs
from assent.types import Float64, JsonObject
from benchmarks.common import BENCH_DIR, machine, print_machine, print_rows, write_json

FMR = 1e-3
PARTS = ("csv", "npy", "bootstrap")
LARGE = "large"
LARGE_FACTOR = 2
"""More people in the large file: four times the scores."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=(*PARTS, LARGE))
    parser.add_argument("--people", type=int, default=10_000, help="scores are the square of this")
    parser.add_argument("--bootstrap-people", type=int, default=6_326, help="of 20 million pairs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        return _one(options.one)
    facts = machine()
    print_machine(facts)
    results = _earlier()
    for part in options.parts:
        if part == "bootstrap":
            found = _bootstrap(options.bootstrap_people, options.rounds)
        elif part == LARGE:
            found = _file("csv", LARGE_FACTOR * options.people, 1)
        else:
            found = _file(part, options.people, options.rounds)
        results[part] = {"machine": facts, **found}
        write_json("audit", results)
    return 0


def _earlier() -> JsonObject:
    """What other parts have measured."""
    path = BENCH_DIR / "audit.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _file(kind: str, num_people: int, rounds: int) -> JsonObject:
    """One made-up file, read and audited several times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"scores.{kind}"
        WRITERS[kind](path, num_people)
        size_gb = path.stat().st_size / 1e9
        taken = [_in_process(path) for _ in range(rounds)]
    read_s, audit_s, all_s, peak_gb = np.median(np.array(taken), axis=0)
    print_rows(
        f"{num_people**2:,} scores, medians of {rounds}",
        ["file", "GB", "read s", "compute s", "whole process s", "peak GB"],
        [[kind, f"{size_gb:.1f}", f"{read_s:.1f}", f"{audit_s:.1f}", f"{all_s:.1f}", f"{peak_gb:.2f}"]],
    )
    return {
        "num_scores": num_people**2,
        "file_gb": size_gb,
        "read_s": [one[0] for one in taken],
        "audit_s": [one[1] for one in taken],
        "all_s": [one[2] for one in taken],
        "peak_gb": [one[3] for one in taken],
    }


def _bootstrap(num_people: int, rounds: int) -> JsonObject:
    pairs = num_people * (num_people - 1) // 2
    times = [bootstrap_s(num_people) for _ in range(rounds)]
    print_rows(
        f"1,000 draws of people, {pairs:,} pairs, fmr {FMR:g}; median of {rounds}",
        ["", "s"],
        [["bootstrap", f"{np.median(times):.2f}"]],
    )
    return {"num_pairs": pairs, "num_replicates": 1000, "fmr": FMR, "s": times}


def write_csv(path: Path, num_people: int) -> None:
    """Made-up scores as text of six decimals."""
    rng = np.random.default_rng(0)
    person = rng.normal(0, 0.03, num_people)
    ids = np.array([f"p{k:06d}".encode() for k in range(num_people)]).view("u1").reshape(num_people, 7)
    thousand = np.array([f"{k:03d}".encode() for k in range(1000)]).view("u1").reshape(1000, 3)
    line = np.full((num_people, 27), ord(","), np.uint8)
    with path.open("wb") as file:
        file.write(b"probe,reference,score,mated\n")
        for k in range(num_people):
            line[:, :7], line[:, 8:15] = ids[k], ids
            line[:, 8] = ord("g")
            millionths = np.round(_scores(rng, person, k) * 1e6).astype(np.int64)
            line[:, 16], line[:, 17] = ord("0") + millionths // 10**6, ord(".")
            line[:, 18:21] = thousand[millionths % 10**6 // 1000]
            line[:, 21:24] = thousand[millionths % 1000]
            line[:, 25], line[:, 26] = ord("0"), ord("\n")
            line[k, 25] = ord("1")
            file.write(line.tobytes())


def write_npy(path: Path, num_people: int) -> None:
    """The same scores as float32."""
    rng = np.random.default_rng(0)
    person = rng.normal(0, 0.03, num_people)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (num_people, num_people))
    for k in range(num_people):
        array[k] = _scores(rng, person, k)
    array.flush()


WRITERS = {"csv": write_csv, "npy": write_npy}


def _scores(rng: np.random.Generator, person: Float64, row: int) -> Float64:
    scores = 1 + person[row] + person + rng.normal(0, 0.1, len(person))
    scores[row] += 0.6
    return np.asarray(np.clip(scores, 0, 9.99), np.float64)


def bootstrap_s(num_people: int) -> float:
    """Seconds for 1,000 draws over all pairs, of which the false matches alone are listed."""
    rng = np.random.default_rng(0)
    pairs = num_people * (num_people - 1) // 2
    num_false = round(FMR * pairs)
    first = rng.integers(0, num_people, num_false)
    second = (first + rng.integers(1, num_people, num_false)) % num_people
    rows = WeightedRows(first, second, -np.sort(-rng.normal(3, 0.1, num_false)), np.ones(num_false))
    universe = SummedPairs(np.full(num_people, num_people - 1.0))
    start = time.perf_counter()
    false_match_draws(rows, universe, np.array([0.0]), DrawOptions(1000))
    return time.perf_counter() - start


def _in_process(path: Path) -> tuple[float, float, float, float]:
    """Seconds to read, to compute, and of the whole process, which is one of its own; its peak GB."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.audit", "--one", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    read_s, audit_s, peak = (float(x) for x in done.stdout.split())
    return read_s, audit_s, time.perf_counter() - start, peak


def _one(path: Path) -> int:
    start = time.perf_counter()
    found = read_scores([path])
    read_s = time.perf_counter() - start
    start = time.perf_counter()
    audit(found.evidence, AuditOptions(gallery_size=25_000), sources=found.sources)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(read_s, time.perf_counter() - start, peak * 1024 / 1e9)
    return 0


if __name__ == "__main__":
    sys.exit(main())
