"""Comparisons as they come: pictures with their people and groups, and scores between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from assent.errors import UsageError
from assent.types import Bool, Float64, Int64

UNKNOWN = ""
"""The name of no group: the file says nothing of that picture."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleTable:
    """The pictures that comparisons are between, as parallel arrays of length N.

    Attributes:
        ids: (N,) str, to find a picture again.
        subjects: (N,) int64, whose, an index into ``subject_names``.
        subject_names: names of the people.
        groups: attribute to (N,) str, the picture's group; ``UNKNOWN`` where the file says nothing.
        times_ms: (N,) float64, how long its template took; nan where unknown.
    """

    ids: np.ndarray
    subjects: Int64
    subject_names: tuple[str, ...]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    times_ms: Float64 | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.ids), *(len(names) for names in self.groups.values())}
        if self.times_ms is not None:
            lengths.add(len(self.times_ms))
        if lengths != {len(self.subjects)}:
            raise UsageError(f"expected columns of one length; got {sorted(lengths | {len(self.subjects)})}.")

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def num_subjects(self) -> int:
        """People, whether compared or not."""
        return len(self.subject_names)

    @classmethod
    def of_subjects(cls, names: list[str], groups: Mapping[str, list[str]] | None = None) -> SampleTable:
        """One picture of each person, named as the person is."""
        return cls(
            ids=np.array(names),
            subjects=np.arange(len(names)),
            subject_names=tuple(names),
            groups={key: np.array(values) for key, values in (groups or {}).items()},
        )

    def codes(self, attribute: str) -> tuple[Int64, tuple[str, ...]]:
        """Each picture's group as a number, and the groups' names, sorted; -1 for ``UNKNOWN``.

        Args:
            attribute: a key of ``groups``, or several joined by ``+``.

        Raises:
            UsageError: there is no such attribute.
        """
        missing = [name for name in attribute.split("+") if name not in self.groups]
        if missing:
            raise UsageError(
                f"expected a group column among {', '.join(self.groups) or 'none'}; got {missing[0]!r}."
            )
        parts = [self.groups[name] for name in attribute.split("+")]
        known = np.all([part != UNKNOWN for part in parts], axis=0)
        joined = np.array([", ".join(row) for row in zip(*parts, strict=True)], np.str_)
        names, codes = np.unique(joined[known], return_inverse=True)
        result = np.full(len(self), -1, np.int64)
        result[known] = codes
        return result, tuple(str(name) for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Some comparisons, as parallel arrays of length M.

    Attributes:
        probes: (M,) int64, row of a ``SampleTable``.
        references: (M,) int64, row of the same table.
        scores: (M,) float64, higher is more alike; nan where no template could be made (a failure to
            acquire). Infinite scores are ordered like others.
        mated: (M,) bool, whether both are the same person.
        has_whole_probes: whether all comparisons of each probe in here are in here: ranks need no more.
    """

    probes: Int64
    references: Int64
    scores: Float64
    mated: Bool
    has_whole_probes: bool = False

    def __post_init__(self) -> None:
        shapes = [x.shape for x in (self.probes, self.references, self.scores, self.mated)]
        if len(set(shapes)) != 1 or self.probes.ndim != 1:
            raise UsageError(f"expected four columns of one length; got shapes {shapes}.")

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: Int64 | Bool) -> Trials:
        """Some of the comparisons, in the order of ``rows``."""
        return Trials(self.probes[rows], self.references[rows], self.scores[rows], self.mated[rows])

    @classmethod
    def joined(cls, parts: list[Trials]) -> Trials:
        """The comparisons of all parts, one after the other."""
        return cls(
            np.concatenate([part.probes for part in parts]),
            np.concatenate([part.references for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.mated for part in parts]),
        )
