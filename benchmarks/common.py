"""What every benchmark shares: the machine's header, side-by-side timing, tables, JSON in ``build/bench``."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from assent.types import JsonObject

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH_DIR = REPOSITORY / "build" / "bench"
MODELS_DIR = Path(os.environ.get("ASSENT_TEST_MODELS", REPOSITORY / "build" / "models"))

_VERSIONS_OF = ("assent", "numpy", "onnx", "onnxruntime", "opencv-python-headless", "dlib-bin")


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall times of one contender, taken in turns with the others.

    Attributes:
        median_s: the middle one.
        fastest_s: the least disturbed one.
        rounds: how many were taken.
    """

    median_s: float
    fastest_s: float
    rounds: int


def time_side_by_side(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 1
) -> dict[str, Timing]:
    """Times contenders in turns, so that whatever else the machine does falls on all of them alike.

    Args:
        contenders: what to call, by name.
        rounds: how often each is called.
        warm_up: untimed calls of each before.

    Returns:
        A timing for each name. Only ratios within one result mean something.
    """
    for call in contenders.values():
        for _ in range(warm_up):
            call()
    times_s: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            times_s[name].append(time.perf_counter() - start)
    return {name: Timing(float(np.median(taken)), min(taken), rounds) for name, taken in times_s.items()}


def machine() -> JsonObject:
    """Hardware and versions, to print with every figure."""
    versions: dict[str, str | None] = {}
    for name in _VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load,
        "versions": versions,
    }


def _processor_name() -> str:
    """What /proc says where there is one: ``platform.processor`` is empty on most Linux systems."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def print_machine(facts: JsonObject, console: Console | None = None) -> None:
    """One line of hardware, one of versions."""
    console = console or Console()
    load = facts["load_before"]
    busy = "" if load is None else f", load {load:.2f}"
    console.print(
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}{busy}"
    )
    console.print(", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version))


def print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], console: Console | None = None
) -> None:
    """A table; the first column is text, the others are right-aligned."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    (console or Console()).print(table)


def write_json(name: str, results: JsonObject) -> Path:
    """Writes ``build/bench/NAME.json`` and says so.

    Args:
        name: of the benchmark.
        results: anything that JSON can hold.

    Returns:
        The file.
    """
    BENCH_DIR.mkdir(parents=True, exist_ok=True)
    path = BENCH_DIR / f"{name}.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(REPOSITORY)}", file=sys.stderr)
    return path
