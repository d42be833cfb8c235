"""Which pictures are compared with which: all pairs of folders, or a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assent.errors import UsageError
from assent.evaluation.labelled import LabelledImage, list_images
from assent.evaluation.runs.samples import Groups, Row, Sample, digest_of, read_rows
from assent.models.files import sha256_of
from assent.types import Bool, Int64

MAX_PAIRS = 20_000_000
"""More comparisons than this are not made one by one."""

_TRUE, _FALSE = frozenset({"1", "true", "yes", "mated"}), frozenset({"0", "false", "no", "nonmated"})


@dataclass(frozen=True, slots=True, eq=False)
class TrialList:
    """Comparisons to make, as parallel arrays of length T over the samples.

    Attributes:
        samples: the pictures.
        probes: (T,) int64, rows of ``samples``.
        references: (T,) int64, rows of ``samples``.
        mated: (T,) bool.
        attributes: names of the evaluator's groups.
    """

    samples: tuple[Sample, ...]
    probes: Int64
    references: Int64
    mated: Bool
    attributes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.probes)

    def digest(self) -> str:
        """Identifies these comparisons of these pictures."""
        pairs = np.stack([self.probes, self.references, self.mated.astype(np.int64)]).tobytes()
        return digest_of(self.samples, [sha256_of(pairs)])


def trials_of_folders(
    folders: Sequence[Path],
    labels: dict[str, Groups],
    *,
    max_nonmated: int | None = None,
    seed: int = 0,
) -> TrialList:
    """All pairs of pictures of each folder (a folder for each person in it), each pair once.

    People of different folders are never compared, since one person may be in both under different names.

    Args:
        folders: data sets.
        labels: the evaluator's groups by subject; see ``read_groups``.
        max_nonmated: at most so many pairs of different people, drawn at random; None for all.
        seed: of the draw.

    Raises:
        UsageError: a folder is not there or empty, no pair, too many pairs, or a label of nobody.
    """
    images = list_images(folders)
    attributes = _attributes(labels, {image.subject for image in images})
    nobody = dict.fromkeys(attributes, "")
    several = len(folders) > 1
    samples = tuple(
        Sample(i.image_id, i.path, _name(i, several), labels.get(i.subject, nobody)) for i in images
    )
    probes, references, mated = _all_pairs(images)
    if max_nonmated is not None:
        keep = _some(mated, max_nonmated, seed)
        probes, references, mated = probes[keep], references[keep], mated[keep]
    if not len(probes):
        raise UsageError("expected at least two pictures in a folder, to compare.")
    return TrialList(samples, probes, references, mated, attributes)


def trials_of_list(path: Path, labels: dict[str, Groups]) -> TrialList:
    """The comparisons of a CSV of ``probe``, ``reference`` and ``mated``; pictures relative to the file.

    ``mated`` is 1 or 0. ``probe_subject`` and ``reference_subject`` say whose the pictures are; without them the
    mated pairs do: pictures that are linked by them are one person's. Any other column ``NAME`` is a group of the
    probe's subject; ``probe_NAME`` and ``reference_NAME`` are of one side.

    Raises:
        UsageError: malformed, with file and line; a picture that is not there; nothing to compare; labels that
            contradict each other.
    """
    header, rows = read_rows(path, ("probe", "reference", "mated"))
    if not rows:
        raise UsageError(f"{path} lists no comparison; expected at least one line below the header.")
    pictures: dict[str, int] = {}
    sides = []
    for row in rows:
        pair = [
            pictures.setdefault(_existing(path, row.line, row[side]), len(pictures))
            for side in ("probe", "reference")
        ]
        sides.append((*pair, _is_mated(path, row.line, row["mated"])))
    table = np.array(sides, np.int64)
    probes, references, mated = table[:, 0], table[:, 1], table[:, 2].astype(np.bool_)
    subjects = _subjects(path, header, rows, table)
    groups = _groups_of_rows(path, header, rows, table, subjects, labels)
    attributes = tuple(dict.fromkeys(name for own in groups for name in own))
    samples = tuple(
        Sample(name, path.parent / name, subjects[row], {a: groups[row].get(a, "") for a in attributes})
        for name, row in pictures.items()
    )
    return TrialList(samples, probes, references, mated, attributes)


def _attributes(labels: dict[str, Groups], subjects: set[str]) -> tuple[str, ...]:
    unknown = set(labels) - subjects
    if labels and not set(labels) & subjects:
        raise UsageError(
            f"the file of groups names {len(unknown)} subjects, such as {min(unknown)!r}, and none of the pictures' "
            f"people, such as {min(subjects)!r}."
        )
    return tuple(next(iter(labels.values()), {}))


def _name(image: LabelledImage, several: bool) -> str:
    return f"{image.group}/{image.subject}" if several else image.subject


def _all_pairs(images: Sequence[LabelledImage]) -> tuple[Int64, Int64, Bool]:
    groups = np.array([image.group for image in images])
    num_pairs = sum(int(n) * (int(n) - 1) // 2 for n in np.unique(groups, return_counts=True)[1])
    if num_pairs > MAX_PAIRS:
        raise UsageError(
            f"expected at most {MAX_PAIRS:,} pairs of pictures, got {num_pairs:,}; take fewer pictures of each person, "
            "or list the comparisons (--trials)."
        )
    blocks = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        first, second = np.triu_indices(len(rows), 1)
        blocks.append((rows[first], rows[second]))
    probes = np.concatenate([one for one, _ in blocks])
    references = np.concatenate([other for _, other in blocks])
    people = np.unique([image.subject for image in images], return_inverse=True)[1]
    return probes, references, people[probes] == people[references]


def _some(mated: Bool, max_nonmated: int, seed: int) -> Int64:
    nonmated = np.flatnonzero(~mated)
    if len(nonmated) <= max_nonmated:
        return np.arange(len(mated))
    drawn = np.random.default_rng(seed).choice(nonmated, max_nonmated, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(mated), drawn]))


def _existing(path: Path, line: int, name: str) -> str:
    if not name or not (path.parent / name).is_file():
        raise UsageError(
            f"{path}, line {line}: the picture {name!r} is not there; give paths relative to the list."
        )
    return name


def _is_mated(path: Path, line: int, text: str) -> int:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{path}, line {line}: expected 1 or 0 for mated, got {text!r}.")
    return int(word in _TRUE)


def _subjects(path: Path, header: list[str], rows: list[Row], table: Int64) -> list[str]:
    """Each picture's subject, from its columns or from what the mated pairs link."""
    count = int(table[:, :2].max()) + 1
    if "probe_subject" in header and "reference_subject" in header:
        named: dict[int, str] = {}
        for row, pair in zip(rows, table, strict=True):
            for side, picture in zip(("probe_subject", "reference_subject"), pair[:2], strict=True):
                if named.setdefault(int(picture), row[side]) != row[side]:
                    raise UsageError(
                        f"{path}, line {row.line}: a picture has two subjects, one is {row[side]!r}."
                    )
            if (row["probe_subject"] == row["reference_subject"]) != bool(pair[2]):
                raise UsageError(f"{path}, line {row.line}: mated contradicts the two subjects.")
        return [named[picture] for picture in range(count)]
    links = [(int(first), int(second)) for first, second, mated in table if mated]
    return [f"person {root}" for root in linked(count, links)]


