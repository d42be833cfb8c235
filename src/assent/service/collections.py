"""Collections: galleries with one purpose and one policy each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from assent.calibration.profile import ReferenceKind
from assent.errors import NoCalibration, UsageError
from assent.service.context import Context
from assent.service.policy import FPIR_PRESETS
from assent.store.values import CollectionRecord, TemplateRecord


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A collection and what it may answer now.

    Attributes:
        collection: its record.
        num_people: people enrolled whose consent is live.
        num_templates: photos enrolled.
        n_max: people that the calibration's evidence supports at this policy; None without a calibration.
    """

    collection: CollectionRecord
    num_people: int
    num_templates: int
    n_max: int | None

    @property
    def is_searchable(self) -> bool:
        """Whether a search would be answered."""
        return self.n_max is not None and self.num_people <= self.n_max


class Collections:
    """The collections of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def create(
        self, name: str, *, purpose: str, policy: str = "default", fpir_target: float | None = None
    ) -> CollectionRecord:
        """Make an empty collection for the default model.

        Args:
            name: letters, digits, ``_ . -``, at most 255.
            purpose: what it is for: lower-case letters, digits and hyphens. Only people whose consent names this
                purpose can be enrolled, and only searches for it are answered.
            policy: ``default`` (at most 1 search in 100 for a stranger names somebody) or ``strict`` (1 in 1,000).
            fpir_target: a target of your own instead, in (0, 1).

        Raises:
            AlreadyExists: the name is taken.
            UsageError: a name, purpose or target is malformed.
        """
        target = resolve_target(policy, fpir_target)
        preset = policy if fpir_target is None else "custom"
        engine = self._ctx.engine
        with self._ctx.records.transaction() as tx:
            return tx.create_collection(
                name,
                purpose=purpose,
                fpir_target=target,
                preset=preset,
                model_digest=engine.model_digest,
                dim=engine.dim,
            )

    def list(self) -> tuple[CollectionSummary, ...]:
        """All collections, by name."""
        with self._ctx.records.reading() as tx:
            names = [record.name for record in tx.collections()]
        return tuple(self.get(name) for name in names)

    def get(self, name: str) -> CollectionSummary:
        """One collection.

        Raises:
            NotFound: there is none of that name.
        """
        with self._ctx.records.reading() as tx:
            record = tx.collection(name)
            live = self._ctx.galleries.at(tx, record).live(self._ctx.clock().timestamp())
            num_templates = tx.gallery_size(name).num_templates
        try:
            profile = self._ctx.profile(record.model_digest)
            kinds = tuple(kind for kind in live.kinds or (ReferenceKind.SINGLE,) if kind in profile.kinds)
            n_max = profile.n_max(record.fpir_target, kinds)
        except NoCalibration:
            n_max = None
        return CollectionSummary(record, live.size, num_templates, n_max)

    def templates(self, name: str, person: str | None = None) -> tuple[TemplateRecord, ...]:
        """What is enrolled: ids, people and quality, never the templates themselves."""
        with self._ctx.records.reading() as tx:
            return tuple(tx.templates(name, person))

    def set_policy(
        self, name: str, *, policy: str = "default", fpir_target: float | None = None
    ) -> CollectionRecord:
        """Change how many false positives are accepted; the next search is held to it.

        Raises:
            NotFound: there is no such collection.
            UsageError: unknown policy, or a target outside (0, 1).
        """
        target = resolve_target(policy, fpir_target)
        with self._ctx.records.transaction() as tx:
            preset = policy if fpir_target is None else "custom"
            return tx.set_policy(name, fpir_target=target, preset=preset)

    def remove_template(self, template_id: str) -> None:
        """Drop one enrolled photo's template.

        Raises:
            NotFound: there is no such template.
        """
        with self._ctx.records.transaction() as tx:
            tx.remove_template(template_id)

    def delete(self, name: str) -> None:
        """Destroy a collection with its key and all its templates. People and consents stay.

        Raises:
            NotFound: there is none of that name.
        """
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
