"""Users: people of whom somebody said which enrolled photos count (Rekognition's user vectors)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assent.errors import NoCalibration, NotFound, QuotaExceeded, UsageError
from assent.service.context import Context
from assent.service.galleries import kind_of, score_against_mean
from assent.store.access import RequestToken, Role
from assent.store.transaction import Transaction
from assent.store.values import CollectionRecord, TemplateRecord, UserRecord
from assent.types import Float32

MAX_FACES_PER_USER = 100
AssociationReason = Literal["face-not-found", "of-another-person", "low-similarity"]


@dataclass(frozen=True, slots=True)
class AssociationFailure:
    """A photo that was left as it was.

    Attributes:
        template_id: which was asked for.
        person: whose it is, where it is another person's.
        similarity: to the user's other photos, 0 to 100, where that was too low.
        reason: why.
    """

    template_id: str
    reason: AssociationReason
    person: str | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Association:
    """What came of associating or disassociating photos.

    Attributes:
        done: ids of the templates that now count, or count no longer.
        failed: the others, with reasons.
        num_templates: photos that count for the user now.
    """

    done: tuple[str, ...]
    failed: tuple[AssociationFailure, ...]
    num_templates: int


class Users:
    """The users of the collections of one data folder."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def create(self, collection: str, person: str, *, token: RequestToken | None = None) -> UserRecord:
        """Make a person who agreed a user of a collection.

        Args:
            collection: its name.
            person: their id.
            token: the client's, so that a repeated request happens once.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: no such collection or person.
            NoLiveConsent, WrongPurpose: they did not agree to the collection's purpose.
            AlreadyExists: they are a user already.
            TokenReused: the token came before with another request.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            if token is not None and tx.is_repeated(token):
                return tx.user(collection, person)
            return tx.add_user(collection, person)

    def delete(self, collection: str, person: str, *, token: RequestToken | None = None) -> None:
        """Undo ``create``. The person's photos stay enrolled; the consent stands.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: no such collection or user.
            TokenReused: the token came before with another request.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            if token is None or not tx.is_repeated(token):
                tx.remove_user(collection, person)

    def list(self, collection: str) -> tuple[UserRecord, ...]:
        """The users of a collection, by id. Raises ``NotFound``, or ``Forbidden``: the caller is no enroller."""
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.users(collection))

    def get(self, collection: str, person: str) -> UserRecord:
        """One user. Raises ``NotFound``, or ``Forbidden``: the caller is no enroller."""
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.reading() as tx:
            return tx.user(collection, person)

    def associate(
        self, collection: str, person: str, template_ids: Sequence[str], *, min_similarity: float = 75.0
    ) -> Association:
        """Let enrolled photos of a user count when users are searched.

        Args:
            collection: its name.
            person: the user.
            template_ids: photos of that very person in that collection.
            min_similarity: 0 to 100; a photo less similar to those that count already is left out.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: no such collection or user.
            NoLiveConsent, WrongPurpose: the consent ended.
            QuotaExceeded: more than 100 photos would count.
            UsageError: ``min_similarity`` is not between 0 and 100.
        """
        self._ctx.require(Role.ENROLLER)
        if not 0 <= min_similarity <= 100:
            raise UsageError(f"a similarity threshold is between 0 and 100, got {min_similarity}")
        with self._ctx.records.transaction() as tx:
            target, user = tx.collection(collection), tx.user(collection, person)
            tx.live_consent(person, target.purpose)
            counting = tx.live_templates(collection, person, only_associated=True)
            vectors = tx.live_templates(collection, person)
            chosen, failed = _own(tx, target, person, template_ids)
            fitting: list[str] = []
            for template_id in chosen:
                similarity = self._similarity(target, counting, vectors.get(template_id))
                if similarity is not None and similarity < min_similarity and template_id not in counting:
                    failed.append(AssociationFailure(template_id, "low-similarity", similarity=similarity))
                else:
                    fitting.append(template_id)
            if len({*counting, *fitting}) > MAX_FACES_PER_USER:
                raise QuotaExceeded(
                    f"at most {MAX_FACES_PER_USER} photos count for a user, this would make "
                    f"{len({*counting, *fitting})}; disassociate some first"
                )
            after = tx.set_associated(collection, user.person_ref, fitting, is_associated=True)
        return Association(tuple(fitting), tuple(failed), after.num_templates)

    def disassociate(self, collection: str, person: str, template_ids: Sequence[str]) -> Association:
        """Let photos of a user count no longer when users are searched; they stay enrolled.

        Raises:
            Forbidden: the caller is no enroller.
            NotFound: no such collection or user.
        """
        self._ctx.require(Role.ENROLLER)
        with self._ctx.records.transaction() as tx:
            target, user = tx.collection(collection), tx.user(collection, person)
            chosen, failed = _own(tx, target, person, template_ids)
            counting = {t.id for t in tx.templates(collection, person) if t.is_associated}
            failed += [AssociationFailure(i, "face-not-found") for i in chosen if i not in counting]
            done = [template_id for template_id in chosen if template_id in counting]
            after = tx.set_associated(collection, user.person_ref, done, is_associated=False)
        return Association(tuple(done), tuple(failed), after.num_templates)

    def _similarity(
        self, collection: CollectionRecord, counting: dict[str, Float32], template: Float32 | None
    ) -> float | None:
        """To the photos that count already; None where there is none, or no calibration."""
        if not counting or template is None:
            return None
        try:
            profile = self._ctx.profile(collection.model_digest)
        except NoCalibration:
            return None
        kind = kind_of(len(counting))
        score = score_against_mean(np.stack(list(counting.values())), template)
        return float(profile.similarity(score, kind if kind in profile.kinds else profile.kinds[0]))


def _own(
    tx: Transaction, collection: CollectionRecord, person: str, template_ids: Sequence[str]
) -> tuple[list[str], list[AssociationFailure]]:
    """Which of the templates are this person's in this collection, each once, and why the others are not."""
    chosen: list[str] = []
    failed: list[AssociationFailure] = []
    for template_id in dict.fromkeys(template_ids):
        record = _template(tx, template_id)
        if record is None or record.collection_id != collection.id:
            failed.append(AssociationFailure(template_id, "face-not-found"))
        elif record.person_ref != person:
            failed.append(AssociationFailure(template_id, "of-another-person", person=record.person_ref))
        else:
            chosen.append(template_id)
    return chosen, failed


def _template(tx: Transaction, template_id: str) -> TemplateRecord | None:
    try:
        return tx.template(template_id)
    except NotFound:
        return None
