"""The server under load: what the wire adds to a search, 16 clients for a minute, and 200 clients at once.

    python -m benchmarks.server                  # everything, about three minutes
    python -m benchmarks.server --seconds 20     # shorter loads

Server and clients share the machine, as in the smallest installation. The gallery is synthetic with made-up error
rates, as in ``benchmarks.service``, and of a size that evidence does support; the photograph is real.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from assent import Assent, Settings
from assent.demo.photos import fetch_photos
from assent.models.store import ModelStore
from assent.types import JsonObject
from benchmarks.common import BENCH_DIR, MODELS_DIR, machine, print_machine, print_rows, write_json
from benchmarks.service import PURPOSE, fill, photo_1280x960

NUM_PEOPLE = 600
ROUNDS = 60
CLIENTS = 16
SECONDS = 60.0
CROWD = 200
WARM_UP_S = 15.0
COLLECTION = "bench"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the clients send, and what."""

    url: str
    key_id: str
    secret: str
    photo: bytes

    def client(self, *, attempts: int = 1) -> Any:
        """A boto3 client."""
        config = Config(
            retries={"total_max_attempts": attempts},
            read_timeout=60,
            connect_timeout=60,
            max_pool_connections=1,
        )
        return boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=config,
        )


@dataclass
class Tally:
    """What became of some clients' requests.

    Attributes:
        times_s: of those that were answered, by what they asked.
        refused_s: of those that were told to come back.
        errors: everything else, by its name.
    """

    times_s: dict[str, list[float]] = field(default_factory=dict)
    refused_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take another's in."""
        for name, times in other.times_s.items():
            self.times_s.setdefault(name, []).extend(times)
        self.refused_s += other.refused_s
        self.errors += other.errors

    def ask(self, name: str, call: Any) -> None:
        """Make one request."""
        started_s = time.perf_counter()
        try:
            call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ThrottlingException":
                self.refused_s.append(time.perf_counter() - started_s)
            else:
                self.errors[code] += 1
        except BotoCoreError as error:
            self.errors[type(error).__name__] += 1
        else:
            self.times_s.setdefault(name, []).append(time.perf_counter() - started_s)


@contextmanager
def server(settings: Settings) -> Iterator[tuple[str, int]]:
    """A server in a process of its own; its address and process id."""
    env = {
        **os.environ,
        "ASSENT_DATA_DIR": str(settings.data_dir),
        "ASSENT_MODELS_DIR": str(settings.models_path),
    }
    words = [sys.executable, "-m", "assent", "serve", "--json", "--port", "0"]
    log_path = settings.data_dir / "server.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process.pid
        assert process.poll() is None, "the server ended by itself"
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code == 0, log_path.read_text()[-2000:]


def prepared(num_people: int) -> tuple[Settings, str, str]:
    """A fresh data folder with a gallery and a key: settings, key id, secret."""
    settings = Settings(data_dir=BENCH_DIR / "server", models_dir=MODELS_DIR)
    for path in (settings.data_dir, settings.key_path.parent):
        shutil.rmtree(path, ignore_errors=True)
    fill(settings, num_people)
    with Assent(settings=settings) as assent:
        made = assent.access.make("bench", ["admin"])
    return settings, made.key.id, made.secret


def overhead(settings: Settings, target: Target, rounds: int) -> dict[str, list[float]]:
    """Wall times of one search, in this process and through boto3, in turns, seconds."""
    client = target.client()
    with Assent(settings=settings) as assent:
        calls: dict[str, Callable[[], object]] = {
            "in Python": lambda: assent.search(
                target.photo, collection=COLLECTION, purpose=PURPOSE, faces="largest"
            ),
            "through boto3": lambda: search(client, target.photo),
        }
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(rounds + 5):
            for name, call in calls.items():
                started_s = time.perf_counter()
                call()
                if turn >= 5:
                    taken[name].append(time.perf_counter() - started_s)
    return taken


def search(client: Any, photo: bytes) -> None:
    """One SearchFacesByImage."""
    client.search_faces_by_image(CollectionId=COLLECTION, Image={"Bytes": photo})


def keep_searching(target: Target, ready: Barrier, seconds: float, out: Any) -> None:
    """One client process: searches until its time is over."""
    client, tally = target.client(), Tally()
    ready.wait()
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        tally.ask("search", lambda: search(client, target.photo))
    out.put(tally)


