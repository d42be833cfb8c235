"""The photographs beside the project as labelled pictures: LFW, and portraits of members of Congress.

Run ``python -m benchmarks.datasets`` to write the listing of portraits that ``assent calibrate`` takes.
Nothing here is copied into the project; ``../shared/data/README.md`` says where the pictures come from.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from assent.evaluation.labelled import LabelledImage, list_images, without_exclusions
from assent.evaluation.runs.portraits import BORN_FROM, portraits_plan
from benchmarks.common import REPOSITORY

DATA_DIR = REPOSITORY.parent / "shared" / "data"
EXCLUSIONS = REPOSITORY / "src" / "assent" / "calibration" / "profiles" / "exclusions-lfw-congress.csv"


def congress_images(data_dir: Path, *, born_from: int = BORN_FROM) -> list[LabelledImage]:
    """Probes, then the gallery of people born from ``born_from``; a mate has its probe's subject."""
    plan = portraits_plan(data_dir, born_from=born_from, with_exclusions=False)
    owner = {row: n for n, mates in enumerate(plan.mates) for row in mates}
    names = [Path(probe.sample_id).name for probe in plan.probes]
    people = [f"gallery-{Path(reference.sample_id).name}" for reference in plan.references]
    people = [names[owner[row]] if row in owner else name for row, name in enumerate(people)]
    return [
        LabelledImage(f"congress/{sample.sample_id}.jpg", sample.path, person, "congress")
        for sample, person in zip((*plan.probes, *plan.references), (*names, *people), strict=True)
    ]


def all_images(data_dir: Path, *, born_from: int = BORN_FROM) -> list[LabelledImage]:
    """LFW and the portraits, less the committed exclusions."""
    images = list_images([data_dir / "lfw"]) + congress_images(data_dir, born_from=born_from)
    return without_exclusions(images, EXCLUSIONS)[0]


def write_listing(images: list[LabelledImage], path: Path) -> None:
    """Write pictures as a listing for ``assent calibrate``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "image", "subject", "group"))
        writer.writerows((i.image_id, i.path.resolve(), i.subject, i.group) for i in images)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the listing of portraits for `assent calibrate`.")
    parser.add_argument("--data", type=Path, default=DATA_DIR)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "congress.csv")
    options = parser.parse_args()
    images = congress_images(options.data)
    write_listing(images, options.out)
    print(f"{len(images)} pictures of {len({i.subject for i in images})} people: {options.out}")


if __name__ == "__main__":
    main()
