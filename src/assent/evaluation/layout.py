"""What a score file's lines mean: its format, its delimiter, and which column is what.

    csv        probe,reference,score,mated[,probe_subject,reference_subject][,groups][,time_ms]
    bfw        p1,p2,label,...[,id1,id2][,att1,att2 ...],score columns by the systems' names
    bob-4col   claimed_id real_id probe_label score, no header
    bob-5col   claimed_id model_label real_id probe_label score, no header
    matrix     ids of references in the first row, of probes in the first column, scores between

Groups are columns of both sides (``probe_sex``, ``reference_sex``; ``att1``, ``att2``) or, in csv, any other
column of a name of its own, which is then the group of both.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assent.errors import ScoreFileError

DELIMITERS = (",", "\t", ";", "|", " ")
FORMATS = ("csv", "bfw", "bob-4col", "bob-5col", "matrix", "npy")

_NAMES = {
    "probe": ("probe", "probe_id", "p1"),
    "reference": ("reference", "reference_id", "p2"),
    "score": ("score",),
    "mated": ("mated", "is_mated", "label", "genuine"),
    "probe_subject": ("probe_subject", "id1"),
    "reference_subject": ("reference_subject", "id2"),
    "time_ms": ("time_ms", "probe_time_ms"),
}
_NEEDED = ("probe", "reference", "score", "mated")
_NOT_SCORES = frozenset({"fold", "", "ids"})


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a line.

    Attributes:
        format: one of ``FORMATS``.
        delimiter: between fields.
        num_columns: fields of every line.
        has_header: whether the first line names them.
        probe: column of the probe's id.
        reference: column of the reference's id.
        score: column of the score.
        mated: column of 1 or 0; None where subjects tell.
        probe_subject: column; None where ids alone are given.
        reference_subject: column; None where ids alone are given.
        time_ms: column of the probe's time; None for none.
        groups: attribute to its columns of probe and reference.
    """

    format: str
    delimiter: str
    num_columns: int
    has_header: bool
    probe: int
    reference: int
    score: int
    mated: int | None
    probe_subject: int | None = None
    reference_subject: int | None = None
    time_ms: int | None = None
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def has_subjects(self) -> bool:
        """Whether lines say whose each side is."""
        return self.probe_subject is not None


def find_layout(
    name: str, first: str, second: str, *, format: str | None = None, score_column: str | None = None
) -> Layout:
    """The layout of a file from its first two lines.

    Args:
        name: of the file, for errors.
        first: its first line.
        second: its second line; may be empty.
        format: as the user says; None to find out.
        score_column: header of the scores to read; None for ``score`` or the only one there is.

    Raises:
        ScoreFileError: nothing, mixed delimiters, or a header that lacks a column.
    """
    if not first.strip():
        raise ScoreFileError("expected scores; the file is empty.", file=name, line=1)
    delimiter = _delimiter(name, first)
    header = [cell.strip() for cell in split(first, delimiter)]
    format = format or _format(header, split(second, delimiter))
    if format in ("bob-4col", "bob-5col"):
        return _bob(name, format, delimiter, len(header))
    if format == "matrix":
        return Layout("matrix", delimiter, len(header), True, 0, 0, 0, None)
    return _by_header(name, format, delimiter, header, score_column)


def split(line: str, delimiter: str) -> list[str]:
    """The fields of one line; several spaces in a row are one delimiter."""
    line = line.rstrip("\r\n")
    if delimiter == " ":
        return line.split()
    return next(csv.reader([line], delimiter=delimiter), [])


def _delimiter(name: str, first: str) -> str:
    found = [d for d in DELIMITERS[:-1] if d in first]
    if len(found) > 1:
        raise ScoreFileError(
            f"expected one delimiter; got {' and '.join(repr(d) for d in found)} in one line.",
            file=name,
            line=1,
        )
    return found[0] if found else " "


