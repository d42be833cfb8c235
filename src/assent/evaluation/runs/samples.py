"""The pictures of a run and what an evaluator says of them: whose they are, and groups.

Group labels come from the evaluator's file, stay in memory and in the report, and are never inferred.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assent.errors import UsageError
from assent.evaluation.labelled import IMAGE_SUFFIXES

Groups = dict[str, str]
"""Attribute to value, such as sex to F."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture.

    Attributes:
        sample_id: names it in the report; unique among the run's probes, and among its references.
        path: the file.
        subject: whose it is.
        groups: the evaluator's labels of the subject.
    """

    sample_id: str
    path: Path
    subject: str
    groups: Groups


def digest_of(*parts: Iterable[object]) -> str:
    """Hex sha256 of a run's questions: samples by the content of their files, anything else as it is."""
    total = hashlib.sha256()
    for part in parts:
        for item in part:
            if isinstance(item, Sample):
                total.update(_content_digest(item.path))
            else:
                total.update(json.dumps(item, sort_keys=True, default=str).encode())
            total.update(b"\n")
        total.update(b"\n")
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a CSV file: its line, from 1, and its values by column, without blanks around them."""

    line: int
    values: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]


def read_rows(path: Path, required: Sequence[str]) -> tuple[list[str], list[Row]]:
    """The header and rows of a CSV file whose header has the required columns.

    Raises:
        UsageError: no file, not UTF-8, a column missing, or a row of another length; with its line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in required if name not in header]
            if missing:
                raise UsageError(
                    f"{path}, line 1: expected the columns {','.join(required)}, got {','.join(header) or 'nothing'}; "
                    f"{', '.join(missing)} missing. Columns are separated by commas."
                )
            return header, [_row(path, reader.line_num, header, values) for values in reader if any(values)]
    except OSError as error:
        raise UsageError(f"expected a CSV file at {path}; {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"expected a CSV file in UTF-8 at {path}; {error}.") from error


def _row(path: Path, line: int, header: list[str], values: list[str]) -> Row:
    if len(values) != len(header):
        raise UsageError(f"{path}, line {line}: expected {len(header)} columns, got {len(values)}.")
    return Row(line, dict(zip(header, (value.strip() for value in values), strict=True)))


def read_groups(path: Path | None) -> dict[str, Groups]:
    """Labels of subjects from a CSV of ``subject`` and any other columns; empty for None.

    Raises:
        UsageError: malformed, no other column, or a subject twice with different labels.
    """
    if path is None:
        return {}
    header, rows = read_rows(path, ("subject",))
    attributes = [name for name in header if name != "subject"]
    if not attributes:
        raise UsageError(f"{path}, line 1: expected subject and at least one column of groups.")
    labels: dict[str, Groups] = {}
    for row in rows:
        own = {name: row[name] for name in attributes}
        if labels.setdefault(row["subject"], own) != own:
            raise UsageError(f"{path}: the subject {row['subject']!r} has two different sets of labels.")
    return labels


def pictures_in(folder: Path) -> dict[str, Path]:
    """All pictures under a folder by their path in it, sorted.

    Raises:
        UsageError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of pictures; there is none at {folder}.")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    }
    if not found:
        raise UsageError(
            f"expected pictures in {folder}; it has none. Accepted endings: {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return found


def _content_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UsageError(f"the picture {path.name} cannot be read: {error.strerror}.") from error
