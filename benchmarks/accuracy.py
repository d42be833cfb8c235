"""How often recipes miss, side by side on the same photographs; and identification of portraits.

Run ``python -m benchmarks.accuracy``; it takes about fifteen minutes on two cores and needs the photographs
beside the project. The same photographs, faces and subjects are used for every recipe. The recipe is chosen
on one half of the subjects, and what is reported of the choice is what it does on the other half.
``docs/accuracy.md`` explains the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from assent.calibration.draws import DrawOptions, weights
from assent.calibration.profile import ReferenceKind
from assent.calibration.samples import Person, Samples
from assent.calibration.trials import MatedTrials, NonmatedTrials, mated_trials, nonmated_trials
from assent.evaluation.bootstrap import WeightedRows
from assent.evaluation.compare import misses_at
from assent.evaluation.pictures import subject_face
from assent.models.store import ModelStore
from assent.types import Bool, Float64, Int64, JsonObject
from assent.vision.decode import decode_image
from assent.vision.embed import unit_rows
from assent.vision.engine import FaceEngine
from assent.vision.recipe import DEFAULT_RECIPE, REGISTRY, Recipe
from benchmarks.common import (
    MODELS_DIR,
    machine,
    print_machine,
    print_rows,
    time_side_by_side,
    write_json,
)
from benchmarks.datasets import DATA_DIR, all_images
from benchmarks.faces import DLIB, FaceSet, read_faces
from benchmarks.identification import WIDE, identify, print_identification

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)
REFERENCE = "trees-mirrored"
"""The best recipe known before; differences are to this one."""

CHOSEN_BY = (1e-3, 1e-4)
"""A recipe is chosen by its mean miss rate at these: where the floors of small galleries are."""

SLACK = 0.005
"""Differences below this are a fraction of their interval's width; the cheaper recipe is taken."""

SEED = 0


@dataclass(frozen=True, eq=False)
class Contender:
    """One recipe's comparisons, with subjects numbered alike for all recipes.

    Attributes:
        name: of the recipe.
        nonmated: the highest scores of different people.
        mated: comparisons of people with themselves.
        nonmated_people: (S,) int64, number of each subject of ``nonmated``.
        mated_people: (S,) int64, number of each subject of ``mated``.
    """

    name: str
    nonmated: NonmatedTrials
    mated: MatedTrials
    nonmated_people: Int64
    mated_people: Int64

    @classmethod
    def of(cls, name: str, samples: Samples, numbers: dict[Person, int]) -> Contender:
        """All comparisons of these samples; ``numbers`` gives every subject's number."""
        nonmated = nonmated_trials(samples, ReferenceKind.SINGLE)
        mated = mated_trials(samples, ReferenceKind.SINGLE)
        if nonmated is None or mated is None:
            raise SystemExit("expected several people with several pictures each")
        return cls(
            name,
            nonmated,
            mated,
            np.array([numbers[person] for person in nonmated.people]),
            np.array([numbers[person] for person in mated.people]),
        )

    @cached_property
    def _rows(self) -> tuple[WeightedRows, WeightedRows]:
        """The nonmated comparisons that thresholds may be between, highest first, and the mated ones, lowest first."""
        matches = self.nonmated.matches
        pairs = matches.universe.weight(np.ones(matches.universe.num_subjects))
        num_kept = int(np.searchsorted(np.cumsum(matches.shares), 3 * max(TARGETS) * pairs)) + 1
        nonmated = WeightedRows(matches.first, matches.second, matches.scores, matches.shares)
        order = np.argsort(self.mated.scores)
        people = self.mated.subjects[order]
        mated = WeightedRows(people, people, self.mated.scores[order], 1 / np.bincount(people)[people])
        return nonmated.take(np.arange(min(num_kept, len(nonmated.scores)))), mated

    def misses(self, weights: Float64) -> Float64:
        """(T,) FNMR at each FMR of ``TARGETS``, with everybody counting as often as ``weights`` says.

        The threshold is drawn anew with the people, since it is as uncertain as the misses.
        """
        nonmated, mated = self._rows
        own, own_mated = weights[self.nonmated_people], weights[self.mated_people]
        total = self.nonmated.matches.universe.weight(own)
        return misses_at(nonmated, total, mated, np.array(TARGETS), own, own_mated)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One recipe's miss rates with 95 % intervals, and its differences to the reference; all (T,)."""

    name: str
    fnmr: Float64
    lower: Float64
    upper: Float64
    difference: Float64
    difference_lower: Float64
    difference_upper: Float64

    def to_json(self) -> JsonObject:
        """The rates as plain lists, in the order of ``TARGETS``."""
        return {
            field: getattr(self, field).round(5).tolist()
            for field in (
                "fnmr",
                "lower",
                "upper",
                "difference",
                "difference_lower",
                "difference_upper",
            )
        }


