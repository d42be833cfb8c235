"""Labelled photographs to embeddings for several recipes at once: each distinct chip is embedded once.

Everything stays in memory; nothing made from the photographs is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from assent.calibration.samples import Samples
from assent.evaluation.labelled import LabelledImage
from assent.evaluation.pictures import chip_hash, first_of_duplicates, subject_face
from assent.models.store import ModelStore
from assent.types import Bool, Face, Float32, UInt8
from assent.vision.align import chip_template
from assent.vision.chips import recipe_chips
from assent.vision.decode import decode_image
from assent.vision.embed import MAX_BATCH, Embedder, EmbedderFormat, unit_rows
from assent.vision.engine import DEFAULT_EMBEDDER, DEFAULT_TREES, FaceEngine
from assent.vision.recipe import Alignment, Recipe, Start, View

DLIB = "dlib HOG + 5 points"
"""Name of the chips cut by dlib itself, where ``dlib-bin`` is installed."""

ChipKey = tuple[Alignment, tuple[Start, ...], int, float, bool]


@dataclass(slots=True)
class FaceSet:
    """Photographs with what the networks make of them; N photographs.

    Attributes:
        images: whose they are.
        acquired: (N,) bool, whether our detector found a face that passes the gate.
        found_by_dlib: (N,) bool, all false without dlib.
        embeddings: for each distinct chip (N, D) float32, raw; zeros where no face was acquired.
        dlib_embeddings: (N, D) float32 of dlib's own chips, raw; zeros where dlib found no face.
    """

    images: list[LabelledImage]
    acquired: Bool
    found_by_dlib: Bool
    embeddings: dict[ChipKey, Float32] = field(default_factory=dict)
    dlib_embeddings: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def templates(self, recipe: Recipe) -> Float32:
        """(N, D) float32 unit-norm templates as the engine would make them."""
        total = np.zeros_like(next(iter(self.embeddings.values())))
        for view in recipe.views:
            total += np.float32(view.weight) * unit_rows(self.embeddings[chip_key(recipe, view)])
        return unit_rows(total)

    def samples(self, templates: Float32, acquired: Bool) -> Samples:
        """Templates with the photographs' labels."""
        return Samples(
            templates=np.where(acquired[:, None], templates, 0).astype(np.float32),
            subjects=np.array([image.subject for image in self.images]),
            groups=np.array([image.group for image in self.images]),
            image_ids=np.array([image.image_id for image in self.images]),
            acquired=acquired,
        )


def chip_key(recipe: Recipe, view: View) -> ChipKey:
    """What makes a chip: the same key, the same pixels."""
    if view.alignment is Alignment.LANDMARKS:
        return (view.alignment, (Start(),), 0, view.zoom, view.mirrored)
    return (view.alignment, recipe.starts, recipe.crop_px, view.zoom, view.mirrored)


