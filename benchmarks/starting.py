"""How long a process that starts waits for a large gallery: from its saved files, and from the records alone.

Each way is timed in processes of its own, in turns. People, templates and error rates are made up (see
``benchmarks.service``).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from assent import Assent, Settings
from assent.types import JsonObject
from benchmarks.common import machine, print_machine, print_rows, write_json
from benchmarks.index import size_of
from benchmarks.service import fill, settings_for

NUM_PEOPLE = 100_000
ROUNDS = 5
WAYS = {"saved files": 1, "records": 10**12}
"""``save_galleries_from`` for each way."""


def opened(num_people: int, way: str) -> Settings:
    """The bench's data folder, with or without saved galleries."""
    return settings_for(num_people).model_copy(update={"save_galleries_from": WAYS[way]})


def one_process(num_people: int, way: str) -> None:
    """What each timed process runs."""
    with Assent(settings=opened(num_people, way)) as assent:
        ctx = assent._ctx  # a search would also load the networks
        started_s = time.perf_counter()
        with ctx.records.reading() as tx:
            gallery = ctx.galleries.at(tx, tx.collection("bench"))
        taken_s = time.perf_counter() - started_s
        num_held = sum(map(len, gallery.indexes.values()))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": taken_s, "people": num_held, "peak_mb": peak_mb}), flush=True)


def timed(num_people: int, way: str) -> JsonObject:
    """One process's figures."""
    script = f"from benchmarks.starting import one_process; one_process({num_people}, {way!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    answer: JsonObject = json.loads(done.stdout.splitlines()[-1])
    if answer["people"] != num_people:
        raise SystemExit(f"expected a gallery of {num_people}, got {answer['people']}")
    return answer


def save(num_people: int) -> tuple[float, int]:
    """Write the files; seconds, and their bytes."""
    with Assent(settings=opened(num_people, "saved files")) as assent:
        ctx = assent._ctx
        with ctx.records.reading() as tx:
            ctx.galleries.at(tx, tx.collection("bench"))
        started_s = time.perf_counter()
        assent.save_galleries()
        seconds = time.perf_counter() - started_s
    folder: Path = settings_for(num_people).data_dir / "galleries"
    return seconds, sum(path.stat().st_size for path in folder.iterdir())


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=size_of, default=NUM_PEOPLE)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    facts = machine()
    print_machine(facts)
    fill(opened(options.people, "records"), options.people)
    saved_s, num_bytes = save(options.people)
    taken: dict[str, list[JsonObject]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, results in taken.items():
            results.append(timed(options.people, way))
    medians = {
        way: {name: float(np.median([each[name] for each in results])) for name in ("seconds", "peak_mb")}
        for way, results in taken.items()
    }
    rows = [(way, f"{r['seconds']:.2f} s", f"{r['peak_mb']:.0f} MB") for way, r in medians.items()]
    rows.append((f"saving: {num_bytes / 1e6:.0f} MB", f"{saved_s:.2f} s", ""))
    print_rows(
        f"A gallery of {options.people:,} people, read by a process that starts",
        ["from", "p50", "peak"],
        rows,
    )
    write_json(
        "starting",
        {
            "machine": facts,
            "num_people": options.people,
            "medians": medians,
            "taken": taken,
            "saving_s": saved_s,
            "saved_bytes": num_bytes,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
