"""The operations that are not answered, each with the reason: one table.

All answer ``AccessDeniedException``: every operation declares it, and clients do not try it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assent.wire.errors import WireError, denied


class Kind(StrEnum):
    """Why an operation is not answered."""

    PRINCIPLE = "refused on principle"
    NOT_YET = "not there yet"
    OUTSIDE = "outside of face matching"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Operations that are not answered for one reason.

    Attributes:
        kind: what sort of reason.
        reason: one sentence.
        operations: which.
    """

    kind: Kind
    reason: str
    operations: tuple[str, ...]


REFUSALS: Final = (
    Refusal(
        Kind.PRINCIPLE,
        "Naming people who did not agree to be recognised is what this server does not do; famous people are people.",
        (
            "RecognizeCelebrities",
            "GetCelebrityInfo",
            "StartCelebrityRecognition",
            "GetCelebrityRecognition",
        ),
    ),
    Refusal(
        Kind.NOT_YET,
        "Whether a face is alive or a picture of one is not told yet; do not rely on a match alone to open anything.",
        ("CreateFaceLivenessSession", "GetFaceLivenessSessionResults"),
    ),
    Refusal(
        Kind.OUTSIDE,
        "This server finds and compares faces; it does not label what else is in a picture or video.",
        ("DetectLabels", "StartLabelDetection", "GetLabelDetection", "DetectProtectiveEquipment"),
    ),
    Refusal(
        Kind.OUTSIDE,
        "This server finds and compares faces; it does not read text.",
        ("DetectText", "StartTextDetection", "GetTextDetection"),
    ),
    Refusal(
        Kind.OUTSIDE,
        "This server finds and compares faces; it does not judge what a picture or video shows.",
        (
            "DetectModerationLabels",
            "StartContentModeration",
            "GetContentModeration",
            "StartMediaAnalysisJob",
            "GetMediaAnalysisJob",
            "ListMediaAnalysisJobs",
        ),
    ),
    Refusal(
        Kind.OUTSIDE,
        "This server finds and compares faces; it does not train or run labels of your own.",
        (
            "CopyProjectVersion",
            "CreateDataset",
            "CreateProject",
            "CreateProjectVersion",
            "DeleteDataset",
            "DeleteProject",
            "DeleteProjectPolicy",
            "DeleteProjectVersion",
            "DescribeDataset",
            "DescribeProjectVersions",
            "DescribeProjects",
            "DetectCustomLabels",
            "DistributeDatasetEntries",
            "ListDatasetEntries",
            "ListDatasetLabels",
            "ListProjectPolicies",
            "PutProjectPolicy",
            "StartProjectVersion",
            "StopProjectVersion",
            "UpdateDatasetEntries",
        ),
    ),
)

_BY_OPERATION: Final = {name: refusal for refusal in REFUSALS for name in refusal.operations}


def refusal_of(operation: str) -> WireError | None:
    """What an operation that is not answered answers; None where it is."""
    refusal = _BY_OPERATION.get(operation)
    if refusal is None:
        return None
    return denied(f"{operation} is {refusal.kind}. {refusal.reason} See docs/operations.md.")
