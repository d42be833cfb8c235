"""Error rates at thresholds with their intervals: operating points, the equal error rate, the trade-off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assent.calibration.draws import DrawOptions
from assent.evaluation.bootstrap import (
    Draws,
    WeightedRows,
    false_match_draws,
    mated_rows,
    miss_draws,
    nonmated_rows,
)
from assent.evaluation.curves import ScoreSet, det_thresholds, equal_error, threshold_at_fmr
from assent.evaluation.evidence import Evidence, by_subject
from assent.evaluation.rates import RULE_OF_30, estimate, make_rate, share_rate
from assent.evaluation.result import Det, Estimate, OperatingPoint, Rate
from assent.types import Float64


@dataclass(frozen=True, slots=True)
class EerResult:
    """The equal error rate with its interval, and the score there; None where there is one class only."""

    estimate: Estimate
    threshold: float | None


@dataclass(frozen=True, eq=False)
class Points:
    """Error rates of one system.

    Attributes:
        evidence: the comparisons.
        options: of the draws.
        confidence: of intervals.
    """

    evidence: Evidence
    options: DrawOptions
    confidence: float = 0.95

    @cached_property
    def scores(self) -> ScoreSet:
        """Both kinds of comparisons."""
        return ScoreSet(
            self.evidence.mated_counts,
            self.evidence.nonmated,
            self.evidence.num_mated_failures,
        )

    @cached_property
    def nonmated(self) -> WeightedRows:
        """The nonmated comparisons to weigh, highest first."""
        return nonmated_rows(self.evidence)

    @cached_property
    def mated(self) -> WeightedRows:
        """The mated comparisons to weigh, lowest first."""
        return mated_rows(self.evidence)

    def false_matches(self, thresholds: Float64) -> Draws:
        """Draws of fmr."""
        return false_match_draws(self.nonmated, self.evidence.universe, thresholds, self.options)

    def misses(self, thresholds: Float64) -> Draws:
        """Draws of fnmr, of the same people."""
        return miss_draws(self.mated, self.evidence.samples.num_subjects, thresholds, self.options)

    def fmr(self, threshold: float) -> Rate:
        """The false match rate at one threshold."""
        counts, people = self.evidence.nonmated, self.evidence.universe.num_references
        if not counts.total or np.isnan(threshold):
            return make_rate(0, 0, people)
        errors = int(counts.num_at_least(threshold))
        at = np.array([threshold])
        draws = self.false_matches(at).about(np.array([errors / counts.total]))[:, 0] if errors else None
        return make_rate(
            errors, counts.total, people, draws=draws, confidence=self.confidence, is_of_pairs=True
        )

    def fnmr(self, threshold: float) -> tuple[Rate, Rate]:
        """The miss rate at one threshold, with failures and without."""
        if np.isnan(threshold):
            return make_rate(0, 0, 0), make_rate(0, 0, 0)
        mated, samples = self.evidence.mated_by_probe(threshold), self.evidence.samples
        rates: list[Rate] = []
        for errors, trials in (
            (mated.num_missed, mated.num_trials),
            (mated.num_below, mated.num_trials - mated.num_failed),
        ):
            rates += share_rate(
                by_subject(samples, errors)[:, None],
                by_subject(samples, trials),
                self.options,
                confidence=self.confidence,
            )
        return rates[0], rates[1]

    def at(self, threshold: float, chosen_by: str, target_fmr: float | None = None) -> OperatingPoint:
        """Both rates at one threshold.

        Args:
            threshold: a match scores at least this; nan where there is none.
            chosen_by: in words.
            target_fmr: what it was chosen for.
        """
        fmr = self.fmr(threshold)
        fnmr, acquired = self.fnmr(threshold)
        total = self.evidence.nonmated.total
        scored = total / max(total + self.evidence.num_nonmated_failures, 1)
        expected = RULE_OF_30 if target_fmr is None else target_fmr * total
        return OperatingPoint(
            threshold=float(threshold) if np.isfinite(threshold) else None,
            chosen_by=chosen_by,
            target_fmr=target_fmr,
            is_supported=bool(total) and expected >= RULE_OF_30,
            fmr=fmr,
            fnmr=fnmr,
            fnmr_acquired=acquired,
            gfar=None if fmr.value is None else fmr.value * scored,
        )

    def at_target(self, target_fmr: float) -> OperatingPoint:
        """The lowest threshold with fmr at most the target."""
        counts = self.evidence.nonmated
        threshold = threshold_at_fmr(counts, target_fmr) if counts.total else float("nan")
        return self.at(threshold, f"lowest with fmr at most {target_fmr:g}", target_fmr)

    @cached_property
    def _trade_off(self) -> tuple[Float64, Draws, Draws] | None:
        """Thresholds of the trade-off, and draws of both rates there; None with one class only."""
        if not self.scores.num_mated or not self.scores.nonmated.total:
            return None
        thresholds = det_thresholds(self.scores)
        return thresholds, self.false_matches(thresholds), self.misses(thresholds)

    def equal_error_draws(self) -> Float64:
        """(B,) where the two drawn curves cross; empty with one class only."""
        if self._trade_off is None:
            return np.zeros(0)
        thresholds, matches, misses = self._trade_off
        return crossings(
            matches.about(self.scores.fmr(thresholds)), misses.about(self.scores.fnmr(thresholds))
        )

    def equal_error(self) -> EerResult:
        """The equal error rate with its interval."""
        draws = self.equal_error_draws()
        if not len(draws):
            return EerResult(Estimate(None), None)
        found = equal_error(self.scores)
        threshold = found.threshold if np.isfinite(found.threshold) else None
        return EerResult(estimate(found.value, draws, confidence=self.confidence), threshold)

    def det(self) -> Det | None:
        """The trade-off with bands; None with one class only."""
        if self._trade_off is None:
            return None
        thresholds, matches, misses = self._trade_off
        fmr, fnmr = self.scores.fmr(thresholds), self.scores.fnmr(thresholds)
        people = self.evidence.universe.num_references
        bands = [
            [
                make_rate(
                    value * total,
                    total,
                    people,
                    draws=draws[:, k],
                    confidence=self.confidence,
                    is_of_pairs=True,
                )
                for k, value in enumerate(values)
            ]
            for values, total, draws in (
                (fmr, self.scores.nonmated.total, matches.about(fmr)),
                (fnmr, self.scores.num_mated, misses.about(fnmr)),
            )
        ]
        return Det(
            threshold=tuple(thresholds.tolist()),
            fmr=tuple(fmr.tolist()),
            fmr_lower=tuple(rate.lower or 0.0 for rate in bands[0]),
            fmr_upper=tuple(1.0 if rate.upper is None else rate.upper for rate in bands[0]),
            fnmr=tuple(fnmr.tolist()),
            fnmr_lower=tuple(rate.lower or 0.0 for rate in bands[1]),
            fnmr_upper=tuple(1.0 if rate.upper is None else rate.upper for rate in bands[1]),
            fmr_floor=1 / self.scores.nonmated.total,
        )


def crossings(fmr: Float64, fnmr: Float64) -> Float64:
    """Where falling false match rates meet rising miss rates, linear between the two points about it.

    Args:
        fmr: (B, K) float64, falling along the second axis.
        fnmr: (B, K) float64, rising.

    Returns:
        (B,) float64.
    """
    difference = fmr - fnmr
    after = np.clip(np.argmax(difference <= 0, axis=1), 1, fmr.shape[1] - 1)
    rows = np.arange(len(fmr))
    d0, d1 = difference[rows, after - 1], difference[rows, after]
    share = np.clip(np.where(d0 > d1, d0 / np.where(d0 > d1, d0 - d1, 1.0), 0.0), 0.0, 1.0)
    return np.asarray(fmr[rows, after - 1] + share * (fmr[rows, after] - fmr[rows, after - 1]), np.float64)
