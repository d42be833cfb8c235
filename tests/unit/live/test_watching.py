"""Frozen pictures and noise are told from pictures."""

from __future__ import annotations

import numpy as np
import pytest

from assent.live.values import PictureState
from assent.live.watching import PictureWatch
from assent.types import UInt8


def scene(seed: int, noise: float) -> UInt8:
    """A smooth picture with a sensor's noise."""
    y, x = np.mgrid[0:240, 0:320]
    smooth = 120 + 60 * np.sin(x / 30) + 50 * np.cos(y / 20)
    grain = np.random.default_rng(seed).normal(0, noise, smooth.shape) if noise else 0
    return np.repeat(np.clip(smooth + grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def last(pictures: list[UInt8]) -> PictureState:
    watch = PictureWatch(frozen_s=2.0)
    states = [watch.add(picture, 0.1 * i) for i, picture in enumerate(pictures)]
    return states[-1]


@pytest.mark.parametrize(
    ("caption", "pictures", "state"),
    [
        ("a still scene with a sensor's noise", [scene(i, 2.0) for i in range(30)], PictureState.GOOD),
        ("a noisy night", [scene(i, 25.0) for i in range(30)], PictureState.GOOD),
        ("the same picture for three seconds", [scene(0, 2.0)] * 30, PictureState.FROZEN),
        ("the same picture for one second", [scene(0, 2.0)] * 10, PictureState.GOOD),
        (
            "snow",
            [np.random.default_rng(i).integers(0, 256, (240, 320, 3)).astype(np.uint8) for i in range(30)],
            PictureState.NOISE,
        ),
        ("a grey wall", [np.full((240, 320, 3), 90 + i % 2, np.uint8) for i in range(30)], PictureState.GOOD),
        ("a tiny picture", [np.full((4, 4, 3), 90 + i % 2, np.uint8) for i in range(30)], PictureState.GOOD),
    ],
)
def test_what_is_a_picture(caption: str, pictures: list[UInt8], state: PictureState) -> None:
    assert last(pictures) is state, caption


def test_a_frozen_picture_that_moves_again_is_good() -> None:
    assert last([scene(0, 2.0)] * 30 + [scene(1, 2.0)]) is PictureState.GOOD
