"""The plot of docs/scale.md, from what ``python -m benchmarks.index`` left in ``build/bench/index.json``."""

from __future__ import annotations

import sys

import matplotlib as mpl

from benchmarks.common import REPOSITORY
from benchmarks.index import measured_before

mpl.use("svg")
import matplotlib.pyplot as plt

PLOT = REPOSITORY / "docs" / "images" / "scale.svg"


def main() -> int:
    """Draw it. Returns the exit code."""
    results = [result for _, result in sorted(measured_before().items())]
    sizes = [result["size"] for result in results]
    figure, axes = plt.subplots(figsize=(6.5, 4))
    for name, what in {
        "p50_ms": "one search, p50",
        "p99_ms": "one search, p99",
        "batch_ms": "each of many at once",
        "flat_ms": "FAISS flat float, one, p50",
    }.items():
        axes.loglog(sizes, [result[name] for result in results], marker="o", label=what)
    axes.set(xlabel="templates in the gallery", ylabel="milliseconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})
    print(f"wrote {PLOT.relative_to(REPOSITORY)}, {PLOT.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
