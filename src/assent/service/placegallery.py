"""The gallery of a place: the people whose live consent names it, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.errors import PlaceNotReady
from assent.gallery import ExactIndex, Index
from assent.live.values import Hit
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.policy import AppliedPolicy, LiveGallery, policy_for
from assent.store.places import AgreedPerson, PlaceRecord
from assent.store.transaction import Reading
from assent.store.values import CollectionRecord, ReviewPolicy
from assent.types import Bool, Float32

Stamp = tuple[object, ...]
LIVE_SIMILARITY: Final = 90.0
"""The threshold where the caller gives none, as for stored video: 1 in 10,000. Faces before one camera in one light are
more alike than the photos that error rates are measured on."""
_STILL_FMR: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class PlaceGallery:
    """Who may be recognised at a place, as of one moment.

    Attributes:
        stamp: equal as long as nothing changed that a search could tell.
        place: its record.
        collection: whose gallery it is a part of.
        size: people compared.
        profile: the calibration of their model.
        policy: the thresholds.
        indexes: their templates, under people's ids.
        refs: what the caller calls them, by id.
        names: for people to read, by id; None where not given.
        ends_s: when nobody of it may be returned any more unless it is read anew, seconds since Unix's epoch.
    """

    stamp: Stamp
    place: PlaceRecord
    collection: CollectionRecord
    size: int
    profile: CalibrationProfile
    policy: AppliedPolicy
    indexes: dict[ReferenceKind, Index]
    refs: dict[str, str]
    names: dict[str, str | None]
    ends_s: float

    def search(self, template: Float32, *, now_s: float) -> Hit | None:
        """The most alike person who reaches the threshold, if anybody does.

        Args:
            template: (D,) float32, unit norm.
            now_s: the moment, seconds since Unix's epoch; whose consent has ended by then is not returned.
        """
        hits = [
            self._hit(hit.key, hit.score, kind)
            for kind, threshold in self.policy.thresholds.items()
            for hit in self.indexes[kind].search(
                template[None], limit=1, min_score=threshold.value, now_s=now_s
            )[0]
        ]
        return min(hits, key=lambda hit: (hit.fmr_at_score, hit.person), default=None)

    def is_still(self, person_id: str, template: Float32, *, now_s: float) -> bool:
        """Whether a picture may show somebody who was named before: a false match rate of 1 in 1,000 is let pass."""
        for kind, index in self.indexes.items():
            max_fmr = max(self.policy.max_fmr, _STILL_FMR)
            least = self.profile.threshold_for_fmr(max_fmr, kind).value
            for hit in index.search(template[None], limit=self.size, min_score=least, now_s=now_s)[0]:
                if hit.key == person_id:
                    return True
        return False

    def _hit(self, person_id: str, score: float, kind: ReferenceKind) -> Hit:
        return Hit(
            person=person_id,
            similarity=float(self.profile.similarity(score, kind)),
            fmr_at_score=float(self.profile.fmr_at_score(score, kind)),
            expected_false_candidates=float(self.profile.expected_false_candidates(score, self.size, kind)),
        )


def stamp_of(tx: Reading, name: str) -> Stamp:
    """What a place's gallery rests on: cheap to read, and different after every change of who may be found.

    Raises:
        NotFound: no place has this name.
    """
    place = tx.place(name)
    collection = tx.collection(place.collection_name)
    agreed = tuple((item.person_id, item.expires_at) for item in tx.agreed_people(place.id))
    facts = (collection.fpir_target, collection.review, place.notice is None, place.keep_hours)
    return (place.id, collection.id, collection.epoch, *facts, agreed)


def gallery_of(ctx: Context, tx: Reading, name: str, *, threshold: float | None = None) -> PlaceGallery:
    """The gallery of a place as the transaction sees it.

    Args:
        ctx: the open data folder.
        tx: a transaction.
        name: the place's.
        threshold: a similarity of 0 to 100; stricter than the floor, or it has no effect. By default
            ``LIVE_SIMILARITY``, or the end of the calibration's evidence where that comes first.

    Raises:
        NotFound: no place has this name.
        PlaceNotReady: no notice is posted, nobody agreed, nobody who did is enrolled, or two people would have to
            look before anybody is named.
        NoCalibration: the model's error rates are not known.
        GalleryBeyondEvidence: more people agreed than the calibration supports.
        ThresholdBeyondEvidence, UsageError: ``threshold`` is out of range, or the collection is of another model.
    """
    found = _permitted(ctx, tx, name, threshold)
    place, collection, agreed, profile = found.place, found.collection, found.agreed, found.profile
    rows = tx.gallery_rows(collection.name, person_ids=agreed.keys())
    is_mean: Bool = np.asarray(rows.num_templates) > 1
    # Who may be returned ends with the consent to the place or with the one under the template, whichever is earlier.
    ends_s = np.minimum(
        rows.consent_expires_at_s, [agreed[item].expires_at.timestamp() for item in rows.person_ids]
    )
    indexes: dict[ReferenceKind, Index] = {}
    for kind, of_kind in ((ReferenceKind.SINGLE, ~is_mean), (ReferenceKind.MEAN, is_mean)):
        at = np.flatnonzero(of_kind)
        if len(at):
            index = ExactIndex(collection.dim)
            index.add([rows.person_ids[i] for i in at], rows.vectors[at], expires_s=ends_s[at])
            indexes[kind] = index
    return PlaceGallery(
        stamp=stamp_of(tx, name),
        place=place,
        collection=collection,
        size=len(rows),
        profile=profile,
        policy=found.policy,
        indexes=indexes,
        refs=dict(zip(rows.person_ids, rows.person_refs, strict=True)),
        names={item: tx.person_by_id(item).name for item in rows.person_ids},
        ends_s=float(ends_s.max()),
    )


def size_of(ctx: Context, tx: Reading, name: str) -> int:
    """How many people ``gallery_of`` would have; nothing is decrypted. Raises as that does."""
    return _permitted(ctx, tx, name, None).policy.gallery_size


@dataclass(frozen=True, slots=True, eq=False)
class _Permitted:
    """What a place's gallery may be made of, known before any template is decrypted."""

    place: PlaceRecord
    collection: CollectionRecord
    agreed: dict[str, AgreedPerson]
    profile: CalibrationProfile
    policy: AppliedPolicy


