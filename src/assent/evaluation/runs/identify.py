"""1:N: every search of a plan through a system, resumable.

Where a score is certain to be of two pictures alone, one gallery of everybody is made, and a nonmated search is a
search with the probe's own mates struck out. Of a service that is not known, so it is done for real: first a
gallery without anybody's mates, then with them.

A service's gallery holds faces of people. It is taken away when every question was asked, and the work file says so
only then: a run that is killed anywhere before leaves the gallery to the run that goes on, and that one takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assent.errors import EndpointError, TooFewTrials
from assent.evaluation.runs.facts import RunFacts, counted, latencies_by_group
from assent.evaluation.runs.plan import SearchPlan
from assent.evaluation.runs.systems import Searcher
from assent.evaluation.runs.verify import Progress
from assent.evaluation.runs.workfile import WorkFile, answer_of, is_final
from assent.types import JsonObject

Candidates = tuple[tuple[int, float], ...]

_CLOSED = "closed"
"""Mark of a work file: no gallery of this run is at the service."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search.

    Attributes:
        probe: row of the plan's probes.
        is_mated: whether a mate was among those to be enrolled.
        candidates: (row of the plan's references, score), highest first; None where there is no answer.
        failure: why the probe gave no template; empty where it did.
        error: what the service answered instead; in no rate.
        ms: how long it took; None where not measured.
    """

    probe: int
    is_mated: bool
    candidates: Candidates | None
    failure: str = ""
    error: str = ""
    ms: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IdentifyRun:
    """What the searches returned.

    Attributes:
        plan: as asked for.
        searches: nonmated ones, then mated ones.
        enrolled: rows of the references that are in the gallery when everybody is.
        nonmated_rows: rows of those that nonmated searches are compared with; a probe's own mates, where they are
            among them, are struck out of its candidates.
        max_candidates: the most that a search was asked for.
        facts: how it went.
    """

    plan: SearchPlan
    searches: tuple[Search, ...]
    enrolled: frozenset[int]
    nonmated_rows: frozenset[int]
    max_candidates: int
    facts: RunFacts

    @property
    def nonmated_gallery_size(self) -> int:
        """References that the least favoured nonmated search was compared with."""
        return min(len(self.nonmated_rows - mates) for mates in self.plan.mates)


def run_identify(
    system: Searcher,
    plan: SearchPlan,
    *,
    work: Path | None = None,
    max_candidates: int = 4096,
    progress: Progress | None = None,
) -> IdentifyRun:
    """Enrol the gallery, search for every probe without and with its mates, and take the gallery away again.

    Args:
        system: what is measured.
        plan: whom to enrol and search for.
        work: where answers are kept while the run goes on; a stopped run goes on from it. Candidate numbers, scores,
            reasons and times only: never a template.
        max_candidates: the most that a search returns.
        progress: called after each picture.

    Raises:
        TooFewTrials: no reference could be enrolled.
        UsageError: a picture cannot be opened, ``work`` is of another run, or its disk is full.
        EndpointError: the service refuses, throttles for too long, or does not answer; the gallery is left as it is,
            for going on, and its name is in the message.
    """
    digest = plan.digest()
    run = {"run": "identify", "system": system.identity, "plan": digest, "max_candidates": max_candidates}
    with WorkFile(work, run) as done:
        name = f"assent-audit-{digest[:16]}"
        under_way = _UnderWay(
            system, plan, done, max_candidates, progress or (lambda _done, _total: None), name
        )
        try:
            under_way.go()
        except EndpointError as error:
            raise EndpointError(
                f"{error.message} The audit's collection {name} is left as it is, for going on; delete it if you do "
                "not.",
                code=error.code,
            ) from error
        return under_way.collected(under_way.closed())


@dataclass(slots=True)
class _UnderWay:
    """The state of a run: what is enrolled, how far it is."""

    system: Searcher
    plan: SearchPlan
    done: WorkFile
    max_candidates: int
    progress: Progress
    name: str
    _steps: int = 0
    _was_searched: bool = False

    def go(self) -> None:
        """Ask what has no answer yet."""
        first = [n for n in range(len(self.plan.references)) if self._is_enrolled_first(n)]
        self._was_searched = self.is_searched()
        if not self._was_searched:
            self._open()
            for number in first:
                self._enrol(number)
            self._require_gallery(first)
        for row in range(len(self.plan.probes)):
            self._search("search", row)
        if not self.system.is_pairwise:
            for number in sorted(self.plan.mate_rows):
                self._enrol(number)
            for row, mates in enumerate(self.plan.mates):
                if mates:
                    self._search("search mated", row)

    def _is_enrolled_first(self, number: int) -> bool:
        return self.system.is_pairwise or number not in self.plan.mate_rows

    def closed(self) -> tuple[str, ...]:
        """Take the gallery away, if that is still to be done; a failure is a note, since all answers are there."""
        if self.done.is_marked(_CLOSED):
            return ()
        try:
            self.system.close_gallery(self.name)
        except EndpointError as error:
            return (error.message,)
        self.done.mark(_CLOSED)
        return ()

    def _open(self) -> None:
        """Take the gallery up where it was; mates leave it again while nonmated searches are to be made."""
        self.done.unmark(_CLOSED)
        known = {
            n: a["face"] for n in self.done.numbers("enrol") if (a := self._answer("enrol", n)).get("face")
        }
        if not all(is_final(self.done.get("search", row)) for row in range(len(self.plan.probes))):
            for number in [n for n in known if not self._is_enrolled_first(n)]:
                del known[number]
                self.done.forget("enrol", number)
        for number in self.system.open_gallery(self.name, known):
            self.done.forget("enrol", number)

    def _require_gallery(self, first: list[int]) -> None:
        if not any(self._answer("enrol", number).get("face") for number in first):
            reasons = counted(self._why("enrol", number) for number in first)
            said = ", ".join(f"{reason} ({number})" for reason, number in reasons.items())
            left = "".join(f" Note: {note}" for note in self.closed())
            raise TooFewTrials(
                f"expected references with a face; none of {len(first)} was enrolled: {said}.{left}"
            )

    def is_searched(self) -> bool:
        """Whether every search has its answer, so that no gallery is needed any more."""
        kinds = [("search", row) for row in range(len(self.plan.probes))]
        if not self.system.is_pairwise:
            kinds += [("search mated", row) for row, mates in enumerate(self.plan.mates) if mates]
        return all(is_final(self.done.get(*one)) for one in kinds)

    def _enrol(self, number: int) -> None:
        if not is_final(self.done.get("enrol", number)) and not self._was_searched:
            made = self.system.enrol(number, self.plan.references[number].path)
            self.done.add("enrol", number, answer_of(made.failure, made.error, made.ms, face=made.face_id))
        self._step()

    def _search(self, kind: str, row: int) -> None:
        if not is_final(self.done.get(kind, row)):
            found = self.system.search(self.plan.probes[row].path, self.max_candidates)
            candidates = None if found.candidates is None else [[n, round(s, 7)] for n, s in found.candidates]
            self.done.add(kind, row, answer_of(found.failure, found.error, found.ms, candidates=candidates))
        self._step()

    def _step(self) -> None:
        self._steps += 1
        mated = 0 if self.system.is_pairwise else sum(map(bool, self.plan.mates))
        self.progress(self._steps, len(self.plan.references) + len(self.plan.probes) + mated)

    def _answer(self, kind: str, number: int) -> JsonObject:
        return self.done.get(kind, number) or {}

    def _why(self, kind: str, number: int) -> str:
        answer = self._answer(kind, number)
        return str(answer.get("failure") or answer.get("error") or "")

    def collected(self, notes: tuple[str, ...]) -> IdentifyRun:
        """Every answer as a search."""
        plan = self.plan
        kind = "search" if self.system.is_pairwise else "search mated"
        searches = [self._made("search", row, is_mated=False) for row in range(len(plan.probes))]
        searches += [self._made(kind, row, is_mated=True) for row, mates in enumerate(plan.mates) if mates]
        enrolled = frozenset(n for n in self.done.numbers("enrol") if self._answer("enrol", n).get("face"))
        facts = RunFacts(
            system=self.system.identity,
            scale=str(self.system.scale),
            calls="searches",
            num_questions=len(searches),
            failures=self._reasons("failure"),
            errors=self._reasons("error"),
            num_resumed=self.done.num_resumed,
            num_throttled=getattr(getattr(self.system, "calls", None), "num_throttled", 0),
            latencies=latencies_by_group(
                [
                    (plan.probes[s.probe], s.ms)
                    for s in searches
                    if not (s.is_mated and self.system.is_pairwise)
                ],
                plan.attributes,
            ),
            notes=notes,
        )
        nonmated = enrolled if self.system.is_pairwise else enrolled - plan.mate_rows
        return IdentifyRun(plan, tuple(searches), enrolled, nonmated, self.max_candidates, facts)

    def _made(self, kind: str, row: int, *, is_mated: bool) -> Search:
        answer, mates = self._answer(kind, row), self.plan.mates[row]
        found = answer.get("candidates")
        candidates = None
        if found is not None:
            candidates = tuple((int(n), float(s)) for n, s in found if is_mated or int(n) not in mates)
        return Search(
            row,
            is_mated,
            candidates,
            str(answer.get("failure", "")),
            str(answer.get("error", "")),
            answer.get("ms"),
        )

    def _reasons(self, field: str) -> dict[str, int]:
        asked = [(kind, n) for kind in ("enrol", "search", "search mated") for n in self.done.numbers(kind)]
        return counted(
            f"{'reference' if kind == 'enrol' else 'search'}: {self._answer(kind, n)[field]}"
            for kind, n in asked
            if self._answer(kind, n).get(field)
        )
