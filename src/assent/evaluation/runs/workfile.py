"""What a run has done so far, on disk, so that a killed one goes on where it was.

A text file of JSON lines: the first says which run it belongs to, each other holds one answer (a key and plain
values: scores, candidate numbers, reasons, milliseconds) or a mark (a word, set or taken back). No template, no
picture and no name is in it; pictures are numbers in the order of the run's trials, whose digest is in the first
line.

Each line is written at once. A last line without its end was cut by a kill: it is dropped, and that answer is
asked for again.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from assent.errors import UsageError
from assent.types import JsonObject

_FORMAT = "assent-audit-work"
_VERSION = 1

Key = tuple[str, int]
"""What was asked: a kind of question, and its number in the run."""


def answer_of(failure: str, error: str, ms: float | None, **values: object) -> JsonObject:
    """What is kept of an answer: what there is of it, and how long it took in milliseconds."""
    kept: JsonObject = {name: value for name, value in values.items() if value not in (None, "")}
    kept |= {name: text for name, text in (("failure", failure), ("error", error)) if text}
    return kept if ms is None else kept | {"ms": round(ms, 2)}


def is_final(answer: JsonObject | None) -> bool:
    """Whether a question need not be asked again: it has an answer, and not an error of the service."""
    return answer is not None and not answer.get("error")


class WorkFile:
    """The answers of one run, in memory and, where there is a path, on disk.

    Args:
        path: the file; made if it is not there, gone on with if it is. None keeps nothing.
        run: what identifies the run: the same values, the same run.

    Raises:
        UsageError: the file is of another run, is no work file, is in use, or cannot be written.
    """

    def __init__(self, path: Path | None, run: JsonObject) -> None:
        self._answers: dict[Key, JsonObject] = {}
        self._marks: set[str] = set()
        self._file: BinaryIO | None = None
        self.num_resumed = 0
        if path is None:
            return
        header = {"format": _FORMAT, "version": _VERSION, **run}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}; choose another place with --work."
            ) from error
        try:
            self._open(path, header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, kind: str, number: int) -> JsonObject | None:
        """The answer to a question, or None where it is still to be asked."""
        return self._answers.get((kind, number))

    def numbers(self, kind: str) -> list[int]:
        """Which questions of a kind have an answer, ascending."""
        return sorted(number for own, number in self._answers if own == kind)

    def add(self, kind: str, number: int, answer: JsonObject) -> None:
        """Note an answer, on disk before this returns; a later one to the same question takes its place.

        Raises:
            UsageError: the disk is full.
        """
        self._answers[kind, number] = answer
        self._write([kind, number, answer])

    def forget(self, kind: str, number: int) -> None:
        """The answer does not hold any longer; ask again."""
        if self._answers.pop((kind, number), None) is not None:
            self._write([kind, number, None])

    def is_marked(self, word: str) -> bool:
        """Whether a mark is set."""
        return word in self._marks

    def mark(self, word: str) -> None:
        """Note how far the run is, which is no answer and is not counted as one; on disk before this returns.

        Raises:
            UsageError: the disk is full.
        """
        if word not in self._marks:
            self._marks.add(word)
            self._write([word, True])

    def unmark(self, word: str) -> None:
        """The mark does not hold any longer; on disk before this returns.

        Raises:
            UsageError: the disk is full.
        """
        if word in self._marks:
            self._marks.remove(word)
            self._write([word, False])

    def _write(self, value: Any) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UsageError(
                f"the work file cannot be written: {error.strerror}; free some space and run it again, nothing that "
                "was done before is lost."
            ) from error

    def _open(self, path: Path, header: JsonObject) -> None:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{path} is in use by another run; wait for it, or give another --work."
            ) from error
        self._file.seek(0)
        data = self._file.read()
        whole, _, cut = data.rpartition(b"\n")
        if cut:
            self._file.truncate(len(data) - len(cut))
        lines = whole.split(b"\n") if whole else []
        if not lines:
            self._write(header)
            return
        _check_header(path, lines[0], header)
        for number, line in enumerate(lines[1:], start=2):
            self._read(path, number, line)
        self.num_resumed = len(self._answers)

    def _read(self, path: Path, number: int, line: bytes) -> None:
        try:
            match json.loads(line):
                case [str(word), bool(is_set)]:
                    (self._marks.add if is_set else self._marks.discard)(word)
                    return
                case [kind, question, answer]:
                    key = (str(kind), int(question))
                case _:
                    raise ValueError("neither an answer nor a mark")
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{path}, line {number}: expected an answer of an audit's run; the file is damaged. Delete it, or "
                "give another --work."
            ) from error
        if answer is None:
            self._answers.pop(key, None)
        else:
            self._answers[key] = answer


def _check_header(path: Path, line: bytes, header: JsonObject) -> None:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise UsageError(
            f"expected a work file of an audit at {path}, got another file; give another --work."
        )
    different = [name for name in header if found.get(name) != header[name]]
    if different:
        raise UsageError(
            f"{path} is of another run ({', '.join(different)} differ); run that one again, or give another --work."
        )
