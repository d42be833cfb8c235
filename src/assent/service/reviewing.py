"""Review by two people: a search of some collections names nobody before two have looked, each on their own.

What a reviewer sees is two pictures and three answers: no name, no score, and nothing of what the other said. Why it is
built this way: ``docs/decisions/0008-review.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from assent.errors import ReviewRequired
from assent.service.context import Context
from assent.service.results import Candidate
from assent.store.access import Role
from assent.store.reviews import NewPair, PairOutcome, PairRecord, ReviewRecord, ReviewStatus, Verdict
from assent.store.transaction import Reading, Transaction
from assent.store.values import CollectionRecord, ReviewPolicy

MAX_ENROLLED_PICTURES = 4
"""Pictures of the enrolled person that a reviewer is shown, newest first."""


@dataclass(frozen=True, slots=True)
class ReviewPair:
    """Two pictures to be judged; nothing here says whose they are, or how alike.

    Attributes:
        id: random UUID.
        review_id: of which review.
        collection: its name.
        asked_at: UTC.
        expires_at: UTC; undecided by then, the review lapses.
    """

    id: str
    review_id: str
    collection: str
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PairPictures:
    """What a reviewer looks at.

    Attributes:
        probe_jpeg: the face asked about.
        enrolled_jpegs: the enrolled person, newest first; empty where no picture was kept, because they were enrolled
            before the collection had people look.
    """

    probe_jpeg: bytes = field(repr=False)
    enrolled_jpegs: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfirmedCandidate:
    """Somebody of whom two people said, each on their own, that it is the same face.

    Attributes:
        person: the person's id.
        name: if one was given.
        similarity: 0 to 100.
        fmr_at_score: upper 95 % bound of the rate at which two different people score this high.
        expected_false_candidates: gallery size x ``fmr_at_score`` at the time of the search.
        consent_id: the consent that allows this answer.
    """

    person: str
    name: str | None
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float
    consent_id: str


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """Where a review stands.

    Attributes:
        id: random UUID.
        collection: its name.
        asked_at: UTC.
        expires_at: UTC.
        status: ``pending``, ``decided`` or ``lapsed``.
        num_pairs: candidates under review; those who withdrew since are not among them.
        num_open: pairs that two people have not judged yet.
        confirmed: of whom two said "same".
        num_rejected: of whom two said "different".
        num_inconclusive: on whom they did not agree, or could not tell.
    """

    id: str
    collection: str
    asked_at: datetime
    expires_at: datetime
    status: ReviewStatus
    num_pairs: int
    num_open: int
    confirmed: tuple[ConfirmedCandidate, ...]
    num_rejected: int
    num_inconclusive: int


class Reviews:
    """The reviews of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def queue(self) -> tuple[ReviewPair, ...]:
        """The pairs that wait for this caller, oldest review first: open, and not judged by them yet.

        Raises:
            Forbidden: the caller is no reviewer.
        """
        self._ctx.require(Role.REVIEWER)
        with self._ctx.records.reading() as tx:
            return tuple(
                ReviewPair(pair.id, review.id, review.collection_name, review.asked_at, review.expires_at)
                for review in tx.reviews()
                if review.status is ReviewStatus.PENDING
                for pair in tx.review_pairs(review.id)
                if pair.outcome is None and not tx.has_judged(pair.id, self._ctx.actor)
            )

    def pictures(self, pair_id: str) -> PairPictures:
        """The two sides of a pair. That somebody looked is logged.

        Raises:
            Forbidden: the caller is no reviewer.
            NotFound: no such pair; the person may have withdrawn.
            ReviewClosed: the review is over; its pictures are destroyed.
        """
        self._ctx.require(Role.REVIEWER)
        with self._ctx.records.transaction() as tx:
            pair = tx.review_pair(pair_id)
            probe = tx.probe_picture(pair_id)
            collection = tx.review(pair.review_id).collection_name
            enrolled = tx.thumbnails(collection, pair.person_ref)[:MAX_ENROLLED_PICTURES]
            tx.append_log("review.viewed", {"review_id": pair.review_id, "pair_id": pair_id})
        return PairPictures(probe, tuple(enrolled))

    def judge(self, pair_id: str, verdict: Verdict | str) -> None:
        """Say whether a pair shows one person. What the other said is not told, before or after.

        Args:
            pair_id: which.
            verdict: ``same``, ``different`` or ``unsure``.

        Raises:
            Forbidden: the caller is no reviewer.
            NotFound: no such pair; the person may have withdrawn.
            SameReviewer: this caller judged it already; the second must be somebody else.
            ReviewClosed: decided or lapsed.
            UsageError: another verdict.
        """
        self._ctx.require(Role.REVIEWER)
        with self._ctx.records.transaction() as tx:
            tx.judge(pair_id, self._ctx.actor, verdict)

    def outcome(self, review_id: str) -> ReviewOutcome:
        """Where a review stands, and whom two people confirmed.

        Raises:
            Forbidden: the caller is neither reviewer nor searcher.
            NotFound: no such review.
        """
        self._ctx.require(Role.REVIEWER, Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return _outcome(tx, tx.review(review_id))

    def list(self) -> tuple[ReviewOutcome, ...]:
        """Every review, newest first.

        Raises:
            Forbidden: the caller is neither reviewer nor searcher.
        """
        self._ctx.require(Role.REVIEWER, Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return tuple(_outcome(tx, review) for review in reversed(tx.reviews()))

    def sweep(self) -> int:
        """End the reviews whose time is over and destroy their pictures; how many."""
        with self._ctx.records.transaction() as tx:
            return tx.sweep_reviews()


def open_review(
    ctx: Context,
    tx: Transaction,
    collection: CollectionRecord,
    found: Sequence[tuple[Candidate, Callable[[], bytes]]],
) -> ReviewRecord:
    """Put a search's candidates before two people instead of into its answer.

    Args:
        ctx: the open data folder.
        tx: the search's transaction.
        collection: what was searched.
        found: each candidate, with what makes the picture of the face it was found for.
    """
    pairs = [
        NewPair(
            person_id=tx.person(candidate.person).id,
            consent_id=candidate.consent_id,
            similarity=candidate.similarity,
            fmr_at_score=candidate.fmr_at_score,
            expected_false_candidates=candidate.expected_false_candidates,
            probe_jpeg=picture(),
        )
        for candidate, picture in found
    ]
    return tx.open_review(
        collection.name, pairs, expires_at=tx.now + timedelta(days=ctx.settings.review_days)
    )


def require_no_review(collection: CollectionRecord) -> None:
    """Refuse what would say at once who somebody is, where two people are to look first.

    Raises:
        ReviewRequired: the collection is under review.
    """
    if collection.review is ReviewPolicy.TWO_PERSON:
        raise ReviewRequired(
            f"collection {collection.name} answers only after two people have looked; search it, and ask for the "
            "review's outcome (assent review)"
        )


def _outcome(tx: Reading, review: ReviewRecord) -> ReviewOutcome:
    pairs = tx.review_pairs(review.id)
    by_outcome = [pair.outcome for pair in pairs]
    confirmed = [pair for pair in pairs if pair.outcome is PairOutcome.CONFIRMED]
    return ReviewOutcome(
        id=review.id,
        collection=review.collection_name,
        asked_at=review.asked_at,
        expires_at=review.expires_at,
        status=review.status,
        num_pairs=len(pairs),
        num_open=by_outcome.count(None),
        confirmed=tuple(
            _confirmed(tx, pair) for pair in confirmed if tx.consent(pair.consent_id).is_live(tx.now)
        ),
        num_rejected=by_outcome.count(PairOutcome.REJECTED),
        num_inconclusive=by_outcome.count(PairOutcome.INCONCLUSIVE),
    )


def _confirmed(tx: Reading, pair: PairRecord) -> ConfirmedCandidate:
    person = tx.person(pair.person_ref)
    return ConfirmedCandidate(
        person=person.ref,
        name=person.name,
        similarity=pair.similarity,
        fmr_at_score=pair.fmr_at_score,
        expected_false_candidates=pair.expected_false_candidates,
        consent_id=pair.consent_id,
    )
