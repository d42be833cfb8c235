"""Labelled templates, and how their people are numbered and compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from assent.calibration.curve import ReferenceKind
from assent.calibration.intervals import PairUniverse
from assent.errors import UsageError
from assent.types import Bool, Float32, Int64

Person = tuple[str, str]
"""A group and a subject in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures with labels, as parallel arrays of length N.

    Attributes:
        templates: (N, D) float32, unit norm; zeros where none could be made.
        subjects: (N,) str, whose face, unique within the group.
        groups: (N,) str, data set. People of different groups are never compared, since one person may
            be in both under different labels.
        image_ids: (N,) str, to find a picture again.
        acquired: (N,) bool, whether there is a template.
    """

    templates: Float32
    subjects: np.ndarray
    groups: np.ndarray
    image_ids: np.ndarray
    acquired: Bool

    def __post_init__(self) -> None:
        n = len(self.templates)
        lengths = {len(x) for x in (self.subjects, self.groups, self.image_ids, self.acquired)}
        if self.templates.ndim != 2 or lengths - {n}:
            raise UsageError(
                f"expected (N, D) templates and N labels; got {self.templates.shape}, {lengths}."
            )
        norms = np.linalg.norm(self.templates[self.acquired], axis=1)
        if len(norms) and not np.allclose(norms, 1.0, atol=1e-3):
            raise UsageError("expected templates of unit norm where a face was acquired.")

    def __len__(self) -> int:
        return len(self.templates)

    def take(self, index: Int64 | Bool) -> Samples:
        """The samples at ``index`` (integers or a mask), in that order."""
        return Samples(
            self.templates[index],
            self.subjects[index],
            self.groups[index],
            self.image_ids[index],
            self.acquired[index],
        )

    def in_first_half(self, seed: int) -> Bool:
        """(N,) bool: whether the subject is in the half to choose on; by a hash of the name and ``seed``."""
        half = {
            name: hashlib.sha256(f"{seed}:{name}".encode()).digest()[0] % 2 == 0
            for name in set(self.subjects)
        }
        return np.array([half[name] for name in self.subjects], np.bool_)


def reference_sizes(samples: Samples) -> dict[int, int]:
    """How many mean references are made of how many templates: {templates: references}."""
    acquired = samples.take(samples.acquired)
    codes, _ = number_subjects(acquired, ReferenceKind.MEAN)
    sizes, numbers = np.unique(np.bincount(codes), return_counts=True)
    return {int(size): int(number) for size, number in zip(sizes, numbers, strict=True) if size > 1}


def number_subjects(samples: Samples, kind: ReferenceKind) -> tuple[Int64, PairUniverse]:
    """Each sample's subject as a number, ascending by group, and who of them is compared with whom."""
    _, group_codes = np.unique(samples.groups, return_inverse=True)
    names, name_codes = np.unique(samples.subjects, return_inverse=True)
    keys, codes, counts = np.unique(
        group_codes.astype(np.int64) * len(names) + name_codes, return_inverse=True, return_counts=True
    )
    is_reference = counts >= (1 if kind == ReferenceKind.SINGLE else 2)
    return codes.astype(np.int64), PairUniverse(keys // max(len(names), 1), is_reference)


def people_of(samples: Samples) -> tuple[Person, ...]:
    """Group and subject, in the order of the numbers that ``_subjects`` gives."""
    return tuple(sorted({(str(g), str(s)) for g, s in zip(samples.groups, samples.subjects, strict=True)}))


def unit_mean(templates: Float32) -> Float32:
    """The unit-norm mean of unit-norm templates, as a person's stored mean is made."""
    mean = templates.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
