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

import cv2
import numpy as np

from assent.calibration.curve import Population, Recipe, ReferenceKind
from assent.calibration.measure import measure
from assent.calibration.profile import CalibrationProfile
from assent.calibration.samples import Samples
from assent.calibration.table import MeasureOptions
from assent.calibration.trials import TopPair, nonmated_trials
from assent.errors import ImageError, TooFewTrials, UsageError
from assent.models.files import write_atomically
from assent.service.labelled import LabelledImage, list_images, without_exclusions
from assent.service.pictures import encode_png
from assent.types import Bool, Face, Float32, UInt8
from assent.vision.decode import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, decode_image
from assent.vision.engine import FaceEngine
from assent.vision.quality import PROBE_GATE, QualityGate

MAX_DUPLICATE_BITS = 28
"""Two pictures of one person whose chips' 256-bit hashes differ in at most this many bits are one picture."""

_NEAR_DUPLICATE = "near-duplicate"
_HASH_SIDE = 16


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What to write about the data, and how to measure.

    Attributes:
        description: who these people are and what the pictures are like, in words.
        sources: names of the data sets; the folders' and listings' names where empty.
        inspection: what became of the look at the top pairs.
        gate: pictures whose face it refuses give no template, as at search time.
        measure: intervals and split.
        created: the day to write; None for today (UTC).
        max_bytes: largest file that is opened.
        max_pixels: largest image that is decoded.
    """

    description: str
    sources: tuple[str, ...] = ()
    inspection: str = "not inspected"
    gate: QualityGate = PROBE_GATE
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    created: date | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    max_pixels: int = DEFAULT_MAX_PIXELS


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


@dataclass(frozen=True, slots=True, eq=False)
class _Acquired:
    """One picture's template and hash, or why there is none."""

    template: Float32 | None = None
    chip_hash: Bool | None = None
    failure: str = ""


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
    acquired: list[_Acquired] = []
    for image in images:
        acquired.append(_acquire_one(engine, image, options))
        if progress is not None:
            progress(len(acquired), len(images))
    failures = Counter(item.failure for item in acquired if item.failure)
    if len(images) == sum(failures.values()):
        raise TooFewTrials(f"expected pictures with a face; none of {len(images)} gave a template.")
    is_new = _first_of_duplicates(images, acquired)
    none = np.zeros(engine.dim, np.float32)
    samples = Samples(
        templates=np.array([none if x.template is None else x.template for x in acquired], np.float32),
        subjects=np.array([image.subject for image in images]),
        groups=np.array([image.group for image in images]),
        image_ids=np.array([image.image_id for image in images]),
        acquired=np.array([x.template is not None for x in acquired]),
    )
    return AcquiredSamples(samples.take(is_new), dict(sorted(failures.items())), int((~is_new).sum()))


def subject_face(faces: Sequence[Face], width_px: int, height_px: int) -> Face | None:
    """The face a labelled picture is of: large and near the middle; None where there is none.

    The largest box less twice the squared distance of its centre from the picture's, as is usual for
    pictures cut around one face with bystanders at the edge.
    """

    def prominence(face: Face) -> float:
        x0, y0, x1, y1 = (float(v) for v in face.box_xyxy)
        off_middle = ((x0 + x1 - width_px) / 2) ** 2 + ((y0 + y1 - height_px) / 2) ** 2
        return (x1 - x0) * (y1 - y0) - 2 * off_middle

    return max(faces, key=prominence, default=None)


def chip_hash(chip_rgb: UInt8) -> Bool:
    """(256,) bool: is each of 16 x 16 cells brighter than its left neighbour.

    Of the aligned chip, so that the same picture in another size, cut or compression has nearly the same.
    """
    grey = cv2.cvtColor(chip_rgb, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray((cells[:, 1:] > cells[:, :-1]).ravel(), np.bool_)


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
    tiles = []
    for number, pair in enumerate(pairs, start=1):
        chips = [_chip(engine, paths[image], options) for image in (pair.first_image, pair.second_image)]
        tile = np.pad(np.concatenate(chips, axis=1), ((24, 6), (3, 3), (0, 0)), constant_values=255)
        label = f"{number}: {pair.score:.3f}"
        cv2.putText(tile, label, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 5)
    rows = [np.concatenate(tiles[k : k + 5], axis=1) for k in range(0, len(tiles), 5)]
    write_atomically(folder / "top-nonmated.png", encode_png(np.concatenate(rows)))
    lines = ["number,score,first_image,second_image"]
    lines += [f"{n},{p.score:.4f},{p.first_image},{p.second_image}" for n, p in enumerate(pairs, start=1)]
    write_atomically(folder / "top-nonmated.csv", ("\n".join(lines) + "\n").encode())
    return folder / "top-nonmated.png"


def _acquire_one(engine: FaceEngine, image: LabelledImage, options: CalibrationOptions) -> _Acquired:
    try:
        image_rgb = _decode(image, options)
    except ImageError:
        return _Acquired(failure="unreadable")
    height, width = image_rgb.shape[:2]
    face = subject_face(engine.faces(image_rgb, gate=options.gate), width, height)
    if face is None:
        return _Acquired(failure="no face")
    if not face.quality.is_good:
        return _Acquired(failure=str(face.quality.reasons[0]))
    chip = engine.chips(image_rgb, face.landmarks_xy[None])[0, 0]
    return _Acquired(engine.templates(image_rgb, [face])[0], chip_hash(chip))


def _decode(image: LabelledImage, options: CalibrationOptions) -> UInt8:
    try:
        data = image.path.read_bytes()
    except OSError as error:
        raise UsageError(f"{image.image_id} cannot be read: {error.strerror}.") from error
    return decode_image(data, max_bytes=options.max_bytes, max_pixels=options.max_pixels).image_rgb


def _first_of_duplicates(images: Sequence[LabelledImage], acquired: Sequence[_Acquired]) -> Bool:
    """(N,) bool: false where an earlier picture of the same person is the same picture."""
    seen: dict[tuple[str, str], list[Bool]] = {}
    is_new = np.ones(len(images), np.bool_)
    for row, (image, item) in enumerate(zip(images, acquired, strict=True)):
        if item.chip_hash is None:
            continue
        earlier = seen.setdefault((image.group, image.subject), [])
        is_new[row] = all(np.count_nonzero(other != item.chip_hash) > MAX_DUPLICATE_BITS for other in earlier)
        earlier.append(item.chip_hash)
    return is_new


def _chip(engine: FaceEngine, image: LabelledImage, options: CalibrationOptions) -> UInt8:
    image_rgb = _decode(image, options)
    height, width = image_rgb.shape[:2]
    face = subject_face(engine.faces(image_rgb, gate=options.gate), width, height)
    if face is None:
        raise UsageError(f"{image.image_id} changed while it was being measured.")
    return np.asarray(engine.chips(image_rgb, face.landmarks_xy[None])[0, 0], np.uint8)
