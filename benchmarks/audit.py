"""Speed and memory of an audit: 100 million scores from text and from an array, and bootstrap draws.

Run ``python -m benchmarks.audit`` (``make bench-audit``). Each reading is a process of its own, so that its
peak memory is its own. The scores are made up: people who differ, everybody against everybody. The files
take about 3 GB in a temporary folder.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from assent.evaluation.audit import AuditOptions, audit
from assent.evaluation.bootstrap import DrawOptions, WeightedRows, false_match_draws
from assent.evaluation.reading import read_scores
from assent.evaluation.universe import SummedPairs
from assent.types import Float64, JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json

FMR = 1e-3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000, help="scores are the square of this")
    parser.add_argument("--bootstrap-people", type=int, default=6_326, help="of 20 million pairs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        return _one(options.one)
    facts = machine()
    print_machine(facts)
    results: JsonObject = {"machine": facts, "num_scores": options.people**2}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "scores.csv", Path(folder) / "scores.npy"]
        write_files(files[0], files[1], options.people)
        rows = []
        for path in files:
            taken = [_in_process(path) for _ in range(options.rounds)]
            medians = np.median(np.array(taken), axis=0)
            results[path.suffix[1:]] = {
                "read_s": [t[0] for t in taken],
                "audit_s": [t[1] for t in taken],
                "peak_gb": max(t[2] for t in taken),
                "file_gb": path.stat().st_size / 1e9,
            }
            rows.append(
                [
                    path.suffix[1:],
                    *(f"{x:.1f}" for x in (*medians[:2], medians[:2].sum())),
                    f"{medians[2]:.2f}",
                ]
            )
    print_rows(
        f"{options.people**2:,} scores, medians of {options.rounds}",
        ["file", "read s", "compute s", "in all s", "peak GB"],
        rows,
    )
    pairs = options.bootstrap_people * (options.bootstrap_people - 1) // 2
    times = [bootstrap_s(options.bootstrap_people) for _ in range(options.rounds)]
    results["bootstrap"] = {"num_pairs": pairs, "num_replicates": 1000, "fmr": FMR, "s": times}
    print_rows(
        f"1,000 draws of people, {pairs:,} pairs, fmr {FMR:g}; median of {options.rounds}",
        ["", "s"],
        [["bootstrap", f"{np.median(times):.2f}"]],
    )
    write_json("audit", results)
    return 0


def write_files(csv: Path, npy: Path, num_people: int) -> None:
    """The same made-up scores as text of six decimals and as float32."""
    rng = np.random.default_rng(0)
    person = rng.normal(0, 0.03, num_people)
    ids = np.array([f"p{k:06d}".encode() for k in range(num_people)]).view("u1").reshape(num_people, 7)
    line = np.full((num_people, 27), ord(","), np.uint8)
    array = np.lib.format.open_memmap(npy, "w+", np.float32, (num_people, num_people))
    with csv.open("wb") as file:
        file.write(b"probe,reference,score,mated\n")
        for k in range(num_people):
            scores = _scores(rng, person, k)
            array[k] = scores
            line[:, :7], line[:, 8:15] = ids[k], ids
            line[:, 8] = ord("g")
            millionths = np.round(scores * 1e6).astype(np.int64)
            line[:, 16], line[:, 17] = ord("0") + millionths // 10**6, ord(".")
            for digit in range(6):
                line[:, 18 + digit] = ord("0") + (millionths // 10 ** (5 - digit)) % 10
            line[:, 25], line[:, 26] = ord("0"), ord("\n")
            line[k, 25] = ord("1")
            file.write(line.tobytes())
    array.flush()


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


def _in_process(path: Path) -> tuple[float, float, float]:
    """Seconds to read, seconds to compute, peak GB; in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.audit", "--one", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    read_s, audit_s, peak = (float(x) for x in done.stdout.split())
    return read_s, audit_s, peak


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
