"""Any S3 as an object store, through boto3.

What the other side says is not trusted: not the size it declares, not that it goes on sending, not that it speaks S3.
Each object is read in a thread of its own, which is waited for so long and no longer: timeouts of a socket begin
anew with each byte, so that a server that sends one every few seconds would hold a request for hours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from assent.errors import ObjectError, ObjectTooLarge, ObjectUnavailable
from assent.objects.base import check_names, path_of, unnamed_file

_CHUNK_BYTES: Final = 2**16
_LARGE_CHUNK_BYTES: Final = 2**20
MIN_BYTES_PER_S: Final = 256 * 1024
"""Of a large object; slower than this it is given up."""
MAX_IN_FLIGHT: Final = 32
"""Objects read at one time; abandoned reads count until their sockets have timed out."""


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the S3 is and how long it may take.

    Attributes:
        endpoint: URL of the server; AWS's own when None.
        region: that requests are signed for.
        access_key_id: with the secret; boto3's standard chain of places when None.
        secret_access_key: as above.
        timeout_s: for one object, from the question to its last byte.
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
        check_names(bucket, key)
        if not self._slots.acquire(blocking=False):
            raise ObjectUnavailable(
                f"{MAX_IN_FLIGHT} objects are being read from S3 already; try again in a moment"
            )
        names = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        reading = _Reading(lambda deadline: self._read(names, max_bytes, deadline), self._slots.release)
        return reading.result(self._options.timeout_s)

    def size(self, bucket: str, key: str, *, version: str | None = None) -> int:
        """What S3 says (see ``ObjectStore.size``)."""
        check_names(bucket, key)
        names = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        try:
            return int(self._s3().head_object(**names)["ContentLength"])
        except Exception as error:  # boto3 lets through whatever a rubbish answer makes its parsers raise
            raise _unavailable(error) from error

    @contextmanager
    def open(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> Iterator[Path]:
        """One object, fetched into a file without a name (see ``ObjectStore.open``).

        A large object may take as long as its bytes take; each part of it must come within the timeout.
        """
        check_names(bucket, key)
        names = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        with unnamed_file() as file:
            try:
                self._fetch(names, file, max_bytes)
            except ObjectError:
                raise
            except OSError as error:
                raise ObjectUnavailable(
                    f"the object cannot be kept while it is worked on ({error.strerror or type(error).__name__}); "
                    "make room where temporary files are kept (TMPDIR)"
                ) from error
            except Exception as error:  # boto3 lets through whatever a rubbish answer makes its parsers raise
                raise _unavailable(error) from error
            yield path_of(file.fileno())

    def _fetch(self, names: dict[str, str], file: BinaryIO, max_bytes: int) -> None:
        answer = self._s3().get_object(**names)
        body = answer["Body"]
        try:
            declared = int(answer["ContentLength"])
            if declared > max_bytes:
                raise _too_large(max_bytes)
            deadline = time.monotonic() + self._options.timeout_s + declared / MIN_BYTES_PER_S
            size = 0
            while chunk := body.read(_LARGE_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                if time.monotonic() > deadline:
                    raise _late(self._options.timeout_s + declared / MIN_BYTES_PER_S)
                file.write(chunk)
            if size != declared:
                raise ObjectUnavailable("S3 sent less of the object than it has; try again")
            file.flush()
        finally:
            body.close()

    def _read(self, names: dict[str, str], max_bytes: int, deadline: float) -> bytes:
        answer = self._s3().get_object(**names)
        body = answer["Body"]
        try:
            if "ContentLength" not in answer:
                # Without it a body that was cut short looks whole.
                raise ObjectUnavailable("S3 did not say how large the object is; check the server")
            if int(answer["ContentLength"]) > max_bytes:
                raise _too_large(max_bytes)
            chunks: list[bytes] = []
            left = max_bytes + 1
            while left > 0 and (chunk := body.read(min(left, _CHUNK_BYTES))):
                chunks.append(chunk)
                left -= len(chunk)
                if time.monotonic() > deadline:
                    raise _late(self._options.timeout_s)
            if left <= 0:
                raise _too_large(max_bytes)
            return b"".join(chunks)
        finally:
            body.close()

    def _s3(self) -> Any:
        """The client; one for all threads, which boto3 allows of clients."""
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        import boto3
        from botocore.config import Config

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


class _Reading:
    """One read in its own thread, so that it can be given up."""

    def __init__(self, read: Callable[[float], bytes], done: Callable[[], None]) -> None:
        self._read = read
        self._done = done
        self._bytes: bytes | None = None
        self._error: ObjectError | None = None

    def result(self, timeout_s: float) -> bytes:
        """The bytes, or why there are none, after at most so many seconds."""
        deadline = time.monotonic() + timeout_s
        # A daemon: an abandoned read does not keep the process from ending.
        thread = threading.Thread(target=self._run, args=(deadline,), daemon=True, name="assent-s3")
        thread.start()
        thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        if self._bytes is None:
            raise _late(timeout_s)
        return self._bytes

    def _run(self, deadline: float) -> None:
        try:
            self._bytes = self._read(deadline)
        except ObjectError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  boto3 lets through whatever a rubbish answer makes its parsers raise
            self._error = _unavailable(error)
        finally:
            self._done()


def _unavailable(error: Exception) -> ObjectUnavailable:
    """What S3 answered, by its code or the error's name; its text is not repeated, it may hold keys."""
    answer = getattr(error, "response", None)
    details = answer.get("Error") if isinstance(answer, dict) else None
    code = str(details.get("Code", ""))[:64] if isinstance(details, dict) else ""
    what = code if code.isalnum() and code.isascii() else type(error).__name__
    return ObjectUnavailable(
        f"Unable to get the object from S3 ({what}). Check object key, region and/or access permissions."
    )


def _late(timeout_s: float) -> ObjectUnavailable:
    return ObjectUnavailable(
        f"S3 did not give the object within {timeout_s:g} s; check the server, or raise ASSENT_S3_TIMEOUT_S"
    )


def _too_large(max_bytes: int) -> ObjectTooLarge:
    return ObjectTooLarge(
        f"an object may have at most {max_bytes:,} bytes, this one has more; make it smaller"
    )
