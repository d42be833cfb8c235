"""Collections: galleries with one purpose and one policy each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assent.calibration.profile import FPIR_PRESETS, ReferenceKind
from assent.errors import NoCalibration, UsageError
from assent.service.context import Context
from assent.service.policy import LiveGallery, policy_for
from assent.store.access import Role
from assent.store.values import BeyondEvidence, CollectionRecord, ReviewPolicy, TemplateRecord

_READERS = (Role.ENROLLER, Role.SEARCHER, Role.REVIEWER)


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A collection and what it may answer now.

    Attributes:
        collection: its record.
        num_people: people enrolled whose consent is live.
        num_templates: photos enrolled.
        n_max: people that the calibration's evidence supports at this policy; None without a calibration.
        num_users: people of whom somebody said which photos count.
        floor_similarity: what a candidate must reach at least, 0 to 100; None without a calibration, or beyond its
            evidence.
    """

    collection: CollectionRecord
    num_people: int
    num_templates: int
    n_max: int | None
    num_users: int = 0
    floor_similarity: float | None = None

    @property
    def is_searchable(self) -> bool:
        """Whether a search would be answered, at once or after review."""
        if self.n_max is None:
            return False
        return self.num_people <= self.n_max or self.collection.beyond_evidence is BeyondEvidence.REVIEW


