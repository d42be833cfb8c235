"""From a false match rate to a gallery: what can be promised in one, and how many people it takes to show it.

A false positive identification needs a false match with one of N references, so fpir is at most N × fmr
whatever the dependence (Boole).
"""

from __future__ import annotations

import math

from assent.calibration.profile import FPIR_PRESETS
from assent.errors import UsageError
from assent.evaluation.rates import RULE_OF_30
from assent.evaluation.result import Estimate, GalleryClaim, Rate, Requirement

DEFAULT_TARGET = FPIR_PRESETS["default"]


def largest_gallery(fmr_bound: float | None, fpir_target: float) -> int:
    """The largest N with N × ``fmr_bound`` at most the target; 0 for none, or where no bound is known."""
    if not fmr_bound:
        return 0
    size = int(fpir_target / fmr_bound) + 1
    while size and size * fmr_bound > fpir_target:
        size -= 1
    return size


def people_for(comparisons: int) -> int:
    """The fewest people whose pairs are that many.

    Example:
        >>> people_for(300_000)
        776
    """
    people = int((1 + math.sqrt(1 + 8 * comparisons)) / 2)
    while people * (people - 1) // 2 < comparisons:
        people += 1
    return people


def requirement(gallery_size: int, fpir_target: float) -> Requirement:
    """What it takes to show a target in a gallery, counting pairs as if they were independent.

    Raises:
        UsageError: a size below 1, or a target that is not in (0, 1].
    """
    _check(gallery_size, fpir_target)
    needed = fpir_target / gallery_size
    of_3, of_30 = (math.ceil(round(count / needed, 6)) for count in (3, RULE_OF_30))
    return Requirement(
        fpir_target=fpir_target,
        gallery_size=gallery_size,
        fmr_needed=needed,
        comparisons_rule_of_3=of_3,
        subjects_rule_of_3=people_for(of_3),
        comparisons_rule_of_30=of_30,
        subjects_rule_of_30=people_for(of_30),
    )


def gallery_claim(fmr: Rate, gallery_size: int | None, fpir_target: float = DEFAULT_TARGET) -> GalleryClaim:
    """What a false match rate means for the user's gallery.

    Args:
        fmr: at the audit's threshold.
        gallery_size: None where the user gave none.
        fpir_target: accepted share of strangers' searches that return anybody.
    """
    n_max = largest_gallery(fmr.bound, fpir_target)
    targets = sorted({*FPIR_PRESETS.values(), fpir_target}, reverse=True)
    size = gallery_size or n_max
    requirements = tuple(requirement(size, target) for target in targets) if size else ()
    fpir = None
    if gallery_size is not None and fmr.value is not None:
        low, high = (min(1.0, gallery_size * end) for end in (fmr.lower or 0.0, fmr.upper or 0.0))
        fpir = Estimate(min(1.0, gallery_size * fmr.value), low, high)
    return GalleryClaim(
        gallery_size=gallery_size,
        fpir_target=fpir_target,
        fpir=fpir,
        n_max=n_max,
        is_supported=None if gallery_size is None else gallery_size <= n_max,
        requirements=requirements,
    )


def _check(gallery_size: int, fpir_target: float) -> None:
    if gallery_size < 1:
        raise UsageError(f"gallery_size must be 1 or more; got {gallery_size}.")
    if not 0.0 < fpir_target <= 1.0:
        raise UsageError(f"fpir_target must be above 0 and at most 1; got {fpir_target}.")
