"""The nonmated pairs of people that look most alike: label errors gather there."""

from __future__ import annotations

import numpy as np

from assent.calibration.draws import is_first_of_pair
from assent.calibration.trials import TopPair
from assent.evaluation.evidence import Evidence, pairs_of_people

NUM_PAIRS = 50


def top_pairs(evidence: Evidence, limit: int = NUM_PAIRS) -> tuple[TopPair, ...]:
    """The highest score of each pair of people, highest first.

    Args:
        evidence: the comparisons.
        limit: pairs at most.
    """
    tail, samples = evidence.tail, evidence.samples
    first, second = pairs_of_people(samples, tail.probes, tail.references)
    rows = np.flatnonzero(is_first_of_pair(first, second, samples.num_subjects))[:limit]
    return tuple(
        TopPair(
            score=float(tail.scores[row]),
            first_image=str(samples.ids[tail.probes[row]]),
            second_image=str(samples.ids[tail.references[row]]),
            first_subject=samples.subject_names[samples.subjects[tail.probes[row]]],
            second_subject=samples.subject_names[samples.subjects[tail.references[row]]],
        )
        for row in rows
    )
