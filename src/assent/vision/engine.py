"""The face engine: a photo in, faces and templates out. Everything else here is a part of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from assent.errors import ModelUnsupported
from assent.models.manifest import Family, ModelEntry
from assent.models.shape_predictor import ShapeTrees
from assent.models.store import ModelStore
from assent.types import Detections, Face, Float32, UInt8
from assent.vision.align import ChipTemplate, chip_template
from assent.vision.boxes import largest_first
from assent.vision.chips import recipe_chips
from assent.vision.detect import CenterFaceDetector, Detector, InputFormat, ScrfdDetector, YuNetDetector
from assent.vision.embed import Embedder, EmbedderFormat, unit_rows
from assent.vision.finder import FaceFinder, LookSettings
from assent.vision.quality import PROBE_GATE, QualityGate, judge, measure
from assent.vision.recipe import DEFAULT_RECIPE, LANDMARK_RECIPE, Recipe

T = TypeVar("T")
DEFAULT_DETECTOR = "centerface"
DEFAULT_EMBEDDER = "dlib-resnet-v1"
DEFAULT_TREES = "dlib-shape-5"


class _Lazy(Generic[T]):
    """Makes its value at first use, once, whichever thread comes first; can be emptied."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        """The value."""
        value = self._value
        if value is None:
            with self._lock:
                value = self._value
                if value is None:
                    value = self._value = self._make()
        return value

    def clear(self) -> None:
        """Forget the value; the next ``get`` makes it again."""
        with self._lock:
            self._value = None


class FaceEngine:
    """Detector, alignment and embedder behind four methods.

    Opening reads manifests only; each network is loaded at its first use. Methods may be called from several
    threads at once. Nothing of an image is kept between calls.
    """

    def __init__(
        self,
        *,
        finder: Callable[[], FaceFinder],
        embedder: Callable[[], Embedder],
        trees: Callable[[], ShapeTrees] | None,
        template: ChipTemplate,
        dim: int,
        recipe: Recipe,
        digest: str,
    ) -> None:
        self._finder = _Lazy(finder)
        self._embedder = _Lazy(embedder)
        self._trees = _Lazy(trees) if trees is not None else None
        self._template = template
        self._dim = dim
        self._recipe = recipe
        self._digest = digest

    @classmethod
    def open(
        cls,
        models: ModelStore,
        *,
        detector: str = DEFAULT_DETECTOR,
        embedder: str = DEFAULT_EMBEDDER,
        recipe: Recipe | None = None,
        threads: int = 0,
        looks: LookSettings | None = None,
    ) -> FaceEngine:
        """An engine on pulled models.

        Args:
            models: where the files are.
            detector: a manifest entry of kind "detector".
            embedder: a manifest entry of kind "embedder".
            recipe: how chips are made and averaged; default: ``DEFAULT_RECIPE``, or ``LANDMARK_RECIPE`` for a
                network that was not trained on the regression trees' points.
            threads: for each network; 0 takes the machine's cores.
            looks: when to look again; default ``LookSettings()``.

        Raises:
            NotFound: no such entry.
            ModelMissing, ModelCorrupt: at first use, when the file is not there or not the manifest's.
            ModelUnsupported: an entry of another kind or family.
        """
        detector_entry, embedder_entry = models.entry(detector), models.entry(embedder)
        _check_detector(detector_entry)
        fmt = _embedder_format(embedder_entry)
        template = chip_template(str(embedder_entry.alignment))
        has_tree_places = template.tree_points_xy is not None
        recipe = recipe or (DEFAULT_RECIPE if has_tree_places else LANDMARK_RECIPE)
        names = [detector, embedder, *([DEFAULT_TREES] if recipe.uses_trees else [])]
        return cls(
            finder=lambda: FaceFinder(_detector(models, detector_entry, threads), looks),
            embedder=lambda: _embedder(models, embedder_entry, threads),
            trees=(lambda: models.load_trees(DEFAULT_TREES)) if recipe.uses_trees else None,
            template=template,
            dim=fmt.dim,
            recipe=recipe,
            digest=_digest(models.digest(names), recipe),
        )

    @property
    def model_digest(self) -> str:
        """Hex sha256 over the model files and the recipe: templates compare only where it is equal."""
        return self._digest

    @property
    def recipe(self) -> Recipe:
        """How chips are made and averaged."""
        return self._recipe

    @property
    def dim(self) -> int:
        """Length of a template."""
        return self._dim

    def detect(self, image_rgb: UInt8, *, thorough: bool = False) -> Detections:
        """All faces of (H, W, 3) uint8 RGB, best score first, rolled ones included.

        ``thorough`` takes several times as long and misses fewer small, rolled and crowded faces.
        """
        _check_image(image_rgb)
        return self._finder.get().find(image_rgb, thorough=thorough)

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        """Upright faces at one scale and from one score on, without a second look; see ``FaceFinder.look``."""
        _check_image(image_rgb)
        return self._finder.get().look(image_rgb, long_side_px=long_side_px, min_score=min_score)

    def faces(
        self, image_rgb: UInt8, *, thorough: bool = False, gate: QualityGate = PROBE_GATE
    ) -> list[Face]:
        """All faces with their quality under ``gate``, best score first."""
        found = self.detect(image_rgb, thorough=thorough)
        return [
            self._judged(image_rgb, found.boxes_xyxy[i], found.landmarks_xy[i], float(found.scores[i]), gate)
            for i in range(len(found))
        ]

    def templates(self, image_rgb: UInt8, faces: Sequence[Face]) -> Float32:
        """One template for each face, (N, D) float32 of unit length, all chips in one batch.

        Args:
            image_rgb: (H, W, 3) uint8, the image the faces were found in.
            faces: from ``faces`` on the same image; may be empty.
        """
        _check_image(image_rgb)
        if not faces:
            return np.zeros((0, self._dim), np.float32)
        landmarks = np.stack([face.landmarks_xy for face in faces])
        chips = self.chips(image_rgb, landmarks)
        num_faces, num_views = chips.shape[:2]
        units = self.embed_chips(chips.reshape(-1, *chips.shape[2:]))
        weights = np.array([view.weight for view in self._recipe.views], np.float32)
        means = np.einsum("fvd,v->fd", units.reshape(num_faces, num_views, -1), weights)
        return unit_rows(np.asarray(means, np.float32))

    def chips(self, image_rgb: UInt8, landmarks_xy: Float32) -> UInt8:
        """The recipe's chips (N, V, S, S, 3) uint8 for landmarks (N, 5, 2)."""
        trees = self._trees.get() if self._trees is not None else None
        return recipe_chips(
            image_rgb, landmarks_xy, recipe=self._recipe, template=self._template, trees=trees
        )

    def embed_chips(self, chips_rgb: UInt8) -> Float32:
        """Unit embeddings (N, D) float32 of aligned chips (N, S, S, 3) uint8, one each, no averaging."""
        return self._embedder.get().unit_embeddings(chips_rgb)

    def warm_up(self) -> None:
        """Load every network and run it once, so that the first photo takes no longer than the next.

        Raises:
            ModelMissing, ModelCorrupt: a file is not there or not the manifest's.
        """
        self.detect(np.zeros((480, 640, 3), np.uint8))
        if self._trees is not None:
            self._trees.get()
        size_px = self._template.size_px
        self.embed_chips(np.zeros((len(self._recipe.views), size_px, size_px, 3), np.uint8))

    def raw_embeddings(self, chips_rgb: UInt8) -> Float32:
        """The network's raw output (N, D) float32 for aligned chips; its length means something to dlib's users."""
        return self._embedder.get().embeddings(chips_rgb)

    def release(self) -> None:
        """Drop the networks from memory; the next call loads them again."""
        for part in (self._finder, self._embedder, self._trees):
            if part is not None:
                part.clear()

    def _judged(
        self, image_rgb: UInt8, box_xyxy: Float32, landmarks_xy: Float32, score: float, gate: QualityGate
    ) -> Face:
        quality = judge(measure(image_rgb, landmarks_xy, score), gate)
        return Face(box_xyxy, landmarks_xy, score, quality)


