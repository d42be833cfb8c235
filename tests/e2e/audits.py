"""What runs of audits share: a small experiment of 2018, and how two results of the same are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def numbers(twin: dict[str, Any]) -> dict[str, Any]:
    """A twin without what differs between two runs of the same: moments, times, how often it was taken up."""
    result = dict(twin["result"])
    result["method"] = {**result["method"], "created": ""}
    result["groups"] = [
        {**g, "rows": [{**row, "median_ms": 0} for row in g["rows"]]} for g in result["groups"]
    ]
    run = {k: v for k, v in twin["run"].items() if k not in ("latencies", "num_resumed", "num_throttled")}
    return {"result": result, "run": run}


def small_congress(shared_data: Path, folder: Path, num_probes: int, num_others: int) -> Path:
    """Some probes with and without a mate, their mates, and some of the others."""
    source = shared_data / "congress"
    for side in ("probes", "gallery"):
        (folder / side).mkdir(parents=True)
    probes = (source / "probes.csv").read_text().splitlines()
    gallery = (source / "gallery.csv").read_text().splitlines()
    kept = probes[1 : num_probes + 1]
    mates = {line.split(",")[1] for line in kept} - {""}
    others = [
        line for line in gallery[1:] if line.split(",")[0] not in mates and int(line.split(",")[1]) > 1940
    ]
    rows = [line for line in gallery[1:] if line.split(",")[0] in mates] + others[:num_others]
    (folder / "probes.csv").write_text("\n".join([probes[0], *kept]) + "\n")
    (folder / "gallery.csv").write_text("\n".join([gallery[0], *rows]) + "\n")
    for side, lines in (("probes", kept), ("gallery", rows)):
        for line in lines:
            name = f"{line.split(',')[0]}.jpg"
            (folder / side / name).symlink_to(source / side / name)
    return folder
