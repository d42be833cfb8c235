"""Lines of a score file read many at a time; only the plain case, anything else is left to the careful reader.

A block of lines is turned into numbers without a Python object for each: separators are found, ids become
64-bit hashes of their bytes (two different ids share one in a file of a million with a chance of 3 in
10^8), decimals are summed up digit by digit. Scores of at most 15 digits are exactly what ``float`` makes of
them; others are given to ``float``. Quotes, blank lines, spaces about a field, a wrong number of fields,
text for a score: ``None``, and ``assent.evaluation.rows`` reads the block again and says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assent.errors import UsageError
from assent.evaluation.ids import IdTable
from assent.evaluation.layout import Layout
from assent.evaluation.rows import RowReader, parse_score
from assent.evaluation.trials import Trials
from assent.types import Bool, Float64, Int64, UInt8

UInt64 = npt.NDArray[np.uint64]

_MAX_CELL = 200
_MAX_DIGITS = 15
_NEWLINE, _SPACE = 10, 32
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_MIX, _MIX_LENGTH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_POWERS = 10.0 ** np.arange(23)


@dataclass(frozen=True, slots=True, eq=False)
class ParsedBlock:
    """A block's R lines as numbers.

    Attributes:
        text: the bytes.
        starts: (R, C) int64, where each field begins.
        ends: (R, C) int64, one behind its last byte.
        ids: for each side (R,) hashes of the ids.
        facts: for each side (R,) hashes of subject and groups; None where there are none.
        scores: (R,) float64, nan for a failure.
        mated: (R,) bool; None where subjects tell.
    """

    text: bytes
    starts: Int64
    ends: Int64
    ids: tuple[UInt64, UInt64]
    facts: tuple[UInt64, UInt64] | None
    scores: Float64
    mated: Bool | None

    def cell(self, row: int, column: int) -> str:
        """One field; bytes that are not UTF-8 are an error of the careful reader's."""
        return self.text[self.starts[row, column] : self.ends[row, column]].decode()


def parse_block(text: bytes, layout: Layout) -> ParsedBlock | None:
    """Turn whole lines into numbers, or None where they are not plain. Touches nothing else: runs in threads.

    Args:
        text: lines, each ended.
        layout: what the columns are.
    """
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b'"' in text or b"\r" in text or layout.time_ms is not None or not text:
        return None
    data = np.frombuffer(text + bytes(_MAX_CELL + 8), np.uint8)
    found = _fields(data[: len(text)], layout)
    if found is None:
        return None
    starts, ends = found
    scores = _scores(text, data, starts[:, layout.score], ends[:, layout.score])
    mated = None if layout.mated is None else _flags(data, starts[:, layout.mated], ends[:, layout.mated])
    if scores is None or (layout.mated is not None and mated is None):
        return None
    columns = ((layout.probe, *_facts(layout, 0)), (layout.reference, *_facts(layout, 1)))
    hashes = [[_hashes(data, starts[:, k], ends[:, k]) for k in own] for own in columns]
    if any(found is None for own in hashes for found in own):
        return None
    sides: Any = hashes
    facts = None
    if len(columns[0]) > 1:
        facts = (_combined(sides[0][1:]), _combined(sides[1][1:]))
    return ParsedBlock(text, starts, ends, (sides[0][0], sides[1][0]), facts, scores, mated)


@dataclass(slots=True)
class FastRows:
    """Gives the ids of parsed blocks their numbers; one block after the other.

    Attributes:
        reader: the careful one, for what is new.
    """

    reader: RowReader
    _sides: tuple[_HashIndex, _HashIndex] = field(init=False)
    _subjects: dict[str, int] = field(default_factory=dict)
    _subject_of: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sides = (_HashIndex(), _HashIndex())

    def trials(self, block: ParsedBlock) -> Trials | None:
        """The block's comparisons, or None where a line contradicts itself or an earlier one."""
        codes = []
        for side, index in enumerate(self._sides):
            try:
                codes.append(
                    index.codes(block.ids[side], lambda row, side=side: self._code(block, row, side))
                )
            except (UsageError, UnicodeDecodeError):
                return None
            if block.facts is not None and not index.is_known(block.ids[side], block.facts[side]):
                return None
        probes, references = codes
        mated = block.mated
        if self.reader.layout.has_subjects:
            of = self._subject_codes()
            same = of[probes] == of[references]
            if mated is not None and (same != mated).any():
                return None
            mated = same
        if mated is None or ((probes == references) & ~mated).any():
            return None
        scores = -block.scores if self.reader.is_distance else block.scores
        return Trials(probes, references, scores, mated)

    def _code(self, block: ParsedBlock, row: int, side: int) -> int:
        fields = [block.cell(row, column) for column in range(block.starts.shape[1])]
        return self.reader.code(fields, side)

    def _subject_codes(self) -> Int64:
        table: IdTable = self.reader.table
        for code in range(len(self._subject_of), len(table)):
            self._subject_of.append(self._subjects.setdefault(table.subject(code), len(self._subjects)))
        return np.array(self._subject_of, np.int64)


