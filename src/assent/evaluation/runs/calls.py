"""Calling a service that speaks Rekognition's protocol: what to wait for, what to note, what to stop at.

botocore retries by itself first. What is left after that is sorted here: throttling is waited out, up to a bound;
what a service says of a picture is a failure of that picture; a service that does not answer is an error of that
one call, and after several in a row the run stops, with nothing lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assent.errors import EndpointError, UsageError
from assent.types import JsonObject

if TYPE_CHECKING:
    from botocore.client import BaseClient

THROTTLES = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
    }
)
OF_THE_PICTURE = {
    "ImageTooLargeException": "image too large",
    "InvalidImageFormatException": "image format refused",
    "InvalidParameterException": "no face, or refused",
}
"""What a service may say of a picture; an invalid parameter is how it says that there is no face."""

NO_FACE = "There are no faces in the image"
MAX_ERRORS_IN_A_ROW = 8
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to: a response, or a failure of the picture, or an error of the service.

    Attributes:
        response: as botocore parsed it; None where the call failed.
        failure: about the picture.
        error: about the service.
        ms: how long the call took; None where it was retried, since the waiting is in it.
    """

    response: JsonObject | None
    failure: str = ""
    error: str = ""
    ms: float | None = None


@dataclass(slots=True)
class Calls:
    """One client, called politely.

    Attributes:
        client: of boto3, for rekognition.
        max_wait_s: how long one call may be throttled, in all, before the run stops.
        sleep: waits so many seconds.
        num_throttled: how often a call was put off.
        num_calls: calls that were answered.
    """

    client: BaseClient
    max_wait_s: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    num_throttled: int = 0
    num_calls: int = 0
    _errors_in_a_row: int = field(default=0)

    def __call__(self, operation: str, **parameters: Any) -> Answer:
        """Call an operation (in boto3's spelling) about a picture.

        Raises:
            EndpointError: the service refuses the operation, keeps throttling, or has failed too often in a row.
            UsageError: no credentials.
        """
        waited_s, wait_s = 0.0, _FIRST_WAIT_S
        while True:
            answer = self._once(operation, parameters)
            if answer.error not in THROTTLES:
                break
            if waited_s >= self.max_wait_s:
                raise EndpointError(
                    f"the service has throttled {operation} for {waited_s:.0f} s; nothing that was done is lost. Run "
                    "the same command again later to go on."
                )
            self.num_throttled += 1
            self.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(2 * wait_s, _LONGEST_WAIT_S)
        self._count(operation, answer)
        return answer if not waited_s else Answer(answer.response, answer.failure, answer.error)

    def required(self, operation: str, **parameters: Any) -> JsonObject:
        """Call an operation that the run cannot do without.

        Raises:
            EndpointError: it failed.
        """
        answer = self(operation, **parameters)
        if answer.response is None:
            raise EndpointError(f"{operation} failed: {answer.failure or answer.error}.")
        return answer.response

    def _once(self, operation: str, parameters: dict[str, Any]) -> Answer:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        start = time.perf_counter()
        try:
            response = getattr(self.client, operation)(**parameters)
        except ClientError as error:
            return _of_answer(operation, error.response)
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise UsageError(
                "expected credentials for the service; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile "
                "(AWS_PROFILE)."
            ) from error
        except BotoCoreError as error:
            return Answer(None, error=type(error).__name__)
        ms = 1000 * (time.perf_counter() - start)
        was_retried = bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))
        return Answer(response, ms=None if was_retried else ms)

    def _count(self, operation: str, answer: Answer) -> None:
        self.num_calls += 1
        self._errors_in_a_row = self._errors_in_a_row + 1 if answer.error else 0
        if self._errors_in_a_row >= MAX_ERRORS_IN_A_ROW:
            raise EndpointError(
                f"the service has not answered {operation} {MAX_ERRORS_IN_A_ROW} times in a row (last: "
                f"{answer.error}); nothing that was done is lost. Run the same command again to go on."
            )


def _of_answer(operation: str, response: Any) -> Answer:
    """A failure of the picture, or an error of the service; what no other picture would change is raised.

    Raises:
        EndpointError: access, credentials, or an operation that the service does not have.
    """
    code = str(response.get("Error", {}).get("Code", "")) or "unknown"
    text = str(response.get("Error", {}).get("Message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in THROTTLES:
        return Answer(None, error=code)
    if code in OF_THE_PICTURE:
        return Answer(None, failure="no face" if text.startswith(NO_FACE) else OF_THE_PICTURE[code])
    if status >= 500 or code == "InternalServerError":
        return Answer(None, error=code)
    raise EndpointError(
        f"the service refused {operation} with {code}: {text or 'no reason given'}", code=code
    )
