"""``assent calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import open_assent
from assent.cli.output import JsonOption, counting, print_json, print_table, rate, say
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.calibration.profile import CalibrationProfile

RATES = (1e-2, 1e-3, 1e-4, 1e-5)


def calibrate(
    ctx: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images", help="Folder with a folder per person; repeatable, each a data set of its own."
        ),
    ] = None,
    listing: Annotated[
        list[Path] | None, typer.Option(help="CSV of image, subject and, if you like, group; repeatable.")
    ] = None,
    description: Annotated[
        str, typer.Option(help="Who these people are and what the pictures are like; kept in the profile.")
    ] = "the operator's own labelled photographs",
    exclude: Annotated[
        Path | None, typer.Option(help="CSV of image and reason: label errors to leave out.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Folder for a picture of the most alike pairs of different people.")
    ] = None,
    inspection: Annotated[
        str, typer.Option(help="What became of your look at that picture; kept in the profile.")
    ] = "not inspected",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: in the data folder, where it counts.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model's error rates on labelled photos, and write the profile that searches are held to.

    Half of the people choose the thresholds, the other half report what they do. Look at the sheet before you believe
    the numbers: label errors gather at the top. Templates exist only while this runs.

    Example: `assent calibrate --images staff/ --sheet sheet/`
    """
    if not images and not listing:
        raise UsageError("expected --images DIR (a folder per person) or --listing FILE.csv, got neither")
    with open_assent(ctx) as assent, counting("Measuring") as progress:
        result = assent.calibrate(
            images or (),
            listings=listing or (),
            description=description,
            exclusions=exclude,
            sheet_dir=sheet,
            inspection=inspection,
            out=out,
            progress=progress,
        )
    if as_json:
        print_json(
            {
                "path": result.path,
                "sheet": result.sheet,
                "num_near_duplicates": result.num_near_duplicates,
                "profile": result.profile,
            }
        )
        return
    print_profile(result.profile)
    if result.sheet is not None:
        say(f"Look at {result.sheet}: the pairs of different people that look most alike.")
    say(f"Wrote {result.path}.")


def print_profile(profile: CalibrationProfile) -> None:
    """A profile for people: misses at some rates of false matches, and how many people it supports."""
    from assent.calibration.profile import FPIR_PRESETS

    population = profile.population
    say(
        f"{population.num_subjects} people, {population.num_images} photos, of which "
        f"{population.num_failures} gave no template. {population.description}"
    )
    rows = []
    for curve in profile.curves:
        for target in RATES:
            if curve.fmr_upper_at_end > target:
                rows.append((curve.kind, rate(target), "", "beyond the evidence"))
                continue
            threshold = profile.threshold_for_fmr(target, curve.kind).value
            rows.append((curve.kind, rate(target), f"{threshold:.4f}", f"{curve.fnmr_at(threshold):.1%}"))
    print_table(None, ["compared with", "false matches at most>", "cosine at least>", "misses>"], rows)
    for name, target in FPIR_PRESETS.items():
        say(f"Supports galleries of up to {profile.n_max(target):,} people at the {name} policy.")
