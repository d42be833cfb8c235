"""Our own engine as a system under audit: templates live in this process's memory and nowhere else."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assent.evaluation.pictures import Acquired, ReadOptions, acquire_picture
from assent.evaluation.runs.systems import Compared, Enrolled, Scale, Searched, best_first
from assent.types import Float32, JsonObject
from assent.vision.engine import FaceEngine


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    acquired: Acquired
    ms: float


@dataclass(slots=True)
class EngineSystem:
    """Compares and searches with one engine; each picture is read once.

    Scores are cosine similarities. A picture whose face the gate refuses gives no template, as at search time.

    Attributes:
        engine: makes the templates.
        options: how pictures are read.
    """

    engine: FaceEngine
    options: ReadOptions = field(default_factory=ReadOptions)
    _made: dict[Path, _Made] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)
    _references: list[Float32] = field(default_factory=list)

    @property
    def identity(self) -> JsonObject:
        """The model's digest and recipe."""
        recipe = self.engine.recipe
        return {"engine": self.engine.model_digest, "recipe": f"{recipe.name} {recipe.version}"}

    @property
    def scale(self) -> Scale:
        """Cosine similarity."""
        return Scale.COSINE

    @property
    def is_pairwise(self) -> bool:
        """Yes: a cosine is of two templates."""
        return True

    def acquired(self, path: Path) -> Acquired:
        """What became of a picture.

        Raises:
            UsageError: the file cannot be opened.
        """
        return self._make(path).acquired

    def compare(self, probe: Path, reference: Path) -> Compared:
        """The cosine of two templates."""
        one, other = self.acquired(probe), self.acquired(reference)
        if one.template is None or other.template is None:
            return Compared(None, failure=one.failure or other.failure)
        return Compared(float(np.clip(one.template @ other.template, -1.0, 1.0)))

    def picture_ms(self, path: Path) -> float | None:
        """How long it took to read a picture and make its template; None where that was not needed."""
        made = self._made.get(path)
        return None if made is None else made.ms

    def open_gallery(self, name: str, known: dict[int, str]) -> set[int]:
        """An empty one: what was in memory before is gone, so all of it is to be enrolled again."""
        self.close_gallery(name)
        return set(known)

    def enrol(self, number: int, path: Path) -> Enrolled:
        """Keep a template in memory."""
        made = self._make(path)
        if made.acquired.template is None:
            return Enrolled(failure=made.acquired.failure, ms=made.ms)
        self._numbers.append(number)
        self._references.append(made.acquired.template)
        return Enrolled(face_id=f"{number}", ms=made.ms)

    def search(self, path: Path, max_candidates: int) -> Searched:
        """All references by their cosine with the picture's template, highest first."""
        made = self._make(path)
        if made.acquired.template is None:
            return Searched(None, failure=made.acquired.failure, ms=made.ms)
        if not self._references:
            return Searched((), ms=made.ms)
        scores = np.clip(np.stack(self._references) @ made.acquired.template, -1.0, 1.0)
        scored = [(number, float(score)) for number, score in zip(self._numbers, scores, strict=True)]
        return Searched(best_first(scored, max_candidates), ms=made.ms)

    def close_gallery(self, name: str) -> None:  # noqa: ARG002
        """Forget the references."""
        self._numbers.clear()
        self._references.clear()

    def _make(self, path: Path) -> _Made:
        made = self._made.get(path)
        if made is None:
            start = time.perf_counter()
            acquired = acquire_picture(self.engine, path, self.options)
            made = self._made[path] = _Made(acquired, 1000 * (time.perf_counter() - start))
        return made


@dataclass(slots=True)
class DistanceSystem:
    """The habit of dlib's users: Euclidean distance of one raw embedding, negated so that higher is more alike.

    It shares the pictures that ``source`` has read, which must keep raw embeddings (``ReadOptions.with_raw``).
    """

    source: EngineSystem
    _numbers: list[int] = field(default_factory=list)
    _references: list[Float32] = field(default_factory=list)

    @property
    def identity(self) -> JsonObject:
        """As the source's."""
        return {**self.source.identity, "compared": str(self.scale)}

    @property
    def scale(self) -> Scale:
        """Distance."""
        return Scale.DISTANCE

    @property
    def is_pairwise(self) -> bool:
        """Yes."""
        return True

    def open_gallery(self, name: str, known: dict[int, str]) -> set[int]:
        """An empty one."""
        self.close_gallery(name)
        return set(known)

    def enrol(self, number: int, path: Path) -> Enrolled:
        """Keep a raw embedding in memory."""
        acquired = self.source.acquired(path)
        if acquired.raw is None:
            return Enrolled(failure=acquired.failure)
        self._numbers.append(number)
        self._references.append(acquired.raw)
        return Enrolled(face_id=f"{number}")

    def search(self, path: Path, max_candidates: int) -> Searched:
        """All references by their distance, the nearest first."""
        acquired = self.source.acquired(path)
        if acquired.raw is None or not self._references:
            return Searched(None if acquired.raw is None else (), failure=acquired.failure)
        distances = np.linalg.norm(np.stack(self._references).astype(np.float64) - acquired.raw, axis=1)
        scored = [(number, -float(far)) for number, far in zip(self._numbers, distances, strict=True)]
        return Searched(best_first(scored, max_candidates))

    def close_gallery(self, name: str) -> None:  # noqa: ARG002
        """Forget the references."""
        self._numbers.clear()
        self._references.clear()
