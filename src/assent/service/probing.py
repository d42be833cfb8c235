"""What every search shares, whatever its probes are: one transaction for the answer and for the record of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assent.calibration.profile import Threshold
from assent.calibration.similarity import fmr_at_similarity
from assent.errors import UsageError
from assent.service.context import Context
from assent.service.enrolling import check_model
from assent.service.galleries import Among, kind_of, score_against_mean
from assent.service.guarding import recording_refusals, require_one_collection, require_purpose
from assent.service.matching import Matcher, OwnPerson
from assent.service.results import Candidate
from assent.service.reviewing import open_review
from assent.store.access import Role
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord
from assent.types import Face, Float32, JsonObject

AGREEMENT = 50.0
"""Similarity that every further picture of the same face must have with whom the search named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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
class Probe:
    """One face asked about; its templates are dropped with the answer.

    Attributes:
        face: where it is; None for an enrolled photo.
        refused: why it is not searched for; it has no template then.
        template: (D,) float32, unit norm.
        picture: makes the crop that two people would look at.
        own: whose photo it is, where it is an enrolled one.
        further: (N, D) float32, unit norm, of further pictures of the same face. They name nobody: error rates are
            measured for single probes. Each can only object to whom the probe names.
    """

    face: Face | None
    refused: tuple[str, ...]
    template: Float32 | None
    picture: Callable[[], bytes]
    own: OwnPerson | None = None
    further: Float32 | None = None


Probes = Callable[[Transaction, CollectionRecord], Sequence[Probe]]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one probe.

    Attributes:
        candidates: best first; of those that the further pictures agree on.
        num_disputed: whom the probe named and a further picture did not.
    """

    candidates: tuple[Candidate, ...]
    num_disputed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What came of all probes of one search.

    Attributes:
        matcher: what was applied; its transaction has ended.
        found: for each probe; nobody is in it where two people look first.
        log_leaf: hash of the record of this search, hexadecimal.
        review_id: where two people are to look first.
    """

    matcher: Matcher
    found: tuple[Found, ...]
    log_leaf: str
    review_id: str | None


def refuse_early(ctx: Context, asked: Asked) -> None:
    """What can be refused is refused before a photo is decoded.

    Raises:
        Forbidden: the caller is no searcher.
        NotFound: no such collection.
        WrongPurpose: the collection is for another purpose.
    """
    ctx.require(Role.SEARCHER)
    with (
        recording_refusals(ctx, "search", asked.collection, asked.purpose),
        ctx.records.reading() as tx,
    ):
        require_purpose(tx.collection(asked.collection), asked.purpose)


def answered(ctx: Context, asked: Asked, make_probes: Probes, *, medium: str | None = None) -> Answered:
    """One transaction for the answer and its record: who may be returned is decided at that moment.

    Args:
        ctx: the open data folder.
        asked: what is asked.
        make_probes: gives the probes within the transaction.
        medium: said in the record, where the probes come from something else than a photo.
    """
    with (
        recording_refusals(ctx, "search", asked.collection, asked.purpose),
        ctx.records.transaction() as tx,
    ):
        target = tx.collection(asked.collection)
        require_purpose(target, asked.purpose)
        check_model(ctx, target)
        matcher = Matcher.of(ctx, tx, target, asked.threshold, asked.among)
        probes = make_probes(tx, target)
        found = tuple(_find(matcher, probe, asked.max_candidates) for probe in probes)
        num_candidates = sum(len(item.candidates) for item in found)
        review_id = _put_to_review(ctx, tx, matcher, probes, found) if matcher.needs_review else None
        if review_id is not None:
            found = tuple(Found((), item.num_disputed) for item in found)
        body = _record(matcher, asked, probes, found, review_id, num_candidates)
        if medium is not None:
            body["medium"] = medium
        entry = tx.append_log("search", body)
    return Answered(matcher, found, entry.leaf_sha256, review_id)


def _find(matcher: Matcher, probe: Probe, limit: int) -> Found:
    if probe.template is None:
        return Found(())
    named = matcher.candidates(probe.template, limit, own=probe.own)
    further = probe.further
    if further is None or not len(further):
        return Found(named)
    agreed = tuple(candidate for candidate in named if _agrees(matcher, candidate, further))
    return Found(agreed, len(named) - len(agreed))


def _agrees(matcher: Matcher, candidate: Candidate, further: Float32) -> bool:
    """Whether each further picture is as like the candidate as few strangers are."""
    vectors = matcher.tx.person_vectors(matcher.collection.name, candidate.person)
    limit = agreement(matcher, len(vectors))
    return all(score_against_mean(vectors, template) >= limit.value for template in further)


def agreement(matcher: Matcher, num_templates: int) -> Threshold:
    """The score that a further picture must reach with a person who has so many templates."""
    return matcher.profile.threshold_for_fmr(float(fmr_at_similarity(AGREEMENT)), kind_of(num_templates))


def _put_to_review(
    ctx: Context, tx: Transaction, matcher: Matcher, probes: Sequence[Probe], found: Sequence[Found]
) -> str:
    pairs = [
        (candidate, probe.picture)
        for probe, item in zip(probes, found, strict=True)
        for candidate in item.candidates
    ]
    return open_review(ctx, tx, matcher.collection, pairs).id


def _record(
    matcher: Matcher,
    asked: Asked,
    probes: Sequence[Probe],
    found: Sequence[Found],
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
        "num_faces": len(probes),
        "num_refused": sum(bool(probe.refused) for probe in probes),
        **review,
        "candidates": [
            {
                "person": matcher.tx.person(candidate.person).id,
                "consent": candidate.consent_id,
                "fmr_at_score": candidate.fmr_at_score,
            }
            for item in found
            for candidate in item.candidates
        ],
    }
