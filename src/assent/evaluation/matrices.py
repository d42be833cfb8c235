"""Square score matrices: probes in rows, references in columns, the diagonal mated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assent.errors import ScoreFileError, UsageError
from assent.evaluation.layout import Layout, split
from assent.evaluation.result import Note
from assent.evaluation.rows import parse_score
from assent.evaluation.trials import SampleTable, Trials
from assent.types import Float64

MAX_CHECKED = 3000
"""Largest side of a text matrix that is held whole, to find out whether it is symmetric."""

_BLOCK_ELEMENTS = 4_000_000

SYMMETRIC = Note(
    "symmetric-matrix",
    "the matrix is symmetric: each pair of pictures counts once, and the diagonal compares each picture with "
    "itself, which shows nothing about misses.",
    is_warning=True,
)


def matrix_samples(ids: list[str]) -> SampleTable:
    """A probe and a reference of each person, rows first."""
    return SampleTable(
        ids=np.array([f"{name} (probe)" for name in ids] + [f"{name} (reference)" for name in ids]),
        subjects=np.concatenate([np.arange(len(ids))] * 2),
        subject_names=tuple(ids),
    )


def matrix_trials(rows: npt.NDArray[np.floating], first_row: int, columns: npt.NDArray[np.int64]) -> Trials:
    """Some rows of a matrix as comparisons.

    Args:
        rows: (R, N) scores; nan for a failure.
        first_row: the number of the first row.
        columns: (N,) the person of each column.
    """
    num_rows, n = rows.shape
    people = np.arange(first_row, first_row + num_rows)
    return Trials(
        probes=np.repeat(people, n),
        references=np.tile(columns + n, num_rows),
        scores=np.ascontiguousarray(rows, np.float64).ravel(),
        mated=(people[:, None] == columns[None, :]).ravel(),
        has_whole_probes=True,
    )


def symmetric_trials(scores: Float64) -> Trials:
    """A symmetric matrix as comparisons: the upper triangle and the diagonal, both sides of the same pictures."""
    first, second = np.triu_indices(len(scores))
    return Trials(first.astype(np.int64), second.astype(np.int64), scores[first, second], first == second)


def array_blocks(path: Path) -> tuple[int, Iterator[Trials]]:
    """A square ``.npy`` array, some rows at a time; people are named by their row's number.

    Raises:
        ScoreFileError: not an array, not square, not of numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ScoreFileError(f"expected a NumPy array (.npy); {error}.", file=path.name) from error
    if not isinstance(array, np.ndarray):
        raise ScoreFileError(
            "expected one array; got an archive of several (.npz). Save the square matrix alone, as .npy.",
            file=path.name,
        )
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.dtype.kind not in "fiu" or not len(array):
        raise ScoreFileError(
            f"expected a square matrix of numbers; got {array.dtype} of shape {array.shape}. Save columns of "
            "comparisons as CSV (probe,reference,score,mated).",
            file=path.name,
        )

    def blocks() -> Iterator[Trials]:
        step = max(1, _BLOCK_ELEMENTS // len(array))
        columns = np.arange(len(array))
        for start in range(0, len(array), step):
            yield matrix_trials(np.asarray(array[start : start + step], np.float64), start, columns)

    return len(array), blocks()


def matrix_references(path: Path, layout: Layout, first: str, second: str) -> list[str]:
    """The ids of a text matrix's columns, from its first two lines; its corner may be empty or left out.

    Raises:
        ScoreFileError: an id is empty or there twice.
    """
    header = [cell.strip() for cell in split(first, layout.delimiter)]
    references = header[1:] if len(split(second, layout.delimiter)) <= len(header) else header
    twice = [name for name, times in Counter(references).items() if times > 1 or not name]
    if twice:
        raise ScoreFileError(
            f"expected each id once in the first row; got {twice[0]!r}.", file=path.name, line=1
        )
    return references


def text_matrix(
    path: Path, layout: Layout, references: list[str], lines: Iterable[str], progress: Callable[[int], None]
) -> Iterator[Trials]:
    """A text matrix's rows as comparisons, some at a time; small ones at once, to see whether they are symmetric.

    Args:
        path: the file, for errors.
        layout: its delimiter.
        references: ids of its columns.
        lines: the file's lines, the first included.
        progress: called with the length of each line read.

    Raises:
        ScoreFileError: ids twice or on one side only, not square, text or NaN for a score.
    """
    numbers = {name: k for k, name in enumerate(references)}
    kept: list[Float64] = []
    ids: list[str] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        progress(len(line))
        if number == 1 or not line.strip():
            continue
        cells = [cell.strip() for cell in split(line, layout.delimiter)]
        try:
            ids.append(_row_id(cells, numbers, seen))
            kept.append(np.array([parse_score(cell) for cell in cells[1:]], np.float64))
        except UsageError as error:
            raise ScoreFileError(str(error), file=path.name, line=number) from error
        seen.add(cells[0])
        if len(references) > MAX_CHECKED and len(kept) * len(references) > _BLOCK_ELEMENTS:
            yield _aligned(kept, ids, numbers)
            ids, kept = [], []
    missing = [name for name in references if name not in seen]
    if missing or not seen:
        raise ScoreFileError(
            f"expected a row for each of {len(references)} columns; got {len(seen)}, none for "
            f"{missing[0] if missing else 'any'!r}: not square, or ids on one side only.",
            file=path.name,
        )
    if kept:
        yield _aligned(kept, ids, numbers)


def _row_id(cells: list[str], numbers: dict[str, int], seen: set[str]) -> str:
    if len(cells) != len(numbers) + 1:
        raise UsageError(f"expected an id and {len(numbers)} scores (square); got {len(cells)} fields.")
    if cells[0] not in numbers:
        raise UsageError(f"{cells[0]!r} is a row but no column: ids must be on both sides.")
    if cells[0] in seen:
        raise UsageError(f"{cells[0]!r} is a row twice.")
    return cells[0]


def _aligned(kept: list[Float64], ids: list[str], numbers: dict[str, int]) -> Trials:
    """Rows as comparisons, whatever order the rows are in."""
    n, rows = len(numbers), np.array([numbers[name] for name in ids], np.int64)
    scores = np.stack(kept)
    if len(ids) == n:
        square = np.empty_like(scores)
        square[rows] = scores
        if n > 1 and np.array_equal(square, square.T, equal_nan=True):
            return symmetric_trials(square)
    return Trials(
        probes=np.repeat(rows, n),
        references=np.tile(np.arange(n, 2 * n), len(rows)),
        scores=scores.ravel(),
        mated=(rows[:, None] == np.arange(n)[None, :]).ravel(),
        has_whole_probes=True,
    )
