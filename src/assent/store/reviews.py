"""Review by two people: pairs of pictures, judgements, and an outcome only when two agree.

A review holds, for each candidate of a search, a crop of the probe photo sealed under the review's own key. The key
and the crops are destroyed the moment the review is decided, lapses, or the person in question withdraws; nothing of
a probe outlives that. No template is ever kept. See ``docs/decisions/0008-review.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from assent.errors import NotFound, ReviewClosed, SameReviewer, UsageError
from assent.store import fields
from assent.store.crypto import ReviewKey
from assent.store.galleries import GalleryReads, GalleryWrites
from assent.store.schema import people, review_judgements, review_pairs, reviews
from assent.store.scope import new_id
from assent.store.values import LogEntry


class Verdict(StrEnum):
    """What one reviewer says of one pair."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


class PairOutcome(StrEnum):
    """What two reviewers came to."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


class ReviewStatus(StrEnum):
    """Where a review stands."""

    PENDING = "pending"
    DECIDED = "decided"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class NewPair:
    """One candidate to be reviewed.

    Attributes:
        person_id: random UUID.
        consent_id: what allows it.
        similarity: 0 to 100.
        fmr_at_score: upper 95 % bound.
        expected_false_candidates: 0 or more.
        probe_jpeg: the crop of the probe's face.
    """

    person_id: str
    consent_id: str
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float
    probe_jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One candidate under review, as the records have it; a reviewer is shown none of these numbers.

    Attributes:
        id: random UUID.
        review_id: of which review.
        person_id: random UUID.
        person_ref: what the caller calls them.
        consent_id: what allows it.
        similarity: 0 to 100.
        fmr_at_score: upper 95 % bound.
        expected_false_candidates: 0 or more.
        outcome: None until two have judged.
    """

    id: str
    review_id: str
    person_id: str
    person_ref: str
    consent_id: str
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float
    outcome: PairOutcome | None


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """One search whose answer waits for two people.

    Attributes:
        id: random UUID.
        collection_id: where.
        collection_name: its name.
        asked_at: UTC.
        expires_at: UTC; undecided by then, it lapses.
        status: where it stands; a pending one whose time is over is shown as lapsed.
    """

    id: str
    collection_id: str
    collection_name: str
    asked_at: datetime
    expires_at: datetime
    status: ReviewStatus


class ReviewReads(GalleryReads):
    """Reading reviews."""

    def review(self, review_id: str) -> ReviewRecord:
        """The review of this id. Raises ``NotFound``."""
        for record in self.reviews():
            if record.id == review_id:
                return record
        raise NotFound("no review has this id; it may be of a deleted collection")

    def reviews(self) -> list[ReviewRecord]:
        """Every review, oldest first."""
        names = {collection.id: collection.name for collection in self.collections()}
        query = sa.select(reviews).order_by(reviews.c.asked_at, reviews.c.id)
        return [self._review(row, names) for row in self._connection.execute(query).mappings()]

    def review_pairs(self, review_id: str) -> list[PairRecord]:
        """The pairs of a review that still stand, in random order; those of people who withdrew are gone."""
        query = _PAIRS.where(review_pairs.c.review_id == review_id).order_by(review_pairs.c.id)
        return [_pair(row) for row in self._connection.execute(query).mappings()]

    def review_pair(self, pair_id: str) -> PairRecord:
        """The pair of this id. Raises ``NotFound``."""
        row = self._connection.execute(_PAIRS.where(review_pairs.c.id == pair_id)).mappings().one_or_none()
        if row is None:
            raise NotFound("no pair under review has this id; the person may have withdrawn")
        return _pair(row)

    def has_judged(self, pair_id: str, holder: str) -> bool:
        """Whether this person has judged this pair."""
        query = sa.select(review_judgements.c.pair_id).where(
            review_judgements.c.pair_id == pair_id, review_judgements.c.holder == holder
        )
        return self._connection.execute(query).first() is not None

    def probe_picture(self, pair_id: str) -> bytes:
        """The crop of the probe photo, as JPEG.

        Raises:
            NotFound: no such pair.
            ReviewClosed: the review is over, and the crop destroyed.
        """
        pair = self.review_pair(pair_id)
        review = self.review(pair.review_id)
        sealed = self._connection.execute(
            sa.select(review_pairs.c.sealed_probe).where(review_pairs.c.id == pair_id)
        ).scalar_one()
        if sealed is None or review.status is not ReviewStatus.PENDING:
            raise _closed(review)
        return self._review_key(review).open_picture(pair_id, sealed)

    def _review_key(self, review: ReviewRecord) -> ReviewKey:
        wrapped = self._connection.execute(
            sa.select(reviews.c.wrapped_key).where(reviews.c.id == review.id)
        ).scalar_one()
        return self._collection_key(review.collection_id).review_key(review.id, wrapped)

    def _review(self, row: Any, names: dict[str, str]) -> ReviewRecord:
        status = ReviewStatus(row["status"])
        if status is ReviewStatus.PENDING and row["expires_at"] <= self._now:
            status = ReviewStatus.LAPSED
        return ReviewRecord(
            id=row["id"],
            collection_id=row["collection_id"],
            collection_name=names[row["collection_id"]],
            asked_at=row["asked_at"],
            expires_at=row["expires_at"],
            status=status,
        )


