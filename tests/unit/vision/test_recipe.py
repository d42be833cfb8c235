from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assent.errors import UsageError
from assent.types import Float32
from assent.vision.align import chip_template
from assent.vision.chips import recipe_chips, roll_deg
from assent.vision.recipe import (
    DEFAULT_RECIPE,
    LANDMARK_RECIPE,
    REGISTRY,
    Alignment,
    Recipe,
    View,
    recipe_named,
)
from tests.unit.vision.builders import noise_image
from tests.unit.vision.test_landmarks import small_trees

DLIB = chip_template("dlib-150")
LANDMARKS = np.asarray(DLIB.points_xy[None] * 0.8 + 20, np.float32)


def test_the_registry() -> None:
    assert {
        "landmarks",
        "landmarks-mirrored",
        "trees-mirrored",
        "trees-multistart-mirrored",
        "eight-chips",
    } <= set(REGISTRY)
    assert all(name == recipe.name for name, recipe in REGISTRY.items())
    assert REGISTRY[DEFAULT_RECIPE.name] is DEFAULT_RECIPE
    assert not LANDMARK_RECIPE.uses_trees
    assert len(REGISTRY["eight-chips"].views) == 8
    assert len({recipe.identity for recipe in REGISTRY.values()}) == len(REGISTRY)
    for recipe in REGISTRY.values():
        assert recipe.views
        assert recipe.starts
        assert all(view.weight > 0 for view in recipe.views)
        if recipe.name.endswith("mirrored"):
            assert sum(view.mirrored for view in recipe.views) * 2 == len(recipe.views)


def test_names() -> None:
    assert recipe_named("landmarks").views == (View(Alignment.LANDMARKS),)
    with pytest.raises(UsageError, match="eight-chips"):
        recipe_named("nine-chips")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_RECIPE.version = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", list(REGISTRY))
def test_chips_of_every_recipe(name: str) -> None:
    recipe, trees = REGISTRY[name], small_trees()
    image = noise_image(160, 170)

    def chips(landmarks: Float32) -> np.ndarray:
        return recipe_chips(image, landmarks, recipe=recipe, template=DLIB, trees=trees)

    assert chips(LANDMARKS[:0]).shape == (0, len(recipe.views), 150, 150, 3)
    both = np.concatenate([LANDMARKS, LANDMARKS + 15])
    got = chips(both)
    assert got.shape == (2, len(recipe.views), 150, 150, 3)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got[0], chips(LANDMARKS)[0])
    plain = {(v.alignment, v.zoom): i for i, v in enumerate(recipe.views) if not v.mirrored}
    for place, view in enumerate(recipe.views):
        if view.mirrored:
            other = plain[view.alignment, view.zoom]
            np.testing.assert_array_equal(got[0, place], got[0, other, :, ::-1])


def test_a_zoomed_view_differs() -> None:
    recipe = Recipe("x", 1, (View(Alignment.LANDMARKS), View(Alignment.LANDMARKS, 1.1)))
    got = recipe_chips(noise_image(160, 170), LANDMARKS, recipe=recipe, template=DLIB, trees=None)
    assert (got[0, 0] != got[0, 1]).any()


def test_trees_need_trees_and_places() -> None:
    image = noise_image(160, 170)
    with pytest.raises(UsageError, match="recipe of landmarks"):
        recipe_chips(image, LANDMARKS, recipe=DEFAULT_RECIPE, template=DLIB, trees=None)
    with pytest.raises(UsageError, match="arcface-112"):
        recipe_chips(
            image,
            LANDMARKS,
            recipe=DEFAULT_RECIPE,
            template=chip_template("arcface-112"),
            trees=small_trees(),
        )


@pytest.mark.parametrize("degrees", [0, 30, -100, 180])
def test_roll(degrees: float) -> None:
    assert roll_deg(np.zeros((0, 5, 2), np.float32)).shape == (0,)
    turn = np.deg2rad(degrees)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    got = roll_deg(np.asarray(DLIB.points_xy[None] @ spin.T, np.float32))[0]
    assert abs((got - degrees + 180) % 360 - 180) < 1
