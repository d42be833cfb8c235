"""What an audit asks of a face matcher, whoever made it: compare two pictures, or enrol and search.

``EngineSystem`` is ours, in memory; ``EndpointSystem`` anything that speaks Rekognition's protocol. What comes
back is a score, or a reason why there is none: a *failure* is about the picture (no face, refused), an *error*
about the service (an answer that could not be had) and is asked for again when the run is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from assent.types import JsonObject


class Scale(StrEnum):
    """What a system's scores are."""

    COSINE = "cosine similarity"
    SIMILARITY = "Similarity, 0 to 100"
    DISTANCE = "Euclidean distance, negated"


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison.

    Attributes:
        score: higher is more alike; None where there is none.
        failure: why the pictures gave no score; empty where they did.
        error: what the service answered instead; empty where it did not fail.
        is_censored: the service gave no score because it was below its own floor; ``score`` is then the lowest.
        ms: how long it took; None where that was not measured (not asked, or asked more than once).
    """

    score: float | None
    failure: str = ""
    error: str = ""
    is_censored: bool = False
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One reference that was to be put into the gallery; fields as in ``Compared``.

    ``face_id`` is the service's id of it, empty where there is none.
    """

    face_id: str = ""
    failure: str = ""
    error: str = ""
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """One search; fields as in ``Compared``.

    ``candidates`` are (reference number, score), highest score first; None where the search failed.
    """

    candidates: tuple[tuple[int, float], ...] | None
    failure: str = ""
    error: str = ""
    ms: float | None = None


class Comparer(Protocol):
    """Compares one picture with another."""

    @property
    def identity(self) -> JsonObject:
        """What the system is; the same values, the same scores."""
        ...

    @property
    def scale(self) -> Scale:
        """What its scores are."""
        ...

    def compare(self, probe: Path, reference: Path) -> Compared:
        """How alike the faces are that two pictures are of."""
        ...

    def picture_ms(self, path: Path) -> float | None:
        """How long one picture took, where that can be told apart from a comparison; else None."""
        ...


class Searcher(Protocol):
    """Holds a gallery, and searches it."""

    @property
    def is_pairwise(self) -> bool:
        """Whether a score depends on its two pictures alone, whoever else is in the gallery, and that is certain."""
        ...

    @property
    def identity(self) -> JsonObject:
        """What the system is; the same values, the same scores."""
        ...

    @property
    def scale(self) -> Scale:
        """What its scores are."""
        ...

    def open_gallery(self, name: str, known: dict[int, str]) -> set[int]:
        """Make the gallery, or take it up again.

        Args:
            name: of this run, the same when it is resumed.
            known: face ids of the references that were enrolled before, by number.

        Returns:
            The numbers of ``known`` that are not in it any more; enrol them again.
        """
        ...

    def enrol(self, number: int, path: Path) -> Enrolled:
        """Put one reference into the gallery."""
        ...

    def search(self, path: Path, max_candidates: int) -> Searched:
        """Who of the gallery is most like the face that a picture is of."""
        ...

    def close_gallery(self, name: str) -> None:
        """Take the gallery of that name away, whoever opened it; it is no error where there is none."""
        ...


def best_first(scored: Sequence[tuple[int, float]], limit: int) -> tuple[tuple[int, float], ...]:
    """Candidates, highest score first, the lower number first on a tie; at most ``limit``."""
    return tuple(sorted(scored, key=lambda one: (-one[1], one[0]))[:limit])
