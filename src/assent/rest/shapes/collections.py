"""Collections, policies, tags, enrolled photos and users."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from assent.rest.shapes.fields import (
    UUID_PATTERN,
    CollectionName,
    Count,
    Id,
    PersonRef,
    Purpose,
    Rate,
    Shape,
    Similarity,
    Time,
)
from assent.service.collections import CollectionSummary
from assent.service.users import Association
from assent.store.values import TemplateRecord, UserRecord

PolicyName = Literal["default", "strict"]
ReviewName = Literal["none", "two-person"]
BeyondName = Literal["refuse", "review"]

_POLICY = Field(
    description="`default`: at most 1 search in 100 for somebody who is not enrolled names anybody; `strict`: 1 in "
    "1,000."
)
_TARGET = Field(
    gt=0,
    lt=1,
    description="A target of your own instead: the share of searches for somebody who is not enrolled that may name "
    "anybody.",
    examples=[0.005],
)
_REVIEW = Field(
    description="`two-person`: a search answers with a `review_id` and no candidates; two different people, the second "
    "blind to the first, confirm them."
)
_BEYOND = Field(
    description="With more people enrolled than the calibration's evidence supports: `refuse` the search, or answer "
    "into the `review` queue only."
)
_LABEL = r"^[\w .:/=+@\-]*$"
Tags = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_LABEL)],
        Annotated[str, StringConstraints(max_length=256, pattern=_LABEL)],
    ],
    Field(
        max_length=200,
        description="Your own labels: at most 200. Keys of 1 to 128 characters, values of at most 256: letters, "
        "digits, spaces, `_ . : / = + @ -`.",
        examples=[{"team": "archive"}],
        json_schema_extra={"additionalProperties": False},
    ),
]
TemplateId = Annotated[str, StringConstraints(pattern=UUID_PATTERN)]


class NewCollection(Shape):
    """A collection to make, empty, for the default model."""

    name: CollectionName
    purpose: Purpose = Field(
        description="Only people whose consent names this purpose can be enrolled, and only searches for it are "
        "answered; fixed."
    )
    policy: Annotated[PolicyName, _POLICY] = "default"
    fpir_target: Annotated[float | None, _TARGET] = None
    review: Annotated[ReviewName, _REVIEW] = "none"
    beyond_evidence: Annotated[BeyondName, _BEYOND] = "refuse"
    tags: Tags = Field(default_factory=dict)


class NewPolicy(Shape):
    """What a collection is held to from the next search on; what is left out stays as it is."""

    policy: Annotated[PolicyName | None, _POLICY] = Field(
        default=None, description="Null leaves it as it is."
    )
    fpir_target: Annotated[float | None, _TARGET] = None
    review: Annotated[ReviewName | None, _REVIEW] = Field(
        default=None, description="Null leaves it as it is."
    )
    beyond_evidence: Annotated[BeyondName | None, _BEYOND] = Field(
        default=None, description="Null leaves it as it is."
    )


class CollectionAnswer(Shape):
    """A collection and what it may answer now."""

    id: Id
    name: CollectionName
    purpose: Purpose
    policy: str = Field(description="`default`, `strict`, or `custom`.", examples=["default"])
    fpir_target: Rate = Field(
        description="At most this share of searches for somebody who is not enrolled names anybody."
    )
    review: ReviewName
    beyond_evidence: BeyondName
    num_people: Count = Field(description="People enrolled whose consent is live.")
    num_templates: Count = Field(description="Photos enrolled.")
    num_users: Count = Field(description="People with a user vector of their own choice of photos.")
    n_max: int | None = Field(
        ge=0,
        description="People that the evidence supports at this policy; null without a calibration.",
        examples=[643],
    )
    floor_similarity: Similarity | None = Field(
        description="The lowest threshold that a search is held to now; null where none can be answered."
    )
    is_searchable: bool = Field(description="Whether a search would be answered with candidates or a review.")
    model_digest: str = Field(description="Of the model whose templates it holds.")
    created_at: Time

    @classmethod
    def of(cls, summary: CollectionSummary) -> CollectionAnswer:
        """The answer for a summary."""
        record = summary.collection
        names = (
            "id",
            "name",
            "purpose",
            "fpir_target",
            "review",
            "beyond_evidence",
            "model_digest",
            "created_at",
        )
        sizes = ("num_people", "num_templates", "num_users", "n_max", "floor_similarity", "is_searchable")
        return cls.model_validate(
            {
                "policy": record.preset,
                **{name: getattr(record, name) for name in names},
                **{name: getattr(summary, name) for name in sizes},
            }
        )


class CollectionsAnswer(Shape):
    """All collections."""

    items: list[CollectionAnswer] = Field(description="By name.")


class PolicyAnswer(Shape):
    """A policy by name."""

    name: str = Field(examples=["strict"])
    fpir_target: Rate


class PoliciesAnswer(Shape):
    """The policies that there are."""

    items: list[PolicyAnswer]


class TagsAnswer(Shape):
    """A collection's tags."""

    tags: Tags


