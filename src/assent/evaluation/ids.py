"""Pictures numbered as a file names them, with what it says of each: whose, which groups, how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from assent.errors import UsageError
from assent.evaluation.trials import SampleTable
from assent.types import Float64, Int64

MAX_PICTURES = 3_000_000
"""Different ids: what memory grows with, about a kilobyte for each."""

_MAX_LINKS = 4_000_000


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
    _links: list[Int64] = field(default_factory=list)
    _num_links: int = 0

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

    def link(self, first: Int64, second: Int64) -> None:
        """Pictures of one person, by pairs; used where the file does not say whose they are."""
        keys = np.unique((np.minimum(first, second) << 32) | np.maximum(first, second))
        self._links.append(keys)
        self._num_links += len(keys)
        if self._num_links > _MAX_LINKS:
            heads = self._heads()
            joined = np.flatnonzero(heads != np.arange(len(heads)))
            self._links, self._num_links = [(heads[joined] << 32) | joined], len(joined)

    def samples(self) -> SampleTable:
        """The table of all pictures."""
        names = self._subjects if self.has_subjects else [self.ids[head] for head in self._heads()]
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
        if len(self.ids) >= MAX_PICTURES:
            raise UsageError(
                f"expected at most {MAX_PICTURES:,} different pictures; got more. Audit a part of the people, "
                "and check that the columns of ids are not numbers of rows."
            )
        code = self._codes[name] = len(self.ids)
        self.ids.append(name)
        self._subjects.append(subject)
        self._groups.append(groups)
        self._joint.append(self._joint_codes.setdefault(groups, len(self._joint_codes)))
        return code

    def _heads(self) -> Int64:
        """(N,) the first picture that links lead to from each."""
        size = len(self.ids)
        keys = np.concatenate([np.zeros(0, np.int64), *self._links])
        ends = (keys >> 32, keys & 0xFFFFFFFF)
        graph = sparse.coo_array((np.ones(len(keys), np.bool_), ends), shape=(size, size))
        _, of = csgraph.connected_components(graph, directed=False)
        return np.asarray(np.unique(of, return_index=True)[1][of], np.int64)

    def _times(self) -> Float64:
        times = np.full(len(self.ids), np.nan)
        times[list(self._times_ms)] = list(self._times_ms.values())
        return times
