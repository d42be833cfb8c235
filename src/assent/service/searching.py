"""Search (1:N): calibrated, bounded by policy, filtered by consent, and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from assent.errors import NotFound, ReviewError, UsageError
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.faces import Photo, load_faces
from assent.service.galleries import Among
from assent.service.guarding import recording_refusals, require_one_collection, require_purpose
from assent.service.images import ImageSource
from assent.service.matching import Matcher, OwnPerson
from assent.service.pictures import face_jpeg
from assent.service.results import Candidate, FaceAnswer, SearchResult
from assent.service.reviewing import open_review
from assent.store.access import Role
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord
from assent.types import Face, Float32, JsonObject
from assent.vision.quality import PROBE_GATE

MAX_FACES = 100
"""Faces of one photo that are searched, largest first."""

Faces = Literal["all", "largest"]
"""Which faces of a photo are searched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What every search says, whatever its probe is."""

    collection: str
    purpose: str
    threshold: float | None
    max_candidates: int
    among: Among
    started_s: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        require_one_collection(self.collection)
        if self.max_candidates < 1:
            raise UsageError(f"max_candidates must be at least 1, got {self.max_candidates}")


@dataclass(frozen=True, slots=True)
class _Probe:
    """One face asked about; its template is dropped with the answer.

    Attributes:
        face: where it is; None for an enrolled photo.
        refused: why it is not searched for; it has no template then.
        template: (D,) float32, unit norm.
        picture: makes the crop that two people would look at.
        own: whose photo it is, where it is an enrolled one.
    """

    face: Face | None
    refused: tuple[str, ...]
    template: Float32 | None
    picture: Callable[[], bytes]
    own: OwnPerson | None = None


_Probes = Callable[[Transaction, CollectionRecord], Sequence[_Probe]]


def search(
    ctx: Context,
    image: ImageSource,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
    thorough: bool = False,
    faces: Faces = "all",
    among: Among = "people",
) -> SearchResult:
    """Who of a collection's consenting people may be in a photo.

    Every face is searched. The probes' templates are dropped with the answer; faces of people who are not enrolled
    leave nothing behind but the count. In a collection under two-person review the answer names nobody; two people
    look first, and ``review_id`` says where what they find will be.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        collection: the collection's name.
        purpose: what the search is for; it must be the collection's purpose.
        threshold: a similarity of 0 to 100; stricter than the collection's floor, or it has no effect.
        max_candidates: at most so many a face, at least 1.
        thorough: look for the smallest faces too (slower); for pictures in which everybody else is to be hidden.
        faces: search for all faces, or for the largest only.
        among: everybody enrolled, or users only, by their associated photos.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such collection or file.
        WrongPurpose: the collection is for another purpose.
        ImageError: the photo cannot be read.
        NoCalibration: the model's error rates are not known.
        GalleryBeyondEvidence: more people are enrolled than the calibration supports.
        ThresholdBeyondEvidence: ``threshold`` is beyond the calibration's evidence.
        UsageError: an argument is out of range, or the collection is of another model.
    """
    asked = _Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among=among,
    )
    _refuse_early(ctx, asked)
    photo = load_faces(ctx, image, gate=PROBE_GATE, thorough=thorough)
    refusals = _refusals(photo.faces, faces)
    searched = [face for face, refused in zip(photo.faces, refusals, strict=True) if not refused]
    # Dropped with the answer; strangers' templates live nowhere else.
    templates = iter(ctx.engine.templates(photo.image_rgb, searched))
    probes = [
        _Probe(
            face,
            refused,
            None if refused else next(templates),
            partial(face_jpeg, photo.image_rgb, face.box_xyxy),
        )
        for face, refused in zip(photo.faces, refusals, strict=True)
    ]
    return _answer(ctx, asked, lambda _tx, _target: probes, photo)


def search_template(
    ctx: Context,
    template_id: str,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
    among: Among = "people",
) -> SearchResult:
    """Who of a collection is like the person in one of its enrolled photos.

    That person is compared by their other photos, and left out where there is none: compared with itself, every photo
    would match.

    Args:
        ctx: the open data folder.
        template_id: of the enrolled photo; it must be of this collection.
        collection: the collection's name.
        purpose: as in ``search``.
        threshold: as in ``search``.
        max_candidates: as in ``search``.
        among: as in ``search``.

    Raises:
        NotFound: no such collection, or no such template in it.
        NoLiveConsent: the consent it rests on has ended.
        Forbidden, WrongPurpose, CalibrationError, UsageError: as in ``search``.
        ReviewError: two people would have to look, and no picture of the photo was kept.
    """
    asked = _Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among=among,
    )
    _refuse_early(ctx, asked)

    def probes(tx: Transaction, target: CollectionRecord) -> list[_Probe]:
        record = tx.template(template_id)
        if record.collection_id != target.id:
            raise NotFound(f"no template of collection {target.name} has this id; list them")
        tx.live_consent(record.person_ref, target.purpose)
        kept = tx.live_templates(target.name, record.person_ref)
        if template_id not in kept:
            raise NotFound("the consent that this template rests on has ended; another photo may be enrolled")
        counting = tx.live_templates(target.name, record.person_ref, only_associated=among == "users")
        others = [vector for other, vector in counting.items() if other != template_id]
        return [
            _enrolled_probe(
                tx, template_id, kept[template_id], OwnPerson(record.person_ref, _rows(others, target))
            )
        ]

    return _answer(ctx, asked, probes)


def search_person(
    ctx: Context,
    person: str,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    max_candidates: int = 5,
) -> SearchResult:
    """Which other users of a collection are like one of them.

    The probe is the user's most typical associated photo, the one nearest to their mean: error rates are measured for
    single photos as probes, not for means.

    Args:
        ctx: the open data folder.
        person: the user.
        collection: the collection's name.
        purpose: as in ``search``.
        threshold: as in ``search``.
        max_candidates: as in ``search``.

    Raises:
        NotFound: no such collection, or no such user in it.
        NoLiveConsent: the user's consent has ended.
        Forbidden, WrongPurpose, CalibrationError, UsageError: as in ``search``.
        ReviewError: two people would have to look, and no picture of the photo was kept.
    """
    asked = _Asked(
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        among="users",
    )
    _refuse_early(ctx, asked)

    def probes(tx: Transaction, target: CollectionRecord) -> list[_Probe]:
        user = tx.user(target.name, person)
        tx.live_consent(user.person_ref, target.purpose)
        counting = tx.live_templates(target.name, person, only_associated=True)
        if not counting:
            return []
        vectors = np.stack(list(counting.values()))
        typical = list(counting)[int(np.argmax(vectors @ vectors.mean(axis=0)))]
        return [_enrolled_probe(tx, typical, counting[typical], OwnPerson(person, _rows([], target)))]

    return _answer(ctx, asked, probes)


def _refuse_early(ctx: Context, asked: _Asked) -> None:
    """What can be refused is refused before a photo is decoded; what takes long is done before writers wait."""
    ctx.require(Role.SEARCHER)
    with (
        recording_refusals(ctx, "search", asked.collection, asked.purpose),
        ctx.records.reading() as tx,
    ):
        target = tx.collection(asked.collection)
        require_purpose(target, asked.purpose)
        ctx.galleries.prepare(tx, target, asked.among)


def _answer(ctx: Context, asked: _Asked, make_probes: _Probes, photo: Photo | None = None) -> SearchResult:
    """One transaction for the answer and its record: who may be returned is decided at that moment."""
    with (
        recording_refusals(ctx, "search", asked.collection, asked.purpose),
        ctx.records.transaction() as tx,
    ):
        target = tx.collection(asked.collection)
        require_purpose(target, asked.purpose)
        check_model(ctx, target)
        matcher = Matcher.of(ctx, tx, target, asked.threshold, asked.among)
        probes = make_probes(tx, target)
        found = [_candidates(matcher, probe, asked.max_candidates) for probe in probes]
        review_id = _put_to_review(ctx, tx, matcher, probes, found) if matcher.needs_review else None
        named = [() if review_id else candidates for candidates in found]
        answers = tuple(
            FaceAnswer(probe.face, probe.refused, candidates)
            for probe, candidates in zip(probes, named, strict=True)
        )
        entry = tx.append_log("search", _record(matcher, asked, answers, review_id, sum(map(len, found))))
    height, width = photo.image_rgb.shape[:2] if photo is not None else (0, 0)
    return SearchResult(
        collection=asked.collection,
        purpose=asked.purpose,
        faces=answers,
        policy=matcher.policy,
        gallery_size=matcher.gallery_size,
        image_width=width,
        image_height=height,
        log_leaf=entry.leaf_sha256,
        num_frames=photo.num_frames if photo is not None else 1,
        elapsed_s=time.perf_counter() - asked.started_s,
        review_id=review_id,
    )


def _candidates(matcher: Matcher, probe: _Probe, limit: int) -> tuple[Candidate, ...]:
    return () if probe.template is None else matcher.candidates(probe.template, limit, own=probe.own)


def _put_to_review(
    ctx: Context,
    tx: Transaction,
    matcher: Matcher,
    probes: Sequence[_Probe],
    found: Sequence[tuple[Candidate, ...]],
) -> str:
    pairs = [
        (candidate, probe.picture)
        for probe, candidates in zip(probes, found, strict=True)
        for candidate in candidates
    ]
    return open_review(ctx, tx, matcher.collection, pairs).id


def _enrolled_probe(tx: Transaction, template_id: str, template: Float32, own: OwnPerson) -> _Probe:
    def picture() -> bytes:
        kept = tx.thumbnail(template_id)
        if kept is None:
            raise ReviewError(
                "two people must look, and no picture of this enrolled photo was kept, since it was enrolled before "
                "the collection had people look; search with a photo instead"
            )
        return kept

    return _Probe(None, (), template, picture, own)


def _rows(vectors: Sequence[Float32], collection: CollectionRecord) -> Float32:
    return np.stack(vectors) if vectors else np.zeros((0, collection.dim), np.float32)


def _refusals(found: list[Face], faces: Faces) -> list[tuple[str, ...]]:
    """Why each face is not searched: its quality, that only the largest is, or that ``MAX_FACES`` are larger."""
    refusals: list[tuple[str, ...]] = []
    num_searched = 0
    for number, face in enumerate(found):
        if faces == "largest" and number > 0:
            refusals.append(("not-largest",))
            continue
        num_searched += face.quality.is_good
        refusals.append(face.quality.reasons or (("too-many-faces",) if num_searched > MAX_FACES else ()))
    return refusals


def _record(
    matcher: Matcher,
    asked: _Asked,
    answers: tuple[FaceAnswer, ...],
    review_id: str | None,
    num_candidates: int,
) -> JsonObject:
    """What is kept of a search: random ids and numbers; no image, name or template, and nothing of strangers."""
    collection, policy = matcher.collection, matcher.policy
    # Whom two people have not confirmed is not named here either.
    review = {} if review_id is None else {"review_id": review_id, "num_under_review": num_candidates}
    return {
        "purpose": collection.purpose,
        "collection": collection.id,
        "epoch": collection.epoch,
        "model": collection.model_digest,
        "gallery_size": matcher.gallery_size,
        "fpir_target": collection.fpir_target,
        "requested_similarity": asked.threshold,
        "applied_similarity": policy.similarity if policy else None,
        "max_fmr": policy.max_fmr if policy else None,
        "num_faces": len(answers),
        "num_refused": sum(bool(answer.refused) for answer in answers),
        **review,
        "candidates": [
            {
                "person": matcher.tx.person(candidate.person).id,
                "consent": candidate.consent_id,
                "fmr_at_score": candidate.fmr_at_score,
            }
            for answer in answers
            for candidate in answer.candidates
        ],
    }