def linked(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """For each of ``count`` things the lowest of those that it is linked to, itself included."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for first, second in links:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(one) for one in range(count)]


def _groups_of_rows(
    path: Path,
    header: list[str],
    rows: list[Row],
    table: Int64,
    subjects: list[str],
    labels: dict[str, Groups],
) -> list[Groups]:
    """Each picture's labels: of the file of groups, then of the list's own columns."""
    known = {"probe", "reference", "mated", "probe_subject", "reference_subject"}
    groups: list[Groups] = [dict(labels.get(subject, {})) for subject in subjects]
    for column in (name for name in header if name not in known):
        side, _, rest = column.partition("_")
        name, place = (rest, side) if side in ("probe", "reference") and rest else (column, "probe")
        for row, pair in zip(rows, table, strict=True):
            own = groups[int(pair[0 if place == "probe" else 1])]
            if own.setdefault(name, row[column]) != row[column]:
                raise UsageError(f"{path}, line {row.line}: a picture is in two groups of {name}.")
    return _shared_by_subject(groups, subjects)


def _shared_by_subject(groups: list[Groups], subjects: list[str]) -> list[Groups]:
    """What is known of one picture of a person holds for the others."""
    known: dict[str, Groups] = {}
    for subject, own in zip(subjects, groups, strict=True):
        known.setdefault(subject, {}).update({name: value for name, value in own.items() if value})
    return [known[subject] for subject in subjects]
