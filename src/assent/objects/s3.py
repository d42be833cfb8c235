"""Any S3 as an object store, through boto3.

What the other side says is not trusted: not the size it declares, not that it goes on sending, not that it speaks S3.
Each question is asked in a thread of its own, which is waited for so long and no longer: timeouts of a socket begin
anew with each byte, so that a server that sends one every few seconds would hold a request for hours. The client's own
timeouts and its two attempts are there to end a thread that nobody waits for any longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeVar

from assent.errors import ObjectError, ObjectTooLarge, ObjectUnavailable
from assent.objects.base import check_names, path_of, unnamed_file

T = TypeVar("T")

_CHUNK_BYTES: Final = 2**16
MIN_BYTES_PER_S: Final = 256 * 1024
"""Of a large object; slower than this it is given up."""
MAX_IN_FLIGHT: Final = 32
"""Questions open at one time; abandoned ones count until their sockets have timed out or ended."""


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the S3 is and how long it may take.

    Attributes:
        endpoint: URL of the server; AWS's own when None.
        region: that requests are signed for.
        access_key_id: with the secret; boto3's standard chain of places when None.
        secret_access_key: as above.
        timeout_s: for one question, from its first byte to the answer's last; a large object that is opened as a file
            has its size over ``MIN_BYTES_PER_S`` beside it.
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0


class S3Buckets:
    """The buckets of one S3."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._slots = threading.BoundedSemaphore(MAX_IN_FLIGHT)
        self._lock = threading.Lock()
        self._client: Any = None

    def read(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> bytes:
        """One object's bytes (see ``ObjectStore.read``)."""
        names = _names(bucket, key, version)
        return self._within_limit(
            lambda limit: b"".join(self._chunks(names, max_bytes, limit, is_large=False))
        )

    def size(self, bucket: str, key: str, *, version: str | None = None) -> int:
        """What S3 says (see ``ObjectStore.size``)."""
        names = _names(bucket, key, version)
        return self._within_limit(lambda _: _length(self._s3().head_object(**names)))

    @contextmanager
    def open(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> Iterator[Path]:
        """One object, fetched into a file without a name (see ``ObjectStore.open``).

        It may take as much longer than the timeout as its bytes take at ``MIN_BYTES_PER_S``.
        """
        names = _names(bucket, key, version)
        with unnamed_file() as file:
            self._within_limit(
                lambda limit: _keep(file, self._chunks(names, max_bytes, limit, is_large=True))
            )
            yield path_of(file.fileno())

    def _within_limit(self, ask: Callable[[_Limit], T]) -> T:
        """Ask S3 something, in a thread that is waited for no longer than the limit allows.

        Raises:
            ObjectUnavailable: no answer in time, or none that is of use; or too many questions are open.
            ObjectTooLarge: as ``ask`` raises it.
        """
        if not self._slots.acquire(blocking=False):
            raise ObjectUnavailable(
                f"{MAX_IN_FLIGHT} objects are being read from S3 already; try again in a moment"
            )
        return _Asking(ask, _Limit(self._options.timeout_s), self._slots.release).result()

    def _chunks(
        self, names: dict[str, str], max_bytes: int, limit: _Limit, *, is_large: bool
    ) -> Iterator[bytes]:
        """All of an object, in parts; a large one may take longer.

        Raises:
            ObjectUnavailable: it is cut short, or late.
            ObjectTooLarge: over ``max_bytes``, whatever S3 says of its size.
        """
        answer = self._s3().get_object(**names)
        body = answer["Body"]
        try:
            declared = _length(answer)
            if declared > max_bytes:
                raise _too_large(max_bytes)
            if is_large:
                limit.extend(declared / MIN_BYTES_PER_S)
            size = 0
            while chunk := body.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                limit.check()
                yield chunk
            if size != declared:
                raise ObjectUnavailable("S3 sent less of the object than it has; try again")
        finally:
            body.close()

    def _s3(self) -> Any:
        """The client; one for all threads, which boto3 allows of clients."""
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ModuleNotFoundError as error:
            raise ObjectUnavailable(
                f"buckets of an S3 need {error.name}, which is not installed; run: pip install 'assent[server]'"
            ) from error

        options = self._options
        return boto3.session.Session().client(
            "s3",
            endpoint_url=options.endpoint,
            region_name=options.region,
            aws_access_key_id=options.access_key_id,
            aws_secret_access_key=options.secret_access_key,
            config=Config(
                connect_timeout=options.timeout_s,
                read_timeout=options.timeout_s,
                retries={"total_max_attempts": 2, "mode": "standard"},
                max_pool_connections=MAX_IN_FLIGHT,
                # Buckets in host names need a domain with a wildcard, which other S3 servers seldom have.
                s3={"addressing_style": "path"} if options.endpoint else None,
            ),
        )


class _Limit:
    """How long one question may take; it begins at once. Shared by who waits and who reads."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._start = time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds; none or fewer where it is over."""
        return self._start + self._limit_s - time.monotonic()

    def extend(self, seconds: float) -> None:
        """So much longer; there is much to send."""
        self._limit_s += seconds

    def check(self) -> None:
        """Give up where it is over.

        Raises:
            ObjectUnavailable: it is.
        """
        if self.left_s < 0:
            raise self.late()

    def late(self) -> ObjectUnavailable:
        """What is said then."""
        return ObjectUnavailable(
            f"S3 did not give the object within {self._limit_s:,.1f} s; check the server, or raise ASSENT_S3_TIMEOUT_S"
        )


class _Asking(Generic[T]):
    """One question in its own thread, so that it can be given up."""

    def __init__(self, ask: Callable[[_Limit], T], limit: _Limit, done: Callable[[], None]) -> None:
        self._ask = ask
        self._limit = limit
        self._done = done
        self._answers: list[T] = []
        self._error: ObjectError | None = None

    def result(self) -> T:
        """The answer, or why there is none, when the limit is over at the latest."""
        # A daemon: an abandoned question does not keep the process from ending.
        thread = threading.Thread(target=self._run, daemon=True, name="assent-s3")
        thread.start()
        while thread.is_alive() and (left_s := self._limit.left_s) > 0:
            thread.join(left_s)  # the limit may have been extended when this is over
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise self._limit.late()
        return self._answers[0]

    def _run(self) -> None:
        try:
            self._answers.append(self._ask(self._limit))
        except ObjectError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  boto3 lets through whatever a rubbish answer makes its parsers raise
            self._error = _unavailable(error)
        finally:
            self._done()


def _names(bucket: str, key: str, version: str | None) -> dict[str, str]:
    """An object as boto3 names it.

    Raises:
        ObjectUnavailable: names that no store has.
    """
    check_names(bucket, key)
    return {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})


def _length(answer: dict[str, Any]) -> int:
    if "ContentLength" not in answer:
        # Without it a body that was cut short looks whole.
        raise ObjectUnavailable("S3 did not say how large the object is; check the server")
    return int(answer["ContentLength"])


def _keep(file: BinaryIO, chunks: Iterator[bytes]) -> None:
    """Write it all down.

    Raises:
        ObjectUnavailable: there is no room for it.
    """
    for chunk in chunks:
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise ObjectUnavailable(
                f"the object cannot be kept while it is worked on ({error.strerror or type(error).__name__}); "
                "make room where temporary files are kept (TMPDIR)"
            ) from error


def _unavailable(error: Exception) -> ObjectUnavailable:
    """What S3 answered, by its code or the error's name; its text is not repeated, it may hold keys."""
    answer = getattr(error, "response", None)
    details = answer.get("Error") if isinstance(answer, dict) else None
    code = str(details.get("Code", ""))[:64] if isinstance(details, dict) else ""
    what = code if code.isalnum() and code.isascii() else type(error).__name__
    return ObjectUnavailable(
        f"Unable to get the object from S3 ({what}). Check object key, region and/or access permissions."
    )


def _too_large(max_bytes: int) -> ObjectTooLarge:
    return ObjectTooLarge(
        f"an object may have at most {max_bytes:,} bytes, this one has more; make it smaller"
    )
