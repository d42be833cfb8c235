"""The parts of a calibration profile: whose faces, how measured, and the table of rates over scores.

Only NumPy and pydantic are needed here. Scores are cosine similarities in [-1, 1], higher is more alike; a
comparison is a match when ``score >= threshold``.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from assent.errors import UsageError
from assent.types import Float64

Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Score = Annotated[float, Field(ge=-1.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


class ReferenceKind(StrEnum):
    """What a probe's template is compared with; means score closer, so they have their own curve."""

    SINGLE = "single"
    MEAN = "mean"


class Frozen(BaseModel):
    """A part of the file: immutable, no unknown field, no infinite number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recipe(Frozen):
    """How a face became a template; another recipe needs another calibration."""

    name: str = Field(min_length=1)
    version: Annotated[int, Field(ge=1)]


class Population(Frozen):
    """Whose faces were measured, in words and numbers; without names.

    Attributes:
        description: who these people are and what the pictures are like.
        sources: the data sets.
        num_subjects: people with at least one template.
        num_images: pictures looked at, after exclusions.
        num_excluded: pictures taken out before measuring (label errors, near-duplicates, filters).
        failures: pictures that gave no template, counted by reason.
        inspection: what became of the look at the highest nonmated pairs.
    """

    description: str = Field(min_length=1)
    sources: tuple[str, ...]
    num_subjects: Count
    num_images: Count
    num_excluded: Count = 0
    failures: dict[str, Count] = Field(default_factory=dict)
    inspection: str = "not inspected"

    @property
    def num_failures(self) -> int:
        """Pictures that gave no template."""
        return sum(self.failures.values())


class Interval(Frozen):
    """How the intervals were computed."""

    method: str = Field(min_length=1)
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]
    num_replicates: Count
    seed: int
    min_false_pairs: Annotated[int, Field(ge=1)]
    max_share_of_one_subject: Annotated[float, Field(gt=0.0, le=1.0)]


class Curve(Frozen):
    """Error rates over scores, for one kind of reference; a table of K rows.

    Attributes:
        kind: what the probe is compared with.
        scores: (K,) ascending from -1; the last is where the evidence ends.
        fmr: (K,) share of nonmated subject pairs' comparisons at or above the score; a point estimate.
        fmr_upper: (K,) upper 95 % bound to interpolate between; conservative between the rows too.
        fnmr: (K,) share of mated comparisons below the score, pictures without a template counted in.
        fnmr_lower: (K,) lower end of its interval.
        fnmr_upper: (K,) upper end of its interval.
        num_subjects: people in nonmated comparisons.
        num_subject_pairs: different pairs of people compared.
        num_nonmated_trials: comparisons between different people.
        num_mated_subjects: people compared with themselves.
        num_mated_trials: comparisons of people with themselves.
        num_reference_templates: for means, how many references were made of how many templates.
        top_scores: the highest nonmated scores, one for each pair of people, descending.
    """

    kind: ReferenceKind
    scores: tuple[Score, ...] = Field(min_length=2)
    fmr: tuple[Rate, ...]
    fmr_upper: tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...]
    fnmr: tuple[Rate, ...]
    fnmr_lower: tuple[Rate, ...]
    fnmr_upper: tuple[Rate, ...]
    num_subjects: Annotated[int, Field(ge=2)]
    num_subject_pairs: Annotated[int, Field(ge=1)]
    num_nonmated_trials: Annotated[int, Field(ge=1)]
    num_mated_subjects: Count
    num_mated_trials: Count
    num_reference_templates: dict[int, Count] = Field(default_factory=dict)
    top_scores: tuple[Score, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        columns = (self.fmr, self.fmr_upper, self.fnmr, self.fnmr_lower, self.fnmr_upper)
        if any(len(column) != len(self.scores) for column in columns):
            raise ValueError("every column must be as long as scores")
        if any(a >= b for a, b in pairwise(self.scores)):
            raise ValueError("scores must ascend strictly")
        if self.scores[0] != -1.0 or self.fmr_upper[0] != 1.0:
            raise ValueError("the table must begin at score -1 with fmr_upper 1")
        if any(b > a or (b == a and a < 1.0) for a, b in pairwise(self.fmr_upper)):
            raise ValueError("fmr_upper must fall strictly once below 1")
        if any(b > a for a, b in pairwise(self.fmr)) or any(b < a for a, b in pairwise(self.fnmr)):
            raise ValueError("fmr must not rise and fnmr must not fall with the score")
        if any(f > u for f, u in zip(self.fmr, self.fmr_upper, strict=True)):
            raise ValueError("fmr must not exceed fmr_upper")
        if any(not a <= b <= c for a, b, c in zip(self.fnmr_lower, self.fnmr, self.fnmr_upper, strict=True)):
            raise ValueError("fnmr must lie in its interval")
        if any(b > a for a, b in pairwise(self.top_scores)):
            raise ValueError("top_scores must descend")
        # One expected false pair in 1/U pairs: a bound below it was not measured on this many.
        if self.fmr_upper[-1] * self.num_subject_pairs < 1.0:
            raise ValueError("fmr_upper ends below what num_subject_pairs can show")
        return self

    @property
    def evidence_end(self) -> float:
        """The highest score about which the data say anything; the bound is constant above it."""
        return self.scores[-1]

    @property
    def fmr_upper_at_end(self) -> float:
        """The smallest false match rate that the data support."""
        return self.fmr_upper[-1]

    @cached_property
    def _scores(self) -> Float64:
        return np.asarray(self.scores, np.float64)

    @cached_property
    def _log_upper(self) -> Float64:
        return np.log(np.asarray(self.fmr_upper, np.float64))

    def bound(self, scores: npt.ArrayLike) -> Float64:
        """Upper 95 % bound of the false match rate at each score, log-linear between the rows.

        Args:
            scores: any shape, cosine similarities; higher is more alike.

        Returns:
            The same shape, float64 in (0, 1].
        """
        at = np.asarray(scores, np.float64)
        if np.isnan(at).any():
            raise UsageError("scores must be numbers; got NaN")
        bounds = np.exp(np.interp(at, self._scores, self._log_upper))
        # Exactly the last row's number at the end: exp(log(x)) may be off by a rounding.
        return np.where(at >= self.evidence_end, self.fmr_upper_at_end, bounds)

    def lowest_score(self, target_fmr: float) -> float:
        """The lowest score whose bound is at most ``target_fmr``; the caller knows that there is one."""
        if self.fmr_upper[0] <= target_fmr:
            return self.scores[0]
        after = int(np.argmax(np.asarray(self.fmr_upper) <= target_fmr))
        (x0, x1), (y0, y1) = self._scores[after - 1 : after + 1], self._log_upper[after - 1 : after + 1]
        score = min(x0 + (x1 - x0) * (np.log(target_fmr) - y0) / (y1 - y0), x1)
        while float(self.bound(score)) > target_fmr:  # rounding must not loosen
            score += 1e-12
        return float(score)

    def fnmr_at(self, score: float) -> float:
        """The share of mated comparisons below ``score``; linear between rows, nan beyond the last."""
        if score > self.evidence_end:
            return float("nan")
        return float(np.interp(score, self._scores, np.asarray(self.fnmr)))


class ReportedPoint(Frozen):
    """A threshold chosen on one half of the subjects and what it did on the other half.

    Attributes:
        kind: what the probe is compared with.
        target_fmr: what the choosing half's upper bound was held to.
        threshold: the score chosen.
        fmr: realised on the reporting half, with its 95 % interval.
        fmr_lower: lower end.
        fmr_upper: upper end.
        fnmr: realised on the reporting half, with its 95 % interval.
        fnmr_lower: lower end.
        fnmr_upper: upper end.
        num_false_pairs: pairs of people of the reporting half with a score at or above the threshold.
        num_subject_pairs: pairs of people compared.
        num_subjects: people in the reporting half.
        num_mated_trials: mated comparisons in the reporting half.
        fmr_pessimistic: where no false match was seen, the upper bound from disjoint pairs of people alone,
            3 / (people // 2); ``fmr_upper`` is then the optimistic one, as if all pairs were independent.
    """

    kind: ReferenceKind
    target_fmr: Rate
    threshold: Score
    fmr: Rate
    fmr_lower: Rate
    fmr_upper: Rate
    fnmr: Rate
    fnmr_lower: Rate
    fnmr_upper: Rate
    num_false_pairs: Count
    num_subject_pairs: Count
    num_subjects: Count
    num_mated_trials: Count
    fmr_pessimistic: Rate | None = None
