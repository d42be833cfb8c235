"""Synthetic templates that spread as the default model's do.

Of 1,045 photographs of 674 people (LFW) only this is kept: the length of their mean, and the variance along each
principal axis, which say nothing of anybody. The axes themselves are drawn at random: no index depends on them.

How one person's photographs differ is not how people differ: of 594 pairs with a cosine of 0.92 to 0.95, the four axes
along which people differ most have a third of their share of it, the last ones twice theirs. The variance within
people goes with the square root of the variance among them (0.62 is the power that fits best; with the root the
mates are as hard to find as the real pairs, or a little harder: docs/decisions/0009-index.md).
"""

from __future__ import annotations

import numpy as np

from assent.types import Float32

DIM = 128
MEAN_NORM = 0.918
AXES_VARIANCE_1E6 = (
    1.48e04,
    1.09e04,
    8.89e03,
    7.84e03,
    6.36e03,
    5.77e03,
    5.18e03,
    4.64e03,
    4.5e03,
    4.04e03,
    3.81e03,
    3.67e03,
    3.38e03,
    3.36e03,
    3.13e03,
    2.95e03,
    2.6e03,
    2.55e03,
    2.47e03,
    2.34e03,
    2.17e03,
    2.09e03,
    2.02e03,
    1.96e03,
    1.91e03,
    1.88e03,
    1.83e03,
    1.73e03,
    1.65e03,
    1.61e03,
    1.54e03,
    1.53e03,
    1.46e03,
    1.41e03,
    1.4e03,
    1.35e03,
    1.3e03,
    1.25e03,
    1.22e03,
    1.18e03,
    1.13e03,
    1.1e03,
    1.05e03,
    1.01e03,
    976,
    943,
    930,
    875,
    858,
    831,
    795,
    777,
    753,
    706,
    702,
    685,
    653,
    618,
    585,
    572,
    549,
    525,
    476,
    434,
    431,
    412,
    404,
    385,
    370,
    351,
    333,
    308,
    282,
    239,
    168,
    105,
    50.3,
    2.03,
    0.391,
    0.148,
)
"""Largest first, in millionths; the other axes have none."""


class Templates:
    """Draws unit-norm templates, the same ones for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        axes = np.linalg.qr(self._random.normal(size=(DIM, DIM)))[0]
        num_axes = len(AXES_VARIANCE_1E6)
        self._variance = np.array(AXES_VARIANCE_1E6) * 1e-6
        self._axes = axes[:num_axes]
        self._spread = (np.sqrt(self._variance)[:, None] * self._axes).astype(np.float32)
        direction = self._axes.T @ self._random.normal(size=num_axes)
        self._mean = (MEAN_NORM * direction / np.linalg.norm(direction)).astype(np.float32)

    def draw(self, count: int) -> Float32:
        """(count, 128) float32."""
        noise = self._random.standard_normal((count, len(self._spread)), dtype=np.float32)
        rows = self._mean + noise @ self._spread
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows, np.float32)

    def mates(self, of: Float32, low: float, high: float) -> Float32:
        """For each template another of the same person, as it were: a cosine of ``low`` to ``high`` away.

        A photograph is the person and something of its own, so that another of theirs is nearer to the mean along each
        axis, by as much as the axis varies within people; and it is spread as all photographs are.
        """
        cosines = self._random.uniform(low, high, (len(of), 1))
        root = np.sqrt(self._variance)
        within = (1 - cosines) * root / root.sum()
        kept = 1 - np.minimum(within / self._variance, 1.0)
        own = self._random.standard_normal(kept.shape) * root * np.sqrt(1 - kept**2)
        others = self._mean + (kept * ((of - self._mean) @ self._axes.T) + own) @ self._axes
        across = others - np.sum(others * of, axis=1, keepdims=True) * of
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        return np.asarray(cosines * of + np.sqrt(1 - cosines**2) * across, np.float32)
