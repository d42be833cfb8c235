"""What the accuracy page says of the profile that ships: made from the profile, nothing is measured."""

from __future__ import annotations

from bisect import bisect_left

from assent.calibration.curve import Curve, ReferenceKind
from assent.calibration.profile import FPIR_PRESETS, CalibrationProfile
from assent.errors import GalleryBeyondEvidence
from assent.evaluation.report.words import one_in

TARGETS = (1e-2, 1e-3, 1e-4)
KIND_NAMES = {ReferenceKind.SINGLE: "one photo", ReferenceKind.MEAN: "mean"}
_ROUND_SIZES = (1, 10, 200)


def summary_lines(profile: CalibrationProfile) -> list[str]:
    """The page's first sentences."""
    missed = {
        (kind, target): f"{100 * _fnmr(profile.curve(kind), profile, target):.0f} %"
        for kind in ReferenceKind
        for target in TARGETS
    }
    single, mean = ReferenceKind.SINGLE, ReferenceKind.MEAN
    n_max = {
        (policy, kind): _n_max(profile, policy, kind) for policy in FPIR_PRESETS for kind in ReferenceKind
    }
    return [
        "**In short.** With one photo each side and false matches held to 1 in 1,000, "
        f"{missed[single, 1e-3]} of true pairs are missed; at 1 in 10,000, {missed[single, 1e-4]}. Enrol several "
        f"photos of a person and it is {missed[mean, 1e-3]} and {missed[mean, 1e-4]}. The evidence supports searching "
        f"up to **{n_max['default', single]}** people with one photo each, or **{n_max['default', mean]}** once "
        "somebody has several (default policy: at most 1 stranger's search in 100 returns anybody); "
        f"**{n_max['strict', single]}** and **{n_max['strict', mean]}** under the strict one (1 in 1,000). Beyond, a "
        "search is refused."
    ]


def verification_lines(profile: CalibrationProfile) -> list[str]:
    """One against one, and whether the promise holds on the half that was kept back."""
    curves = [profile.curve(kind) for kind in ReferenceKind]
    lines = [
        "| false matches, at most | one photo: cosine at least | missed % | mean of 2 to 4: cosine at least | "
        "missed % |",
        "| --- | --- | --- | --- | --- |",
    ]
    for target in TARGETS:
        cells = [
            cell
            for curve in curves
            for cell in _at(curve, profile.threshold_for_fmr(target, curve.kind).value)
        ]
        lines.append(f"| {one_in(target)} | {' | '.join(cells)} |")
    ends = [
        (f"{curve.evidence_end:.3f} ({one_in(curve.fmr_upper_at_end)})", _missed(curve, curve.evidence_end))
        for curve in curves
    ]
    lines.append(f"| the evidence's end | {' | '.join(cell for pair in ends for cell in pair)} |")
    num_others = {point.num_subjects for point in profile.report if point.kind == ReferenceKind.SINGLE}
    lines += [
        "",
        '"At most" is the upper bound, so the rates seen are lower. Misses of means are of the '
        f"{curves[1].num_mated_subjects} people with three photos or more, nearly all in LFW; the photo searched is "
        "never in the mean.",
        "",
        "**Does the promise hold on other people?** Thresholds chosen on half of the people, tried on the other "
        f"{max(num_others)}:",
        "",
        "| reference | promised, at most | seen on the others | missed % |",
        "| --- | --- | --- | --- |",
    ]
    for point in profile.report:
        seen = f"{_short(point.fmr)} [{_short(point.fmr_lower)}, {_short(point.fmr_upper)}]"
        missed = f"{100 * point.fnmr:.1f} [{100 * point.fnmr_lower:.1f}, {100 * point.fnmr_upper:.1f}]"
        lines.append(f"| {KIND_NAMES[point.kind]} | {_short(point.target_fmr)} | {seen} | {missed} |")
    return lines


def gallery_lines(profile: CalibrationProfile) -> list[str]:
    """What a larger gallery costs."""
    columns = [(kind, policy) for kind in ReferenceKind for policy in FPIR_PRESETS]
    sizes = {_n_max(profile, policy, kind) for kind, policy in columns} | set(_ROUND_SIZES)
    several = {ReferenceKind.SINGLE: "one photo", ReferenceKind.MEAN: "several"}
    lines = [
        f"| people enrolled | {' | '.join(f'{several[kind]}, {policy}' for kind, policy in columns)} |",
        "| --- " * (1 + len(columns)) + "|",
    ]
    for size in sorted(sizes):
        cells = []
        for kind, policy in columns:
            try:
                floor = profile.floor(size, FPIR_PRESETS[policy], kind).value
                cells.append(f"{100 * profile.curve(kind).fnmr_at(floor):.1f}")
            except GalleryBeyondEvidence:
                cells.append("refused")
        lines.append(f"| {size} | {' | '.join(cells)} |")
    return lines


def _n_max(profile: CalibrationProfile, policy: str, kind: ReferenceKind) -> int:
    """With references of this kind in the gallery; once somebody has several photos, with both kinds."""
    kinds = (kind,) if kind == ReferenceKind.SINGLE else tuple(ReferenceKind)
    return profile.n_max(FPIR_PRESETS[policy], kinds)


def _fnmr(curve: Curve, profile: CalibrationProfile, target: float) -> float:
    return curve.fnmr_at(profile.threshold_for_fmr(target, curve.kind).value)


def _at(curve: Curve, score: float) -> tuple[str, str]:
    return f"{score:.3f}", _missed(curve, score)


def _missed(curve: Curve, score: float) -> str:
    """The rate at a score, with the interval of the row above: the table's are not interpolated."""
    row = min(bisect_left(curve.scores, score), len(curve.scores) - 1)
    low, high = curve.fnmr_lower[row], curve.fnmr_upper[row]
    return f"{100 * curve.fnmr_at(score):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _short(rate: float) -> str:
    """As 9.4e-4; a power of ten as 1e-3."""
    text = f"{rate:.1e}".replace("e-0", "e-")
    return text.replace(".0e", "e") if rate in {1e-1, *TARGETS, 1e-5} else text
