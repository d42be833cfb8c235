"""How unequal groups are, in one number: seven in use, on rates at one threshold for all.

Each takes rates along the last axis, one for each group, so that a whole bootstrap is one call. Ratios are
between the groups that ``top`` and ``bottom`` name: in a bootstrap these stay those of the point estimate,
so that a ratio may fall below 1 and its interval tells whether the difference is real.
"""

from __future__ import annotations

import numpy as np

from assent.types import Float64, Int64

ALPHA = 0.5
"""Weight of false matches against misses in the measures of both."""


def max_over_min(x: Float64, top: Int64 | None = None, bottom: Int64 | None = None) -> Float64:
    """The highest rate over the lowest (NISTIR 8429).

    Args:
        x: (..., G) rates above 0.
        top: index of the group above; None for the highest in each row.
        bottom: index of the group below; None for the lowest in each row.

    Example:
        >>> float(max_over_min(np.array([0.01, 0.02, 0.04])))
        4.0
    """
    return _at(x, x.argmax(-1) if top is None else top) / _at(x, x.argmin(-1) if bottom is None else bottom)


def max_over_geomean(x: Float64, top: Int64 | None = None) -> Float64:
    """The highest rate over the geometric mean of all (NISTIR 8429); arguments as of ``max_over_min``.

    Example:
        >>> round(float(max_over_geomean(np.array([0.01, 0.02, 0.04]))), 9)
        2.0
    """
    mean = np.exp(np.log(x).mean(-1))
    return np.asarray(_at(x, x.argmax(-1) if top is None else top) / mean, np.float64)


def gini(x: Float64) -> Float64:
    """Gini coefficient, corrected for few groups: n / (n - 1) × sum|x_i - x_j| / (2 n² mean); 0 where all are 0.

    Example:
        >>> float(gini(np.array([0.0, 0.0, 0.03])))
        1.0
    """
    n = x.shape[-1]
    differences = np.abs(x[..., :, None] - x[..., None, :]).sum((-2, -1))
    mean = x.mean(-1)
    total = 2 * n * max(n - 1, 1) * np.where(mean > 0, mean, 1.0)
    return np.asarray(np.where(mean > 0, differences / total, 0.0), np.float64)


def fdr(fmr: Float64, fnmr: Float64, alpha: float = ALPHA) -> Float64:
    """Fairness discrepancy rate: 1 - (alpha max|fmr difference| + (1 - alpha) max|fnmr difference|).

    Near 1 whatever happens where fmr is small; not for headlines. (Pereira and Marcel, 2021.)
    """
    return np.asarray(1 - (alpha * np.ptp(fmr, axis=-1) + (1 - alpha) * np.ptp(fnmr, axis=-1)), np.float64)


def inequity_rate(
    fmr: Float64,
    fnmr: Float64,
    alpha: float = ALPHA,
    *,
    tops: tuple[Int64, Int64] | None = None,
    bottoms: tuple[Int64, Int64] | None = None,
) -> Float64:
    """(max/min of fmr) to the alpha × (max/min of fnmr) to the 1 - alpha."""
    tops, bottoms = tops or (fmr.argmax(-1), fnmr.argmax(-1)), bottoms or (fmr.argmin(-1), fnmr.argmin(-1))
    of_fmr, of_fnmr = max_over_min(fmr, tops[0], bottoms[0]), max_over_min(fnmr, tops[1], bottoms[1])
    return np.asarray(of_fmr**alpha * of_fnmr ** (1 - alpha), np.float64)


def garbe(fmr: Float64, fnmr: Float64, alpha: float = ALPHA) -> Float64:
    """Mean of both ginis: alpha × gini of fmr + (1 - alpha) × gini of fnmr (Howard et al., 2022)."""
    return alpha * gini(fmr) + (1 - alpha) * gini(fnmr)


def werm(
    fmr: Float64, fnmr: Float64, alpha: float = ALPHA, *, tops: tuple[Int64, Int64] | None = None
) -> Float64:
    """Worst-case error rate to the mean: as the inequity rate, with the geometric mean in place of the lowest."""
    tops = tops or (fmr.argmax(-1), fnmr.argmax(-1))
    of_fmr, of_fnmr = max_over_geomean(fmr, tops[0]), max_over_geomean(fnmr, tops[1])
    return np.asarray(of_fmr**alpha * of_fnmr ** (1 - alpha), np.float64)


def _at(x: Float64, index: Int64) -> Float64:
    """The rate of one group in each row."""
    index = np.broadcast_to(index, x.shape[:-1])
    return np.asarray(np.take_along_axis(x, index[..., None], -1)[..., 0], np.float64)
