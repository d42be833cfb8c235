"""Photo in, answer out: one search in a gallery of 10,000 people, what it is made of, and what it costs in memory.

The gallery is synthetic and its error rates are made up: no calibration here supports 10,000 people, so the service
would refuse. This says what the machine can do, not what may be answered.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track
from tests.builders import make_profile, unit_templates

from assent import Assent, Settings
from assent.calibration.profile import ReferenceKind
from assent.demo.photos import fetch_photos
from assent.models.store import ModelStore
from assent.service.galleries import Galleries
from assent.service.images import load_image
from assent.service.policy import policy_for
from assent.types import JsonObject, UInt8
from benchmarks.common import BENCH_DIR, MODELS_DIR, machine, print_machine, print_rows, write_json

PURPOSE = "bench"
NUM_PEOPLE = 10_000
ROUNDS = 30


def photo_1280x960(photos: Path) -> bytes:
    """A JPEG of 1280 x 960 pixels with one real face of ordinary size."""
    portrait = Image.open(photos / "obama.jpg").convert("RGB").resize((768, 960), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (1280, 960), (110, 120, 130))
    canvas.paste(portrait, (256, 0))
    buffer = io.BytesIO()
    canvas.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def settings_for(num_people: int) -> Settings:
    """The bench's own data folder."""
    return Settings(data_dir=BENCH_DIR / f"gallery-{num_people}", models_dir=MODELS_DIR)


def fill(settings: Settings, num_people: int) -> float:
    """Make the gallery if it is not there, or what is missing of it; seconds it took, 0 when it was."""
    marker = settings.data_dir / "filled"
    if marker.exists():
        return 0.0
    started_s = time.perf_counter()
    with Assent(settings=settings) as assent:
        if not assent.collections.list():
            assent.collections.create("bench", purpose=PURPOSE)
        digest = assent.collections.get("bench").collection.model_digest
        folder = settings.data_dir / "calibrations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "made-up.json").write_text(_evidence_for_anything(digest))
        templates = unit_templates(num_people, seed=7)
        with assent._ctx.records.reading() as tx:
            num_there = tx.gallery_size("bench").num_people
        for start in track(range(num_there, num_people, 500), "Filling the gallery"):
            _add(assent, templates, range(start, min(start + 500, num_people)))
    marker.touch()
    return time.perf_counter() - started_s


def _add(assent: Assent, templates: np.ndarray, chosen: range) -> None:
    records = assent._ctx.records  # the bench stands in for 10,000 photographs
    with records.transaction() as tx:
        notice = tx.add_notice(version="1", language="en", text="synthetic")
        for i in chosen:
            tx.add_person(f"p{i}")
            consent = tx.record_consent(
                f"p{i}",
                controller="bench",
                purpose=PURPOSE,
                notice_id=notice.id,
                method="online-form",
                evidence_sha256="0" * 64,
                legal_basis="synthetic",
                given_at=tx.now,
                expires_at=tx.now + timedelta(days=365),
            )
            tx.add_template(
                "bench", f"p{i}", consent.id, templates[i], image_sha256=i.to_bytes(32, "big"), quality={}
            )


def _evidence_for_anything(digest: str) -> str:
    profile = make_profile(digest)
    upper = (1.0, 1e-1, 1e-3, 1e-5, 1e-6, 9e-7)
    changes = {
        "fmr_upper": upper,
        "fmr": tuple(value / 2 for value in upper),
        "num_subject_pairs": 10**8,
        "num_nonmated_trials": 10**8,
    }
    curves = tuple(curve.model_copy(update=changes) for curve in profile.curves)
    return profile.model_copy(update={"curves": curves}).to_json()


def parts(assent: Assent, photo: bytes, rounds: int) -> dict[str, list[float]]:
    """Wall times of a whole search and of its parts, taken in turns, seconds."""
    ctx, engine = assent._ctx, assent._ctx.engine
    image_rgb: UInt8 = load_image(photo, assent.settings).image_rgb
    faces = engine.faces(image_rgb)
    template = engine.templates(image_rgb, faces)
    galleries = Galleries()
    with ctx.records.reading() as tx:
        record = tx.collection("bench")
        gallery = galleries.at(tx, record)
    now_s = ctx.clock().timestamp()
    profile = ctx.profile(record.model_digest)

    def index_search() -> None:
        policy = policy_for(profile, gallery.live(now_s), fpir_target=record.fpir_target)
        for kind, threshold in policy.thresholds.items():
            gallery.indexes[ReferenceKind(kind)].search(
                template, limit=5, min_score=threshold.value, now_s=now_s
            )

    steps = {
        "whole search": lambda: assent.search(photo, collection="bench", purpose=PURPOSE),
        "decode": lambda: load_image(photo, assent.settings),
        "detect and judge": lambda: engine.faces(image_rgb),
        "align and embed": lambda: engine.templates(image_rgb, faces),
        "policy and index": index_search,
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, step in steps.items():
            started_s = time.perf_counter()
            step()
            if turn >= 2:
                taken[name].append(time.perf_counter() - started_s)
    return taken


def memory_and_first_answer() -> JsonObject:
    """Peak resident memory, MB, and time to the first answer, s, of a fresh process that searches five times."""
    script = "from benchmarks.service import one_process; one_process()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    answer: JsonObject = json.loads(done.stdout.splitlines()[-1])
    return answer


def one_process() -> None:
    """What ``memory_and_first_answer`` runs."""
    started_s = time.perf_counter()
    photo = photo_1280x960(fetch_photos(MODELS_DIR.parent / "photos"))
    with Assent(settings=settings_for(NUM_PEOPLE)) as assent:
        for turn in range(5):
            assent.search(photo, collection="bench", purpose=PURPOSE)
            if turn == 0:
                first_s = time.perf_counter() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": peak_mb, "first_answer_s": first_s}))


def help_times_s(rounds: int = 9) -> list[float]:
    """Wall times of ``assent --help``, seconds."""
    taken = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        command = [sys.executable, "-m", "assent", "--help"]
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "COLUMNS": "80"})
        taken.append(time.perf_counter() - started_s)
    return taken


def main(argv: list[str] | None = None) -> int:
    """Run it; a table on the screen, JSON in ``build/bench``.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    ModelStore(MODELS_DIR).pull()
    photo = photo_1280x960(fetch_photos(MODELS_DIR.parent / "photos"))
    settings = settings_for(NUM_PEOPLE)
    facts = machine()
    print_machine(facts)
    filled_s = fill(settings, NUM_PEOPLE)
    with Assent(settings=settings) as assent:
        taken = parts(assent, photo, options.rounds)
    process = memory_and_first_answer()
    help_s = help_times_s()
    rows = [
        (name, *(f"{1000 * q:.1f} ms" for q in np.quantile(times, (0.5, 0.95))))
        for name, times in taken.items()
    ]
    rows += [
        ("assent --help", *(f"{1000 * q:.0f} ms" for q in np.quantile(help_s, (0.5, 0.95)))),
        ("first answer of a fresh process", f"{process['first_answer_s']:.2f} s", ""),
        ("its peak resident memory", f"{process['peak_mb']:.0f} MB", ""),
    ]
    print_rows(f"1280 x 960, one face, {NUM_PEOPLE:,} people", ["", "p50", "p95"], rows)
    write_json(
        "service",
        {
            "machine": facts,
            "times_s": taken,
            "help_s": help_s,
            "fill_s": filled_s,
            "num_people": NUM_PEOPLE,
            **process,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
