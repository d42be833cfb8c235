"""Lines of a score file read one by one, with care: every error says which line and what it should be."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from assent.errors import ScoreFileError, UsageError
from assent.evaluation.ids import IdTable
from assent.evaluation.layout import Layout
from assent.evaluation.trials import Trials

FAILURE = frozenset({"", "fta"})
"""What stands for a score where no template could be made, in any case of letters."""

_YES = frozenset({"1", "true", "yes", "1.0"})
_NO = frozenset({"0", "false", "no", "0.0", "-1"})


@dataclass(slots=True)
class RowReader:
    """Reads lines into comparisons.

    Attributes:
        name: of the file.
        layout: what its columns are.
        table: numbers ids.
        is_distance: whether lower is more alike; scores are negated.
    """

    name: str
    layout: Layout
    table: IdTable
    is_distance: bool = False
    _probes: list[int] = field(default_factory=list)
    _references: list[int] = field(default_factory=list)
    _scores: list[float] = field(default_factory=list)
    _mated: list[bool] = field(default_factory=list)

    def read(self, lines: Iterable[str], first_line: int) -> Trials:
        """The comparisons of some lines.

        Args:
            lines: with or without line ends.
            first_line: the number of the first, from 1.

        Raises:
            ScoreFileError: a line that is not a comparison.
        """
        for rows in (self._probes, self._references, self._scores, self._mated):
            rows.clear()
        for number, line in enumerate(lines, start=first_line):
            text = line.rstrip("\r\n")
            if text.strip():
                try:
                    self._read_row(self._fields(text))
                except (UsageError, csv.Error) as error:
                    raise ScoreFileError(str(error), file=self.name, line=number) from error
        return Trials(
            np.array(self._probes, np.int64),
            np.array(self._references, np.int64),
            np.array(self._scores, np.float64),
            np.array(self._mated, np.bool_),
        )

    def _fields(self, text: str) -> list[str]:
        delimiter = self.layout.delimiter
        if delimiter == " ":
            fields = text.split()
        elif '"' in text:
            fields = next(csv.reader([text], delimiter=delimiter, strict=True))
        else:
            fields = text.split(delimiter)
        if len(fields) != self.layout.num_columns:
            raise UsageError(
                f"expected {self.layout.num_columns} fields between {delimiter!r}; got {len(fields)}. One delimiter "
                "must be used throughout, and ids that contain it must be in quotes."
            )
        return [cell.strip() for cell in fields]

    def _read_row(self, fields: list[str]) -> None:
        layout = self.layout
        probe, reference = self.code(fields, 0), self.code(fields, 1)
        mated = self._is_mated(fields)
        if mated is None or (layout.has_subjects and mated != self._is_same(probe, reference)):
            raise UsageError(
                f"the row says mated {fields[layout.mated or 0]!r}, but its subjects are "
                f"{self.table.subject(probe)!r} and {self.table.subject(reference)!r}; correct one of them."
            )
        if probe == reference and not mated:
            raise UsageError(f"{fields[layout.probe]!r} is compared with itself and called nonmated.")
        score = parse_score(fields[layout.score])
        self._probes.append(probe)
        self._references.append(reference)
        self._scores.append(-score if self.is_distance else score)
        self._mated.append(mated)
        if layout.time_ms is not None and fields[layout.time_ms]:
            self.table.set_time(probe, _number(fields[layout.time_ms], "a time in milliseconds"))

    def code(self, fields: list[str], side: int) -> int:
        """The number of the id on one side (0 the probe's, 1 the reference's) of a line."""
        layout = self.layout
        name = fields[(layout.probe, layout.reference)[side]]
        if not name:
            raise UsageError(f"expected an id of the {('probe', 'reference')[side]}; the field is empty.")
        of_subject = (layout.probe_subject, layout.reference_subject)[side]
        groups = tuple(fields[columns[side]] for columns in layout.groups.values())
        return self.table.code(
            self._unique(name, side), fields[of_subject] if of_subject is not None else "", groups
        )

    def _unique(self, name: str, side: int) -> str:
        """In a 4-column file the claimed id is a person, not a picture: it must not meet a probe of that name."""
        return f"model:{name}" if side == 1 and self.layout.format == "bob-4col" else name

    def _is_same(self, probe: int, reference: int) -> bool:
        return self.table.subject(probe) == self.table.subject(reference)

    def _is_mated(self, fields: list[str]) -> bool | None:
        layout = self.layout
        if layout.mated is None:
            return fields[layout.probe_subject or 0] == fields[layout.reference_subject or 0]
        cell = fields[layout.mated].lower()
        if cell not in _YES | _NO:
            raise UsageError(f"expected 1 or 0 in the column of mated; got {fields[layout.mated]!r}.")
        return cell in _YES


def parse_score(cell: str) -> float:
    """A score; nan for a failure to acquire, which is an empty field or ``fta``.

    Raises:
        UsageError: text, or NaN.
    """
    if cell.lower() in FAILURE:
        return math.nan
    score = _number(cell, "a score")
    if math.isnan(score):
        raise UsageError("expected a score; got NaN. Leave the field empty, or write fta, for no template.")
    return score


def _number(cell: str, what: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"expected {what}; got {cell!r}.") from None