class _Batches:
    """Embeds chips in full batches and puts each embedding where it belongs."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._chips: list[UInt8] = []
        self._places: list[Float32] = []

    def add(self, chip_rgb: UInt8, place: Float32) -> None:
        self._chips.append(chip_rgb)
        self._places.append(place)
        if len(self._chips) == MAX_BATCH:
            self.flush()

    def flush(self) -> None:
        if self._chips:
            embeddings = self._embedder.embeddings(np.stack(self._chips))
            for place, embedding in zip(self._places, embeddings, strict=True):
                place[:] = embedding
        self._chips, self._places = [], []


def embedder_of(models: ModelStore, threads: int) -> Embedder:
    """The default network on its own, for raw embeddings."""
    entry = models.entry(DEFAULT_EMBEDDER)
    template = chip_template(str(entry.alignment))
    fmt = EmbedderFormat(
        template.size_px, int(entry.output_dim or 0), entry.colour_order, entry.mean, entry.std
    )
    return Embedder(models.load_session(entry.name, threads=threads), fmt)


def read_faces(
    models: ModelStore,
    engine: FaceEngine,
    images: Sequence[LabelledImage],
    recipes: Iterable[Recipe],
    *,
    threads: int,
    with_dlib: bool,
) -> FaceSet:
    """Detect, align and embed; one photograph of each near-duplicate pair of a person is left out."""
    template = chip_template(str(models.entry(DEFAULT_EMBEDDER).alignment))
    trees = models.load_trees(DEFAULT_TREES)
    embedder = embedder_of(models, threads)
    dlib_chips = DlibChips(models) if with_dlib else None
    shape = (len(images), embedder.fmt.dim)
    faces = FaceSet(list(images), np.zeros(len(images), np.bool_), np.zeros(len(images), np.bool_))
    faces.dlib_embeddings = np.zeros(shape, np.float32)
    merged = _merged(recipes)
    for recipe in merged:
        faces.embeddings.update(
            {chip_key(recipe, view): np.zeros(shape, np.float32) for view in recipe.views}
        )
    batches, hashes = _Batches(embedder), dict[int, Bool]()
    for row, image in enumerate(images):
        image_rgb = decode_image(image.path.read_bytes()).image_rgb
        face = _good_face(engine, image_rgb)
        if face is not None:
            faces.acquired[row] = True
            hashes[row] = chip_hash(engine.chips(image_rgb, face.landmarks_xy[None])[0, 0])
            for recipe in merged:
                chips = recipe_chips(
                    image_rgb, face.landmarks_xy[None], recipe=recipe, template=template, trees=trees
                )[0]
                for view, chip in zip(recipe.views, chips, strict=True):
                    batches.add(chip, faces.embeddings[chip_key(recipe, view)][row])
        if dlib_chips is not None and (chip := dlib_chips.cut(image_rgb)) is not None:
            faces.found_by_dlib[row] = True
            batches.add(chip, faces.dlib_embeddings[row])
        if row % 200 == 199:
            print(f"{row + 1} of {len(images)} photographs", flush=True)
    batches.flush()
    people = [(image.group, image.subject) for image in images]
    is_new = first_of_duplicates(people, [hashes.get(row) for row in range(len(images))])
    return _take_rows(faces, is_new)


class DlibChips:
    """dlib's frontal detector and five-point alignment, as its users call them."""

    def __init__(self, models: ModelStore) -> None:
        import dlib

        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._points = dlib.shape_predictor(str(models.models_dir / str(models.entry(DEFAULT_TREES).file)))

    def cut(self, image_rgb: UInt8) -> UInt8 | None:
        """The chip of the most prominent face, or None; small faces are looked for where none is found."""
        found = self._detector(image_rgb, 0) or self._detector(image_rgb, 1)
        height, width = image_rgb.shape[:2]

        def prominence(box: object) -> float:
            x0, y0, x1, y1 = (getattr(box, side)() for side in ("left", "top", "right", "bottom"))
            off_middle = ((x0 + x1 - width) / 2) ** 2 + ((y0 + y1 - height) / 2) ** 2
            return float((x1 - x0) * (y1 - y0) - 2 * off_middle)

        if not found:
            return None
        points = self._points(image_rgb, max(found, key=prominence))
        return np.asarray(self._dlib.get_face_chip(image_rgb, points, size=150, padding=0.25), np.uint8)


def _good_face(engine: FaceEngine, image_rgb: UInt8) -> Face | None:
    face = subject_face(engine.faces(image_rgb), image_rgb.shape[1], image_rgb.shape[0])
    return face if face is not None and face.quality.is_good else None


def _merged(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Recipes that together have every distinct chip once, grouped by where the trees start."""
    views: dict[tuple[tuple[Start, ...], int], dict[ChipKey, View]] = {}
    for recipe in recipes:
        for view in recipe.views:
            key = chip_key(recipe, view)
            views.setdefault((key[1], key[2]), {})[key] = View(view.alignment, view.zoom, view.mirrored)
    return [
        Recipe("merged", 1, tuple(distinct.values()), starts, crop_px)
        for (starts, crop_px), distinct in views.items()
    ]


def _take_rows(faces: FaceSet, keep: Bool) -> FaceSet:
    return FaceSet(
        [image for image, kept in zip(faces.images, keep, strict=True) if kept],
        faces.acquired[keep],
        faces.found_by_dlib[keep],
        {key: values[keep] for key, values in faces.embeddings.items()},
        faces.dlib_embeddings[keep],
    )
