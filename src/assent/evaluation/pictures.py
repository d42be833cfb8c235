"""Labelled pictures to templates, for whoever measures: calibration, audits, and the benchmarks.

Templates are returned, never written. The face taken is the one the picture is of, under the gate of a search.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from assent.errors import ImageError, UsageError
from assent.types import Bool, Face, Float32, UInt8
from assent.vision.decode import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, decode_image
from assent.vision.engine import FaceEngine
from assent.vision.quality import PROBE_GATE, QualityGate

MAX_DUPLICATE_BITS = 28
"""Two pictures of one person whose chips' 256-bit hashes differ in at most this many bits are one picture."""

_HASH_SIDE = 16


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How pictures are read.

    Attributes:
        gate: pictures whose face it refuses give no template, as at search time.
        max_bytes: largest file that is opened.
        max_pixels: largest image that is decoded.
        with_raw: also keep the network's raw output of the first chip, as dlib's users compare it.
    """

    gate: QualityGate = PROBE_GATE
    max_bytes: int = DEFAULT_MAX_BYTES
    max_pixels: int = DEFAULT_MAX_PIXELS
    with_raw: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Acquired:
    """One picture's template and hash, or why there is none.

    Attributes:
        template: (D,) float32 of unit norm, or None.
        chip_hash: (256,) bool, or None.
        failure: ``unreadable``, ``no face``, or the gate's first reason; empty where there is a template.
        raw: (D,) float32, not of unit norm; None unless it was asked for.
    """

    template: Float32 | None = None
    chip_hash: Bool | None = None
    failure: str = ""
    raw: Float32 | None = None


def acquire_picture(engine: FaceEngine, path: Path, options: ReadOptions) -> Acquired:
    """Make a template of the face that a picture is of.

    Raises:
        UsageError: the file cannot be opened.
        ModelError: the engine's files.
    """
    try:
        image_rgb = read_picture(path, options)
    except ImageError:
        return Acquired(failure="unreadable")
    height, width = image_rgb.shape[:2]
    face = subject_face(engine.faces(image_rgb, gate=options.gate), width, height)
    if face is None:
        return Acquired(failure="no face")
    if not face.quality.is_good:
        return Acquired(failure=str(face.quality.reasons[0]))
    chip = engine.chips(image_rgb, face.landmarks_xy[None])[0, 0]
    raw = engine.raw_embeddings(chip[None])[0] if options.with_raw else None
    return Acquired(engine.templates(image_rgb, [face])[0], chip_hash(chip), raw=raw)


def read_picture(path: Path, options: ReadOptions) -> UInt8:
    """(H, W, 3) uint8 RGB.

    Raises:
        UsageError: the file cannot be opened.
        ImageError: it is no picture, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the picture {path.name} cannot be read: {error.strerror}.") from error
    return decode_image(data, max_bytes=options.max_bytes, max_pixels=options.max_pixels).image_rgb


def picture_chip(engine: FaceEngine, path: Path, options: ReadOptions) -> UInt8 | None:
    """(S, S, 3) uint8: the aligned face that a picture is of, good or not; None where there is none.

    Raises:
        UsageError: the file cannot be opened.
    """
    try:
        image_rgb = read_picture(path, options)
    except ImageError:
        return None
    height, width = image_rgb.shape[:2]
    face = subject_face(engine.faces(image_rgb, gate=options.gate), width, height)
    if face is None:
        return None
    return np.asarray(engine.chips(image_rgb, face.landmarks_xy[None])[0, 0], np.uint8)


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


def is_same_picture(first: Bool, second: Bool) -> bool:
    """Whether two hashes are of one picture."""
    return int(np.count_nonzero(first != second)) <= MAX_DUPLICATE_BITS


def first_of_duplicates(people: Sequence[Hashable], hashes: Sequence[Bool | None]) -> Bool:
    """Which pictures to keep of those that are there twice.

    Args:
        people: whose each picture is.
        hashes: of each picture's chip; None where there is none.

    Returns:
        (N,) bool: false where an earlier picture of the same person is the same picture.
    """
    seen: dict[Hashable, list[Bool]] = {}
    is_new = np.ones(len(people), np.bool_)
    for row, (person, own) in enumerate(zip(people, hashes, strict=True)):
        if own is None:
            continue
        earlier = seen.setdefault(person, [])
        is_new[row] = not any(is_same_picture(other, own) for other in earlier)
        earlier.append(own)
    return is_new
