"""Makes ``bob_measure.json``: run by an interpreter that has bob.measure (6.1, which needs numpy < 2).

``python make_bob_measure.py`` in an environment of its own: the project's has a newer NumPy.
"""

import json
from pathlib import Path

import numpy as np
from bob import measure

TARGETS = [0.2, 0.1, 0.05, 0.01, 0.001]


def case(name, negatives, positives):
    thresholds = np.unique(np.concatenate([negatives, positives]))
    thresholds = np.append(thresholds[:: max(1, len(thresholds) // 40)], thresholds[-1] + 1)
    rates = [measure.farfrr(negatives, positives, t) for t in thresholds]
    at = [measure.far_threshold(negatives, positives, target) for target in TARGETS]
    return {
        "name": name,
        "negatives": negatives.tolist(),
        "positives": positives.tolist(),
        "thresholds": thresholds.tolist(),
        "far": [far for far, _ in rates],
        "frr": [frr for _, frr in rates],
        "eer": measure.eer(negatives, positives),
        "targets": TARGETS,
        "far_at_far_threshold": [measure.farfrr(negatives, positives, t)[0] for t in at],
    }


def searches():
    """The open-set case of bob's own tests in shape: probes with and without a mate."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(40):
        negatives = rng.normal(0, 1, 12).round(1)
        positives = rng.normal(2, 1, 1).round(1) if k % 3 else np.zeros(0)
        rows.append((negatives, positives))
    closed = [row for row in rows if len(row[1])]
    threshold = 1.5
    return {
        "threshold": threshold,
        "negatives": [n.tolist() for n, _ in rows],
        "positives": [p.tolist() for _, p in rows],
        "cmc": measure.cmc(closed).tolist(),
        "detection_identification_rate": [
            measure.detection_identification_rate(rows, threshold, rank) for rank in (1, 2, 5)
        ],
        "false_alarm_rate": measure.false_alarm_rate(rows, threshold),
    }


rng = np.random.default_rng(7)
CASES = [
    case("continuous", rng.normal(0, 1, 301), rng.normal(2, 1, 97)),
    case("ties", rng.normal(0, 1, 301).round(1), rng.normal(2, 1, 97).round(1)),
    case("separable", np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 20)),
    case("worse than chance", rng.normal(1, 1, 101), rng.normal(0, 1, 53)),
]
path = Path(__file__).with_name("bob_measure.json")
path.write_text(json.dumps({"bob.measure": "6.1.1", "cases": CASES, "searches": searches()}) + "\n")
