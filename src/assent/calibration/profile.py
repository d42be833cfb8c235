"""What a score is worth: the calibration profile, as it is used at search time.

A profile is a small JSON file of numbers, measured once per model and recipe by
``assent.calibration.measure``. It holds, for each kind of reference, how often two different people reach
a score (``fmr``, with the upper end of a 95 % interval that counts people, not pictures) and how often the
same person does not (``fnmr``). Everything that decides a match is derived from the upper bound, never
from the point estimate, and nothing is extrapolated: above ``evidence_end`` the bound stays what it was.

Only NumPy and pydantic are needed here; measuring also needs SciPy. Scores are cosine similarities in
[-1, 1], higher is more alike; a comparison is a match when ``score >= threshold``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from assent.calibration.curve import Curve, Frozen, Interval, Population, Recipe, ReferenceKind, ReportedPoint
from assent.calibration.similarity import fmr_at_similarity, similarity_at_fmr
from assent.errors import CalibrationError, GalleryBeyondEvidence, NoCalibration, TooFewTrials, UsageError
from assent.types import Float64

__all__ = [
    "CONFIDENCE",
    "FPIR_PRESETS",
    "SCHEMA_VERSION",
    "CalibrationProfile",
    "Curve",
    "Interval",
    "Population",
    "Recipe",
    "ReferenceKind",
    "ReportedPoint",
    "Threshold",
    "builtin_profile",
    "builtin_profiles",
]

SCHEMA_VERSION: Literal[1] = 1
CONFIDENCE = 0.95

FPIR_PRESETS = {"default": 0.01, "strict": 0.001}
"""Targets of the false positive identification rate by name; ``strict`` is the bound of NIST SP 800-63A-4 §3.11."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score to match at, and where it comes from.

    Attributes:
        value: cosine similarity; a comparison matches when its score is at least this.
        target_fmr: the false match rate that was asked for; the bound at ``value`` is at most this.
        kind: the kind of reference it holds for.
        model_digest: the model and recipe that it holds for.
        trials: nonmated comparisons it was measured on.
        subjects: people in these.
        measured_on: the day of the calibration.
    """

    value: float
    target_fmr: float
    kind: ReferenceKind
    model_digest: str
    trials: int
    subjects: int
    measured_on: date


class CalibrationProfile(Frozen):
    """What one model's scores are worth, and how that is known. See the module's text.

    Attributes:
        schema_version: of this file format.
        model_digest: of the model files and recipe; scores of another model mean nothing here.
        recipe: how faces became templates.
        created: the day of the measurement.
        population: on whom.
        interval: how the bounds were computed.
        curves: one for each kind of reference that could be measured.
        report: thresholds chosen on half of the subjects, checked on the other half.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    model_digest: str = Field(min_length=8)
    recipe: Recipe
    created: date
    population: Population
    interval: Interval
    curves: tuple[Curve, ...] = Field(min_length=1)
    report: tuple[ReportedPoint, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kinds = self.kinds
        if len(set(kinds)) != len(kinds):
            raise ValueError("there must be one curve of each kind")
        if any(curve.num_subjects > self.population.num_subjects for curve in self.curves):
            raise ValueError("a curve has more subjects than the population")
        return self

    @classmethod
    def from_json(cls, text: str | bytes) -> CalibrationProfile:
        """Read and check a profile.

        Raises:
            CalibrationError: not JSON, a field missing, unknown or of the wrong type, another schema
                version, or numbers that contradict each other; the message says which.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise CalibrationError(
                f"expected a calibration profile of schema version {SCHEMA_VERSION}; "
                f"{where}: {first['msg']}. Make it again with `assent calibrate`."
            ) from error

    def to_json(self) -> str:
        """The file's text: indented, with one line for each column of numbers."""
        return _compact_columns(self.model_dump(mode="json")) + "\n"

    @property
    def kinds(self) -> tuple[ReferenceKind, ...]:
        """The kinds of reference that were measured."""
        return tuple(curve.kind for curve in self.curves)

    def curve(self, kind: ReferenceKind | str) -> Curve:
        """The curve of one kind of reference.

        Raises:
            NoCalibration: this profile has none of that kind.
        """
        for curve in self.curves:
            if curve.kind == kind:
                return curve
        raise NoCalibration(
            f"this calibration has no curve for {str(kind)!r} references, only for "
            f"{', '.join(self.kinds)}; calibrate with people who have three photos or more each."
        )

    def fmr_at_score(self, scores: npt.ArrayLike, kind: ReferenceKind | str) -> Float64:
        """Upper 95 % bound of the false match rate at each score; constant above the evidence's end.

        Args:
            scores: any shape, cosine similarities; higher is more alike.
            kind: what the probe was compared with.

        Returns:
            The same shape, float64 in (0, 1], falling with the score.
        """
        return self.curve(kind).bound(scores)

    def similarity(self, scores: npt.ArrayLike, kind: ReferenceKind | str) -> Float64:
        """Similarity, 0 to 100: see ``assent.calibration.similarity``; saturates where evidence ends.

        Args:
            scores: any shape, cosine similarities; higher is more alike.
            kind: what the probe was compared with.

        Returns:
            The same shape, float64 in [0, 100], rising with the score.
        """
        return similarity_at_fmr(self.fmr_at_score(scores, kind))

    def max_similarity(self, kind: ReferenceKind | str) -> float:
        """The similarity at which evidence ends; no score gets a higher one."""
        return float(similarity_at_fmr(self.curve(kind).fmr_upper_at_end))

    def score_at_similarity(self, similarity: float, kind: ReferenceKind | str) -> float:
        """The lowest score with at least this similarity.

        Raises:
            UsageError: ``similarity`` is outside 0 to 100.
            TooFewTrials: it is above ``max_similarity``; no score reaches it.
        """
        return self.threshold_for_fmr(float(fmr_at_similarity(similarity)), kind).value

    def threshold_for_fmr(self, target_fmr: float, kind: ReferenceKind | str) -> Threshold:
        """The lowest threshold whose false match rate is at most ``target_fmr``, at the upper 95 % bound.

        Raises:
            UsageError: ``target_fmr`` is not in (0, 1].
            TooFewTrials: the evidence ends before; ``curve(kind).fmr_upper_at_end`` is what it supports.
        """
        _check_rate("target_fmr", target_fmr)
        curve = self.curve(kind)
        if curve.fmr_upper_at_end > target_fmr:
            raise TooFewTrials(
                f"asked for a false match rate of {target_fmr:.2g}; {curve.num_subjects} people support "
                f"{curve.fmr_upper_at_end:.2g} ({curve.kind} references). Ask for more than that, or "
                "calibrate with more people."
            )
        return Threshold(
            value=curve.lowest_score(target_fmr),
            target_fmr=target_fmr,
            kind=curve.kind,
            model_digest=self.model_digest,
            trials=curve.num_nonmated_trials,
            subjects=curve.num_subjects,
            measured_on=self.created,
        )

    def floor(self, gallery_size: int, fpir_target: float, kind: ReferenceKind | str) -> Threshold:
        """The lowest threshold at which gallery size times false match rate stays at most the target.

        A false positive identification needs a false match with one of ``gallery_size`` references, so
        FPIR <= gallery_size x FMR holds whatever the dependence (Boole). A gallery that mixes kinds is
        safe with each kind's floor for the *whole* gallery's size.

        Args:
            gallery_size: references searched; 0 counts as 1.
            fpir_target: accepted share of strangers' searches that return anybody, in (0, 1].
            kind: what the probe is compared with.

        Raises:
            UsageError: a negative size, or a target that is not in (0, 1].
            GalleryBeyondEvidence: the size is above ``n_max``.
        """
        _check_rate("fpir_target", fpir_target)
        if gallery_size < 0:
            raise UsageError(f"gallery_size must be 0 or more; got {gallery_size}.")
        n_max = self.n_max(fpir_target, (kind,))
        size = max(gallery_size, 1)
        if size > n_max:
            raise GalleryBeyondEvidence(
                f"a gallery of {gallery_size} was asked for; the calibration supports at most {n_max} at "
                f"fpir {fpir_target:g} ({ReferenceKind(kind)} references). Accept a higher fpir, split the "
                "gallery, or calibrate with more people.",
                gallery_size=gallery_size,
                n_max=n_max,
            )
        return self.threshold_for_fmr(_largest_share(fpir_target, size), kind)

    def n_max(self, fpir_target: float, kinds: Sequence[ReferenceKind | str] | None = None) -> int:
        """The largest gallery that the evidence supports; 0 when it supports none.

        Args:
            fpir_target: accepted share of strangers' searches that return anybody, in (0, 1].
            kinds: the kinds of reference in the gallery; all that were measured when None.
        """
        _check_rate("fpir_target", fpir_target)
        worst = max(self.curve(kind).fmr_upper_at_end for kind in kinds or self.kinds)
        size = int(fpir_target / worst) + 1
        while size and _largest_share(fpir_target, size) < worst:
            size -= 1
        return size

    def expected_false_candidates(
        self, scores: npt.ArrayLike, gallery_size: int, kind: ReferenceKind | str
    ) -> Float64:
        """How many strangers a gallery of this size is expected to hold at each score: size x fmr bound.

        Args:
            scores: any shape, cosine similarities.
            gallery_size: references searched, 0 or more.
            kind: what the probe was compared with.

        Returns:
            The same shape, float64, 0 or more; at the upper 95 % bound.
        """
        if gallery_size < 0:
            raise UsageError(f"gallery_size must be 0 or more; got {gallery_size}.")
        return gallery_size * self.fmr_at_score(scores, kind)


@lru_cache(maxsize=1)
def builtin_profiles() -> tuple[CalibrationProfile, ...]:
    """The profiles that come with the package, in file order."""
    folder = resources.files("assent.calibration").joinpath("profiles")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".json")), key=lambda f: f.name)
    return tuple(CalibrationProfile.from_json(item.read_bytes()) for item in files)


def builtin_profile(model_digest: str) -> CalibrationProfile | None:
    """The profile that comes with the package for exactly this model and recipe, or None."""
    return next((p for p in builtin_profiles() if p.model_digest == model_digest), None)


def _largest_share(fpir_target: float, size: int) -> float:
    """The largest float that times ``size`` is at most ``fpir_target``."""
    share = fpir_target / size
    return share if share * size <= fpir_target else float(np.nextafter(share, 0.0))


def _check_rate(name: str, value: float) -> None:
    if not 0.0 < value <= 1.0:
        raise UsageError(f"{name} must be above 0 and at most 1; got {value}.")


def _compact_columns(value: object, indent: str = "") -> str:
    """JSON with objects indented and arrays of plain values on one line, for readable diffs."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        rows = (f"{deeper}{json.dumps(key)}: {_compact_columns(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(deeper + _compact_columns(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
