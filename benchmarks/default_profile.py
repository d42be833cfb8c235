"""Makes the default model's calibration profile: ``python -m benchmarks.default_profile``.

Two to three minutes on two cores. The same by hand: ``python -m benchmarks.datasets``, then ``assent calibrate``
with the folder, listing, exclusions and words below. The sheet of the most alike pairs is put into ``build/sheet``;
look at it before committing the profile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from assent.models.store import ModelStore
from assent.service.calibrating import CalibrationOptions, calibrate_folders
from assent.vision.engine import FaceEngine
from benchmarks.common import MODELS_DIR, REPOSITORY
from benchmarks.datasets import DATA_DIR, EXCLUSIONS, congress_images, write_listing

PROFILE = EXCLUSIONS.with_name("dlib-resnet-v1.json")
DESCRIPTION = (
    "Public figures: news photographs of about 2002 to 2004 (part of LFW, deep-funneled, up to four a person), and "
    "official portraits of members of the US Congress born from 1920, of many decades, some monochrome and small. "
    "Compared within each set only. It is no sample of any population: newsrooms and voters chose who is in it."
)
INSPECTION = (
    "The fifty most alike pairs under different names were looked at. Ten portraits that are there twice under two "
    "numbers or names were left out (exclusions-lfw-congress.csv); the others look like different people."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA_DIR)
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--out", type=Path, default=PROFILE)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    models = ModelStore(options.models)
    models.pull()
    listing = REPOSITORY / "build" / "congress.csv"
    write_listing(congress_images(options.data), listing)
    result = calibrate_folders(
        FaceEngine.open(models, threads=options.threads),
        [options.data / "lfw"],
        listings=[listing],
        exclusions=EXCLUSIONS,
        out=options.out,
        sheet_dir=REPOSITORY / "build" / "sheet",
        options=CalibrationOptions(DESCRIPTION, sources=("lfw", "congress"), inspection=INSPECTION),
    )
    profile = result.profile
    print(f"{profile.population.num_subjects} people, {profile.population.num_images} photographs")
    for curve in profile.curves:
        print(
            f"{curve.kind}: evidence ends at {curve.evidence_end:.3f}, fmr at most {curve.fmr_upper_at_end:.2g}, "
            f"n_max {profile.n_max(0.01, [curve.kind])} (default), {profile.n_max(0.001, [curve.kind])} (strict)"
        )
    print(f"wrote {result.path}; look at {result.sheet}")


if __name__ == "__main__":
    main()
