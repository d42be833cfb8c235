"""Making a calibration profile from folders of labelled pictures.

Templates exist only while this runs; what is written is numbers, and, where asked for, one sheet of the
chips that look most alike under different names, for a person to look at before the numbers are believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from assent.calibration.curve import Population, Recipe, ReferenceKind
from assent.calibration.measure import measure
from assent.calibration.profile import CalibrationProfile
from assent.calibration.samples import Samples
from assent.calibration.table import MeasureOptions
from assent.calibration.trials import TopPair, nonmated_trials
from assent.errors import TooFewTrials, UsageError
from assent.evaluation.labelled import LabelledImage, list_images, without_exclusions
from assent.evaluation.pictures import (
    Acquired,
    ReadOptions,
    acquire_picture,
    first_of_duplicates,
    picture_chip,
)
from assent.evaluation.sheets import Tile, draw_sheet, png_of
from assent.models.files import write_atomically
from assent.types import UInt8
from assent.vision.engine import FaceEngine


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What to write about the data, and how to measure.

    Attributes:
        description: who these people are and what the pictures are like, in words.
        sources: names of the data sets; the folders' and listings' names where empty.
        inspection: what became of the look at the top pairs.
        read: how pictures are read, and the gate: pictures whose face it refuses give no template.
        measure: intervals and split.
        created: the day to write; None for today (UTC).
    """

    description: str
    sources: tuple[str, ...] = ()
    inspection: str = "not inspected"
    read: ReadOptions = field(default_factory=ReadOptions)
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    created: date | None = None


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """What was made.

    Attributes:
        profile: as written.
        path: where.
        num_near_duplicates: pictures dropped because another of the same person is the same picture.
        top_pairs: at most 50 pairs under different names that look most alike; label errors gather here.
        sheet: the picture of these pairs, or None where none was asked for.
    """

    profile: CalibrationProfile
    path: Path
    num_near_duplicates: int
    top_pairs: tuple[TopPair, ...]
    sheet: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class AcquiredSamples:
    """What became of pictures: templates with labels, and why some gave none.

    Attributes:
        samples: near-duplicates left out.
        failures: pictures without a template, by reason.
        num_near_duplicates: pictures left out.
    """

    samples: Samples
    failures: dict[str, int]
    num_near_duplicates: int


def calibrate_folders(
    engine: FaceEngine,
    folders: Sequence[Path],
    *,
    out: Path,
    options: CalibrationOptions,
    listings: Sequence[Path] = (),
    exclusions: Path | None = None,
    sheet_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationResult:
    """Measure an engine on labelled pictures and write its profile.

    Args:
        engine: the model and recipe to calibrate.
        folders: each holds a folder for each person, and is a data set of its own.
        out: the profile, JSON; replaced whole or not at all.
        options: words and numbers that go with it.
        listings: CSV files with the columns ``image`` (path relative to the listing, or absolute),
            ``subject`` and, if wanted, ``group`` (data set; default the listing's name) and ``id``.
        exclusions: CSV with the columns ``image`` (an image id) and ``reason``.
        sheet_dir: folder for a picture of the top nonmated pairs, for a person to look at.
        progress: called with (pictures done, pictures in all).

    Raises:
        UsageError: a folder or file that is not there, a malformed CSV, or an exclusion of no picture.
        TooFewTrials: too few people.
        CalibrationContradicted: the reporting half disagrees with the choosing half; no file is written,
            the sheet is.
        ModelError: the engine's files, or ``out`` cannot be written.
    """
    listed = list_images(folders, listings)
    images, num_excluded = without_exclusions(listed, exclusions)
    acquired = acquire(engine, images, options, progress)
    sheet = None
    if sheet_dir is not None:  # first, since it is what to look at when the measurement is refused
        nonmated = nonmated_trials(acquired.samples, ReferenceKind.SINGLE)
        pairs = nonmated.top_pairs if nonmated else ()
        sheet = write_sheet(engine, pairs, images, sheet_dir, options)
    population = Population(
        description=options.description,
        sources=options.sources or tuple(sorted({image.group for image in images})),
        num_subjects=0,
        num_images=len(images) - acquired.num_near_duplicates,
        num_excluded=num_excluded + acquired.num_near_duplicates,
        failures=acquired.failures,
        inspection=options.inspection,
    )
    measurement = measure(
        acquired.samples,
        model_digest=engine.model_digest,
        recipe=Recipe(name=engine.recipe.name, version=engine.recipe.version),
        population=population,
        created=options.created or datetime.now(UTC).date(),
        options=options.measure,
    )
    write_atomically(out, measurement.profile.to_json().encode())
    return CalibrationResult(
        measurement.profile, out, acquired.num_near_duplicates, measurement.top_pairs, sheet
    )


def acquire(
    engine: FaceEngine,
    images: Sequence[LabelledImage],
    options: CalibrationOptions,
    progress: Callable[[int, int], None] | None = None,
) -> AcquiredSamples:
    """Make a template of the subject's face in each picture, under the gate.

    Raises:
        TooFewTrials: no picture gave a template.
    """
    acquired: list[Acquired] = []
    for image in images:
        acquired.append(acquire_picture(engine, image.path, options.read))
        if progress is not None:
            progress(len(acquired), len(images))
    failures = Counter(item.failure for item in acquired if item.failure)
    if len(images) == sum(failures.values()):
        raise TooFewTrials(f"expected pictures with a face; none of {len(images)} gave a template.")
    is_new = first_of_duplicates(
        [(image.group, image.subject) for image in images], [item.chip_hash for item in acquired]
    )
    none = np.zeros(engine.dim, np.float32)
    samples = Samples(
        templates=np.array([none if x.template is None else x.template for x in acquired], np.float32),
        subjects=np.array([image.subject for image in images]),
        groups=np.array([image.group for image in images]),
        image_ids=np.array([image.image_id for image in images]),
        acquired=np.array([x.template is not None for x in acquired]),
    )
    return AcquiredSamples(samples.take(is_new), dict(sorted(failures.items())), int((~is_new).sum()))


def write_sheet(
    engine: FaceEngine,
    pairs: Sequence[TopPair],
    images: Sequence[LabelledImage],
    folder: Path,
    options: CalibrationOptions,
) -> Path:
    """Draw the pairs side by side, highest score first, five in a row, numbered as in the list beside it.

    Raises:
        TooFewTrials: no pair.
        ModelError: the folder cannot be written.
    """
    if not pairs:
        raise TooFewTrials(
            "expected pictures of at least two people in one data set; there is no pair to show."
        )
    paths = {image.image_id: image for image in images}
    tiles = [
        Tile(
            _chip(engine, paths[pair.first_image], options),
            _chip(engine, paths[pair.second_image], options),
            f"{number}: {pair.score:.3f}",
        )
        for number, pair in enumerate(pairs, start=1)
    ]
    write_atomically(folder / "top-nonmated.png", png_of(draw_sheet(tiles)))
    lines = ["number,score,first_image,second_image"]
    lines += [f"{n},{p.score:.4f},{p.first_image},{p.second_image}" for n, p in enumerate(pairs, start=1)]
    write_atomically(folder / "top-nonmated.csv", ("\n".join(lines) + "\n").encode())
    return folder / "top-nonmated.png"


def _chip(engine: FaceEngine, image: LabelledImage, options: CalibrationOptions) -> UInt8:
    chip = picture_chip(engine, image.path, options.read)
    if chip is None:
        raise UsageError(f"{image.image_id} changed while it was being measured.")
    return chip
