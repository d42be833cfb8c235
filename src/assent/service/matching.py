"""One search's view of a gallery: the thresholds it is held to, and the people who reach them."""

from __future__ import annotations

from dataclasses import dataclass

from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.errors import GalleryBeyondEvidence
from assent.service.context import Context
from assent.service.galleries import Among, GalleryEntry, LoadedGallery, kind_of, score_against_mean
from assent.service.policy import AppliedPolicy, LiveGallery, policy_beyond_evidence, policy_for
from assent.service.results import Candidate
from assent.store.transaction import Reading
from assent.store.values import BeyondEvidence, CollectionRecord, ReviewPolicy
from assent.types import Float32


@dataclass(frozen=True, slots=True, eq=False)
class OwnPerson:
    """Whose enrolled photo is the probe.

    Attributes:
        ref: the person's id.
        others: (N, D) float32, unit norm, their other photos; N may be 0, and the person is then no candidate.
    """

    ref: str
    others: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """Everything that decides who is a candidate, read in one transaction.

    Attributes:
        tx: that transaction.
        collection: what is searched.
        gallery: its templates.
        gallery_size: people whose consent is live now.
        profile: the calibration of its model.
        policy: the thresholds; None when nobody's consent is live.
        needs_review: whether two people must look before anybody is named.
        now_s: the moment of the answer, seconds since the epoch of Unix.
    """

    tx: Reading
    collection: CollectionRecord
    gallery: LoadedGallery
    gallery_size: int
    profile: CalibrationProfile
    policy: AppliedPolicy | None
    needs_review: bool
    now_s: float

    @classmethod
    def of(
        cls,
        ctx: Context,
        tx: Reading,
        collection: CollectionRecord,
        requested: float | None,
        among: Among = "people",
    ) -> Matcher:
        """The view of a collection at the transaction's moment.

        Args:
            ctx: the open data folder.
            tx: the transaction in which the answer is given.
            collection: read in that transaction.
            requested: the similarity the caller asks for, if any.
            among: whom to compare with.

        Raises:
            NoCalibration: the model's error rates are not known.
            GalleryBeyondEvidence: more people are enrolled than the calibration supports, and the collection's policy
                has nobody look.
            ThresholdBeyondEvidence: ``requested`` is beyond the calibration's evidence.
            UsageError: ``requested`` is not between 0 and 100.
        """
        profile = ctx.profile(collection.model_digest)
        gallery = ctx.galleries.at(tx, collection, among)
        now_s = tx.now.timestamp()
        live = gallery.live(now_s)
        policy, is_beyond = _policy(profile, live, collection, requested) if live.size else (None, False)
        needs_review = is_beyond or collection.review is ReviewPolicy.TWO_PERSON
        return cls(tx, collection, gallery, live.size, profile, policy, needs_review, now_s)

    def candidates(
        self, template: Float32, limit: int, *, own: OwnPerson | None = None
    ) -> tuple[Candidate, ...]:
        """Who reaches the threshold, best first.

        Args:
            template: (D,) float32, unit norm.
            limit: at most so many.
            own: whose photo the probe is, where it is an enrolled one.
        """
        if self.policy is None:
            return ()
        # One more, since the probe's own person may be among them and is seen to below.
        num_hits = limit + (own is not None)
        hits = [
            (self.gallery.entries[hit.key], hit.score, kind)
            for kind, threshold in self.policy.thresholds.items()
            for hit in self.gallery.indexes[kind].search(
                template[None], limit=num_hits, min_score=threshold.value, now_s=self.now_s
            )[0]
        ]
        found = [
            self._candidate(entry, score, kind)
            for entry, score, kind in hits
            if own is None or entry.person_ref != own.ref
        ]
        if own is not None and len(own.others):
            found += self._own_candidate(own, template, self.policy)
        # Kinds of reference have scales of their own; the error rate is the one they share.
        return tuple(sorted(found, key=lambda c: (c.fmr_at_score, -c.score, c.person))[:limit])

    def _own_candidate(self, own: OwnPerson, template: Float32, policy: AppliedPolicy) -> list[Candidate]:
        """The probe's own person by their other photos: compared with itself, every photo would match."""
        kind = kind_of(len(own.others))
        score = score_against_mean(own.others, template)
        if score < self.profile.threshold_for_fmr(policy.max_fmr, kind).value:
            return []
        return [self._candidate(GalleryEntry(own.ref, len(own.others)), score, kind)]

    def _candidate(self, entry: GalleryEntry, score: float, kind: ReferenceKind) -> Candidate:
        person = self.tx.person(entry.person_ref)
        return Candidate(
            person=person.ref,
            name=person.name,
            similarity=float(self.profile.similarity(score, kind)),
            score=score,
            fmr_at_score=float(self.profile.fmr_at_score(score, kind)),
            expected_false_candidates=float(
                self.profile.expected_false_candidates(score, self.gallery_size, kind)
            ),
            num_templates=entry.num_templates,
            # Raises rather than answers, should index and records ever disagree.
            consent_id=self.tx.live_consent(person.ref, self.collection.purpose).id,
            photos=tuple(self.tx.templates(self.collection.name, person.ref)),
        )


def _policy(
    profile: CalibrationProfile, live: LiveGallery, collection: CollectionRecord, requested: float | None
) -> tuple[AppliedPolicy, bool]:
    """The thresholds, and whether the gallery is larger than the evidence supports."""
    target = collection.fpir_target
    try:
        return policy_for(profile, live, fpir_target=target, requested_similarity=requested), False
    except GalleryBeyondEvidence:
        if collection.beyond_evidence is not BeyondEvidence.REVIEW:
            raise
    return (
        policy_beyond_evidence(profile, live, fpir_target=target, requested_similarity=requested),
        True,
    )
