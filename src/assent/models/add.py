"""A user's own model: checked against its family, hashed, copied, and written into the user's manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from assent.errors import ModelCorrupt, ModelUnsupported, UsageError
from assent.models.conversions import CONVERSIONS
from assent.models.files import sha256_of
from assent.models.manifest import (
    FAMILY_KINDS,
    Channels,
    Family,
    Kind,
    LocalSource,
    ModelEntry,
    describe,
)
from assent.models.probe import Probed, probe_model
from assent.models.sessions import OrtSession
from assent.models.shape_predictor import unpack_trees
from assent.models.store import ModelStatus, ModelStore

ColourOrder = Literal["rgb", "bgr"]
_NUM_LANDMARKS = 5


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a network wants its pixels: colour order, and ``(x - mean) / std`` of values 0 to 255."""

    colour_order: ColourOrder = "rgb"
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)


USUAL_FEEDING: dict[Family, Feeding] = {
    Family.CENTERFACE: Feeding(),
    Family.YUNET: Feeding("bgr"),
    Family.SCRFD: Feeding("rgb", (127.5, 127.5, 127.5), (128.0, 128.0, 128.0)),
    Family.ARCFACE: Feeding("rgb", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    Family.DLIB_RESNET: Feeding(),
    Family.DLIB_SHAPE_5: Feeding(),
}
"""How the published models of each family were trained; a model that differs says so when it is added."""


def feeding_of(
    family: str,
    *,
    colour_order: ColourOrder | None = None,
    mean: float | None = None,
    std: float | None = None,
) -> Feeding | None:
    """The usual feeding of a family with what differs put in; None for an unknown family, which ``add_model`` refuses.

    Args:
        family: one of ``Family``.
        colour_order: where it differs.
        mean: of every channel, where it differs.
        std: of every channel, where it differs.

    Raises:
        UsageError: ``std`` is not above 0.
    """
    if family not in set(Family):
        return None
    usual = USUAL_FEEDING[Family(family)]
    if std is not None and not std > 0:
        raise UsageError(f"std must be above 0, got {std}; pixel values are divided by it")
    return Feeding(
        colour_order or usual.colour_order,
        usual.mean if mean is None else (mean, mean, mean),
        usual.std if std is None else (std, std, std),
    )


_SUFFIXES = {Family.DLIB_RESNET: ".dat", Family.DLIB_SHAPE_5: ".dat"}
_ALIGNMENTS: dict[Family, Literal["dlib-150", "arcface-112"]] = {
    Family.ARCFACE: "arcface-112",
    Family.DLIB_RESNET: "dlib-150",
}


def add_model(
    store: ModelStore,
    file: Path,
    *,
    name: str,
    family: str,
    licence: str,
    sha256: str | None = None,
    feeding: Feeding | None = None,
) -> ModelStatus:
    """Adds a model file to a store. Nothing is written unless the file is what it is said to be.

    Args:
        store: where to.
        file: ONNX, or dlib's own format for the dlib families.
        name: what to call it: lower-case letters, digits, dots, dashes and underscores.
        family: one of ``Family``.
        licence: as its author states it.
        sha256: of the file, where the author publishes it.
        feeding: default ``USUAL_FEEDING`` of the family.

    Returns:
        Its status.

    Raises:
        UsageError: the name, family or licence is malformed, or the file cannot be read.
        ModelCorrupt: the file has another hash than ``sha256``.
        ModelUnsupported: the file is not of that family.
        AlreadyExists: the name is taken.
        ModelError: no room or no permission.
    """
    kept_family = _family(family)
    data = _read(file)
    digest = sha256_of(data)
    if sha256 is not None and digest != sha256.lower():
        raise ModelCorrupt(f"{file}: expected sha256 {sha256.lower()}, got {digest}; get the file again.")
    probed = _probe(data, kept_family, name)
    fed = feeding or USUAL_FEEDING[kept_family]
    try:
        entry = ModelEntry(
            name=name,
            kind=FAMILY_KINDS[kept_family],
            family=kept_family,
            file=f"{name}{_SUFFIXES.get(kept_family, '.onnx')}",
            sha256=digest,
            size_bytes=len(data),
            licence=licence,
            source=LocalSource(),
            input_width=probed.input_width,
            input_height=probed.input_height,
            colour_order=fed.colour_order,
            mean=fed.mean,
            std=fed.std,
            alignment=_ALIGNMENTS.get(kept_family),
            output_dim=probed.output_dim,
        )
    except ValidationError as error:
        raise UsageError(f"{name!r}: {describe(error)}; correct it and add the model again.") from error
    return store.install(entry, data)


def _family(family: str) -> Family:
    try:
        return Family(family)
    except ValueError as error:
        raise UsageError(f"expected a family out of {', '.join(Family)}; got {family!r}.") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"expected a readable model file, got {file}: {error.strerror or error}; check the path."
        ) from error


def _probe(data: bytes, family: Family, name: str) -> Probed:
    """Converts and runs the file in memory."""
    conversion = CONVERSIONS.get(family)
    converted = data if conversion is None else conversion.convert(data, name)
    if FAMILY_KINDS[family] is not Kind.LANDMARKS:
        return probe_model(OrtSession(converted, name=name, threads=1), family, name)
    num_points = unpack_trees(converted, name).num_points
    if num_points != _NUM_LANDMARKS:
        raise ModelUnsupported(
            f"{name}: expected a shape predictor of {_NUM_LANDMARKS} points, got {num_points}; choose "
            "another file."
        )
    return Probed()
