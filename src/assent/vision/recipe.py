"""Recipes: how one face becomes chips, and how their embeddings become one template.

Templates of different recipes do not share a calibration, so a recipe is frozen, named and versioned, and its
name and version are part of the engine's digest. Change any field, or the code behind it: raise ``version``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from assent.errors import UsageError


class Alignment(StrEnum):
    """Which points a chip is aligned by."""

    LANDMARKS = "landmarks"
    """The detector's five landmarks."""
    TREES = "trees"
    """dlib's five-point regression trees, the mean over ``Recipe.starts``."""


@dataclass(frozen=True, slots=True)
class View:
    """One chip of a face.

    Attributes:
        alignment: the points it is aligned by.
        zoom: above 1 frames tighter, below 1 looser, about the chip's centre.
        mirrored: flipped left to right before embedding.
        weight: of its unit embedding in the mean.
    """

    alignment: Alignment
    zoom: float = 1.0
    mirrored: bool = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run of the trees starts, relative to the face square: shift in sides, and scale."""

    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How chips are made and averaged.

    Attributes:
        name: for people and the digest.
        version: raised whenever any field or the code behind it changes what comes out.
        views: the chips; the template is the weighted mean of their unit embeddings, scaled to unit length.
        starts: where the trees start; their points are averaged.
        crop_px: side of the face square in the upright crop that the trees look at; 0 lets them look at the
            source's own pixels, as dlib does (a face rolled by more than the trees were trained on is turned
            all the same).
    """

    name: str
    version: int
    views: tuple[View, ...]
    starts: tuple[Start, ...] = (Start(),)
    crop_px: int = 0

    @property
    def uses_trees(self) -> bool:
        """Whether any chip is aligned by the regression trees."""
        return any(view.alignment is Alignment.TREES for view in self.views)

    @property
    def identity(self) -> str:
        """What goes into the engine's digest."""
        return f"{self.name}/{self.version}"


def _both_ways(*views: View) -> tuple[View, ...]:
    """Each view and its mirror image."""
    return tuple(View(v.alignment, v.zoom, flip, v.weight) for v in views for flip in (False, True))


_PLAIN = View(Alignment.LANDMARKS)
_TREES = View(Alignment.TREES)
_FIVE_STARTS = (Start(), Start(-0.06, 0), Start(0.06, 0), Start(0, 0, 0.9), Start(0, 0, 1.1))
_NINE_STARTS = (
    Start(),
    *(Start(x, y, s) for s in (0.92, 1.08) for x in (-0.05, 0.05) for y in (-0.05, 0.05)),
)

_RECIPES = (
    Recipe("landmarks", 1, (_PLAIN,)),
    Recipe("landmarks-mirrored", 1, _both_ways(_PLAIN)),
    Recipe("trees", 1, (_TREES,)),
    Recipe("trees-mirrored", 1, _both_ways(_TREES)),
    Recipe("trees-upright-mirrored", 1, _both_ways(_TREES), crop_px=200),
    Recipe("trees-multistart-mirrored", 1, _both_ways(_TREES), _FIVE_STARTS),
    Recipe("trees-multistart-upright-mirrored", 1, _both_ways(_TREES), _FIVE_STARTS, crop_px=200),
    Recipe("trees-ninestart-upright-mirrored", 1, _both_ways(_TREES), _NINE_STARTS, crop_px=200),
    Recipe(
        "trees-zooms-mirrored",
        1,
        _both_ways(View(Alignment.TREES, 1.0), View(Alignment.TREES, 1.06)),
        _FIVE_STARTS,
    ),
    Recipe("trees-landmarks-mirrored", 1, _both_ways(_TREES, _PLAIN)),
    Recipe("trees-multistart-landmarks-mirrored", 1, _both_ways(_TREES, _PLAIN), _FIVE_STARTS),
    Recipe(
        "trees-zooms-landmarks-mirrored",
        1,
        _both_ways(_TREES, View(Alignment.TREES, 1.06), _PLAIN),
    ),
    Recipe(
        "eight-chips",
        1,
        _both_ways(_PLAIN, View(Alignment.LANDMARKS, 1.05), _TREES, View(Alignment.TREES, 1.05)),
    ),
)
REGISTRY = MappingProxyType({recipe.name: recipe for recipe in _RECIPES})

# Chosen by measurement: docs/decisions/0004-recipe.md.
DEFAULT_RECIPE = REGISTRY["trees-landmarks-mirrored"]
# For networks without places for the trees' points in their alignment template.
LANDMARK_RECIPE = REGISTRY["landmarks-mirrored"]


def recipe_named(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        UsageError: no such recipe.
    """
    if name not in REGISTRY:
        raise UsageError(f"the recipe must be one of {', '.join(REGISTRY)}, got {name!r}")
    return REGISTRY[name]
