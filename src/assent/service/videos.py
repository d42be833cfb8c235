"""Who of a collection's consenting people a video's tracks may show: one search per track, recorded like any other.

Error rates are measured for single photos as probes, so that one picture of a track is its probe: the most typical of
its best ones, chosen without a look at the gallery. The others name nobody; each of them can only object. A track of
which the pictures do not agree is undecided, and undecided is hidden. Measured on the signers' clips: docs/video.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from assent.calibration.profile import CalibrationProfile, ReferenceKind
from assent.errors import NotFound
from assent.service.context import Context
from assent.service.galleries import kind_of
from assent.service.guarding import recording_refusals
from assent.service.pictures import face_jpeg
from assent.service.policy import AppliedPolicy
from assent.service.probing import Asked, Found, Probe, answered, refuse_early
from assent.service.results import Candidate
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord
from assent.types import Float32
from assent.video.types import Analysis, Sample, Track
from assent.vision.boxes import clip_boxes
from assent.vision.quality import PROBE_GATE, judge

VIDEO_SIMILARITY = 90.0
"""The threshold where the caller gives none, and the least that confirms whom a track shows: 1 in 10,000. Faces before
one camera in one light are more alike than the photos that error rates are measured on. Of signers with three photos
each, every track was confirmed at 90 and nobody else's, at 85 one in 60 of the others'. With one photo a person 90 is
not enough: those are confirmed only where the calibration's evidence ends."""

MAX_CANDIDATES = 5
MAX_EMBEDDED = 7
"""Pictures of a track that are embedded, best first."""

LONG_TRACK_S = 1.0
MIN_PICTURES = 3
"""Pictures that a track of more than ``LONG_TRACK_S`` needs before anybody is named: one alone cannot show that it is
the same face from the first to the last frame."""

NO_PICTURE = "no-picture"
TOO_FEW_PICTURES = "too-few-pictures"


@dataclass(frozen=True, slots=True)
class TrackAnswer:
    """One face followed through a video, and who it may be.

    Attributes:
        index: of the track, in this video only.
        refused: why it was not searched for: ``QualityReason`` values of its best picture, ``no-picture``, or
            ``too-few-pictures``; empty when it was.
        candidates: best first; those that every picture of the track agrees on.
        num_pictures: pictures of it that were good enough to compare.
        num_disputed: whom the search named and another picture of the same track did not.
        is_confirmed: whether it may be acted on without a look: there is one candidate, no picture objects, and the
            similarity is at least ``VIDEO_SIMILARITY``, or with one photo of them the highest there is.
    """

    index: int
    refused: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    num_pictures: int
    num_disputed: int
    is_confirmed: bool


@dataclass(frozen=True, slots=True, eq=False)
class TracksResult:
    """The answer of the search for all tracks of a video.

    Attributes:
        collection: its name.
        purpose: what the search was for.
        tracks: one answer for each track, in their order.
        policy: the thresholds that were applied; None when nobody is enrolled, so that nothing was compared.
        gallery_size: people compared.
        log_leaf: hash of the record of this search, hexadecimal.
        review_id: where two people are to look first: the review that will have the answer.
    """

    collection: str
    purpose: str
    tracks: tuple[TrackAnswer, ...]
    policy: AppliedPolicy | None
    gallery_size: int
    log_leaf: str
    review_id: str | None = None


@dataclass(frozen=True, slots=True)
class TrackDecision:
    """Whether a track stays visible, and why.

    Attributes:
        index: of the track.
        is_visible: False hides it.
        person: who is shown; None where it is hidden.
        reason: ``kept``, ``nobody`` (no candidate), ``not-asked`` (somebody who is not to be kept), ``undecided`` (not
            confirmed, see ``TrackAnswer``), or why it was not searched for.
    """

    index: int
    is_visible: bool
    person: str | None
    reason: str


def check_search(ctx: Context, *, collection: str, purpose: str, people: Collection[str] = ()) -> None:
    """Refuse, before a video is analysed, what could not be answered after it.

    Args:
        ctx: the open data folder.
        collection: the collection's name.
        purpose: what the search is for.
        people: those to be kept visible; each must be enrolled with a live consent.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such collection or person, or not enrolled there.
        WrongPurpose: the collection is for another purpose.
        NoLiveConsent: somebody to be kept has not agreed, or no longer.
        NoCalibration: the model's error rates are not known.
    """
    refuse_early(ctx, _asked(collection, purpose, None))
    with recording_refusals(ctx, "search", collection, purpose), ctx.records.reading() as tx:
        target = tx.collection(collection)
        ctx.profile(target.model_digest)
        for person in people:
            tx.live_consent(person, target.purpose)
            if not len(tx.person_vectors(collection, person)):
                raise NotFound(
                    "somebody to be kept visible has agreed but is not enrolled in this collection; enrol a photo "
                    "first (assent enrol)"
                )


