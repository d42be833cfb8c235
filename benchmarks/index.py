"""What an index can hold and how fast it answers, exact search beside it in the same run.

Capacity is not evidence: a calibration's ``n_max`` still rules what may be answered (docs/scale.md).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from assent.gallery import FaissIndex
from assent.gallery.index import Keys
from assent.gallery.short_codes import faiss
from assent.types import Float32, Float64, JsonObject
from benchmarks.common import BENCH_DIR, machine, print_machine, print_rows, write_json
from benchmarks.spread import DIM, Templates

FLOOR, NEAR_FLOOR = 0.934, 0.95
"""The default policy's floor for false matches of 1 in 1,000, and the end of "near" it (docs/accuracy.md)."""
ROWS_AT_ONCE = 1_000_000
NUM_MATED = ((1_000_000, 10_000), (10_000_000, 2_000), (sys.maxsize, 1_000))
"""Of galleries up to so many, so many probes: the exact search of large ones takes long."""
NUM_TURNS = 8
CHANGES_A_SECOND = 1000
COLUMNS = (
    "gallery",
    "p50",
    "p99",
    "each of many",
    "agrees 1 / 10",
    "memory",
    "added/s",
    "FAISS flat one / many",
    "changes/s beside, p99 over between",
    "p99/p50 of fixed work",
)


def keys(count: int, seed: int) -> Keys:
    """As long as UUIDs are, made fast."""
    text = np.random.default_rng([7, seed + 1]).bytes(18 * count).hex().encode()
    return np.frombuffer(text, "S36")


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
        self.keys: Keys = np.zeros((len(probes), 10), "S36")

    def see(self, templates: Float32, names: Keys) -> None:
        """Compare with all of these."""
        flat = faiss().IndexFlatIP(DIM)
        flat.add(templates)
        scores, rows = flat.search(self._probes, min(10, len(names)))
        all_scores = np.concatenate([self.scores, scores], axis=1)
        all_keys = np.concatenate([self.keys, names[rows]], axis=1)
        best = np.argsort(-all_scores, axis=1, kind="stable")[:, :10]
        self.scores = np.take_along_axis(all_scores, best, axis=1)
        self.keys = np.take_along_axis(all_keys, best, axis=1)

    def agreement(self, found: list[list[bytes]]) -> tuple[float, float]:
        """Share of probes with the exact best one, and share of the exact best ten above the floor that are found."""
        expected = [
            [bytes(key) for key in keys[scores >= FLOOR]]
            for keys, scores in zip(self.keys, self.scores, strict=True)
        ]
        pairs = list(zip(found, expected, strict=True))
        num_found = sum(len(set(right) & set(got)) for got, right in pairs)
        return float(np.mean([got[:1] == right[:1] for got, right in pairs])), num_found / max(
            1, sum(map(len, expected))
        )


def found_by(index: FaissIndex, probes: Float32, *, now_s: float = 0.0) -> list[list[bytes]]:
    """The keys that each single search gives at a moment."""
    hits = [index.search(probe[None], limit=10, min_score=FLOOR, now_s=now_s)[0] for probe in probes]
    return [[hit.key.encode() for hit in of_one] for of_one in hits]


def flat(size: int) -> tuple[float, float]:
    """Seconds a search of FAISS's flat float index, single and of 1,000 at once.

    Of at most 2 million, and in proportion beyond.
    """
    held = min(size, 2_000_000)
    index = faiss().IndexFlatIP(DIM)
    index.add(Templates(3).draw(held))
    faiss().omp_set_num_threads(os.cpu_count() or 1)
    probes = Templates(4).draw(1000)
    single = times_s(lambda probe: index.search(probe, 10), probes[:30])
    started_s = time.perf_counter()
    index.search(probes, 10)
    batch_s = (time.perf_counter() - started_s) / len(probes)
    return float(np.median(single)) * size / held, batch_s * size / held


def drawn(size: int, num_probes: int) -> Iterator[tuple[Keys, Float32]]:
    """The gallery, a million at a time; the templates that probes are mates of come first."""
    templates = Templates()
    for start in range(0, size, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, size - start)
        first = [templates.draw(num_probes)] if start == 0 else []
        rest = templates.draw(count - (num_probes if first else 0))
        yield keys(count, start), np.concatenate([*first, rest]) if first else rest


