"""Score files of any system into evidence: the one door for files, in parts, in bounded memory.

Text is read in blocks by two threads (``fast_rows``); a block that is not plain is read again line by line
(``rows``), which is where errors with file and line come from.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

from assent.errors import ScoreFileError, UsageError
from assent.evaluation.collecting import Collector
from assent.evaluation.evidence import Evidence
from assent.evaluation.fast_rows import FastRows, ParsedBlock, parse_block
from assent.evaluation.ids import IdTable
from assent.evaluation.layout import FORMATS, Layout, find_layout
from assent.evaluation.matrices import SYMMETRIC, array_blocks, matrix_references, matrix_samples, text_matrix
from assent.evaluation.result import Note, Source
from assent.evaluation.rows import RowReader
from assent.evaluation.trials import SampleTable, Trials
from assent.models.files import sha256_of_file

BLOCK_BYTES = 8_000_000
_AHEAD = 4
_THREADS = 2

Progress = Callable[[int, int], None]


class Digest(Protocol):
    """A hash of what was read."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read.

    Attributes:
        format: one of ``layout.FORMATS``; None to find out.
        score_column: header of the scores; None for ``score``, or the only one there is.
        is_distance: whether lower is more alike; scores are negated.
        is_to_pair: whether another system's comparisons will be looked up: all are kept, a large matrix's too.
    """

    format: str | None = None
    score_column: str | None = None
    is_distance: bool = False
    is_to_pair: bool = False

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(f"expected a format of {', '.join(FORMATS)}; got {self.format!r}.")


@dataclass(frozen=True, slots=True, eq=False)
class ReadScores:
    """What files held.

    Attributes:
        evidence: to audit.
        sources: the files.
        notes: what a reader must know of them.
    """

    evidence: Evidence
    sources: tuple[Source, ...]
    notes: tuple[Note, ...]


@dataclass(slots=True)
class _State:
    """What has been read of all files."""

    options: ReadOptions
    progress: Progress
    total_bytes: int
    done_bytes: int = 0
    collector: Collector = field(default_factory=lambda: Collector())
    table: IdTable | None = None
    matrix: SampleTable | None = None
    notes: list[Note] = field(default_factory=list)

    def advance(self, num_bytes: int) -> None:
        self.done_bytes += num_bytes
        self.progress(self.done_bytes, self.total_bytes)


def read_scores(
    paths: Sequence[Path], options: ReadOptions | None = None, *, progress: Progress | None = None
) -> ReadScores:
    """Read score files of one system.

    Args:
        paths: files of one format; their comparisons are put together.
        options: how to read; None to find out.
        progress: called with (bytes done, bytes in all).

    Raises:
        ScoreFileError: a file that is not what it should be, with the line where there is one.
        UsageError: no file, or one that cannot be opened.
    """
    if not paths:
        raise UsageError("expected score files; got none.")
    sizes = [_size(path) for path in paths]
    state = _State(options or ReadOptions(), progress or (lambda _done, _total: None), sum(sizes))
    sources = tuple(_read_file(state, path, len(paths)) for path in paths)
    samples = state.matrix if state.table is None else state.table.samples()
    if samples is None or not any(source.num_rows for source in sources):
        raise ScoreFileError("expected comparisons; the file has none.", file=paths[0].name)
    evidence = state.collector.result(samples)
    return ReadScores(evidence, sources, (*state.notes, *_label_notes(evidence)))


def _read_file(state: _State, path: Path, num_files: int) -> Source:
    if path.suffix in {".npy", ".npz"} or state.options.format == "npy":
        _refuse_several(path, num_files)
        size, blocks = array_blocks(path)
        state.matrix = matrix_samples([str(k) for k in range(size)])
        num_rows = _collect_matrix(state, blocks, path.stat().st_size)
        return Source(path.name, "npy", num_rows, sha256_of_file(path))
    first, second = _first_lines(path)
    layout = find_layout(
        path.name, first, second, format=state.options.format, score_column=state.options.score_column
    )
    if layout.format == "matrix":
        _refuse_several(path, num_files)
        references = matrix_references(path, layout, first, second)
        num_rows = _read_text_matrix(state, path, layout, references)
        return Source(path.name, "matrix", num_rows, sha256_of_file(path))
    digest = hashlib.sha256()
    return Source(path.name, layout.format, _read_rows(state, path, layout, digest), digest.hexdigest())


def _read_rows(state: _State, path: Path, layout: Layout, digest: Digest) -> int:
    attributes = tuple(layout.groups)
    _note_groups(state, layout)
    if state.table is None:
        state.table = IdTable(attributes, layout.has_subjects)
    if state.table.attributes != attributes or state.table.has_subjects != layout.has_subjects:
        raise ScoreFileError("expected the same columns as in the file before.", file=path.name, line=1)
    reader = RowReader(path.name, layout, state.table, state.options.is_distance)
    num_rows = 0
    for trials in _row_parts(state, path, reader, digest):
        num_rows += len(trials)
        if not layout.has_subjects:
            state.table.link(trials.probes[trials.mated], trials.references[trials.mated])
        state.collector.add(trials, state.table.joint_groups)
    return num_rows


def _row_parts(state: _State, path: Path, reader: RowReader, digest: Digest) -> Iterator[Trials]:
    """A file's comparisons, block by block, blocks parsed ahead in threads."""
    fast, line = FastRows(reader), 1 + reader.layout.has_header
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[tuple[bytes, Future[ParsedBlock | None]]] = deque()
        blocks = _blocks(path, digest, skip_first=reader.layout.has_header)
        for block in blocks:
            waiting.append((block, pool.submit(parse_block, block, reader.layout)))
            if len(waiting) > _AHEAD:
                yield _finished(state, reader, fast, *waiting[0], line)
                line += waiting.popleft()[0].count(b"\n")
        while waiting:
            yield _finished(state, reader, fast, *waiting[0], line)
            line += waiting.popleft()[0].count(b"\n")