class Collections:
    """The collections of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def create(
        self,
        name: str,
        *,
        purpose: str,
        policy: str = "default",
        fpir_target: float | None = None,
        review: ReviewPolicy | str = ReviewPolicy.NONE,
        beyond_evidence: BeyondEvidence | str = BeyondEvidence.REFUSE,
        tags: Mapping[str, str] | None = None,
    ) -> CollectionRecord:
        """Make an empty collection for the default model.

        Args:
            name: letters, digits, ``_ . -``, at most 255.
            purpose: what it is for: lower-case letters, digits and hyphens. Only people whose consent names this
                purpose can be enrolled, and only searches for it are answered.
            policy: ``default`` (at most 1 search in 100 for a stranger names somebody) or ``strict`` (1 in 1,000).
            fpir_target: a target of your own instead, in (0, 1).
            review: ``two-person``: a search names nobody before two people have looked, each on their own. Small
                pictures of enrolled faces are then kept, sealed.
            beyond_evidence: ``review``: where more people are enrolled than the calibration's evidence supports, two
                people look at what a search finds; ``refuse``: it is refused.
            tags: notes of your own, name and value.

        Raises:
            Forbidden: the caller is no enroller.
            AlreadyExists: the name is taken.
            UsageError: a name, purpose, target or tag is malformed.
        """
        self._ctx.require(Role.ENROLLER)
        target = resolve_target(policy, fpir_target)
        preset = policy if fpir_target is None else "custom"
        engine = self._ctx.engine
        with self._ctx.records.transaction() as tx:
            made = tx.create_collection(
                name,
                purpose=purpose,
                fpir_target=target,
                preset=preset,
                model_digest=engine.model_digest,
                dim=engine.dim,
                review=review,
                beyond_evidence=beyond_evidence,
            )
            if tags:
                tx.set_notes(name, tags)
            return made

    def list(self) -> tuple[CollectionSummary, ...]:
        """All collections, by name. Raises ``Forbidden``: the caller has no role for it."""
        return tuple(self.get(record.name) for record in self.records())

    def records(self) -> tuple[CollectionRecord, ...]:
        """All collections' purposes, policies and models, by name, without counting who is in them.

        Raises:
            Forbidden: the caller has no role for it.
        """
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            return tuple(tx.collections())

    def get(self, name: str) -> CollectionSummary:
        """One collection.

        Raises:
            Forbidden: the caller has no role for it.
            NotFound: there is none of that name.
        """
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            record = tx.collection(name)
            live = self._ctx.galleries.at(tx, record).live(self._ctx.clock().timestamp())
            num_templates = tx.gallery_size(name).num_templates
            num_users = len(tx.users(name))
        n_max, floor = self._limits(record, live)
        return CollectionSummary(record, live.size, num_templates, n_max, num_users, floor)

    def record(self, name: str) -> CollectionRecord:
        """One collection's purpose, policy and model, without counting who is in it: quick, however large it is.

        Raises:
            Forbidden: the caller has no role for it.
            NotFound: there is none of that name.
        """
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            return tx.collection(name)

    def _limits(self, record: CollectionRecord, live: LiveGallery) -> tuple[int | None, float | None]:
        """How many people the evidence supports, and what a candidate must reach among those there are."""
        try:
            profile = self._ctx.profile(record.model_digest)
        except NoCalibration:
            return None, None
        kinds = tuple(kind for kind in live.kinds or (ReferenceKind.SINGLE,) if kind in profile.kinds)
        n_max = profile.n_max(record.fpir_target, kinds)
        if live.size > n_max or n_max == 0:
            return n_max, None
        gallery = LiveGallery(max(live.size, 1), kinds)
        return n_max, policy_for(profile, gallery, fpir_target=record.fpir_target).similarity

    def templates(self, name: str, person: str | None = None) -> tuple[TemplateRecord, ...]:
        """What is enrolled: ids, people and quality, never the templates themselves.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: no such collection or person.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.templates(name, person))

    def set_policy(
        self,
        name: str,
        *,
        policy: str | None = None,
        fpir_target: float | None = None,
        review: ReviewPolicy | str | None = None,
        beyond_evidence: BeyondEvidence | str | None = None,
    ) -> CollectionRecord:
        """Change how many false positives are accepted, and who must look; the next search is held to it.

        What is None stays as it is. Where nobody must look any more, the pictures kept for that are destroyed.

        Args:
            name: which.
            policy: as in ``create``.
            fpir_target: as in ``create``.
            review: as in ``create``.
            beyond_evidence: as in ``create``.

        Raises:
            Forbidden: the caller is no admin.
            NotFound: there is no such collection.
            UsageError: an unknown word, or a target outside (0, 1).
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.transaction() as tx:
            before = tx.collection(name)
            target, preset = before.fpir_target, before.preset
            if policy is not None or fpir_target is not None:
                target = resolve_target(policy or "default", fpir_target)
                preset = (policy or "default") if fpir_target is None else "custom"
            return tx.set_policy(
                name, fpir_target=target, preset=preset, review=review, beyond_evidence=beyond_evidence
            )

    def tags(self, name: str) -> dict[str, str]:
        """The notes of a collection. Raises ``NotFound``, or ``Forbidden``: the caller has no role for it."""
        self._ctx.require(*_READERS)
        with self._ctx.records.reading() as tx:
            return tx.notes(name)

    def tag(self, name: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Add or replace notes of a collection; all there are then.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: there is no such collection.
            UsageError: a malformed name or value, or more than 200.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            return tx.set_notes(name, tags)

    def untag(self, name: str, names: Sequence[str]) -> None:
        """Remove notes of a collection, where they are. Raises ``NotFound``, or ``Forbidden``."""
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            tx.remove_notes(name, names)

    def remove_template(self, template_id: str) -> None:
        """Drop one enrolled photo's template.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: there is no such template.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            tx.remove_template(template_id)

    def remove_templates(self, name: str, template_ids: Sequence[str]) -> tuple[str, ...]:
        """Drop several enrolled photos' templates, in one transaction; ids that are not there are passed over.

        Returns:
            The ids of those that were there, in the order given.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: there is no such collection.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            held = {record.id for record in tx.templates(name)}
            chosen = [template_id for template_id in dict.fromkeys(template_ids) if template_id in held]
            for template_id in chosen:
                tx.remove_template(template_id)
        return tuple(chosen)

    def delete(self, name: str) -> None:
        """Destroy a collection with its key and all its templates. People and consents stay.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: there is none of that name.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            tx.delete_collection(name)


def resolve_target(policy: str, fpir_target: float | None) -> float:
    """The FPIR target of a policy's name, or the one given.

    Raises:
        UsageError: unknown policy, or a target outside (0, 1).
    """
    if fpir_target is not None:
        if not (math.isfinite(fpir_target) and 0 < fpir_target < 1):
            raise UsageError(f"fpir_target must be above 0 and below 1, got {fpir_target}")
        return fpir_target
    if policy not in FPIR_PRESETS:
        raise UsageError(f"expected a policy of {', '.join(FPIR_PRESETS)}, got {policy!r}")
    return FPIR_PRESETS[policy]