def search_tracks(
    ctx: Context,
    analysis: Analysis,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = MAX_CANDIDATES,
) -> TracksResult:
    """Who of a collection's consenting people may be in a video, track by track.

    What was embedded is dropped with the answer; strangers leave nothing behind but the number of tracks. In a
    collection under two-person review the answer names nobody, and ``review_id`` says where what two people find will
    be.

    Args:
        ctx: the open data folder.
        analysis: of the video, with its tracks' samples.
        collection: the collection's name.
        purpose: what the search is for; it must be the collection's purpose.
        threshold: a similarity of 0 to 100; stricter than the collection's floor, or it has no effect. By default
            ``VIDEO_SIMILARITY``, or the end of the calibration's evidence where that comes first.
        max_candidates: at most so many a track, at least 1.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such collection.
        WrongPurpose: the collection is for another purpose.
        NoCalibration: the model's error rates are not known.
        GalleryBeyondEvidence: more people are enrolled than the calibration supports.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: an argument is out of range, or the collection is of another model.
    """
    refuse_early(ctx, _asked(collection, purpose, threshold))
    pictures = [_good_pictures(track) for track in analysis.tracks]
    refusals = [
        _refusal(analysis, track, good) for track, good in zip(analysis.tracks, pictures, strict=True)
    ]
    probes = [
        _probe(ctx, good, refused) if not refused else _refused_probe(track, refused)
        for track, good, refused in zip(analysis.tracks, pictures, refusals, strict=True)
    ]
    asked = _asked(
        collection,
        purpose,
        _default_threshold(ctx, collection) if threshold is None else threshold,
        max_candidates,
    )

    def within(_tx: Transaction, _target: CollectionRecord) -> Sequence[Probe]:
        return probes

    done = answered(ctx, asked, within, medium="video")
    return TracksResult(
        collection=collection,
        purpose=purpose,
        tracks=tuple(
            _answer(track, probe, good, found, done.matcher.profile)
            for track, probe, good, found in zip(analysis.tracks, probes, pictures, done.found, strict=True)
        ),
        policy=done.matcher.policy,
        gallery_size=done.matcher.gallery_size,
        log_leaf=done.log_leaf,
        review_id=done.review_id,
    )


def decide(result: TracksResult, people: Collection[str] | None = None) -> tuple[TrackDecision, ...]:
    """Which tracks may stay visible: those confirmed as somebody who is to be kept, and no others.

    Args:
        result: of ``search_tracks``.
        people: the ids of those to be kept; None for everybody in the collection whose consent is live.
    """
    return tuple(_decision(track, people) for track in result.tracks)


def _decision(track: TrackAnswer, people: Collection[str] | None) -> TrackDecision:
    if track.refused:
        return TrackDecision(track.index, False, None, track.refused[0])
    if not track.candidates and not track.num_disputed:
        return TrackDecision(track.index, False, None, "nobody")
    if not track.is_confirmed:
        return TrackDecision(track.index, False, None, "undecided")
    person = track.candidates[0].person
    if people is not None and person not in people:
        return TrackDecision(track.index, False, None, "not-asked")
    return TrackDecision(track.index, True, person, "kept")


def _asked(collection: str, purpose: str, threshold: float | None, limit: int = MAX_CANDIDATES) -> Asked:
    return Asked(
        collection=collection, purpose=purpose, threshold=threshold, max_candidates=limit, among="people"
    )


def _default_threshold(ctx: Context, collection: str) -> float:
    """``VIDEO_SIMILARITY``, or where the evidence of the kinds of reference that are enrolled ends."""
    with ctx.records.reading() as tx:
        profile = ctx.profile(tx.collection(collection).model_digest)
    return min(VIDEO_SIMILARITY, *(profile.max_similarity(curve.kind) for curve in profile.curves))


def _good_pictures(track: Track) -> tuple[Sample, ...]:
    """The samples that a template may be made from, best first."""
    judged = (
        replace(sample, face=replace(sample.face, quality=judge(sample.face.quality, PROBE_GATE)))
        for sample in track.samples
    )
    return tuple(sample for sample in judged if sample.face.quality.is_good)[:MAX_EMBEDDED]


def _refusal(analysis: Analysis, track: Track, good: Sequence[Sample]) -> tuple[str, ...]:
    if not track.samples:
        return (NO_PICTURE,)
    if not good:
        return judge(track.samples[0].face.quality, PROBE_GATE).reasons
    length_s = float(analysis.times_s[track.last_frame] - analysis.times_s[track.first_frame])
    return (TOO_FEW_PICTURES,) if length_s > LONG_TRACK_S and len(good) < MIN_PICTURES else ()


def _probe(ctx: Context, good: Sequence[Sample], refused: tuple[str, ...]) -> Probe:
    """The most typical picture asks, the others may object."""
    templates = np.concatenate([ctx.engine.templates(item.crop_rgb, [item.in_crop()]) for item in good])
    typical = int(np.argmax(templates @ templates.sum(axis=0)))
    others: Float32 = np.delete(templates, typical, axis=0)
    sample = good[typical]
    return Probe(sample.face, refused, templates[typical], _picture(sample), further=others)


def _refused_probe(track: Track, refused: tuple[str, ...]) -> Probe:
    face = track.samples[0].face if track.samples else None
    return Probe(face, refused, None, bytes)


def _picture(sample: Sample) -> partial[bytes]:
    height, width = sample.crop_rgb.shape[:2]
    [box_xyxy] = clip_boxes(sample.in_crop().box_xyxy[None], width_px=width, height_px=height)
    return partial(face_jpeg, sample.crop_rgb, box_xyxy)


def _answer(
    track: Track, probe: Probe, good: Sequence[Sample], found: Found, profile: CalibrationProfile
) -> TrackAnswer:
    is_confirmed = (
        len(found.candidates) == 1 and not found.num_disputed and is_sure(found.candidates[0], profile)
    )
    return TrackAnswer(
        track.index, probe.refused, found.candidates, len(good), found.num_disputed, is_confirmed
    )


def is_sure(candidate: Candidate, profile: CalibrationProfile) -> bool:
    """Whether a candidate is as like as it takes to act on it without a look (see ``TrackAnswer.is_confirmed``)."""
    kind = kind_of(candidate.num_templates)
    highest = profile.max_similarity(kind)
    least = highest if kind is ReferenceKind.SINGLE else min(VIDEO_SIMILARITY, highest)
    return candidate.similarity >= least - 1e-6
