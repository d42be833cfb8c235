"""A live run's side of the records: who may be named, read anew several times a second, and what is written of them.

A name is said only in the transaction that records its search and finds its consent alive.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from assent.errors import AssentError, NoLiveConsent, StoreError
from assent.live.naming import Gallery, Round
from assent.live.presence import Change, Kind
from assent.live.values import Hit
from assent.service.context import Context
from assent.service.liveoptions import LiveOptions, OnBehalf
from assent.service.placegallery import PlaceGallery, gallery_of, stamp_of
from assent.store.live import LiveEvent, LiveEventKind, NewLiveEvent
from assent.store.places import AgreedPerson
from assent.store.transaction import Transaction
from assent.types import Float32, JsonObject

_REFRESH_S: Final = 0.3
_STALE_S: Final = 1.0
_SWEEP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a round.

    Attributes:
        hit: who may be named from now on; None for nobody.
        event: that they arrived; None where they were here, or nobody was named.
    """

    hit: Hit | None
    event: LiveEvent | None


class LiveRecords:
    """The records, as one run uses them; in one thread.

    Args:
        ctx: the open data folder.
        gallery: who may be named at first.
        camera: which of the place's cameras.
        options: of the run.
    """

    def __init__(self, ctx: Context, gallery: PlaceGallery, camera: str, options: LiveOptions) -> None:
        self._ctx = ctx
        self._place = gallery.place.name
        self._camera = camera
        self._options = options
        self._checked_s = self._good_s = self._swept_s = time.monotonic()
        self.gallery: PlaceGallery | None = gallery
        self.problem = ""
        self.is_store_problem = False

    def at_this_moment(self) -> Gallery | None:
        """Who may be named now; None for nobody."""
        return None if self.gallery is None else _Now(self.gallery, self._ctx)

    def refresh(self, now_s: float) -> bool:
        """Read anew who may be named, where that is due; whether it is other people than before.

        Nobody may be named while that cannot be read, or while the place is not ready.
        """
        if now_s - self._checked_s < _REFRESH_S:
            return False
        self._checked_s = now_s
        try:
            with self._ctx.records.reading() as tx:
                if self.gallery is not None and stamp_of(tx, self._place) == self.gallery.stamp:
                    self._good_s = now_s
                    return False
                gallery = gallery_of(self._ctx, tx, self._place, threshold=self._options.threshold)
        except StoreError as error:
            if self.gallery is None or now_s - self._good_s > _STALE_S:
                return self.give_up(error)
            return False
        except AssentError as error:  # removed, nobody agrees any more, or too many do
            return self._become(None, error.message)
        self._good_s = now_s
        return self._become(gallery, "")

    def give_up(self, error: StoreError) -> bool:
        """Without the records nobody is named: whether they still agree is not known."""
        return self._become(None, error.message, is_store_problem=True)

    def settle(self, ended: Round, at_s: float, *, is_here: bool) -> Settled:
        """Record a search, and that somebody arrived.

        Args:
            ended: the search.
            at_s: when the frame came that ended it.
            is_here: whether the one it names is here already.

        Raises:
            StoreError: it cannot be recorded; nobody is to be named then.
        """
        gallery = self.gallery
        if gallery is None:
            return Settled(None, None)
        event = None
        with self._ctx.records.transaction() as tx:
            agreed = None if ended.hit is None else _may_be_named(tx, gallery, ended.hit)
            hit = None if agreed is None else ended.hit
            tx.append_log("search", _record(gallery, ended, agreed, self._options.on_behalf))
            if hit is not None and not is_here:
                event = tx.add_live_event(self._place, self._new("arrived", hit, at_s))
        return Settled(hit, event)

    def left(self, change: Change) -> LiveEvent | None:
        """Record that somebody left; None where they withdrew meanwhile: it is not even said that they left.

        Raises:
            StoreError: it cannot be recorded.
        """
        try:
            with self._ctx.records.transaction() as tx:
                return tx.add_live_event(self._place, self._new(change.kind, change.hit, change.at_s))
        except NoLiveConsent:
            return None

    def sweep(self, now_s: float) -> None:
        """Events whose time is over go, whether a server runs or not.

        Raises:
            StoreError: the records cannot be written.
        """
        if now_s - self._swept_s >= _SWEEP_S:
            self._swept_s = now_s
            with self._ctx.records.transaction() as tx:
                tx.sweep_live_events()

    def _become(self, gallery: PlaceGallery | None, problem: str, *, is_store_problem: bool = False) -> bool:
        is_other = gallery is not self.gallery
        self.gallery, self.problem, self.is_store_problem = gallery, problem, is_store_problem
        return is_other

    def _new(self, kind: Kind, hit: Hit, at_s: float) -> NewLiveEvent:
        ago = timedelta(seconds=max(0.0, time.monotonic() - at_s))
        return NewLiveEvent(
            person_id=hit.person,
            camera=self._camera,
            kind=LiveEventKind(kind),
            at=self._ctx.clock() - ago,
            similarity=hit.similarity,
            fmr_at_score=hit.fmr_at_score,
            expected_false_candidates=hit.expected_false_candidates,
            is_owed=self._options.webhook is not None,
        )