def compare(contenders: Sequence[Contender], num_people: int, num_replicates: int) -> list[Row]:
    """Miss rates of all contenders with the same people drawn for all."""
    points = np.array([c.misses(np.ones(num_people)) for c in contenders])
    drawn = weights(num_people, DrawOptions(num_replicates, SEED))
    draws = np.array([[c.misses(own) for c in contenders] for own in drawn])
    reference = [c.name for c in contenders].index(REFERENCE)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    differences = draws - draws[:, reference : reference + 1]
    low_difference, high_difference = np.quantile(differences, [0.025, 0.975], axis=0)
    return [
        Row(
            contender.name,
            points[k],
            low[k],
            high[k],
            points[k] - points[reference],
            low_difference[k],
            high_difference[k],
        )
        for k, contender in enumerate(contenders)
    ]


def contenders_of(faces: FaceSet, recipes: Sequence[Recipe], rows: Bool) -> list[Contender]:
    """Every recipe, and dlib's own alignment where it was read, on the photographs in ``rows``."""
    templates = {recipe.name: (faces.templates(recipe), faces.acquired) for recipe in recipes}
    if faces.found_by_dlib.any():
        own = unit_rows(faces.dlib_embeddings)
        fallback = np.where(faces.found_by_dlib[:, None], own, templates["trees"][0])
        templates[f"{DLIB}, else missed"] = (own, faces.found_by_dlib)
        templates[f"{DLIB}, else trees"] = (fallback, faces.acquired | faces.found_by_dlib)
    people = sorted({(image.group, image.subject) for image in faces.images})
    numbers = {person: number for number, person in enumerate(people)}
    return [
        Contender.of(name, faces.samples(made, acquired).take(rows), numbers)
        for name, (made, acquired) in templates.items()
    ]


def halves_of(faces: FaceSet) -> Bool:
    """(N,) bool: the photographs of the subjects on which the recipe is chosen."""
    return faces.samples(faces.templates(REGISTRY[REFERENCE]), faces.acquired).in_first_half(SEED)


