"""Every error of Assent's as one that the operation declares."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from assent import errors
from assent.wire.errors import INTERNAL, wire_error
from assent.wire.model import declared_errors, operation_names
from assent.wire.operations import HANDLERS

OPTIONS: dict[str, dict[str, Any]] = {
    "SeveralFaces": {"num_faces": 2},
    "PoorQuality": {"reasons": ()},
    "FaceMismatch": {"similarity": 1.0},
    "GalleryBeyondEvidence": {"gallery_size": 2, "n_max": 1},
    "ScoreFileError": {"file": "scores.csv"},
    "UndecodableFrame": {"time_s": 1.0},
    "NotEnoughMemory": {"needed_bytes": 5},
}
KINDS = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.AssentError)),
    key=lambda kind: kind.__name__,
)
OPERATORS_CONCERN = (errors.ModelError, errors.StoreError, errors.AddressUnavailable, errors.EndpointError)


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_answers_only_with_errors_that_it_declares(kind: type[errors.AssentError]) -> None:
    error = kind("the message", **OPTIONS.get(kind.__name__, {}))
    for operation in operation_names():
        answer = wire_error(error, operation)
        assert answer.code in declared_errors(operation)
        if issubclass(kind, OPERATORS_CONCERN) or kind is errors.AssentError:
            assert (answer.code, answer.status, answer.message) == ("InternalServerError", 500, INTERNAL)
        else:
            assert (answer.status, answer.message) == (400, error.message)


@pytest.mark.parametrize(
    ("kind", "operation", "code"),
    [
        (errors.ImageTooLarge, "IndexFaces", "ImageTooLargeException"),
        (errors.UnreadableImage, "DetectFaces", "InvalidImageFormatException"),
        (errors.ObjectUnavailable, "CompareFaces", "InvalidS3ObjectException"),
        (errors.ObjectTooLarge, "SearchFacesByImage", "ImageTooLargeException"),
        (errors.NotFound, "ListFaces", "ResourceNotFoundException"),
        (errors.AlreadyExists, "CreateCollection", "ResourceAlreadyExistsException"),
        (errors.AlreadyExists, "CreateUser", "ConflictException"),
        (errors.AlreadyExists, "IndexFaces", "InvalidParameterException"),
        (errors.TokenReused, "DeleteUser", "IdempotentParameterMismatchException"),
        (errors.QuotaExceeded, "AssociateFaces", "ServiceQuotaExceededException"),
        (errors.NoLiveConsent, "IndexFaces", "AccessDeniedException"),
        (errors.NoCalibration, "SearchFaces", "AccessDeniedException"),
        (errors.ThresholdBeyondEvidence, "SearchFaces", "InvalidParameterException"),
        (errors.Forbidden, "DeleteCollection", "AccessDeniedException"),
        (errors.ReviewRequired, "SearchFaces", "AccessDeniedException"),
    ],
)
def test_the_fitting_one_is_chosen(kind: type[errors.AssentError], operation: str, code: str) -> None:
    assert operation in HANDLERS
    assert wire_error(kind("the message"), operation).code == code