def _permitted(ctx: Context, tx: Reading, name: str, threshold: float | None) -> _Permitted:
    place = tx.place(name)
    collection = tx.collection(place.collection_name)
    agreed = {item.person_id: item for item in tx.agreed_people(place.id)}
    _require_ready(place, collection, agreed)
    check_model(ctx, collection)
    profile = ctx.profile(collection.model_digest)
    counts = tx.template_counts(collection.name, agreed.keys())
    if not counts:
        raise PlaceNotReady(
            f"{len(agreed)} people agreed to be recognised at {name}, none of them is enrolled in "
            f"{collection.name}; enrol them (assent enrol)"
        )
    has = {ReferenceKind.SINGLE: min(counts) == 1, ReferenceKind.MEAN: max(counts) > 1}
    kinds = tuple(kind for kind in has if has[kind])
    if threshold is None:
        threshold = min(LIVE_SIMILARITY, *(profile.max_similarity(kind) for kind in kinds))
    policy = policy_for(
        profile,
        LiveGallery(len(counts), kinds),
        fpir_target=collection.fpir_target,
        requested_similarity=threshold,
    )
    return _Permitted(place, collection, agreed, profile, policy)


def _require_ready(place: PlaceRecord, collection: CollectionRecord, agreed: dict[str, AgreedPerson]) -> None:
    if place.notice is None:
        raise PlaceNotReady(
            f"no notice is posted at {place.name}; post one and record its exact text "
            f"(assent place change {place.name} --notice FILE)"
        )
    if not agreed:
        raise PlaceNotReady(
            f"nobody agreed to be recognised at {place.name}; record consents that name it "
            f"(assent consent record ... --place {place.name})"
        )
    if collection.review is ReviewPolicy.TWO_PERSON:
        raise PlaceNotReady(
            f"the collection {collection.name} names nobody before two people have looked, which live video cannot "
            "wait for; use a collection without review"
        )