def mated_probes(size: int) -> Float32:
    """As many as ``NUM_MATED`` says."""
    num_probes = min(next(count for most, count in NUM_MATED if size <= most), size)
    templates = Templates()
    return templates.mates(templates.draw(num_probes), FLOOR, NEAR_FLOOR)


def one_size(size: int, progress: Progress) -> JsonObject:
    """Every figure of one gallery."""
    probes = mated_probes(size)
    exact, adding_s = Exact(probes), 0.0
    task = progress.add_task(f"{size:,} templates", total=size)
    with tempfile.TemporaryDirectory() as folder:
        index = FaissIndex(DIM, folder=Path(folder))
        for names, templates in drawn(size, len(probes)):
            exact.see(templates, names)
            started_s = time.perf_counter()
            index.add(names, templates, expires_s=np.full(len(names), np.inf))
            adding_s += time.perf_counter() - started_s
            progress.advance(task, len(names))
        index.settle()
        taken = times_s(lambda probe: index.search(probe, limit=10, min_score=FLOOR, now_s=0.0), probes)
        started_s = time.perf_counter()
        index.search(probes, limit=10, min_score=FLOOR, now_s=0.0)
        batch_s = (time.perf_counter() - started_s) / len(probes)
        top_1, top_10 = exact.agreement(found_by(index, probes))
        changing = changes(index, probes)
        memory = index.memory_bytes
    flat_single_s, flat_batch_s = flat(size)
    return {
        "size": size,
        "p50_ms": 1e3 * float(np.median(taken)),
        "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
        "batch_ms": 1e3 * batch_s,
        "top_1": top_1,
        "top_10": top_10,
        "memory_gb": memory / 1e9,
        "added_a_second": size / adding_s,
        "flat_ms": 1e3 * flat_single_s,
        "flat_batch_ms": 1e3 * flat_batch_s,
        "num_probes": len(probes),
        "load": os.getloadavg()[0],
        "unsteadiness": unsteadiness(float(np.median(taken))),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        **changing,
    }


def unsteadiness(work_s: float) -> float:
    """p99 over median of work that is always the same, in the processor alone, and takes about so long.

    What a machine that is shared does to every p99, whatever is measured.
    """
    numbers = np.random.default_rng(0).random(2000)

    def work(rounds: int) -> float:
        started_s = time.perf_counter()
        for _ in range(rounds):
            np.sqrt(numbers)
        return time.perf_counter() - started_s

    rounds = max(1, round(work_s / (float(np.median([work(100) for _ in range(50)])) / 100)))
    taken = [work(rounds) for _ in range(1000)]
    return float(np.quantile(taken, 0.99) / np.median(taken))


def changes(index: FaissIndex, probes: Float32) -> JsonObject:
    """Single additions and removals: as many as there can be, then ``CHANGES_A_SECOND`` with searches beside them."""
    num_alone = 6 * CHANGES_A_SECOND
    # for ten seconds, or for thirty where a search takes long
    num_pairs = CHANGES_A_SECOND * (6 if len(index) <= 1_000_000 else 20)
    new = [key.decode() for key in keys(num_alone + num_pairs, -1).tolist()]
    templates = Templates(5).draw(len(new))
    done = iter(range(len(new)))

    def change() -> None:
        """One more is added; of each two the first is removed again."""
        number = next(done)
        index.add([new[number]], templates[number : number + 1], expires_s=np.array([np.inf]))
        if number % 2:
            index.remove([new[number - 1]])

    started_s = time.perf_counter()
    for _ in range(num_alone):
        change()
    most = 1.5 * num_alone / (time.perf_counter() - started_s)
    beside, between, changing_s = beside_searches(index, probes, change, num_pairs)
    return {
        "changes_a_second": most,
        "changes_while_searching_a_second": 1.5 * num_pairs / changing_s,
        "p99_while_changing_ms": 1e3 * float(np.quantile(beside, 0.99)),
        "p99_between_changes_ms": 1e3 * float(np.quantile(between, 0.99)),
        "searches_while_changing": len(beside),
    }


