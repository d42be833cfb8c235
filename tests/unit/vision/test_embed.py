from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from assent.errors import ModelUnsupported, UsageError
from assent.types import Float32
from assent.vision.embed import MAX_BATCH, Embedder, EmbedderFormat, unit_rows
from assent.vision.engine import FaceEngine
from tests.unit.vision.builders import FakeSession, FakeTensor


class MeanColour(FakeSession):
    """An embedder whose output is the mean of each channel it was fed."""

    @property
    def inputs(self) -> list[FakeTensor]:
        return [FakeTensor("input")]

    def run(self, inputs):
        self.fed.append(inputs["input"])
        return [inputs["input"].mean((2, 3))]


def chips(n: int, colour: tuple[int, int, int] = (10, 20, 40), size: int = 112) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (n, size, size, 3)).copy()


def test_no_chip() -> None:
    session = MeanColour({})
    assert Embedder(session, EmbedderFormat(112, 3)).embeddings(chips(0)).shape == (0, 3)
    assert session.fed == []


@pytest.mark.parametrize("num", [1, MAX_BATCH, MAX_BATCH + 1, 2 * MAX_BATCH + 3])
def test_batches(num: int) -> None:
    session = MeanColour({})
    got = Embedder(session, EmbedderFormat(112, 3)).embeddings(chips(num))
    assert got.shape == (num, 3)
    assert got.dtype == np.float32
    assert max(len(fed) for fed in session.fed) <= MAX_BATCH
    assert sum(len(fed) for fed in session.fed) == num


@pytest.mark.parametrize(
    ("fmt", "wanted"),
    [
        (EmbedderFormat(112, 3), (10, 20, 40)),
        (EmbedderFormat(112, 3, "bgr"), (40, 20, 10)),
        (EmbedderFormat(112, 3, "rgb", (127.5,) * 3, (127.5,) * 3), (-0.92157, -0.84314, -0.68627)),
        (EmbedderFormat(112, 3, "bgr", (1, 2, 3), (1, 2, 7)), (39, 9, 1)),
    ],
    ids=["rgb", "bgr", "arcface", "per-channel"],
)
def test_colour_order_mean_and_std(fmt: EmbedderFormat, wanted: tuple[float, ...]) -> None:
    got = Embedder(MeanColour({}), fmt).embeddings(chips(1))
    np.testing.assert_allclose(got[0], wanted, rtol=1e-4)


@pytest.mark.parametrize(
    "bad",
    [chips(1, size=150), chips(1)[0], chips(1).astype(np.float32), chips(1)[..., :2]],
    ids=["size", "no-batch", "float", "two-channels"],
)
def test_other_chips_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"\(N, 112, 112, 3\) uint8"):
        Embedder(MeanColour({}), EmbedderFormat(112, 3)).embeddings(bad)


@pytest.mark.parametrize("answer", [np.zeros((1, 4), np.float32), np.full((1, 3), np.nan, np.float32)])
def test_other_outputs_are_refused(answer: np.ndarray) -> None:
    with pytest.raises(ModelUnsupported, match="output_dim"):
        Embedder(FakeSession({"out": answer}), EmbedderFormat(112, 3)).embeddings(chips(1))


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements={"min_value": -1e6, "max_value": 1e6}
    )
)
def test_unit_rows(vectors: Float32) -> None:
    got = unit_rows(vectors)
    lengths = np.linalg.norm(got.astype(np.float64), axis=1)
    zero = ~vectors.any(1)
    np.testing.assert_allclose(lengths[~zero], 1, atol=1e-5)
    assert not got[zero].any()


def golden_chip() -> np.ndarray:
    """A made-up face: skin, two eyes, a mouth, in colours that are not symmetric between red and blue."""
    ys, xs = np.mgrid[:150, :150]
    chip = np.full((150, 150, 3), (60, 90, 140), np.uint8)
    chip[((xs - 75) / 55) ** 2 + ((ys - 80) / 72) ** 2 < 1] = (214, 160, 130)
    for x in (47, 101):
        chip[((xs - x) / 12) ** 2 + ((ys - 47) / 6) ** 2 < 1] = (245, 245, 245)
        chip[((xs - x) / 5) ** 2 + ((ys - 47) / 5) ** 2 < 1] = (50, 30, 20)
    chip[((xs - 74) / 6) ** 2 + ((ys - 76) / 10) ** 2 < 1] = (190, 130, 105)
    chip[((xs - 74) / 26) ** 2 + ((ys - 106) / 7) ** 2 < 1] = (170, 50, 60)
    return chip


# The first eight values for ``golden_chip``, equal to what dlib itself computes for it (to 1e-5).
GOLDEN = np.array([-0.0816, 0.05641, -0.02506, -0.05017, -0.08638, 0.02154, -0.07403, -0.04413], np.float32)


def test_the_default_embedder_is_fed_red_first(engine: FaceEngine) -> None:
    chip = golden_chip()
    both = np.stack([chip, chip[..., ::-1]])
    right, wrong = engine.embed_chips(both)
    np.testing.assert_allclose(right[:8], GOLDEN, atol=2e-4)
    assert np.abs(wrong[:8] - GOLDEN).max() > 0.01