@dataclass(slots=True)
class _HashIndex:
    """Hashes seen on one side, ascending, with the number and the facts of each."""

    hashes: UInt64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    numbers: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    facts: UInt64 = field(default_factory=lambda: np.zeros(0, np.uint64))

    def codes(self, hashes: UInt64, number: Any) -> Int64:
        """(R,) the number of each row's id; ``number(row)`` says that of a new one."""
        heads = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        if len(heads) > len(hashes) // 2:  # runs are not worth the detour
            return self._looked_up(hashes, np.arange(len(hashes)), number)
        found = self._looked_up(hashes[heads], heads, number)
        return np.repeat(found, np.diff(heads, append=len(hashes)))

    def is_known(self, hashes: UInt64, facts: UInt64) -> bool:
        """Whether each row says of its id what its first row said."""
        at = np.searchsorted(self.hashes, hashes)
        first = self.facts[at]
        if not first.all():  # new ones: the first row's facts are theirs
            new, rows = np.unique(hashes, return_index=True)
            places = np.searchsorted(self.hashes, new)
            unset = self.facts[places] == 0
            self.facts[places[unset]] = facts[rows[unset]]
            first = self.facts[at]
        return bool((first == facts).all())

    def _looked_up(self, hashes: UInt64, rows: Int64, number: Any) -> Int64:
        at = np.searchsorted(self.hashes, hashes)
        known = np.zeros(len(hashes), np.bool_)
        if len(self.hashes):
            at = np.minimum(at, len(self.hashes) - 1)
            known = self.hashes[at] == hashes
        if not known.all():
            new, first = np.unique(hashes[~known], return_index=True)
            numbers = [number(int(row)) for row in rows[~known][first]]
            merged = np.concatenate([self.hashes, new])
            order = np.argsort(merged, kind="stable")
            self.hashes = merged[order]
            self.numbers = np.concatenate([self.numbers, np.array(numbers, np.int64)])[order]
            self.facts = np.concatenate([self.facts, np.zeros(len(new), np.uint64)])[order]
            at = np.searchsorted(self.hashes, hashes)
        return self.numbers[at]


def _facts(layout: Layout, side: int) -> tuple[int, ...]:
    """Columns of what a line says of one side's picture."""
    subject = (layout.probe_subject, layout.reference_subject)[side]
    groups = tuple(columns[side] for columns in layout.groups.values())
    return groups if subject is None else (subject, *groups)


def _fields(data: UInt8, layout: Layout) -> tuple[Int64, Int64] | None:
    """Where fields begin and end; None where lines have different numbers of them."""
    is_end = data == _NEWLINE
    separators = np.flatnonzero((data == ord(layout.delimiter)) | is_end)
    num_rows, rest = divmod(len(separators), layout.num_columns)
    if rest or not num_rows or int(np.count_nonzero(is_end)) != num_rows:
        return None
    ends = separators.reshape(num_rows, layout.num_columns)
    if not is_end[ends[:, -1]].all():
        return None
    starts = np.empty_like(separators)
    starts[0], starts[1:] = 0, separators[:-1] + 1
    return starts.reshape(ends.shape), ends


def _hashes(data: UInt8, starts: Int64, ends: Int64) -> UInt64 | None:
    """(R,) a hash of each field's bytes; None where one is empty, very long, or has spaces about it."""
    lengths = ends - starts
    longest = int(lengths.max())
    if int(lengths.min()) < 1 or longest > _MAX_CELL:
        return None
    if (data[starts] == _SPACE).any() or (data[ends - 1] == _SPACE).any():
        return None
    words = np.lib.stride_tricks.as_strided(data[:8].view("<u8"), shape=(len(data) - 7,), strides=(1,))
    hashes = lengths.astype(np.uint64) * _MIX_LENGTH
    for offset in range(0, longest, 8):
        left = np.clip(lengths - offset, 0, 8)
        word = words[starts + offset] & _MASKS[left]
        mixed = (hashes ^ word) * _MIX
        mixed ^= mixed >> np.uint64(29)
        hashes = mixed if offset == 0 else np.where(left > 0, mixed, hashes)
    return hashes | np.uint64(1)


def _combined(hashes: list[UInt64]) -> UInt64:
    """One hash of several, never 0."""
    total = np.zeros(len(hashes[0]), np.uint64)
    for own in hashes:
        total = (total ^ own) * _MIX
        total ^= total >> np.uint64(31)
    return np.asarray(total | np.uint64(1), np.uint64)


def _flags(data: UInt8, starts: Int64, ends: Int64) -> Bool | None:
    """Fields of a single 1 or 0."""
    if (ends - starts != 1).any():
        return None
    digits = data[starts]
    is_one = digits == ord("1")
    return is_one if (is_one | (digits == ord("0"))).all() else None


def _scores(text: bytes, data: UInt8, starts: Int64, ends: Int64) -> Float64 | None:
    """Decimals, digit by digit; what is no plain decimal is given to ``parse_score``, None where it refuses."""
    is_negative = data[starts] == ord("-")
    at = starts + is_negative
    lengths = ends - at
    longest = min(int(lengths.max()), _MAX_DIGITS + 2)
    mantissa = np.zeros(len(at), np.int64)
    num_digits, num_decimals = np.zeros(len(at), np.int8), np.zeros(len(at), np.int8)
    is_plain, after_dot = (lengths > 0) & (lengths <= longest), np.zeros(len(at), np.bool_)
    for k in range(longest):
        byte = data[at + k]
        inside = k < lengths
        digit = byte - np.uint8(48)
        is_digit, is_dot = (digit < 10) & inside, (byte == ord(".")) & inside
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        num_digits += is_digit
        num_decimals += is_digit & after_dot
        is_plain &= is_digit | ~inside | (is_dot & ~after_dot)
        after_dot |= is_dot
    is_plain &= (num_digits > 0) & (num_digits <= _MAX_DIGITS)
    scores = mantissa / _POWERS[num_decimals]
    np.negative(scores, where=is_negative, out=scores)
    for row in np.flatnonzero(~is_plain):
        try:
            scores[row] = parse_score(text[starts[row] : ends[row]].decode("ascii").strip())
        except (UsageError, UnicodeDecodeError):
            return None
    return scores