def beside_searches(
    index: FaissIndex, probes: Float32, change: Callable[[], None], count: int
) -> tuple[list[float], list[float], float]:
    """Searches with ``count`` changes beside them, and without, in turns: a machine that is shared has its moods.

    Returns:
        Seconds of each search beside changes; of each between; seconds in which the changes were made.
    """
    beside: list[float] = []
    between: list[float] = []
    asked, changing_s = itertools.cycle(probes), 0.0
    for _ in range(NUM_TURNS):
        taken, lasted_s = searched_while_changing(index, asked, change, count // NUM_TURNS)
        beside += taken
        changing_s += lasted_s
        between += searched(index, asked, lasts(lasted_s))
    return beside, between, changing_s


def searched_while_changing(
    index: FaissIndex, probes: Iterator[Float32], change: Callable[[], None], count: int
) -> tuple[list[float], float]:
    """Seconds of each search, and in which the changes were made."""
    ended_s: list[float] = []

    def keep_changing() -> None:
        due_s = time.perf_counter()
        for _ in range(count):
            change()
            due_s += 1.5 / CHANGES_A_SECOND
            early_s = due_s - time.perf_counter()
            if early_s > 0:  # who is late must not give the core away on top of it
                time.sleep(early_s)
        ended_s.append(time.perf_counter())

    changing = threading.Thread(target=keep_changing)
    started_s = time.perf_counter()
    changing.start()
    taken = searched(index, probes, lambda: bool(ended_s))
    changing.join()
    return taken, ended_s[0] - started_s


def searched(index: FaissIndex, probes: Iterator[Float32], is_over: Callable[[], bool]) -> list[float]:
    """Seconds of each search, but of the one that was going on at the end."""
    taken: list[float] = []
    for probe in probes:
        begun_s = time.perf_counter()
        index.search(probe[None], limit=10, min_score=FLOOR, now_s=0.0)
        if is_over():
            break
        taken.append(time.perf_counter() - begun_s)
    return taken


def lasts(seconds: float) -> Callable[[], bool]:
    """Whether so long is over from now on."""
    until_s = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= until_s


def rows_of(results: list[JsonObject]) -> list[tuple[Any, ...]]:
    """The table's rows."""
    return [
        (
            f"{r['size']:,}",
            f"{r['p50_ms']:.2f} ms",
            f"{r['p99_ms']:.2f} ms",
            f"{r['batch_ms']:.2f} ms",
            f"{r['top_1']:.4f} / {r['top_10']:.4f}",
            f"{r['memory_gb']:.3f} GB",
            f"{r['added_a_second']:,.0f}",
            f"{r['flat_ms']:.2f} / {r['flat_batch_ms']:.2f} ms",
            f"{r['changes_while_searching_a_second']:,.0f}, "
            f"{r['p99_while_changing_ms']:.1f} / {r['p99_between_changes_ms']:.1f} ms",
            f"{r['unsteadiness']:.1f}",
        )
        for r in results
    ]


def size_of(text: str) -> int:
    """``50M``, ``100k`` or plain digits."""
    factor = {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    return int(float(text.rstrip("kM")) * factor)


def measured_before() -> dict[int, JsonObject]:
    """What earlier runs left: each size is a run of its own, if you like."""
    path = BENCH_DIR / "index.json"
    if not path.exists():
        return {}
    found: JsonObject = json.loads(path.read_text())
    return {result["size"]: result for result in found["results"] if "p99_between_changes_ms" in result}


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size", "--sizes", type=size_of, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000]
    )
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    results = measured_before()
    for size in options.size:
        with Progress() as progress:
            results[size] = one_size(size, progress)
        ordered = [results[each] for each in sorted(results)]
        print_rows("One search, ten best above the floor", COLUMNS, rows_of(ordered))
        write_json("index", {"machine": facts, "floor": FLOOR, "results": ordered})
    return 0


if __name__ == "__main__":
    sys.exit(main())
