"""1:N: whom to enrol, whom to search for, and whose mate is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assent.errors import UsageError
from assent.evaluation.runs.samples import Groups, Sample, digest_of, pictures_in, read_rows
from assent.evaluation.runs.trials import linked


@dataclass(frozen=True, eq=False)
class SearchPlan:
    """Searches to make.

    Every probe is searched for without its mates in the gallery (*nonmated*: whatever comes back is false); every
    probe with a mate is also searched for with them (*mated*).

    Attributes:
        probes: the pictures searched for.
        references: the pictures that can be enrolled.
        mates: for each probe, rows of ``references`` of the same person; empty where there is none.
        attributes: names of the evaluator's groups.
    """

    probes: tuple[Sample, ...]
    references: tuple[Sample, ...]
    mates: tuple[frozenset[int], ...]
    attributes: tuple[str, ...]

    def digest(self) -> str:
        """Identifies these searches of these pictures."""
        return digest_of(self.probes, self.references, [sorted(own) for own in self.mates])

    @cached_property
    def mate_rows(self) -> frozenset[int]:
        """References that are anybody's mate."""
        return frozenset().union(*self.mates)


def plan_of_folders(probes_dir: Path, gallery_dir: Path, mates_csv: Path) -> SearchPlan:
    """A folder of probes, a folder of references, and a CSV that says who is who.

    The CSV has the columns ``probe`` and ``mate``: paths in the folders, with or without their ending; ``mate`` is
    empty for a probe that has none, and a probe with several has several rows. Any other column is a group of the
    probe's subject. A probe that is not listed has no mate and no group; references that are nobody's mate are of a
    person each.

    Raises:
        UsageError: a folder or file that is not there or malformed, with its line; a picture that is not there.
    """
    probes, references = pictures_in(probes_dir), pictures_in(gallery_dir)
    header, rows = read_rows(mates_csv, ("probe", "mate"))
    attributes = tuple(name for name in header if name not in ("probe", "mate"))
    probe_rows, reference_rows = _numbered(probes), _numbered(references)
    links: list[tuple[int, int]] = []
    groups: list[Groups] = [dict.fromkeys(attributes, "") for _ in probes]
    for row in rows:
        probe = _found(mates_csv, row.line, "probe", row["probe"], probe_rows)
        groups[probe] = {name: row[name] for name in attributes}
        if row["mate"]:
            links.append((probe, _found(mates_csv, row.line, "mate", row["mate"], reference_rows)))
    return make_plan(list(probes.items()), list(references.items()), links, groups, attributes)


def make_plan(
    probes: Sequence[tuple[str, Path]],
    references: Sequence[tuple[str, Path]],
    links: Sequence[tuple[int, int]],
    groups: Sequence[Groups],
    attributes: tuple[str, ...],
) -> SearchPlan:
    """A plan from pictures and (probe, reference) links; probes that share a mate are of one person."""
    count = len(probes)
    roots = linked(count + len(references), [(probe, count + reference) for probe, reference in links])
    labels = {roots[row]: own for row, own in enumerate(groups)}
    by_root: dict[int, set[int]] = {}
    for row in range(len(references)):
        by_root.setdefault(roots[count + row], set()).add(row)
    nobody = dict.fromkeys(attributes, "")

    def subject(row: int) -> str:
        root = roots[row]
        return probes[root][0] if root < count else f"gallery {references[root - count][0]}"

    return SearchPlan(
        tuple(
            Sample(name, path, subject(row), labels[roots[row]]) for row, (name, path) in enumerate(probes)
        ),
        tuple(
            Sample(name, path, subject(count + row), labels.get(roots[count + row], nobody))
            for row, (name, path) in enumerate(references)
        ),
        tuple(frozenset(by_root.get(roots[row], ())) for row in range(count)),
        attributes,
    )


def _numbered(pictures: dict[str, Path]) -> dict[str, int]:
    """Row by name, and by name without its ending where that is one picture's alone."""
    rows = {name: row for row, name in enumerate(pictures)}
    stems: dict[str, list[int]] = {}
    for name, row in rows.items():
        stems.setdefault(name.rpartition(".")[0], []).append(row)
    return {stem: own[0] for stem, own in stems.items() if len(own) == 1} | rows


def _found(path: Path, line: int, column: str, name: str, rows: dict[str, int]) -> int:
    if name not in rows:
        raise UsageError(
            f"{path}, line {line}: the {column} {name!r} is not in its folder, or is several pictures that differ in "
            "their ending; give its path in the folder."
        )
    return rows[name]