class NewTags(Shape):
    """Tags to add or to change."""

    tags: Tags


class BoxAnswer(Shape):
    """Where a face is, as ratios of the image's width and height; a box at the edge may stick out."""

    left: float = Field(examples=[0.31])
    top: float = Field(examples=[0.12])
    width: float = Field(ge=0, examples=[0.22])
    height: float = Field(ge=0, examples=[0.29])


class TemplateAnswer(Shape):
    """One enrolled photo: ids and quality. The template's numbers never leave."""

    id: Id
    person: str = Field(examples=["ana"])
    person_id: Id
    consent_id: Id = Field(description="The consent it rests on.")
    image_id: Id = Field(description="The same photo in the same collection has the same id.")
    box: BoxAnswer | None
    is_associated: bool = Field(description="Whether it counts in its person's user vector.")
    quality: dict[str, Any] = Field(description="Measured at enrolment; `confidence` is 0 to 1.")
    created_at: Time

    @classmethod
    def of(cls, record: TemplateRecord) -> TemplateAnswer:
        """The answer for a record."""
        names = cls.model_fields.keys() - {"person", "box"}
        box = None if record.box is None else dict(zip(BoxAnswer.model_fields, record.box, strict=True))
        return cls.model_validate(
            {"person": record.person_ref, "box": box, **{name: getattr(record, name) for name in names}}
        )


class NewUser(Shape):
    """A person who is to be searched by chosen photos."""

    person: PersonRef


class UserAnswer(Shape):
    """A user: a person with a vector made of associated photos."""

    person: str = Field(examples=["ana"])
    num_templates: Count = Field(description="Photos associated.")
    created_at: Time

    @classmethod
    def of(cls, record: UserRecord) -> UserAnswer:
        """The answer for a record."""
        return cls(person=record.person_ref, num_templates=record.num_templates, created_at=record.created_at)


class UsersAnswer(Shape):
    """The users of a collection."""

    items: list[UserAnswer]


class ToAssociate(Shape):
    """Photos for a user's vector."""

    template_ids: list[TemplateId] = Field(min_length=1, max_length=100, description="1 to 100 ids.")
    min_similarity: Similarity = Field(
        default=75.0, description="A photo less like the user's other ones than this is refused."
    )


class ToDisassociate(Shape):
    """Photos to take out of a user's vector."""

    template_ids: list[TemplateId] = Field(min_length=1, max_length=100, description="1 to 100 ids.")


class AssociationFailure(Shape):
    """A photo that was left as it was."""

    template_id: Id
    person: str | None = Field(description="Whose it is, where it is somebody else's.")
    similarity: Similarity | None
    reason: Literal["face-not-found", "of-another-person", "low-similarity"]


class AssociationAnswer(Shape):
    """What became of each photo."""

    done: list[Id] = Field(description="Ids of the photos that were associated, or taken out.")
    failed: list[AssociationFailure]
    num_templates: Count = Field(description="Photos associated now.")

    @classmethod
    def of(cls, made: Association) -> AssociationAnswer:
        """The answer for what the service did."""
        return cls.model_validate(
            {"done": made.done, "failed": made.failed, "num_templates": made.num_templates}
        )