class _Now(Gallery):
    """A gallery at the present moment: whose consent has ended by now is not found."""

    def __init__(self, gallery: PlaceGallery, ctx: Context) -> None:
        self._gallery = gallery
        self._ctx = ctx

    def search(self, template: Float32) -> Hit | None:
        return self._gallery.search(template, now_s=self._ctx.clock().timestamp())

    def is_still(self, person: str, template: Float32) -> bool:
        return self._gallery.is_still(person, template, now_s=self._ctx.clock().timestamp())


def event_json(event: LiveEvent) -> JsonObject:
    """An event as JSON values: no picture, no template."""
    return {
        "event": event.kind.value,
        "seq": event.seq,
        "place": event.place,
        "camera": event.camera,
        "person": event.person,
        "name": event.name,
        "at": event.at.isoformat(),
        "similarity": round(event.similarity, 2),
        "fmr_at_score": event.fmr_at_score,
        "expected_false_candidates": event.expected_false_candidates,
    }


def _may_be_named(tx: Transaction, gallery: PlaceGallery, hit: Hit) -> AgreedPerson | None:
    """Under which consent, where nothing changed since the gallery was read and it lives now; None if not."""
    try:
        agreed = tx.agreed_person(gallery.place.id, hit.person)
    except NoLiveConsent:
        return None
    return agreed if stamp_of(tx, gallery.place.name) == gallery.stamp else None


def _record(
    gallery: PlaceGallery, ended: Round, agreed: AgreedPerson | None, on_behalf: OnBehalf | None
) -> JsonObject:
    """What is kept of a search; of a stranger that there was one search more."""
    collection, policy = gallery.collection, gallery.policy
    candidates = []
    worked = {} if on_behalf is None else {"stream": on_behalf.stream_id, "worker": on_behalf.worker}
    if agreed is not None and ended.hit is not None:
        fmr = ended.hit.fmr_at_score
        candidates = [{"person": agreed.person_id, "consent": agreed.consent_id, "fmr_at_score": fmr}]
    return {
        "purpose": collection.purpose,
        "collection": collection.id,
        "epoch": collection.epoch,
        "model": collection.model_digest,
        "gallery_size": gallery.size,
        "fpir_target": collection.fpir_target,
        "requested_similarity": policy.requested_similarity,
        "applied_similarity": policy.similarity,
        "max_fmr": policy.max_fmr,
        "num_faces": 1,
        "num_refused": 0,
        "medium": "live",
        "place": gallery.place.id,
        "num_pictures": ended.num_pictures,
        "candidates": candidates,
        **worked,
    }
