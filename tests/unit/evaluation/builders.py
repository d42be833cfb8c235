"""Made-up systems: people who differ, pictures of them, scores between."""

from __future__ import annotations

import numpy as np

from assent.evaluation.audit import collect
from assent.evaluation.evidence import Evidence
from assent.evaluation.trials import SampleTable, Trials


def make_trials(scores, mated, probes=None, references=None):
    """Comparisons of different pictures each, unless told."""
    n = len(scores)
    return Trials(
        np.arange(n) if probes is None else np.array(probes, np.int64),
        np.arange(n, 2 * n) if references is None else np.array(references, np.int64),
        np.array(scores, float),
        np.array(mated, bool),
    )


def make_system(
    seed=0, *, num_people=60, spread=0.3, separation=4.0, groups=("f", "m"), missing=0.0, digits=None
):
    """A probe and a reference picture of each person; everybody is searched among everybody."""
    rng = np.random.default_rng(seed)
    person = rng.normal(0, spread, num_people)
    scores = person[:, None] + person[None, :] + rng.normal(size=(num_people, num_people))
    scores[np.diag_indices(num_people)] += separation
    if digits is not None:
        scores = scores.round(digits)
    lost = rng.random(num_people) < missing
    scores[lost] = np.nan
    names = [f"p{k}" for k in range(num_people)]
    own = np.array([groups[k % len(groups)] for k in range(num_people)])
    samples = SampleTable(
        ids=np.array([f"{n}-probe" for n in names] + [f"{n}-reference" for n in names]),
        subjects=np.concatenate([np.arange(num_people)] * 2),
        subject_names=tuple(names),
        groups={"sex": np.concatenate([own, own])},
    )
    rows, columns = np.divmod(np.arange(num_people**2), num_people)
    return samples, Trials(rows, columns + num_people, scores.ravel(), rows == columns)


def make_evidence(seed=0, **changes) -> Evidence:
    return collect(*make_system(seed, **changes))


def write_csv(path, samples: SampleTable, trials: Trials, *, with_groups=True, digits=6):
    """The plain format, with subjects."""
    head = "probe,reference,score,mated,probe_subject,reference_subject"
    lines = [head + (",probe_sex,reference_sex" if with_groups else "")]
    for p, r, s, m in zip(trials.probes, trials.references, trials.scores, trials.mated, strict=True):
        cells = [samples.ids[p], samples.ids[r], "" if np.isnan(s) else f"{s:.{digits}f}", str(int(m))]
        cells += [samples.subject_names[samples.subjects[k]] for k in (p, r)]
        if with_groups:
            cells += [samples.groups["sex"][k] for k in (p, r)]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path