def _format(header: Sequence[str], second: Sequence[str]) -> str:
    lower = {cell.lower() for cell in header}
    if {"p1", "p2"} <= lower:
        return "bfw"
    if lower & {"probe", "probe_id", "reference", "score", "mated"}:
        return "csv"
    is_bob = len(header) in (4, 5) and header[0] and _is_score(header[-1]) and not _is_number(header[-2])
    if is_bob and len(second) in (0, len(header)):
        return f"bob-{len(header)}col"
    is_as_long = len(header) > 1 and len(second) in (len(header), len(header) + 1)
    if is_as_long and second[0].strip() in header and _is_score(second[-1]):
        return "matrix"
    return "csv"


def _bob(name: str, format: str, delimiter: str, num_columns: int) -> Layout:
    expected = 4 if format == "bob-4col" else 5
    if num_columns != expected:
        raise ScoreFileError(f"expected {expected} columns ({format}); got {num_columns}.", file=name, line=1)
    if format == "bob-4col":
        return Layout(format, delimiter, 4, False, 2, 0, 3, None, 1, 0)
    return Layout(format, delimiter, 5, False, 3, 1, 4, None, 2, 0)


def _by_header(
    name: str, format: str, delimiter: str, header: Sequence[str], score_column: str | None
) -> Layout:
    lower = [cell.lower() for cell in header]
    twice = sorted({cell for cell in lower if lower.count(cell) > 1})
    if twice:
        raise ScoreFileError(f"expected each column once; got {twice[0]!r} twice.", file=name, line=1)
    at = {
        role: next((lower.index(alias) for alias in aliases if alias in lower), None)
        for role, aliases in _NAMES.items()
    }
    if (at["probe_subject"] is None) != (at["reference_subject"] is None):
        raise ScoreFileError("expected subjects of both sides or of neither.", file=name, line=1)
    used = {column for column in at.values() if column is not None}
    groups = _paired_groups(lower, used)
    used |= {column for pair in groups.values() for column in pair}
    at["score"] = _score_column(name, header, lower, used, at["score"], score_column, format)
    missing = [role for role in _NEEDED if at[role] is None and not (role == "mated" and at["probe_subject"])]
    if missing:
        raise ScoreFileError(
            f"expected a header with probe, reference, score and mated; got {', '.join(header)!r}, without "
            f"{', '.join(missing)}.",
            file=name,
            line=1,
        )
    if format == "csv" and score_column is None:
        groups |= {lower[k]: (k, k) for k in range(len(header)) if k not in used | {at["score"]} and lower[k]}
    return Layout(
        format,
        delimiter,
        len(header),
        True,
        probe=at["probe"] or 0,
        reference=at["reference"] or 0,
        score=at["score"] or 0,
        mated=at["mated"],
        probe_subject=at["probe_subject"],
        reference_subject=at["reference_subject"],
        time_ms=at["time_ms"],
        groups=groups,
    )


def _paired_groups(lower: Sequence[str], used: set[int]) -> dict[str, tuple[int, int]]:
    """Columns of both sides: probe_x with reference_x, and x1 with x2."""
    pairs = {}
    for k, cell in enumerate(lower):
        for prefix, suffix, other in (("probe_", "", "reference_{}"), ("", "1", "{}2")):
            attribute = cell[len(prefix) : len(cell) - len(suffix)]
            partner = other.format(attribute)
            if cell == prefix + attribute + suffix and attribute and partner in lower:
                columns = (k, lower.index(partner))
                if cell != partner and not used & set(columns):
                    pairs[attribute] = columns
    return pairs


def _score_column(
    name: str,
    header: Sequence[str],
    lower: Sequence[str],
    used: set[int],
    found: int | None,
    wanted: str | None,
    format: str,
) -> int | None:
    if wanted is not None:
        if wanted.lower() not in lower:
            raise ScoreFileError(
                f"expected a column {wanted!r}; there are {', '.join(header)}.", file=name, line=1
            )
        return lower.index(wanted.lower())
    if found is not None or format != "bfw":
        return found
    rest = [k for k in range(len(header)) if k not in used and lower[k] not in _NOT_SCORES]
    if len(rest) != 1:
        names = ", ".join(header[k] for k in rest) or "none"
        raise ScoreFileError(
            f"expected one column of scores; there are {names}. Choose with --score-column.",
            file=name,
            line=1,
        )
    return rest[0]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_score(cell: str) -> bool:
    return _is_number(cell) or not cell.strip() or cell.strip().lower() == "fta"
