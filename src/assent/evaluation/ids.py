"""Pictures numbered as a file names them, with what it says of each: whose, which groups, how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from assent.errors import UsageError
from assent.evaluation.trials import SampleTable
from assent.types import Float64, Int64


@dataclass(slots=True)
class IdTable:
    """Gives every id a number, from 0, as it is first seen.

    Attributes:
        attributes: names of the group attributes.
        has_subjects: whether the file says whose each picture is; else people are found by mated comparisons.
    """

    attributes: tuple[str, ...] = ()
    has_subjects: bool = False
    ids: list[str] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)
    _subjects: list[str] = field(default_factory=list)
    _groups: list[tuple[str, ...]] = field(default_factory=list)
    _joint: list[int] = field(default_factory=list)
    _joint_codes: dict[tuple[str, ...], int] = field(default_factory=dict)
    _times_ms: dict[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def code(self, name: str, subject: str, groups: tuple[str, ...]) -> int:
        """The number of an id.

        Args:
            name: the id.
            subject: whose; anything where the file does not say.
            groups: one for each attribute.

        Raises:
            UsageError: the id was somebody else's, or in another group, before.
        """
        code = self._codes.get(name)
        if code is None:
            return self._add(name, subject, groups)
        if subject != self._subjects[code]:
            raise UsageError(
                f"{name!r} is of subject {subject!r} here and of {self._subjects[code]!r} before."
            )
        if groups != self._groups[code]:
            raise UsageError(
                f"{name!r} is in {', '.join(groups)!r} here and in {', '.join(self._groups[code])!r} before; "
                "give groups of both sides, as probe_group and reference_group."
            )
        return code

    def set_time(self, code: int, milliseconds: float) -> None:
        """How long a picture's template took."""
        self._times_ms[code] = milliseconds

    def subject(self, code: int) -> str:
        """Whose a picture is, as the file says."""
        return self._subjects[code]

    @property
    def joint_groups(self) -> Int64 | None:
        """(N,) int64: a number for all groups of a picture together; None without attributes."""
        return np.array(self._joint, np.int64) if self.attributes else None

    def samples(self, mated_pairs: Iterable[tuple[int, int]]) -> SampleTable:
        """The table of all pictures.

        Args:
            mated_pairs: numbers of two pictures of one person; used where the file does not say whose they are.
        """
        names = self._subjects if self.has_subjects else self._linked(mated_pairs)
        subject_names, codes = np.unique(np.array(names, np.str_), return_inverse=True)
        columns = list(zip(*self._groups, strict=True)) if self._groups else [()] * len(self.attributes)
        return SampleTable(
            ids=np.array(self.ids, np.str_),
            subjects=codes.astype(np.int64),
            subject_names=tuple(str(name) for name in subject_names),
            groups={
                name: np.array(column, np.str_) for name, column in zip(self.attributes, columns, strict=True)
            },
            times_ms=self._times() if self._times_ms else None,
        )

    def _add(self, name: str, subject: str, groups: tuple[str, ...]) -> int:
        code = self._codes[name] = len(self.ids)
        self.ids.append(name)
        self._subjects.append(subject)
        self._groups.append(groups)
        self._joint.append(self._joint_codes.setdefault(groups, len(self._joint_codes)))
        return code

    def _linked(self, pairs: Iterable[tuple[int, int]]) -> Sequence[str]:
        """Each picture's person, named by the first picture that mated comparisons lead to."""
        parents = list(range(len(self.ids)))

        def root(code: int) -> int:
            while parents[code] != code:
                parents[code] = parents[parents[code]]
                code = parents[code]
            return code

        for first, second in pairs:
            a, b = root(first), root(second)
            parents[max(a, b)] = min(a, b)
        return [self.ids[root(code)] for code in range(len(self.ids))]

    def _times(self) -> Float64:
        times = np.full(len(self.ids), np.nan)
        times[list(self._times_ms)] = list(self._times_ms.values())
        return times
