"""A small audit with everything in it: groups, searches, failures, a run, rules and pictures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from assent.calibration.draws import DrawOptions
from assent.evaluation.audit import AuditOptions, audit, collect
from assent.evaluation.report.contents import PairPicture, Ratio, Report, RuleResult
from assent.evaluation.result import AuditResult, Source
from assent.evaluation.runs.facts import Latency, RunFacts
from assent.evaluation.sheets import jpeg_of
from assent.evaluation.trials import SampleTable, Trials


@lru_cache(maxsize=2)
def small_result(gallery_size: int | None = 25_000) -> AuditResult:
    """Sixty people with two pictures each, of two groups; the second group's faces are more alike."""
    rng = np.random.default_rng(0)
    count = 60
    subjects = np.repeat(np.arange(count), 2)
    groups = np.where(subjects % 3, "men", "women")
    first, second = np.triu_indices(2 * count, 1)
    mated = subjects[first] == subjects[second]
    alike = (groups[first] == "women") & (groups[second] == "women")
    scores = rng.normal(0.2 + 0.6 * mated + 0.1 * alike, 0.1)
    scores[(first == 5) | (second == 5)] = np.nan
    samples = SampleTable(
        ids=np.array([f"person {row // 2}/<{row}>.jpg" for row in range(2 * count)]),
        subjects=subjects,
        subject_names=tuple(f"person {n}" for n in range(count)),
        groups={"sex": groups},
        times_ms=rng.uniform(20, 60, 2 * count),
    )
    options = AuditOptions(
        target_fmr=5e-3,
        gallery_size=gallery_size,
        draws=DrawOptions(100, 0),
        system="A matcher <of paper>",
        description="Sixty made-up people.",
    )
    source = Source("scores.csv", "csv", len(first), "ab" * 32)
    return audit(collect(samples, Trials(first, second, scores, mated)), options, sources=(source,))


def small_report() -> Report:
    """That result with a run, two rules and pictures."""
    result = small_result()
    face = np.full((150, 300, 3), 128, np.uint8)
    pictures = tuple(PairPicture(pair, jpeg_of(face)) for pair in result.top_nonmated[:3])
    facts = RunFacts(
        {"endpoint": "localhost"},
        "Similarity, 0 to 100",
        "comparisons",
        100,
        {"no face": 3},
        {"InternalServerError": 1},
        num_censored=2,
        num_resumed=5,
        num_throttled=4,
        latencies=(Latency("", "", 90, 31.0, 55.0), Latency("sex", "women", 40, 30.0, 50.0)),
        notes=("the audit's collection x could not be deleted",),
    )
    unknown = (Ratio("sex", "women", "men", None, None, None),)
    rules = (
        RuleResult(
            "A rule",
            "What it is.",
            False,
            result,
            (Ratio("sex", "women", "men", 2.6, 1.25, 5.4),),
            result.top_nonmated[:3],
            pictures,
        ),
        RuleResult("Another rule", "Refused.", True, result),
        RuleResult(
            "A rule beyond",
            "Nothing reaches it.",
            False,
            None,
            unknown,
        ),
    )
    return Report("How often <it> is wrong", result, facts, pictures, rules, ("A limit.",))