def keep_enrolling(target: Target, ready: Barrier, seconds: float, out: Any) -> None:
    """One client process: enrols a photo and removes it again until its time is over."""
    client, tally = target.client(), Tally()
    ready.wait()
    ends_s = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends_s:
        number += 1
        # a comment behind the image makes it another file with the same face
        image = target.photo + f"{os.getpid()}-{number}".encode()
        found: list[str] = []

        def index(image: bytes = image, found: list[str] = found) -> None:
            answer = client.index_faces(
                CollectionId=COLLECTION, Image={"Bytes": image}, ExternalImageId="real"
            )
            found.extend(record["Face"]["FaceId"] for record in answer["FaceRecords"])

        tally.ask("enrol", index)
        if found:
            tally.ask(
                "remove", lambda found=found: client.delete_faces(CollectionId=COLLECTION, FaceIds=found)
            )
    out.put(tally)


def crowd_of(target: Target, ready: Barrier, num_clients: int, attempts: int, out: Any) -> None:
    """One client process with many threads, each asking once, all at the same moment."""
    clients = [target.client(attempts=attempts) for _ in range(num_clients)]
    tallies = [Tally() for _ in clients]
    together = threading.Barrier(num_clients + 1)

    def ask(client: Any, tally: Tally) -> None:
        together.wait()
        tally.ask("search", lambda: search(client, target.photo))

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(clients, tallies, strict=True)]
    for thread in threads:
        thread.start()
    ready.wait()
    together.wait()
    for thread in threads:
        thread.join()
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    out.put(whole)


def run_together(
    jobs: Sequence[tuple[Any, tuple[Any, ...]]], target: Target, while_running: Any = None
) -> Tally:
    """Client processes that begin at the same moment; what became of all their requests."""
    context = multiprocessing.get_context("spawn")
    ready, out = context.Barrier(len(jobs) + 1), context.Queue()
    processes = [context.Process(target=work, args=(target, ready, *rest, out)) for work, rest in jobs]
    for process in processes:
        process.start()
    ready.wait()
    if while_running is not None:
        while_running()
    whole = Tally()
    for _ in processes:
        whole.add(out.get(timeout=300))
    for process in processes:
        process.join()
    return whole


def memory_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


@dataclass
class Memory:
    """Samples of the server's resident memory during a load."""

    pid: int
    seconds: float
    samples_mb: list[float] = field(default_factory=list)

    def watch(self) -> None:
        """One sample a second until the load is over."""
        ends_s = time.monotonic() + self.seconds
        while time.monotonic() < ends_s:
            self.samples_mb.append(memory_mb(self.pid))
            time.sleep(1)

    @property
    def settled_mb(self) -> list[float]:
        """Those after the warm-up."""
        return self.samples_mb[int(min(WARM_UP_S, self.seconds / 3)) :]

    @property
    def swing(self) -> float:
        """The largest distance from the first sample after the warm-up, as a share of it."""
        first, *_ = settled = self.settled_mb
        return max(abs(sample - first) for sample in settled) / first


def load(target: Target, pid: int, seconds: float, *, num_enrolling: int = 0) -> JsonObject:
    """16 clients, each asking again as soon as it is answered."""
    jobs: list[tuple[Any, tuple[Any, ...]]] = [(keep_enrolling, (seconds,))] * num_enrolling
    jobs += [(keep_searching, (seconds,))] * (CLIENTS - num_enrolling)
    memory = Memory(pid, seconds)
    tally = run_together(jobs, target, memory.watch)
    times = tally.times_s["search"]
    p50, p99 = np.quantile(times, (0.5, 0.99))
    return {
        "answered": {name: len(found) for name, found in tally.times_s.items()},
        "p50_s": {name: float(np.median(found)) for name, found in tally.times_s.items()},
        "p99_s": {name: float(np.quantile(found, 0.99)) for name, found in tally.times_s.items()},
        "p99_over_p50": float(p99 / p50),
        "max_s": max(times),
        "searches_per_s": len(times) / seconds,
        "throttled": len(tally.refused_s),
        "errors": dict(tally.errors),
        "memory_mb": [min(memory.settled_mb), float(np.median(memory.settled_mb)), max(memory.settled_mb)],
        "memory_swing": memory.swing,
    }


def overload(target: Target, pid: int, *, attempts: int) -> JsonObject:
    """200 clients at one moment, and whether the server is well afterwards."""
    share = CROWD // 4
    tally = run_together([(crowd_of, (share, attempts))] * 4, target)
    answered = tally.times_s.get("search", [])
    started_s = time.perf_counter()
    search(target.client(), target.photo)
    return {
        "answered": len(answered),
        "throttled": len(tally.refused_s),
        "errors": dict(tally.errors),
        "slowest_answer_s": max(answered, default=0.0),
        "slowest_refusal_s": max(tally.refused_s, default=0.0),
        "search_afterwards_s": time.perf_counter() - started_s,
        "memory_mb": memory_mb(pid),
    }