def largest_face(faces: Sequence[Face]) -> Face | None:
    """The face with the largest box, the better scored one on a tie; None of none."""
    return next(iter(largest_first(faces)), None)


def _check_image(image_rgb: UInt8) -> None:
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise ValueError(
            f"image_rgb must be (H, W, 3) uint8, got {image_rgb.shape} {image_rgb.dtype}; "
            "decode it with assent.vision.decode.decode_image"
        )


def _digest(files_digest: str, recipe: Recipe) -> str:
    return hashlib.sha256(f"{files_digest}\n{recipe.identity}\n".encode()).hexdigest()


def _embedder_format(entry: ModelEntry) -> EmbedderFormat:
    """The embedder's input and output, as its manifest entry says.

    Raises:
        ModelUnsupported: the entry is no embedder, or its size is not its alignment template's.
    """
    if entry.alignment is None or entry.output_dim is None:
        raise ModelUnsupported(
            f"expected an embedder, the entry {entry.name!r} is a {entry.kind}; "
            "choose one of kind 'embedder' (`assent models list`)"
        )
    template = chip_template(entry.alignment)
    if (entry.input_width, entry.input_height) != (template.size_px, template.size_px):
        raise ModelUnsupported(
            f"alignment {template.name!r} makes chips of {template.size_px} x {template.size_px}, the entry "
            f"{entry.name!r} says {entry.input_width} x {entry.input_height}; correct the manifest entry"
        )
    return EmbedderFormat(template.size_px, entry.output_dim, entry.colour_order, entry.mean, entry.std)


def _embedder(models: ModelStore, entry: ModelEntry, threads: int) -> Embedder:
    return Embedder(models.load_session(entry.name, threads=threads), _embedder_format(entry))


_FAMILIES: dict[Family, Callable[..., Detector]] = {
    Family.CENTERFACE: CenterFaceDetector,
    Family.YUNET: YuNetDetector,
    Family.SCRFD: ScrfdDetector,
}


def _check_detector(entry: ModelEntry) -> None:
    if entry.family not in _FAMILIES:
        raise ModelUnsupported(
            f"expected a detector, the entry {entry.name!r} is a {entry.kind}; "
            "choose one of kind 'detector' (`assent models list`)"
        )


def _detector(models: ModelStore, entry: ModelEntry, threads: int) -> Detector:
    width, height = entry.input_width, entry.input_height
    fixed_wh = None if width is None or height is None else (width, height)
    fmt = InputFormat(entry.colour_order, entry.mean, entry.std, fixed_wh)
    return _FAMILIES[entry.family](models.load_session(entry.name, threads=threads), fmt=fmt)
