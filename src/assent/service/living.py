"""Live video at a place: who of the consenting came and went, and a picture in which everybody else is hidden."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from assent.errors import NotFound, SourceUnavailable, StoreError, UsageError
from assent.live.analysis import Analysed, LiveAnalysis
from assent.live.naming import Round
from assent.live.presence import Presence
from assent.live.preview import Preview, as_jpeg
from assent.live.source import LiveSource
from assent.live.values import Captured, Hit, PictureState, SourceState
from assent.live.watching import PictureWatch
from assent.notifications import open_webhook
from assent.service.context import Context
from assent.service.guarding import recording_refusals
from assent.service.livehealth import Health, HerePerson, LiveStatus
from assent.service.liveoptions import LiveOptions
from assent.service.liverecords import LiveRecords, event_json
from assent.service.livetelling import WebhookTeller
from assent.service.placegallery import PlaceGallery, gallery_of
from assent.store.access import Role
from assent.store.live import LiveEvent
from assent.types import Face, JsonObject, UInt8

Tell = Callable[[JsonObject], None]


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A close look at somebody who has a name.

    Attributes:
        gallery: of the place.
        hit: who, and how alike when it was said.
        face: box, landmarks and quality, pixels of the frame.
        width_px: of the frame.
        height_px: of the frame.
        at_s: when the frame came, ``time.monotonic()``.
    """

    gallery: PlaceGallery
    hit: Hit
    face: Face
    width_px: int
    height_px: int
    at_s: float


See = Callable[[Sighting], None]

_WAIT_S: Final = 0.2
_NO_PICTURE_S: Final = 0.5
_MOST_FAULTS: Final = 50


def open_live(
    ctx: Context,
    place: str,
    *,
    camera: str | None = None,
    source: str | None = None,
    options: LiveOptions | None = None,
    tell: Tell | None = None,
    see: See | None = None,
) -> LiveRun:
    """Get ready to recognise people at a place; ``run`` begins.

    Args:
        ctx: the open data folder.
        place: its name.
        camera: which of its cameras; the only one by default.
        source: instead of the camera's own: an address, a device or a file.
        options: how it is to run.
        tell: called with each event and each change of state, as JSON values, in the thread that runs.
        see: called with each close look at somebody who has a name, about once a second, in the same thread.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such place or camera.
        PlaceNotReady: no notice is posted there, or nobody who agreed is enrolled.
        GalleryBeyondEvidence: more people agreed than the calibration supports.
        NoCalibration: the model's error rates are not known.
        SourceUnavailable: an address of a kind that is not read.
        UsageError: it has several cameras and it was not said which, or an option is out of range, or a webhook
            could not be signed.
    """
    ctx.require(Role.SEARCHER)
    chosen = options or LiveOptions()
    webhook = None if chosen.webhook is None else open_webhook(ctx.settings, chosen.webhook, "--webhook")
    with ctx.records.reading() as tx:
        record = tx.place(place)
        if source is None:
            camera = _chosen_camera([item.name for item in record.cameras], camera, place)
            source = tx.camera_source(place, camera)
    with (
        recording_refusals(ctx, "live", record.collection_name, record.purpose),
        ctx.records.reading() as tx,
    ):
        gallery = gallery_of(ctx, tx, place, threshold=chosen.threshold)
    run = LiveRun(
        ctx, gallery, camera or "camera", LiveSource(source, chosen.source), chosen, tell or _say_nothing
    )
    run.see = see
    if webhook is not None:
        run.teller = WebhookTeller(ctx, place, run.camera, webhook)
    return run


def _say_nothing(_: JsonObject) -> None:
    """For whoever reads the events from the records."""


def _chosen_camera(known: list[str], camera: str | None, place: str) -> str:
    if camera is not None:
        return camera
    if not known:
        raise NotFound(f"place {place} has no camera; add one (assent place camera), or give a source")
    if len(known) > 1:
        raise UsageError(f"place {place} has the cameras {', '.join(known)}; say which (--camera)")
    return known[0]


