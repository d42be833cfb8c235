from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.types import Float32
from assent.vision.draw import COLOURS, Annotation, Mark, annotate, place_label, text_size_px
from tests.unit.vision.builders import noise_image

NAMES = [
    "",
    "Ada",
    "Zoë Łukasz",
    "Жанна Ωмега",
    "李小山",
    "한글 あき",
    "אבג",
    "a" * 300,
    "two\nlines\tone",
    "🙂",
]


def box(*values: float) -> Float32:
    return np.array(values, np.float32)


def test_nothing_to_draw_is_an_equal_copy() -> None:
    image = noise_image(30, 40)
    drawn = annotate(image, [])
    assert not np.shares_memory(drawn, image)
    np.testing.assert_array_equal(drawn, image)


def test_the_image_is_not_changed() -> None:
    image = noise_image(120, 160)
    before = image.copy()
    drawn = annotate(image, [Annotation(box(20, 40, 90, 110), Mark.MATCH, "Ada")])
    np.testing.assert_array_equal(image, before)
    assert (drawn != image).any()


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize(
    "where",
    [
        box(20, 40, 90, 110),
        box(-50, -50, 5, 5),
        box(150, 110, 400, 400),
        box(-9, -9, 999, 999),
        box(500, 5, 510, 9),
    ],
    ids=["inside", "top-left", "bottom-right", "all", "outside"],
)
def test_labels_stay_inside(text: str, where: Float32) -> None:
    place = place_label(text, where, width_px=160, height_px=120)
    assert 0 <= place.x0 < place.x1 <= 160
    assert 0 <= place.y0 < place.y1 <= 120
    annotate(noise_image(120, 160), [Annotation(where, Mark.CANDIDATE, text)])


@settings(deadline=None)
@given(
    width_px=st.integers(1, 300),
    height_px=st.integers(1, 300),
    corners=st.lists(st.floats(-1e6, 1e6, width=32) | st.just(float("nan")), min_size=4, max_size=4),
    text=st.text(max_size=30),
)
def test_any_box_on_any_image(width_px: int, height_px: int, corners: list[float], text: str) -> None:
    image = np.zeros((height_px, width_px, 3), np.uint8)
    assert annotate(image, [Annotation(box(*corners), Mark.FACE, text)]).shape == image.shape


def test_a_label_is_above_its_box_or_below_it() -> None:
    above = place_label("Ada", box(50, 60, 90, 100), width_px=200, height_px=200)
    assert above.y1 <= 60
    below = place_label("Ada", box(50, 0, 90, 100), width_px=200, height_px=200)
    assert below.y0 >= 100
    inside = place_label("Ada", box(50, 0, 90, 200), width_px=200, height_px=200)
    assert (inside.y0, inside.x0) == (0, 50)


def test_a_long_name_is_shortened() -> None:
    place = place_label(
        "Wolfeschlegelsteinhausenbergerdorff " * 3, box(5, 60, 90, 100), width_px=160, height_px=120
    )
    assert place.text.endswith("…")
    assert 3 < len(place.text) < 60


@pytest.mark.parametrize(("size", "wanted"), [((1, 1), 11), ((640, 480), 18), ((4000, 3000), 72)])
def test_text_grows_with_the_image(size: tuple[int, int], wanted: int) -> None:
    assert text_size_px(*size) == wanted


@pytest.mark.parametrize("name", ["Ada", "Zoë", "Жанна", "李小山", "あき", "한글"])
def test_every_script_has_its_own_letters(name: str) -> None:
    """A missing letter is drawn as the same box as any other: names that differ must look different."""

    def patch(text: str) -> np.ndarray:
        drawn = annotate(
            np.zeros((400, 400, 3), np.uint8), [Annotation(box(100, 100, 200, 200), Mark.FACE, text)]
        )
        place = place_label(text, box(100, 100, 200, 200), width_px=400, height_px=400)
        return drawn[place.y0 : place.y1, place.x0 : place.x1]

    missing = patch("\U000f0000" * len(name))
    mine = patch(name)
    ink = (mine != mine[0, 0]).any(-1)
    assert ink.mean() > 0.03
    assert mine.shape != missing.shape or (mine != missing).any()


def test_colours_are_told_apart_and_readable() -> None:
    assert set(COLOURS) == set(Mark)
    values = np.array(list(COLOURS.values()), float)
    # Two dichromacies as Viénot et al. (1999) simplify them: red and green fall together by brightness.
    for weights in ([0.3, 0.6, 0], [0.1, 0.9, 0]):
        seen = np.stack([values @ weights, values[:, 2]], 1)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[~np.eye(len(seen), dtype=bool)]
        assert apart.min() > 25