def cost_ms(models: ModelStore, recipes: Sequence[Recipe], faces: FaceSet, threads: int) -> dict[str, float]:
    """Milliseconds from a detected face to its template, one face at a time, in turns."""
    engines = {recipe.name: FaceEngine.open(models, recipe=recipe, threads=threads) for recipe in recipes}
    some = []
    for row in np.flatnonzero(faces.acquired)[:: max(1, int(faces.acquired.sum()) // 12)]:
        image_rgb = decode_image(faces.images[row].path.read_bytes()).image_rgb
        found = next(iter(engines.values())).faces(image_rgb)
        face = subject_face(found, image_rgb.shape[1], image_rgb.shape[0])
        if face is not None:
            some.append((image_rgb, face))

    def run(engine: FaceEngine) -> None:
        for image_rgb, face in some:
            engine.templates(image_rgb, [face])

    timings = time_side_by_side({name: partial(run, one) for name, one in engines.items()}, rounds=5)
    return {name: 1000 * timing.fastest_s / len(some) for name, timing in timings.items()}


def print_comparison(title: str, rows: Sequence[Row], costs: dict[str, float]) -> None:
    """Miss rates in per cent with intervals, then the paired differences."""
    columns = ["recipe", *(f"% at FMR {target:.0e}" for target in TARGETS), "ms a face"]
    print_rows(
        f"{title}; FNMR in per cent",
        columns,
        [
            [
                row.name,
                *(
                    f"{100 * f:.1f} [{100 * lo:.1f}, {100 * up:.1f}]"
                    for f, lo, up in zip(row.fnmr, row.lower, row.upper, strict=True)
                ),
                f"{costs[row.name]:.1f}" if row.name in costs else "",
            ]
            for row in rows
        ],
        WIDE,
    )
    print_rows(
        f"{title}: difference to {REFERENCE}, percentage points, paired",
        ["recipe", *(f"at FMR {target:.0e}" for target in TARGETS)],
        [
            [
                row.name,
                *(
                    f"{100 * d:+.1f} [{100 * lo:+.1f}, {100 * up:+.1f}]"
                    for d, lo, up in zip(
                        row.difference, row.difference_lower, row.difference_upper, strict=True
                    )
                ),
            ]
            for row in rows
            if row.name != REFERENCE
        ],
        WIDE,
    )


def choose(rows: Sequence[Row], costs: dict[str, float]) -> str:
    """The cheapest of the recipes whose mean miss rate at ``CHOSEN_BY`` is within ``SLACK`` of the lowest."""
    at = [TARGETS.index(target) for target in CHOSEN_BY]
    missed = {row.name: float(row.fnmr[at].mean()) for row in rows if row.name in costs}
    best = min(missed.values())
    return min((name for name in missed if missed[name] <= best + SLACK), key=lambda name: costs[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA_DIR)
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--recipes", nargs="*", default=list(REGISTRY), choices=list(REGISTRY))
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"the photographs are not at {options.data}; give --data")
    facts = machine()
    print_machine(facts)
    models = ModelStore(options.models)
    models.pull()
    names = list(dict.fromkeys([REFERENCE, "trees", DEFAULT_RECIPE.name, *options.recipes]))
    recipes = [REGISTRY[name] for name in names]
    with_dlib = find_spec("dlib") is not None
    if not with_dlib:
        print("dlib-bin is not installed: its own detector and alignment are left out")
    engine = FaceEngine.open(models, threads=options.threads)
    images = all_images(options.data)
    faces = read_faces(models, engine, images, recipes, threads=options.threads, with_dlib=with_dlib)
    results = recipe_tables(models, faces, recipes, options.threads, options.replicates)
    results["identification"] = identify(models, engine, faces, options.data, options.threads)
    print_identification(results["identification"])
    write_json("accuracy", {"machine": facts, "seed": SEED, **results})


def recipe_tables(
    models: ModelStore, faces: FaceSet, recipes: Sequence[Recipe], threads: int, num_replicates: int
) -> JsonObject:
    """Compare on the choosing half, the reporting half, and everybody; print and return all three."""
    half = halves_of(faces)
    num_people = len({(image.group, image.subject) for image in faces.images})
    num_found = int(faces.acquired.sum())
    print(
        f"{len(faces.images)} photographs of {num_people} people; a template from {num_found}"
        + (
            f", dlib's detector found a face in {faces.found_by_dlib.sum()}"
            if faces.found_by_dlib.any()
            else ""
        )
    )
    costs = cost_ms(models, recipes, faces, threads)
    results: JsonObject = {"targets": TARGETS, "cost_ms": costs}
    everything = np.ones(len(half), np.bool_)
    parts = {"choosing half": half, "reporting half": ~half, "everybody": everything}
    for part, rows in parts.items():
        contenders = contenders_of(faces, recipes, rows)
        compared = compare(contenders, num_people, num_replicates)
        first = contenders[0]
        title = (
            f"{part}: {first.nonmated.num_subject_pairs:,} pairs of people, "
            f"{first.mated.num_subjects} people with several pictures"
        )
        print_comparison(title, compared, costs)
        results[part] = {row.name: row.to_json() for row in compared}
        if part == "choosing half":
            results["chosen"] = choose(compared, costs)
            print(f"chosen on this half: {results['chosen']} (the default is {DEFAULT_RECIPE.name})")
    return results


if __name__ == "__main__":
    main()