class LiveRun:
    """One camera of a place, being watched: ``run`` in one thread, the rest from any.

    Attributes:
        place: the place's name.
        camera: which of its cameras.
        teller: who tells a webhook of the events; None where there is none.
        see: who is told of close looks at people who have a name; None for nobody.
    """

    def __init__(
        self,
        ctx: Context,
        gallery: PlaceGallery,
        camera: str,
        source: LiveSource,
        options: LiveOptions,
        tell: Tell,
    ) -> None:
        self.place, self.camera = gallery.place.name, camera
        self.teller: WebhookTeller | None = None
        self.see: See | None = None
        self._records = LiveRecords(ctx, gallery, camera, options)
        self._source = source
        self._options = options
        self._tell = tell
        self._analysis = LiveAnalysis(ctx.engine, look_px=options.look_px)
        self._presence = Presence(options.away_s)
        self._watch = PictureWatch()
        self._preview = Preview(options.look_px)
        self._health = Health()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._jpeg: bytes | None = None
        self._picture_state = PictureState.NONE
        self._due_s = self._last_frame_s = 0.0
        self._num_strangers = 0
        self._num_faults = 0
        self._said = ("", "")

    def stop(self) -> None:
        """Begin to end; for any thread or a signal's handler."""
        self._stop.set()

    def run(self) -> LiveStatus:
        """Watch until the source ends or is refused, or ``stop``; how it stood at the end.

        Raises:
            SourceUnavailable: the source never gave a picture, and trying again would not help.
        """
        with self._source, self.teller or nullcontext():
            try:
                while not self._stop.is_set() and not self._is_over():
                    self._turn()
                source = self._source.status
            finally:
                self._end()
        if source.state is SourceState.REFUSED:
            raise SourceUnavailable(f"the source gives no picture: {source.message}")
        return self.status()

    def status(self) -> LiveStatus:
        """How it stands: the source, who is here, how fast."""
        gallery, now_s = self._records.gallery, time.monotonic()
        with self._lock:
            here = self._presence.here
        return self._health.status(
            place=self.place,
            camera=self.camera,
            source=self._source.status,
            picture=self._picture_state,
            problem=self._records.problem,
            here=tuple(
                HerePerson(gallery.refs[hit.person], gallery.names[hit.person], round(now_s - since_s, 1))
                for hit, since_s in here
                if gallery is not None and hit.person in gallery.refs
            ),
            gallery_size=0 if gallery is None else gallery.size,
            num_strangers=self._num_strangers if self._options.counts_strangers else None,
            webhook="" if self.teller is None else self.teller.problem,
        )

    def preview(self) -> bytes | None:
        """The newest picture as a JPEG, everybody without a name hidden; None before the first.

        Once no picture came for half a second, it is one that shows nothing.
        """
        with self._lock:
            return self._jpeg

    # --- one turn

    def _is_over(self) -> bool:
        return self._source.status.state in (SourceState.ENDED, SourceState.REFUSED)

    def _turn(self) -> None:
        left_s = self._due_s - time.monotonic()
        if left_s > 0:
            self._stop.wait(left_s)
        captured = self._source.newest(_WAIT_S)
        # After the wait for the frame, so that it is held to what the records say now.
        self._refresh()
        now_s = time.monotonic()
        if captured is not None:
            # by the clock and not by the last look: what one frame takes longer the next may catch up
            every_s = 1.0 / self._options.max_fps
            self._due_s = max(self._due_s, now_s - every_s) + every_s
            self._last_frame_s = now_s
            self._look(captured)
        elif now_s - self._last_frame_s > _NO_PICTURE_S:
            self._without_picture(PictureState.NONE, now_s)
        self._say_state()

    def _refresh(self) -> None:
        now_s = time.monotonic()
        if self._records.refresh(now_s):
            self._take_back()
        try:
            self._records.sweep(now_s)
        except StoreError as error:
            self._give_up(error)

    def _take_back(self) -> None:
        """Whoever may not be named any more is not here, and hidden from the next picture on."""
        gallery = self._records.gallery
        kept = set() if gallery is None else set(gallery.refs)
        with self._lock:
            for hit, _ in self._presence.here:
                if hit.person not in kept:
                    self._presence.forget(hit.person)
                    self._jpeg = None
                    self._analysis.look_anew()
        self._analysis.naming.drop_people(kept)

    def _look(self, captured: Captured) -> None:
        image_rgb, at_s = captured.image_rgb, captured.at_s
        state = PictureState.DAMAGED if image_rgb is None else self._watch.add(image_rgb, at_s)
        if image_rgb is None or state is not PictureState.GOOD:
            self._without_picture(state, at_s)
            return
        self._picture_state = state
        try:
            self._analyse(image_rgb, at_s)
            self._num_faults = 0
        except StoreError as error:
            self._give_up(error)
        except Exception:  # a fault in one frame must neither show anybody nor end the stream
            self._num_faults += 1
            self._show_nothing()
            if self._num_faults > _MOST_FAULTS:
                raise

    def _analyse(self, image_rgb: UInt8, at_s: float) -> None:
        if self._analysis.is_unchanged(image_rgb, at_s):
            # the last picture is this one, too
            self._say_left(at_s)
            if self._options.has_preview:
                self._health.shown(time.monotonic())
            self._health.analysed(at_s, time.monotonic())
            return
        done = self._analysis.update(image_rgb, at_s, self._records.at_this_moment())
        self._settle(done.rounds, at_s)
        with self._lock:
            self._presence.see({face.person for face in done.faces if face.person is not None}, at_s)
        self._say_left(at_s)
        self._say_seen(done, image_rgb, at_s)
        self._count_strangers(done.num_unnamed)
        if self._options.has_preview:
            self._show(self._preview.picture(image_rgb, done.faces, at_s, small_rgb=done.small_rgb))
        self._health.analysed(at_s, time.monotonic())

    def _without_picture(self, state: PictureState, at_s: float) -> None:
        """Nobody is seen, nothing is shown."""
        self._picture_state = state
        self._show_nothing()
        try:
            self._settle(self._analysis.update(None, at_s, None).rounds, at_s)
            self._say_left(at_s)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        self._records.give_up(error)
        self._take_back()
        self._show_nothing()

    def _settle(self, rounds: tuple[Round, ...], at_s: float) -> None:
        for ended in rounds:
            is_here = ended.hit is not None and self._presence.is_here(ended.hit.person)
            settled = self._records.settle(ended, at_s, is_here=is_here)
            if settled.hit is not None:
                self._analysis.naming.confirm(ended.track, settled.hit.person, at_s)
                with self._lock:
                    self._presence.arrive(settled.hit, at_s)
            if settled.event is not None:
                self._emit(settled.event)
                self._health.told(at_s, time.monotonic())

    def _say_left(self, now_s: float) -> None:
        with self._lock:
            changes = self._presence.leave(now_s)
        for change in changes:
            event = self._records.left(change)
            if event is not None:
                self._emit(event)

    def _end(self) -> None:
        """All tracks end, all who were here have left, nothing is shown any more."""
        try:
            self._settle(self._analysis.end(), time.monotonic())
            with self._lock:
                changes = self._presence.leave_all()
            for change in changes:
                event = self._records.left(change)
                if event is not None:
                    self._emit(event)
        except StoreError as error:
            self._give_up(error)
        self._show_nothing()
        self._say_state()

    # --- showing and telling

    def _say_seen(self, done: Analysed, image_rgb: UInt8, at_s: float) -> None:
        """Close looks at those who have a name; of others nothing is said."""
        gallery = self._records.gallery
        if self.see is None or gallery is None:
            return
        hits = {hit.person: hit for hit, _ in self._presence.here}
        for look in done.looks:
            person = self._analysis.naming.person(look.track)
            if person is not None and person in hits:
                self.see(
                    Sighting(gallery, hits[person], look.face, image_rgb.shape[1], image_rgb.shape[0], at_s)
                )

    def _emit(self, event: LiveEvent) -> None:
        self._tell(event_json(event))
        if self.teller is not None:
            self.teller.wake()

    def _show(self, picture_rgb: UInt8) -> None:
        data = as_jpeg(picture_rgb)
        with self._lock:
            self._jpeg = data
        self._health.shown(time.monotonic())

    def _show_nothing(self) -> None:
        self._analysis.look_anew()
        with self._lock:
            self._jpeg = None
        if self._options.has_preview:
            source = self._source.status
            self._preview.reset()
            empty = as_jpeg(self._preview.nothing(source.width_px, source.height_px))
            with self._lock:
                self._jpeg = empty

    def _count_strangers(self, count: int) -> None:
        """A number, where it was asked for; nothing tells one from another."""
        if count == self._num_strangers:
            return
        self._num_strangers = count
        if self._options.counts_strangers:
            self._tell({"event": "strangers", "place": self.place, "camera": self.camera, "count": count})

    def _say_state(self) -> None:
        source, records = self._source.status, self._records
        state, message = source.state.value, source.message
        if state == SourceState.PLAYING and self._picture_state in (PictureState.FROZEN, PictureState.NOISE):
            state = self._picture_state.value
        if records.problem:
            state, message = ("records" if records.is_store_problem else "not-ready"), records.problem
        if (state, message) != self._said:
            self._said = (state, message)
            place = {"place": self.place, "camera": self.camera}
            self._tell({"event": "state", **place, "state": state, "message": message})
