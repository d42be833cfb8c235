"""The fields that requests and answers share, each with its pattern, range and an example, once."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Form, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from assent.store import fields

T = TypeVar("T")


class Shape(BaseModel):
    """A request or an answer: no member beyond those written down, and no number that JSON cannot say."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, from_attributes=True, frozen=True)


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


PersonRef = Annotated[
    str,
    Field(
        pattern=_whole(fields.REF.pattern),
        description="The id you use for the person: letters, digits, `_ . - :`, at most 128. Better not their name.",
        examples=["ana"],
    ),
]
REF_PATTERN = _whole(fields.REF.pattern)
REFS_PATTERN = _whole(f"{fields.REF.pattern}(,{fields.REF.pattern})*")
PersonPath = Annotated[
    str, Path(pattern=_whole(fields.REF.pattern), description="The person's id.", examples=["ana"])
]
CollectionName = Annotated[
    str,
    Field(
        pattern=_whole(fields.COLLECTION_NAME.pattern),
        description="The collection's name: letters, digits, `_ . -`, at most 255.",
        examples=["club"],
    ),
]
CollectionPath = Annotated[
    str,
    Path(
        pattern=_whole(fields.COLLECTION_NAME.pattern),
        description="The collection's name.",
        examples=["club"],
    ),
]
NAME_PATTERN = _whole(fields.COLLECTION_NAME.pattern)
PLACE_PATTERN = _whole(fields.PLACE.pattern)
PURPOSE_PATTERN = _whole(fields.PURPOSE.pattern)
Purpose = Annotated[
    str,
    Field(
        pattern=PURPOSE_PATTERN,
        description="What it is for: lower-case letters, digits and hyphens.",
        examples=["club-photos"],
    ),
]
PurposeForm = Annotated[
    str,
    Form(
        pattern=PURPOSE_PATTERN,
        description="What it is for; must be the collection's purpose.",
        examples=["club-photos"],
    ),
]
ThresholdForm = Annotated[
    float | None,
    Form(
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="A similarity of 0 to 100; stricter than the collection's floor, or it has no effect.",
    ),
]
UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
EXAMPLE_ID = "0b5e7f4e-6f39-4c46-9a53-6d1f6f0a7b11"
Id = Annotated[str, Field(description="A random UUID.", examples=[EXAMPLE_ID])]
Time = Annotated[AwareDatetime, Field(description="UTC, ISO 8601.", examples=["2026-01-15T12:00:00Z"])]
Similarity = Annotated[
    float,
    Field(
        ge=0,
        le=100,
        description="0 to 100, a function of the false match rate: 80 is 1 in 1,000, 90 is 1 in 10,000, 95 is 1 in "
        "100,000, 99 is 1 in 1,000,000.",
        examples=[92.4],
    ),
]
Score = Annotated[
    float,
    Field(ge=-1.01, le=1.01, description="Cosine similarity of the templates, -1 to 1.", examples=[0.94]),
]
Rate = Annotated[float, Field(ge=0, le=1, description="A share, 0 to 1.", examples=[0.0005])]
Fmr = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Upper 95 % bound of the rate at which two different people score this high or higher.",
        examples=[0.0001],
    ),
]
Count = Annotated[int, Field(ge=0, description="How many.", examples=[3])]
Sha256 = Annotated[
    str,
    Field(
        description="Hexadecimal.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]


ConsentPath = Annotated[
    str, Path(pattern=UUID_PATTERN, description="The consent's id.", examples=[EXAMPLE_ID])
]
TemplatePath = Annotated[
    str, Path(pattern=UUID_PATTERN, description="The template's id.", examples=[EXAMPLE_ID])
]
ReviewPath = Annotated[str, Path(pattern=UUID_PATTERN, description="The review's id.", examples=[EXAMPLE_ID])]
PairPath = Annotated[str, Path(pattern=UUID_PATTERN, description="The pair's id.", examples=[EXAMPLE_ID])]
