"""The experiment of 2018 again: portraits of members of Congress against a gallery, by sex, at several rules.

Every probe is searched for with their own portrait left out: whatever comes back is a false match. The rules are
the protocol's thresholds of 80 and 99, for our engine also our own floor for a gallery of that size and the raw
distance of 0.6 that dlib's users take; each gives a whole result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assent.calibration.profile import FPIR_PRESETS, CalibrationProfile, ReferenceKind
from assent.calibration.trials import TopPair
from assent.errors import GalleryBeyondEvidence, TooFewTrials
from assent.evaluation.audit import AuditOptions, audit, collect
from assent.evaluation.report.contents import Report, RuleResult
from assent.evaluation.report.headline import ratios_of
from assent.evaluation.report.words import percent
from assent.evaluation.result import Source
from assent.evaluation.runs.identify import IdentifyRun
from assent.evaluation.runs.tables import table_of_searches
from assent.evaluation.showing import Shower

SIMILARITIES = (80.0, 99.0)
"""The protocol's default, as in 2018, and what the vendor advised after it was criticised."""

HABIT = 0.6
MAX_SHOWN = 200
"""False matches drawn for each rule; the most alike ones."""

DESCRIPTION = (
    "Official portraits of members of the 118th US Congress, searched for among portraits of present and former "
    "members from other sources and years, the member's own left out."
)
LIMITS = (
    "These are official portraits: evenly lit, frontal, of willing people. Pictures from a street camera do worse.",
    "A few hundred searches: where an interval is wide, nobody knows better from these data.",
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A threshold on a run's scores; ``value`` is None where no score reaches it."""

    name: str
    text: str
    value: float | None
    is_refused: bool = False


def congress_report(
    run: IdentifyRun,
    options: AuditOptions,
    *,
    num_same_pictures: int,
    profile: CalibrationProfile | None = None,
    habit: IdentifyRun | None = None,
    shower: Shower | None = None,
) -> Report:
    """All rules on one run of the portraits.

    Args:
        run: through our engine or an endpoint.
        options: how to compute; threshold and gallery size are the rules'.
        num_same_pictures: mates left out because they are the very same picture.
        profile: of our engine, which turns similarities and floors into its scores; None for an endpoint.
        habit: the same searches by raw distance.
        shower: draws the pairs; None for a report without pictures.

    Raises:
        TooFewTrials: nothing was compared.
    """
    options = replace(options, kind="congress", description=f"{DESCRIPTION} {_left_out(num_same_pictures)}")
    rules = [_applied(run, rule, options, shower) for rule in _rules(run, profile)]
    if habit is not None:
        rules.append(_applied(habit, _habit_rule(), options, shower))
    first = rules[0].result
    if first is None:
        raise TooFewTrials(
            "expected a similarity of 80 to be within the calibration's evidence; calibrate anew."
        )
    notes = LIMITS if profile is None else (*LIMITS, _measured_on(profile))
    return Report(
        title="The Congress experiment of 2018, again",
        result=first,
        facts=run.facts,
        top_pairs=() if shower is None else shower.pairs(first.top_nonmated),
        rules=tuple(rules),
        limits=notes,
        threshold_name="Similarity 80, the protocol's default",
    )


def _rules(run: IdentifyRun, profile: CalibrationProfile | None) -> list[_Rule]:
    if profile is None:
        return [_Rule(f"Similarity {s:g}", _SIMILARITY_TEXT[s], s) for s in SIMILARITIES]
    similar = [_similarity_rule(profile, similarity) for similarity in SIMILARITIES]
    return [*similar, *(_floor_rule(profile, run.nonmated_gallery_size, name) for name in FPIR_PRESETS)]


_SIMILARITY_TEXT = {
    80.0: "The protocol's default threshold, at which 28 of 535 members were falsely matched in 2018.",
    99.0: "The threshold that the vendor advised for police work after the experiment of 2018.",
}


def _similarity_rule(profile: CalibrationProfile, similarity: float) -> _Rule:
    name, kind = f"Similarity {similarity:g}", ReferenceKind.SINGLE
    try:
        value = profile.score_at_similarity(similarity, kind)
    except TooFewTrials:
        end = profile.max_similarity(kind)
        text = f"The calibration's evidence ends at {end:.1f}: no score of Assent's has a similarity of {similarity:g}."
        return _Rule(name, f"{_SIMILARITY_TEXT[similarity]} {text}", None)
    return _Rule(name, f"{_SIMILARITY_TEXT[similarity]} For Assent it is a cosine of {value:.4f}.", value)


def _floor_rule(profile: CalibrationProfile, gallery_size: int, policy: str) -> _Rule:
    target, kind = FPIR_PRESETS[policy], ReferenceKind.SINGLE
    name, n_max = f"Assent's floor, {policy} policy", profile.n_max(target, (kind,))
    promise = f"At most {percent(target)} of the searches for strangers may name somebody."
    try:
        return _Rule(name, promise, profile.floor(gallery_size, target, kind).value)
    except GalleryBeyondEvidence:
        text = (
            f"{promise} Its evidence supports {n_max:,} people, so Assent refuses a gallery of {gallery_size:,}; the "
            "numbers are at the highest threshold that the evidence supports. A smaller gallery can only give fewer."
        )
        return _Rule(name, text, profile.curve(kind).evidence_end, is_refused=True)


def _habit_rule() -> _Rule:
    text = f"A raw distance of at most {HABIT:g}, as users of dlib's network commonly compare, whatever the gallery."
    return _Rule(f"Raw distance {HABIT:g}", text, -HABIT)


def _applied(run: IdentifyRun, rule: _Rule, options: AuditOptions, shower: Shower | None) -> RuleResult:
    if rule.value is None:
        return RuleResult(rule.name, rule.text, rule.is_refused, None)
    table = table_of_searches(run)
    own = replace(options, threshold=rule.value, gallery_size=None)
    source = Source("portraits", "run", len(table.trials))
    result = audit(collect(table.samples, table.trials), own, sources=(source,))
    pairs = false_matches(run, rule.value)
    drawn = () if shower is None else shower.pairs(pairs[:MAX_SHOWN])
    text = rule.text
    if shower is not None and len(pairs) > MAX_SHOWN:
        text += f" Of {len(pairs):,} false matches the {MAX_SHOWN} most alike are shown."
    is_wrong = result.identification is not None and result.identification.fpir.num_errors > 0
    ratios = tuple(ratio for attribute in result.groups for ratio in ratios_of(attribute) if is_wrong)
    return RuleResult(rule.name, text, rule.is_refused, result, ratios, tuple(pairs), drawn)


def false_matches(run: IdentifyRun, threshold: float) -> list[TopPair]:
    """Every candidate of a nonmated search that scores at least the threshold, most alike first."""
    plan = run.plan
    found = [
        TopPair(
            score,
            plan.probes[search.probe].sample_id,
            plan.references[row].sample_id,
            plan.probes[search.probe].subject,
            plan.references[row].subject,
        )
        for search in run.searches
        if not search.is_mated
        for row, score in search.candidates or ()
        if score >= threshold and row not in plan.mates[search.probe]
    ]
    return sorted(found, key=lambda pair: (-pair.score, pair.first_image, pair.second_image))


def _left_out(num_same_pictures: int) -> str:
    return f"{num_same_pictures} portraits that are the very same picture as the probe were left out."


def _measured_on(profile: CalibrationProfile) -> str:
    if any("congress" in source for source in profile.population.sources):
        return "The calibration was measured on these portraits too, among others: its floors know them."
    return "The calibration was measured on other people."