class ReviewWrites(ReviewReads, GalleryWrites):
    """Opening, judging and ending reviews."""

    def delete_collection(self, name: str) -> LogEntry:
        """The collection's reviews go with it (see ``GalleryWrites.delete_collection``)."""
        self._delete_reviews_of(self.collection(name).id)
        return super().delete_collection(name)

    def open_review(
        self, collection_name: str, pairs: Sequence[NewPair], *, expires_at: datetime
    ) -> ReviewRecord:
        """Put the candidates of one search before two people; decided at once where there is none.

        The search's own log entry names the review.

        Args:
            collection_name: where was searched.
            pairs: the candidates.
            expires_at: when it lapses.
        """
        collection = self.collection(collection_name)
        review_id = new_id()
        fresh = self._collection_key(collection.id).new_review_key(review_id)
        status = ReviewStatus.PENDING if pairs else ReviewStatus.DECIDED
        self._connection.execute(
            sa.insert(reviews).values(
                id=review_id,
                collection_id=collection.id,
                asked_at=self._now,
                expires_at=expires_at,
                status=status,
                wrapped_key=fresh.wrapped if pairs else None,
            )
        )
        for pair in pairs:
            pair_id = new_id()
            self._connection.execute(
                sa.insert(review_pairs).values(
                    id=pair_id,
                    review_id=review_id,
                    person_id=pair.person_id,
                    consent_id=pair.consent_id,
                    similarity=pair.similarity,
                    fmr_at_score=pair.fmr_at_score,
                    expected_false_candidates=pair.expected_false_candidates,
                    sealed_probe=fresh.key.seal_picture(pair_id, pair.probe_jpeg),
                )
            )
        return self.review(review_id)

    def judge(self, pair_id: str, holder: str, verdict: Verdict | str) -> PairOutcome | None:
        """Note what one reviewer says; the outcome once two have said. Logged as ``review.judged``.

        Raises:
            NotFound: no such pair.
            ReviewClosed: the review is over, or the pair is decided.
            SameReviewer: this person has judged it already.
            UsageError: no such verdict, or a malformed holder.
        """
        fields.matching("holder", holder, fields.VERSION)
        if verdict not in list(Verdict):
            raise UsageError(f"expected a verdict of {', '.join(Verdict)}, got another")
        pair = self.review_pair(pair_id)
        review = self.review(pair.review_id)
        if self.has_judged(pair_id, holder):
            raise SameReviewer("you have judged this pair already; the second must be somebody else")
        if review.status is not ReviewStatus.PENDING or pair.outcome is not None:
            raise _closed(review)
        self._connection.execute(
            sa.insert(review_judgements).values(
                pair_id=pair_id, holder=holder, verdict=verdict, judged_at=self._now
            )
        )
        # Who said what stays with the pair: in the log, the second could read the first.
        self.append_log("review.judged", {"review_id": review.id, "pair_id": pair_id})
        outcome = self._outcome(pair_id)
        if outcome is not None:
            self._decide(pair, review, outcome)
        return outcome

    def sweep_reviews(self) -> int:
        """End every review whose time is over and destroy its pictures; how many. Logged as ``review.lapsed``."""
        query = sa.select(reviews.c.id).where(
            reviews.c.status == ReviewStatus.PENDING, reviews.c.expires_at <= self._now
        )
        found = list(self._connection.execute(query).scalars())
        for review_id in found:
            self._close(review_id, ReviewStatus.LAPSED)
            self.append_log("review.lapsed", {"review_id": review_id})
        return len(found)

    def _outcome(self, pair_id: str) -> PairOutcome | None:
        query = sa.select(review_judgements.c.verdict).where(review_judgements.c.pair_id == pair_id)
        said = sorted(self._connection.execute(query).scalars())
        if len(said) < 2:
            return None
        if said == [Verdict.SAME, Verdict.SAME]:
            return PairOutcome.CONFIRMED
        if said == [Verdict.DIFFERENT, Verdict.DIFFERENT]:
            return PairOutcome.REJECTED
        return PairOutcome.INCONCLUSIVE

    def _decide(self, pair: PairRecord, review: ReviewRecord, outcome: PairOutcome) -> None:
        self._connection.execute(
            sa.update(review_pairs)
            .where(review_pairs.c.id == pair.id)
            .values(outcome=outcome, sealed_probe=None)
        )
        self._has_destroyed = True
        named = {"person_id": pair.person_id, "consent_id": pair.consent_id}
        self.append_log(
            "review.decided",
            {
                "review_id": review.id,
                "pair_id": pair.id,
                "outcome": outcome.value,
                **(named if outcome is PairOutcome.CONFIRMED else {}),
            },
        )
        self._close_if_settled(review.id)

    def _close_if_settled(self, review_id: str) -> None:
        query = sa.select(review_pairs.c.id).where(
            review_pairs.c.review_id == review_id, review_pairs.c.outcome.is_(None)
        )
        if self._connection.execute(query).first() is None:
            self._close(review_id, ReviewStatus.DECIDED)

    def _close(self, review_id: str, status: ReviewStatus) -> None:
        """The review ends; its key and pictures are destroyed."""
        pending = sa.and_(reviews.c.id == review_id, reviews.c.status == ReviewStatus.PENDING)
        self._connection.execute(sa.update(reviews).where(pending).values(status=status, wrapped_key=None))
        self._connection.execute(
            sa.update(review_pairs).where(review_pairs.c.review_id == review_id).values(sealed_probe=None)
        )
        self._has_destroyed = True

    def _drop_pairs_on(self, consent_id: str) -> int:
        """Pairs that rest on a consent that ends, and what was said of them; how many."""
        query = sa.select(review_pairs.c.id, review_pairs.c.review_id).where(
            review_pairs.c.consent_id == consent_id
        )
        found = self._connection.execute(query).all()
        self._delete_pairs([row.id for row in found])
        for review_id in {row.review_id for row in found}:
            self._close_if_settled(review_id)
        return len(found)

    def _delete_pairs(self, pair_ids: list[str]) -> None:
        if pair_ids:
            self._connection.execute(
                sa.delete(review_judgements).where(review_judgements.c.pair_id.in_(pair_ids))
            )
            self._connection.execute(sa.delete(review_pairs).where(review_pairs.c.id.in_(pair_ids)))
            self._has_destroyed = True

    def _delete_reviews_of(self, collection_id: str) -> None:
        """A collection goes: its reviews go with it."""
        review_ids = list(
            self._connection.execute(
                sa.select(reviews.c.id).where(reviews.c.collection_id == collection_id)
            ).scalars()
        )
        pairs = sa.select(review_pairs.c.id).where(review_pairs.c.review_id.in_(review_ids))
        self._delete_pairs(list(self._connection.execute(pairs).scalars()))
        self._connection.execute(sa.delete(reviews).where(reviews.c.id.in_(review_ids)))


_PAIRS = sa.select(
    *(column for column in review_pairs.c if column.name != "sealed_probe"),
    people.c.ref.label("person_ref"),
).join(people, people.c.id == review_pairs.c.person_id)


def _pair(row: Any) -> PairRecord:
    outcome = row["outcome"]
    return PairRecord(**{**row, "outcome": None if outcome is None else PairOutcome(outcome)})


def _closed(review: ReviewRecord) -> ReviewClosed:
    return ReviewClosed(
        f"this review is {review.status}; nothing of it can be judged any more. Search again, if need be"
    )
