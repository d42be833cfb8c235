"""People, and all that is held on one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from assent.rest.shapes.consents import ReceiptAnswer
from assent.rest.shapes.fields import Id, PersonRef, Shape, Time
from assent.store.values import PersonRecord

Name = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="What answers call the person, one line; null for none.",
        examples=["Ana Lovelace"],
    ),
]


class NewPerson(Shape):
    """A person to add; nothing of their face is stored until they agree."""

    ref: PersonRef
    name: Name = None


class NewName(Shape):
    """A person's name, corrected."""

    name: Name


class PersonAnswer(Shape):
    """A person. Nothing about what they are is ever held."""

    id: Id = Field(description="Random UUID; what logs and receipts call the person.")
    ref: str = Field(description="The id you use; `erased:ID` after erasure.", examples=["ana"])
    name: str | None = Field(description="As given; null where none was.", examples=["Ana Lovelace"])
    created_at: Time

    @classmethod
    def of(cls, record: PersonRecord) -> PersonAnswer:
        """The answer for a record."""
        return cls(id=record.id, ref=record.ref, name=record.name, created_at=record.created_at)


class ErasureAnswer(Shape):
    """What erasing a person did."""

    receipts: list[ReceiptAnswer] = Field(
        description="One for each consent that was live or had not been swept."
    )


class ExportAnswer(Shape):
    """All that is held on a person (GDPR Art. 15), except the templates' numbers, which never leave.

    The members of the parts are those of the records; they may grow.
    """

    exported_at: Time
    person: dict[str, Any] = Field(description="Ids, name, times.")
    consents: list[dict[str, Any]] = Field(description="With the text of the notice that was shown.")
    templates: list[dict[str, Any]] = Field(description="What was enrolled, where, when, of which quality.")
    users: list[dict[str, Any]] = Field(
        description="Collections in which chosen photos count for the person."
    )
    jobs: list[dict[str, Any]] = Field(
        description="The videos in which they were found: job, when, and the consent; not what the video was."
    )
    reviews: list[dict[str, Any]] = Field(
        description="Searches in which two people were asked about the person."
    )
    live_events: list[dict[str, Any]] = Field(
        description="Their coming and going at places, while it is kept."
    )
    receipts: list[dict[str, Any]] = Field(description="Of the consents that ended.")
    log_entries: list[dict[str, Any]] = Field(
        description="Every act that names the person, without what it says of others."
    )
