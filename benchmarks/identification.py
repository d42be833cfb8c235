"""Identification (1:N) on the photographs: how many strangers are named, and how many people are missed.

Every search counts twice: with the person's own reference in the gallery (mated), and with it taken out
(nonmated: whatever comes back is false); ``assent.evaluation`` computes the rates. Thresholds are floors of a
policy under a calibration on other people; where the policy would refuse the gallery, the highest threshold
that the evidence supports is used instead, and the row says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console

from assent.calibration.draws import DrawOptions
from assent.calibration.measure import measure
from assent.calibration.profile import FPIR_PRESETS, CalibrationProfile, Population, Recipe, ReferenceKind
from assent.calibration.samples import Samples
from assent.errors import GalleryBeyondEvidence
from assent.evaluation.audit import collect
from assent.evaluation.evidence import Evidence
from assent.evaluation.identification import SearchOptions, identification, searches_of
from assent.evaluation.points import Points
from assent.evaluation.result import Rate
from assent.evaluation.runs.portraits import BORN_FROM
from assent.evaluation.trials import SampleTable, Trials
from assent.models.store import ModelStore
from assent.types import Bool, Float32, Float64, JsonObject
from assent.vision.embed import unit_rows
from assent.vision.engine import FaceEngine
from assent.vision.recipe import REGISTRY
from benchmarks.common import print_rows
from benchmarks.datasets import all_images, congress_images
from benchmarks.faces import FaceSet, chip_key, read_faces

WIDE = Console(width=150)
DISTANCES = (0.6, 0.5, 0.45, 0.4)
DRAWS = DrawOptions()


@dataclass(frozen=True, eq=False)
class Searches:
    """What a set of probes scored against a gallery, as the audit takes it; whose they are is in it.

    Attributes:
        evidence: every probe compared with every reference.
    """

    evidence: Evidence

    @classmethod
    def of(cls, people: np.ndarray, owners: np.ndarray, scores: Float64) -> Searches:
        """Of (P, G) scores of the probes of ``people`` with the references of ``owners``."""
        num_probes, num_references = scores.shape
        names, codes = np.unique(np.concatenate([people, owners]), return_inverse=True)
        samples = SampleTable(
            ids=np.arange(num_probes + num_references).astype(np.str_),
            subjects=codes.astype(np.int64),
            subject_names=tuple(str(name) for name in names),
        )
        rows, columns = np.divmod(np.arange(scores.size), num_references)
        mated = (people[:, None] == owners[None, :]).ravel()
        trials = Trials(rows, columns + num_probes, scores.ravel(), mated, has_whole_probes=True)
        return cls(collect(samples, trials))

    @cached_property
    def gallery_size(self) -> int:
        """References of other people that the probes are compared with."""
        found = searches_of(self.evidence, np.inf)
        if found is None:
            raise SystemExit("expected probes that meet several references")
        return found.gallery_size

    def rates(self, threshold: float, gallery_size: int | None = None) -> JsonObject:
        """FPIR and FNIR (rank 1) with the audit's intervals.

        Args:
            threshold: a candidate scores at least this.
            gallery_size: None for the whole gallery; else the mean over all galleries of this size that
                can be drawn from it.
        """
        size = gallery_size or self.gallery_size
        found = identification(
            self.evidence,
            searches_of(self.evidence, threshold),
            threshold,
            Points(self.evidence, DRAWS).at(threshold, "given"),
            SearchOptions(size, DRAWS, 0.95),
        )
        if found is None:
            raise SystemExit("expected probes that meet several references")
        row = next(row for row in found.by_size if row.gallery_size == size)
        return {"fpir": _rate(row.fpir), "fnir": _rate(row.fnir)}


@dataclass(frozen=True, slots=True)
class Applied:
    """The threshold that a policy gives for a gallery.

    Attributes:
        value: cosine similarity.
        n_max: largest gallery that the calibration supports under the policy.
        is_refused: whether the product refuses to search; ``value`` is then the evidence's end.
    """

    value: float
    n_max: int
    is_refused: bool


def applied(profile: CalibrationProfile, size: int, fpir_target: float, kind: ReferenceKind) -> Applied:
    """The floor, or the highest supported threshold where there is none."""
    n_max = profile.n_max(fpir_target, (kind,))
    try:
        return Applied(profile.floor(size, fpir_target, kind).value, n_max, is_refused=False)
    except GalleryBeyondEvidence:
        return Applied(profile.curve(kind).evidence_end, n_max, is_refused=True)


def identify(
    models: ModelStore, engine: FaceEngine, faces: FaceSet, data_dir: Path, threads: int
) -> JsonObject:
    """Identification of the portraits, and of LFW with one and with several photographs."""
    recipe = engine.recipe
    templates = faces.templates(recipe)
    samples = faces.samples(templates, faces.acquired)
    is_lfw = samples.groups == "lfw"
    everybody = _profile(engine, samples)
    others = _profile(engine, samples.take(is_lfw))
    recent = {image.image_id for image in congress_images(data_dir, born_from=BORN_FROM)}
    old = [image for image in congress_images(data_dir, born_from=0) if image.image_id not in recent]
    old_faces = read_faces(models, engine, old, [recipe, REGISTRY["trees"]], threads=threads, with_dlib=False)
    results: JsonObject = {"portraits": [], "distances": [], "lfw": []}
    for name, extra in ((f"born from {BORN_FROM}", None), ("all", old_faces)):
        searches = congress_searches(faces, templates, extra, extra.templates(recipe) if extra else None)
        results["portraits"] += [
            {"gallery": name, **row}
            for row in _policy_rows(searches, {"LFW": others, "all": everybody}, kind=ReferenceKind.SINGLE)
        ]
        results["distances"] += [{"gallery": name, **row} for row in distance_rows(faces, extra)]
    first_half = samples.in_first_half(0)
    half_profile = _profile(engine, samples.take(first_half))
    lfw = samples.take(is_lfw & ~first_half)
    for kind in ReferenceKind:
        results["lfw"] += _policy_rows(several_searches(lfw, kind), {"other half": half_profile}, kind=kind)
    return results


def measure_identification(data_dir: Path, models_dir: Path, threads: int) -> JsonObject:
    """The default recipe alone: read the photographs, and ``identify``."""
    models = ModelStore(models_dir)
    engine = FaceEngine.open(models, threads=threads)
    recipes = [engine.recipe, REGISTRY["trees"]]
    faces = read_faces(models, engine, all_images(data_dir), recipes, threads=threads, with_dlib=False)
    return {"engine": engine.model_digest, **identify(models, engine, faces, data_dir, threads)}


def congress_searches(
    faces: FaceSet, templates: Float32, extra: FaceSet | None, extra_templates: Float32 | None
) -> Searches:
    """Every probe against the gallery of portraits, one photograph each side."""
    probes, references, owners = _sides(faces, templates)
    if extra is not None and extra_templates is not None:
        references = np.concatenate([references, extra_templates[extra.acquired]])
        owners = np.concatenate([owners, _subjects(extra)[extra.acquired]])
    scores = templates[probes].astype(np.float64) @ references.T.astype(np.float64)
    return Searches.of(_subjects(faces)[probes], owners, scores)


def several_searches(samples: Samples, kind: ReferenceKind) -> Searches:
    """People with three photographs or more, each photograph searched among the others' references.

    A reference is one other photograph of the person, or the mean of all others.
    """
    acquired = samples.take(samples.acquired)
    rows_of = {name: np.flatnonzero(acquired.subjects == name) for name in sorted(set(acquired.subjects))}
    rows_of = {name: rows for name, rows in rows_of.items() if len(rows) >= 3}
    owners = np.array(list(rows_of))
    count = None if kind == ReferenceKind.MEAN else 1
    references = unit_rows(np.array([acquired.templates[rows[:count]].mean(0) for rows in rows_of.values()]))
    people, scores = [], []
    for number, (name, rows) in enumerate(rows_of.items()):
        for place, row in enumerate(rows):
            own = np.roll(rows, -place)[1:][:count]
            score = references @ acquired.templates[row]
            score[number] = unit_rows(acquired.templates[own].mean(0)[None])[0] @ acquired.templates[row]
            people.append(name)
            scores.append(score)
    return Searches.of(np.array(people), owners, np.array(scores, np.float64))


def distance_rows(faces: FaceSet, extra: FaceSet | None) -> list[JsonObject]:
    """What the raw Euclidean distance of one dlib-aligned chip falsely matches, as it is commonly used."""
    view = REGISTRY["trees"].views[0]
    key = chip_key(REGISTRY["trees"], view)
    raw = faces.embeddings[key]
    probes, references, owners = _sides(faces, raw)
    if extra is not None:
        references = np.concatenate([references, extra.embeddings[key][extra.acquired]])
        owners = np.concatenate([owners, _subjects(extra)[extra.acquired]])
    squares = (references**2).sum(1) - 2 * raw[probes] @ references.T + (raw[probes] ** 2).sum(1)[:, None]
    searches = Searches.of(
        _subjects(faces)[probes], owners, -np.sqrt(np.maximum(squares, 0)).astype(np.float64)
    )
    return [
        {"distance": limit, "gallery_size": searches.gallery_size, **searches.rates(-limit)}
        for limit in DISTANCES
    ]


def _policy_rows(
    searches: Searches, profiles: dict[str, CalibrationProfile], *, kind: ReferenceKind
) -> list[JsonObject]:
    """For each calibration and policy the largest gallery allowed, and the whole one where that is refused."""
    rows: list[JsonObject] = []
    for calibrated_on, profile in profiles.items():
        for policy, target in FPIR_PRESETS.items():
            n_max = profile.n_max(target, (kind,))
            for size in sorted({min(n_max, searches.gallery_size), searches.gallery_size} - {0}):
                threshold = applied(profile, size, target, kind)
                rows.append(
                    {
                        "reference": str(kind),
                        "gallery_size": size,
                        "calibrated_on": calibrated_on,
                        "policy": policy,
                        "n_max": n_max,
                        "is_refused": threshold.is_refused,
                        "threshold": round(threshold.value, 4),
                        **searches.rates(threshold.value, None if size == searches.gallery_size else size),
                    }
                )
    return rows


def _profile(engine: FaceEngine, samples: Samples) -> CalibrationProfile:
    """A calibration on these samples, for this run only."""
    return measure(
        samples,
        model_digest=engine.model_digest,
        recipe=Recipe(name=engine.recipe.name, version=engine.recipe.version),
        population=Population(
            description="benchmark", sources=("benchmark",), num_subjects=0, num_images=len(samples)
        ),
        created=date.today(),
    ).profile


def _sides(faces: FaceSet, values: Float32) -> tuple[Bool, Float32, np.ndarray]:
    """Which photographs are probes, and the references with their owners."""
    ids = np.array([image.image_id for image in faces.images])
    probes = np.char.startswith(ids, "congress/probes/") & faces.acquired
    gallery = np.char.startswith(ids, "congress/gallery/") & faces.acquired
    return probes, values[gallery], _subjects(faces)[gallery]


def _subjects(faces: FaceSet) -> np.ndarray:
    return np.array([image.subject for image in faces.images])


def _rate(rate: Rate | None) -> JsonObject | None:
    return None if rate is None else asdict(rate)


def print_identification(results: JsonObject) -> None:
    columns = ["references", "N", "calibrated on", "policy", "n_max", "threshold", "fpir %", "fnir %"]
    for title, part, first in (
        ("Portraits, one photograph each side", "portraits", "gallery"),
        ("LFW, people with 3 or 4 photographs", "lfw", "reference"),
    ):
        print_rows(title, columns, [_cells(row, first) for row in results[part]], WIDE)
    print_rows(
        "Portraits by raw distance, as dlib's users compare",
        ["references", "N", "distance", "falsely matched", "fpir %", "fnir %"],
        [
            [
                row["gallery"],
                row["gallery_size"],
                row["distance"],
                f"{row['fpir']['num_errors']:.0f} of {row['fpir']['num_trials']}",
                _percent(row["fpir"]),
                _percent(row["fnir"]),
            ]
            for row in results["distances"]
        ],
        WIDE,
    )


def _cells(row: JsonObject, first: str) -> list[object]:
    return [
        row[first],
        row["gallery_size"],
        row["calibrated_on"],
        row["policy"],
        row["n_max"],
        f"{row['threshold']:.4f}" + (" (refused)" if row["is_refused"] else ""),
        f"{row['fpir']['num_errors']:.3g} of {row['fpir']['num_trials']}: {_percent(row['fpir'])}",
        _percent(row["fnir"]),
    ]


def _percent(rate: JsonObject) -> str:
    return f"{100 * rate['value']:.1f} [{100 * rate['lower']:.1f}, {100 * rate['upper']:.1f}]"