def _finished(
    state: _State,
    reader: RowReader,
    fast: FastRows,
    block: bytes,
    future: Future[ParsedBlock | None],
    line: int,
) -> Trials:
    """One block's comparisons; ids are numbered here, one block after the other."""
    parsed = future.result()
    trials = None if parsed is None else fast.trials(parsed)
    if trials is None:
        trials = reader.read(_decoded(reader.name, block, line), line)
    state.advance(len(block))
    return trials


def _blocks(path: Path, digest: Digest, *, skip_first: bool) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time; the last is ended if it was not."""
    with path.open("rb") as file:
        if skip_first:
            digest.update(file.readline())
        elif file.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
            digest.update(file.read(len(BOM_UTF8)))
        rest = b""
        while data := file.read(BLOCK_BYTES):
            digest.update(data)
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                continue
            yield rest + data[:cut]
            rest = data[cut:]
        if rest:
            yield rest + b"\n"


def _decoded(name: str, block: bytes, line: int) -> list[str]:
    try:
        return block.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        bad = line + block[: error.start].count(b"\n")
        raise ScoreFileError("expected text in UTF-8; got other bytes.", file=name, line=bad) from error


def _read_text_matrix(state: _State, path: Path, layout: Layout, references: list[str]) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            blocks = text_matrix(path, layout, references, file, state.advance)
            first = next(blocks)
            is_symmetric = not first.has_whole_probes
            if is_symmetric:
                state.notes.append(SYMMETRIC)
            state.matrix = SampleTable.of_subjects(references) if is_symmetric else matrix_samples(references)
            return _collect_matrix(state, chain([first], blocks), 0)
        except UnicodeDecodeError as error:
            raise ScoreFileError("expected text in UTF-8; got other bytes.", file=path.name) from error


def _collect_matrix(state: _State, blocks: Iterator[Trials], num_bytes: int) -> int:
    num_rows = 0
    state.collector.keeps_all = state.options.is_to_pair
    side = len(state.matrix.subject_names) if state.matrix is not None else 1
    for trials in blocks:
        state.collector.add(replace(trials, scores=-trials.scores) if state.options.is_distance else trials)
        num_rows += len(trials)
        if num_bytes:
            state.advance(num_bytes * len(trials) // side**2)
    return num_rows


def _note_groups(state: _State, layout: Layout) -> None:
    of_both = [name for name, (first, second) in layout.groups.items() if first == second]
    if of_both and not any(note.code == "group-of-both" for note in state.notes):
        state.notes.append(
            Note(
                "group-of-both",
                f"the column {', '.join(of_both)} names no side: it is the group of both pictures of a row. "
                "probe_NAME and reference_NAME are of one side.",
            )
        )


def _label_notes(evidence: Evidence) -> Iterator[Note]:
    """Nonmated comparisons of what mated ones have shown to be one person."""
    tail, of = evidence.tail, evidence.samples.subjects
    wrong = int((of[tail.probes] == of[tail.references]).sum())
    if wrong:
        yield Note(
            "contradicting-labels",
            f"{wrong:,} of the highest nonmated comparisons are of ids that mated ones have linked to one person; "
            "look for label errors, or give probe_subject and reference_subject.",
            is_warning=True,
        )


def _first_lines(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        lines = [file.readline(BLOCK_BYTES), file.readline(BLOCK_BYTES)]
    decoded = []
    for number, line in enumerate(lines, start=1):
        try:
            decoded.append(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ScoreFileError(
                "expected text in UTF-8; got other bytes.", file=path.name, line=number
            ) from error
    first, second = decoded
    return first, second


def _refuse_several(path: Path, num_files: int) -> None:
    if num_files > 1:
        raise ScoreFileError(
            "expected one file where it is a matrix; give matrices one by one.", file=path.name
        )


def _size(path: Path) -> int:
    try:
        if path.is_file():
            return path.stat().st_size
        problem = "it is not a file" if path.exists() else "there is none"
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    raise UsageError(f"expected a score file at {path}; {problem}.")
