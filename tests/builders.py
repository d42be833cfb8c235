"""Small builders that tests share."""

from __future__ import annotations

import numpy as np

from assent.types import Float32


def unit_templates(n: int, dim: int = 128, *, seed: int = 0) -> Float32:
    """(n, dim) float32 random directions, unit norm."""
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def near(template: Float32, *, cosine: float, seed: int = 0) -> Float32:
    """A unit template whose cosine with ``template`` is ``cosine``."""
    other = unit_templates(1, len(template), seed=seed)[0]
    across = other - (other @ template) * template
    across /= np.linalg.norm(across)
    return np.asarray(cosine * template + np.sqrt(1 - cosine**2) * across, np.float32)
