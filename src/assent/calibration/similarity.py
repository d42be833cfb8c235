"""Similarity, the wire's scale of 0 to 100, as a published function of the false match rate.

It is the same function for every model: 80 is a false match rate of 1 in 1,000, 90 of 1 in 10,000, 95 of
1 in 100,000, 99 of 1 in 1,000,000; linear in the logarithm between. A calibration profile says which
score has which rate.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assent.errors import UsageError
from assent.types import Float64

ANCHORS: tuple[tuple[float, float], ...] = (
    (1.0, 0.0),
    (1e-3, 80.0),
    (1e-4, 90.0),
    (1e-5, 95.0),
    (1e-6, 99.0),
    (1e-7, 100.0),
)
"""(false match rate, similarity), log-linear between; a rate below the last has similarity 100."""

_NEGATIVE_LOG_FMR = np.array([-np.log10(fmr) for fmr, _ in ANCHORS])
_SIMILARITY = np.array([similarity for _, similarity in ANCHORS])


def similarity_at_fmr(fmr: npt.ArrayLike) -> Float64:
    """The similarity of a false match rate.

    Args:
        fmr: any shape, in (0, 1].

    Returns:
        The same shape, float64 in [0, 100], falling as the rate rises.

    Raises:
        UsageError: a rate is not in (0, 1].

    Example:
        >>> similarity_at_fmr([1.0, 1e-3, 1e-4]).tolist()
        [0.0, 80.0, 90.0]
    """
    rates = np.asarray(fmr, np.float64)
    if not ((rates > 0) & (rates <= 1)).all():
        raise UsageError("a false match rate must be above 0 and at most 1.")
    return np.asarray(np.interp(-np.log10(rates), _NEGATIVE_LOG_FMR, _SIMILARITY), np.float64)


def fmr_at_similarity(similarity: npt.ArrayLike) -> Float64:
    """The false match rate that a similarity stands for; the inverse of ``similarity_at_fmr``.

    Args:
        similarity: any shape, 0 to 100.

    Returns:
        The same shape, float64 in [1e-7, 1].

    Raises:
        UsageError: a similarity is outside 0 to 100.
    """
    values = np.asarray(similarity, np.float64)
    if not ((values >= 0) & (values <= 100)).all():
        raise UsageError("a similarity must be from 0 to 100.")
    return np.asarray(10.0 ** -np.interp(values, _SIMILARITY, _NEGATIVE_LOG_FMR), np.float64)
