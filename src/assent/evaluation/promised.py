"""Whether an audit's people bear out what a calibration promises of the same engine."""

from __future__ import annotations

from assent.calibration.curve import ReferenceKind
from assent.calibration.profile import CalibrationProfile
from assent.evaluation.audit import AuditOptions
from assent.evaluation.evidence import Evidence
from assent.evaluation.points import Points
from assent.evaluation.result import Note

PROMISES = (1e-2, 1e-3, 1e-4)
"""False match rates that are looked at, as far as the calibration goes."""


def contradictions(
    evidence: Evidence, profile: CalibrationProfile, options: AuditOptions
) -> tuple[Note, ...]:
    """What the audit is sure (97.5 %) that the calibration promises too low.

    Args:
        evidence: comparisons of one picture with one picture, by the engine that was calibrated.
        profile: of that engine.
        options: of the intervals.
    """
    curve = profile.curve(ReferenceKind.SINGLE)
    points = Points(evidence, options.draws, options.confidence)
    notes = []
    for promised in PROMISES:
        if curve.fmr_upper_at_end > promised or not evidence.nonmated.total:
            continue
        threshold = curve.lowest_score(promised)
        seen = points.fmr(threshold)
        if seen.lower is not None and seen.lower > promised:
            notes.append(
                Note(
                    "calibration-contradicted",
                    f"the calibration promises a false match rate of at most {promised:g} at {threshold:.4f}; among "
                    f"these people it is at least {seen.lower:.2g}. Look for label errors among the most alike pairs; "
                    "if there is none, the calibration does not hold for people like these: make one of them (assent "
                    "calibrate).",
                    is_warning=True,
                )
            )
    return tuple(notes)