def add_somebody_real(settings: Settings, photo: bytes) -> None:
    """Somebody with a face, whom the searches find."""
    with Assent(settings=settings) as assent:
        assent.people.add("real")
        assent.consents.record(
            "real",
            purpose=PURPOSE,
            controller="bench",
            notice_text="A template of your face is kept for the length of a benchmark.",
            notice_version="bench",
            language="en",
            method="online-form",
            evidence=b"for a benchmark",
            term=timedelta(days=1),
        )
        assent.enrol(photo, person="real", collection=COLLECTION)


def load_rows(name: str, found: JsonObject) -> list[tuple[str, str]]:
    """A load as lines of a table."""
    low, middle, high = found["memory_mb"]
    return [
        (f"{name}: answered, by kind", ", ".join(f"{n} {kind}" for kind, n in found["answered"].items())),
        ("  throttled, other errors", f"{found['throttled']}, {found['errors'] or 0}"),
        ("  searches a second", f"{found['searches_per_s']:.1f}"),
        (
            "  search p50, p99",
            f"{found['p50_s']['search'] * 1000:.0f} ms, {found['p99_s']['search'] * 1000:.0f} ms",
        ),
        ("  p99 / p50", f"{found['p99_over_p50']:.2f}"),
        ("  memory, least, median, most", f"{low:.0f}, {middle:.0f}, {high:.0f} MB"),
        ("  farthest from the end of the warm-up", f"{found['memory_swing']:.1%}"),
    ]


def crowd_rows(name: str, found: JsonObject) -> list[tuple[str, str]]:
    """An overload as lines of a table."""
    return [
        (
            f"{name}: answered, throttled, other",
            f"{found['answered']}, {found['throttled']}, {found['errors'] or 0}",
        ),
        (
            "  slowest answer, refusal",
            f"{found['slowest_answer_s']:.1f} s, {found['slowest_refusal_s']:.1f} s",
        ),
        ("  one search afterwards", f"{found['search_afterwards_s'] * 1000:.0f} ms"),
    ]


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--only", choices=["overhead", "load", "mixed", "crowd"], action="append")
    options = parser.parse_args(argv)
    chosen = options.only or ["overhead", "load", "mixed", "crowd"]
    ModelStore(MODELS_DIR).pull()
    photo = photo_1280x960(fetch_photos(MODELS_DIR.parent / "photos"))
    facts = machine()
    print_machine(facts)
    settings, key_id, secret = prepared(NUM_PEOPLE)
    add_somebody_real(settings, photo)
    results: JsonObject = {"machine": facts, "num_people": NUM_PEOPLE, "photo_bytes": len(photo)}
    rows: list[tuple[str, str]] = []
    with server(settings) as (url, pid):
        target = Target(url, key_id, secret, photo)
        if "overhead" in chosen:
            taken = results["overhead_s"] = overhead(settings, target, options.rounds)
            p50 = {name: float(np.median(times)) for name, times in taken.items()}
            rows += [(f"search {name}, p50", f"{1000 * value:.1f} ms") for name, value in p50.items()]
            added_s = p50["through boto3"] - p50["in Python"]
            rows.append(("  added by the wire", f"{1000 * added_s:.1f} ms, {added_s / p50['in Python']:.1%}"))
        if "load" in chosen:
            results["load"] = load(target, pid, options.seconds)
            rows += load_rows(f"{CLIENTS} clients searching", results["load"])
        if "mixed" in chosen:
            results["mixed"] = load(target, pid, options.seconds, num_enrolling=2)
            rows += load_rows(f"{CLIENTS} clients, 2 of them enrolling", results["mixed"])
        if "crowd" in chosen:
            results["crowd"] = overload(target, pid, attempts=1)
            rows += crowd_rows(f"{CROWD} at once, no second try", results["crowd"])
            results["crowd_trying_again"] = overload(target, pid, attempts=5)
            rows += crowd_rows(f"{CROWD} at once, up to 5 tries", results["crowd_trying_again"])
    facts["load_after"] = os.getloadavg()[0]
    print_rows(f"1280 x 960, {NUM_PEOPLE} people, {len(photo) / 1024:.0f} KB", ["", ""], rows)
    write_json("server", results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
