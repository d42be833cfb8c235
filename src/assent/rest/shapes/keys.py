"""Access keys, and what the server is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from assent.rest.shapes.fields import Shape, Time
from assent.store import fields
from assent.store.access import AccessKey, NewAccessKey, Role

KEY_PATTERN = "^ASNT[A-Z2-7]{16}$"
KeyPath = Annotated[
    str, Path(pattern=KEY_PATTERN, description="The access key's id.", examples=["ASNT234567ABCDEFGHIJ"])
]


class NewKey(Shape):
    """An access key to make."""

    holder: str = Field(
        pattern=f"^(?:{fields.VERSION.pattern})$",
        description="Whose key it is: an id, not a name. Two reviewers are two holders.",
        examples=["desk-3"],
    )
    roles: list[Role] = Field(
        min_length=1, max_length=4, description="What it may do; `admin` is everything."
    )


class KeyAnswer(Shape):
    """An access key, without its secret."""

    id: str = Field(examples=["ASNT234567ABCDEFGHIJ"])
    holder: str = Field(examples=["desk-3"])
    roles: list[Role]
    created_at: Time
    revoked_at: Time | None = Field(description="Null while it opens anything.")

    @classmethod
    def of(cls, key: AccessKey) -> KeyAnswer:
        """The answer for a key."""
        return cls.model_validate(_members(key))


class NewKeyAnswer(KeyAnswer):
    """A new access key with its secret, which is shown this once."""

    secret: str = Field(description="Keep it now; it cannot be shown again.")

    @classmethod
    def made(cls, new: NewAccessKey) -> NewKeyAnswer:
        """The answer for a new key."""
        return cls.model_validate({**_members(new.key), "secret": new.secret})


class KeysAnswer(Shape):
    """Every access key, revoked ones too."""

    items: list[KeyAnswer]


class HealthAnswer(Shape):
    """That the server answers and its records can be read."""

    status: Literal["ok"]
    version: str = Field(description="Of Assent.", examples=["0.3.0"])
    api: Literal["v1"]
    now: Time = Field(description="The server's clock.")
    max_image_bytes: int = Field(ge=1, description="Largest encoded image that is opened, bytes.")


def _members(key: AccessKey) -> dict[str, object]:
    return {
        "id": key.id,
        "holder": key.holder,
        "roles": sorted(key.roles),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
