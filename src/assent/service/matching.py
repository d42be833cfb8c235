"""One search's view of a gallery: the thresholds it is held to, and the people who reach them."""

from __future__ import annotations

from dataclasses import dataclass

from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.service.context import Context
from assent.service.galleries import GalleryEntry, LoadedGallery
from assent.service.policy import AppliedPolicy, policy_for
from assent.service.results import Candidate
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord
from assent.types import Float32


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
        now_s: the moment of the answer, seconds since the epoch of Unix.
    """

    tx: Reading
    collection: CollectionRecord
    gallery: LoadedGallery
    gallery_size: int
    profile: CalibrationProfile
    policy: AppliedPolicy | None
    now_s: float

    @classmethod
    def of(cls, ctx: Context, tx: Reading, collection: CollectionRecord, requested: float | None) -> Matcher:
        """The view of a collection at the transaction's moment.

        Args:
            ctx: the open data folder.
            tx: the transaction in which the answer is given.
            collection: read in that transaction.
            requested: the similarity the caller asks for, if any.

        Raises:
            NoCalibration: the model's error rates are not known.
            GalleryBeyondEvidence: more people are enrolled than the calibration supports.
            ThresholdBeyondEvidence: ``requested`` is beyond the calibration's evidence.
            UsageError: ``requested`` is not between 0 and 100.
        """
        profile = ctx.profile(collection.model_digest)
        gallery = ctx.galleries.at(tx, collection)
        now_s = tx.now.timestamp()
        live = gallery.live(now_s)
        policy = (
            policy_for(profile, live, fpir_target=collection.fpir_target, requested_similarity=requested)
            if live.size
            else None
        )
        return cls(tx, collection, gallery, live.size, profile, policy, now_s)

    def candidates(self, template: Float32, limit: int) -> tuple[Candidate, ...]:
        """Who reaches the threshold, best first.

        Args:
            template: (D,) float32, unit norm.
            limit: at most so many.
        """
        if self.policy is None:
            return ()
        found = [
            self._candidate(self.gallery.entries[hit.key], hit.score, kind)
            for kind, threshold in self.policy.thresholds.items()
            for hit in self.gallery.indexes[kind].search(
                template[None], limit=limit, min_score=threshold.value, now_s=self.now_s
            )[0]
        ]
        # Kinds of reference have scales of their own; the error rate is the one they share.
        return tuple(sorted(found, key=lambda c: (c.fmr_at_score, -c.score, c.person))[:limit])

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
        )
