"""What a client is told when something is wrong: one table from Assent's errors to AWS's.

An operation answers only with errors that it declares in the service model; where the fitting one is not declared, with
``InvalidParameterException`` or ``AccessDeniedException``, which all declare. What concerns the protocol
rather than an operation (signature, target, body) has the names that AWS gives it everywhere.
"""

from __future__ import annotations

from typing import Final

from assent.errors import (
    AccessError,
    AlreadyExists,
    AssentError,
    CalibrationError,
    ConsentError,
    FaceError,
    ImageError,
    ImageTooLarge,
    JobError,
    LiveError,
    NotFound,
    ObjectError,
    ObjectTooLarge,
    QuotaExceeded,
    ReviewError,
    ThresholdBeyondEvidence,
    TokenReused,
    TooManyJobs,
    UsageError,
    VideoError,
    VideoTooLarge,
)
from assent.wire.model import declared_errors

NO_FACE: Final = "There are no faces in the image. Should be at least 1."
"""Programs compare with this very text."""
INTERNAL: Final = "The server could not answer; its log says why under this request's id."


class WireError(Exception):
    """An answer that is an error.

    Attributes:
        code: AWS's name of it.
        message: one line for a person; the caller's own words may be in it, so it is never logged.
        status: of HTTP.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


_PREFERRED: Final[tuple[tuple[type[AssentError], tuple[str, ...]], ...]] = (
    # The first row that fits; of it, the first name that the operation declares.
    (ImageTooLarge, ("ImageTooLargeException", "InvalidParameterException")),
    (ObjectTooLarge, ("ImageTooLargeException", "InvalidParameterException")),
    (ImageError, ("InvalidImageFormatException", "InvalidParameterException")),
    (VideoTooLarge, ("VideoTooLargeException", "InvalidParameterException")),
    (VideoError, ("InvalidParameterException",)),
    (LiveError, ("InvalidParameterException",)),
    (ObjectError, ("InvalidS3ObjectException", "InvalidParameterException")),
    (TokenReused, ("IdempotentParameterMismatchException", "InvalidParameterException")),
    (AlreadyExists, ("ResourceAlreadyExistsException", "ConflictException", "InvalidParameterException")),
    (NotFound, ("ResourceNotFoundException", "InvalidParameterException")),
    (ConsentError, ("AccessDeniedException",)),
    (ThresholdBeyondEvidence, ("InvalidParameterException",)),
    (CalibrationError, ("AccessDeniedException",)),
    (AccessError, ("AccessDeniedException",)),
    (ReviewError, ("AccessDeniedException",)),
    (FaceError, ("InvalidParameterException",)),
    (TooManyJobs, ("LimitExceededException", "InvalidParameterException")),
    (JobError, ("InvalidParameterException",)),
    (QuotaExceeded, ("ServiceQuotaExceededException", "InvalidParameterException")),
    (UsageError, ("InvalidParameterException",)),
)


def wire_error(error: AssentError, operation: str) -> WireError:
    """The AWS error that an operation answers with.

    Args:
        error: what the service raised; its message becomes the answer's. What is the operator's concern
            (models, records) becomes an ``InternalServerError`` without its message, which may hold paths.
        operation: whose answer it is.
    """
    for kind, names in _PREFERRED:
        if isinstance(error, kind):
            declared = declared_errors(operation)
            return WireError(next(name for name in names if name in declared), error.message)
    return internal_error()


def internal_error() -> WireError:
    """The answer to what nobody expected; what happened stays in the server's log."""
    return WireError("InternalServerError", INTERNAL, status=500)


def throttled() -> WireError:
    """The answer where there is more to do than the server takes on; clients wait and try again."""
    return WireError("ThrottlingException", "Slow down; the server has as much to do as it takes on.")


def invalid(message: str) -> WireError:
    """A parameter is not what it must be."""
    return WireError("InvalidParameterException", message)


def denied(message: str) -> WireError:
    """Refused, and why."""
    return WireError("AccessDeniedException", message)


def mapped_errors() -> tuple[tuple[str, str], ...]:
    """The table: Assent's error, and the AWS error where the operation declares it."""
    return tuple((kind.__name__, names[0]) for kind, names in _PREFERRED)
