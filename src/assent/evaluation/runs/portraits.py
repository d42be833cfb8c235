"""The portraits of the 2018 experiment: a folder of public-domain pictures with what official records say of them.

``probes.csv`` has the columns ``probe, mate, sex``, ``gallery.csv`` has ``reference, born``; the pictures are
``probes/PROBE.jpg`` and ``gallery/REFERENCE.jpg``. ``sex`` is what the official biography says; it is never inferred.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from assent.errors import UsageError
from assent.evaluation.pictures import first_of_duplicates
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.plan import SearchPlan, make_plan
from assent.evaluation.runs.samples import Row, read_rows
from assent.types import Bool

BORN_FROM = 1920
"""Portraits of people born before are often engravings, paintings or poor scans, which look alike to a network."""

EXCLUSIONS = "exclusions-lfw-congress.csv"
SEXES = {"F": "women", "M": "men"}


def portraits_folder(data_dir: Path) -> Path:
    """The folder with the two lists: ``data_dir`` itself, or ``congress`` in it.

    Raises:
        UsageError: neither has them.
    """
    for folder in (data_dir, data_dir / "congress"):
        if (folder / "probes.csv").is_file() and (folder / "gallery.csv").is_file():
            return folder
    raise UsageError(
        f"expected probes.csv and gallery.csv with the folders probes and gallery in {data_dir}; docs/audit.md says "
        "where to get the pictures and how to lay them out."
    )


def portraits_plan(data_dir: Path, *, born_from: int = BORN_FROM, with_exclusions: bool = True) -> SearchPlan:
    """Every portrait of the probes against those of the gallery, by sex.

    Args:
        data_dir: see ``portraits_folder``.
        born_from: references of people born earlier are left out; 0 takes all.
        with_exclusions: leave out the references that were found to be there twice, under two numbers or names.

    Raises:
        UsageError: a list or picture that is not there, or a list that is malformed, with its line.
    """
    folder = portraits_folder(data_dir)
    _, probes = read_rows(folder / "probes.csv", ("probe", "mate", "sex"))
    _, gallery = read_rows(folder / "gallery.csv", ("reference", "born"))
    left_out = known_duplicates() if with_exclusions else frozenset()
    kept = [row["reference"] for row in gallery if _born(folder, row) >= born_from]
    kept = [name for name in kept if name not in left_out]
    rows = {name: number for number, name in enumerate(kept)}
    links = [(n, rows[row["mate"]]) for n, row in enumerate(probes) if row["mate"] in rows]
    return make_plan(
        [_picture(folder, "probes", row["probe"]) for row in probes],
        [_picture(folder, "gallery", name) for name in kept],
        links,
        [{"sex": SEXES.get(row["sex"], row["sex"])} for row in probes],
        ("sex",),
    )


def known_duplicates() -> frozenset[str]:
    """References that the committed list of label errors names."""
    text = resources.files("assent.calibration").joinpath("profiles", EXCLUSIONS).read_text(encoding="utf-8")
    names = (line.partition(",")[0] for line in text.splitlines()[1:])
    return frozenset(Path(name).stem for name in names if name.startswith("congress/gallery/"))


def without_same_pictures(plan: SearchPlan, system: EngineSystem) -> tuple[SearchPlan, int]:
    """The plan less the mates that are the very same picture as a probe of that person, and how many those are.

    A picture found again says nothing about recognising a person.
    """
    samples = [*plan.probes, *plan.references]
    mated = {sample.subject for sample, mates in zip(plan.probes, plan.mates, strict=True) if mates}
    hashes: list[Bool | None] = [
        system.acquired(sample.path).chip_hash if sample.subject in mated else None for sample in samples
    ]
    is_new = first_of_duplicates([sample.subject for sample in samples], hashes)[len(plan.probes) :]
    rows = {old: new for new, old in enumerate(n for n, keep in enumerate(is_new) if keep)}
    links = [(n, rows[row]) for n, mates in enumerate(plan.mates) for row in sorted(mates) if row in rows]
    kept = make_plan(
        [(sample.sample_id, sample.path) for sample in plan.probes],
        [(plan.references[row].sample_id, plan.references[row].path) for row in rows],
        links,
        [sample.groups for sample in plan.probes],
        plan.attributes,
    )
    return kept, len(plan.references) - len(rows)


def _picture(folder: Path, side: str, name: str) -> tuple[str, Path]:
    path = folder / side / f"{name}.jpg"
    if not path.is_file():
        raise UsageError(f"{folder / side}.csv lists {name}, but {side}/{name}.jpg is not there.")
    return f"{side}/{name}", path


def _born(folder: Path, row: Row) -> int:
    if not row["born"].isdigit():
        raise UsageError(
            f"{folder / 'gallery.csv'}, line {row.line}: expected a year in born, got {row['born']!r}."
        )
    return int(row["born"])
