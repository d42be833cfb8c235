"""Any S3: moto's server for what works, hand-made ones for what does not."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from assent.config import Settings
from assent.errors import ObjectTooLarge, ObjectUnavailable
from assent.objects import S3Buckets, S3Options, open_objects
from tests.aws import moto
from tests.unit.objects.servers import answering, dripping, flooding, saying, silent

SECRET = "the-secret-key-of-s3"
TIMEOUT_S = 0.5


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto() as url:
        yield url


def options(url: str, *, timeout_s: float = 60.0) -> S3Options:
    return S3Options(url, access_key_id="AKIATEST", secret_access_key=SECRET, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def filled(s3_url: str) -> Any:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="club-photos")
    client.put_bucket_versioning(Bucket="club-photos", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="club-photos", Key="2026/très long.jpg", Body=b"first")
    client.put_object(Bucket="club-photos", Key="2026/très long.jpg", Body=b"second")
    client.put_object(Bucket="club-photos", Key="large", Body=bytes(200_000))
    return client


def test_an_objects_bytes_and_versions(s3_url: str, filled: Any) -> None:
    store = S3Buckets(options(s3_url))
    key = "2026/très long.jpg"
    assert store.read("club-photos", key, max_bytes=100) == b"second"
    versions = filled.list_object_versions(Bucket="club-photos", Prefix=key)["Versions"]
    [first] = [version["VersionId"] for version in versions if not version["IsLatest"]]
    assert store.read("club-photos", key, version=first, max_bytes=100) == b"first"
    assert store.read("club-photos", "large", max_bytes=200_000) == bytes(200_000)
    with pytest.raises(ObjectTooLarge, match="at most 199,999 bytes"):
        store.read("club-photos", "large", max_bytes=199_999)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    store = S3Buckets(options("http://127.0.0.1:1"))
    with pytest.raises(ObjectUnavailable, match=r"need boto3, .* pip install 'assent\[server\]'"):
        store.read("club-photos", "large", max_bytes=10)


@pytest.mark.parametrize(
    ("bucket", "key", "version"),
    [
        ("club-photos", "nothing.jpg", None),
        ("nowhere", "large", None),
        ("club-photos", "large", "no-such-version"),
        ("Under_Score", "large", None),
        ("../club-photos", "large", None),
        ("club-photos", "", None),
        ("club-photos", "../club-photos/large", None),
    ],
)
def test_what_is_not_there(s3_url: str, filled: Any, bucket: str, key: str, version: str | None) -> None:
    with pytest.raises(ObjectUnavailable) as refused:
        S3Buckets(options(s3_url)).read(bucket, key, version=version, max_bytes=10)
    assert SECRET not in str(refused.value)


OK = b"HTTP/1.1 200 OK\r\n"
RUBBISH: dict[str, Callable[[socket.socket], None]] = {
    "closes at once": saying(b""),
    "is no HTTP": saying(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "closes in the headers": saying(OK + b"Content-Le"),
    "promises more than it sends": saying(OK + b"Content-Length: 100\r\n\r\nabc"),
    "has a length that is none": saying(OK + b"Content-Length: many\r\n\r\nabc"),
    "has a negative length": saying(OK + b"Content-Length: -5\r\n\r\n"),
    "has broken chunks": saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "has a wrong checksum": saying(OK + b"Content-Length: 3\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\nabc"),
    "has times that are none": saying(OK + b"Content-Length: 3\r\nLast-Modified: yesterday\r\n\r\nabc"),
    "errs in HTML": saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n<html><b>"),
    "errs in XML that is none": saying(b"HTTP/1.1 403 X\r\nContent-Length: 12\r\n\r\n<Error><Code"),
    "errs in bytes": saying(b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x00"),
    "sends elsewhere": saying(
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    ),
    "has endless headers": saying(OK + b"X-A: b\r\n" * 20_000),
    "says nothing": silent,
    "drips its headers": dripping(OK + b"X-Slow: ", every_s=0.05),
    "drips its body": dripping(OK + b"Content-Length: 900\r\n\r\n", every_s=0.05),
}


def opened(store: S3Buckets, *, max_bytes: int = 1000) -> bytes:
    with store.open("club-photos", "key", max_bytes=max_bytes) as path:
        return path.read_bytes()


ASKED: dict[str, Callable[[S3Buckets], object]] = {
    "read": lambda store: store.read("club-photos", "key", max_bytes=1000),
    "open": opened,
    "size": lambda store: store.size("club-photos", "key"),
}


@pytest.mark.parametrize("answer", RUBBISH.values(), ids=RUBBISH)
def test_a_server_that_answers_rubbish(answer: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with answering(answer) as url, pytest.raises(ObjectUnavailable) as refused:
        S3Buckets(options(url, timeout_s=TIMEOUT_S)).read("club-photos", "key", max_bytes=1000)
    # Bounded, whatever the server does; the slack is for a busy machine.
    assert time.monotonic() - started < TIMEOUT_S + 10
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "how", ["promises more than it sends", "has broken chunks", "errs in XML that is none"]
)
def test_a_server_that_answers_rubbish_gives_no_file(how: str) -> None:
    with answering(RUBBISH[how]) as url, pytest.raises(ObjectUnavailable) as refused:
        opened(S3Buckets(options(url, timeout_s=5.0)))
    assert SECRET not in str(refused.value)


HANGING = [
    (what, how)
    for what in ASKED
    for how in ("says nothing", "drips its headers", "drips its body")
    if (what, how) != ("size", "drips its body")  # a size is in the headers
]


@pytest.mark.parametrize(("what", "how"), HANGING)
def test_a_server_that_hangs_is_waited_for_no_longer_than_said(what: str, how: str) -> None:
    started = time.monotonic()
    with answering(RUBBISH[how]) as url, pytest.raises(ObjectUnavailable, match=r"within 0\.2 s"):
        ASKED[what](S3Buckets(options(url, timeout_s=0.2)))
    assert time.monotonic() - started < 10  # they drip for a minute; the slack is for a busy machine


def test_a_large_object_has_the_time_that_its_bytes_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 bytes that take 1.2 s, within a timeout of 1 s."""
    body = dripping(OK + b"Connection: close\r\nContent-Length: 12\r\n\r\n", every_s=0.1)
    monkeypatch.setattr("assent.objects.s3.MIN_BYTES_PER_S", 1)
    with answering(body) as url:
        store = S3Buckets(options(url, timeout_s=1.0))
        for _ in range(20):  # on a busy machine the client alone takes a second to make
            with contextlib.suppress(ObjectUnavailable):
                assert store.size("club-photos", "key") == 12
                break
        assert opened(store) == b"x" * 12
        with pytest.raises(ObjectUnavailable, match=r"within 1\.0 s"):
            store.read("club-photos", "key", max_bytes=1000)


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Content-Length: 99999999999\r\n\r\n",
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    ],
    ids=["says it is huge", "says it is small"],
)
def test_a_file_has_no_more_bytes_than_asked_for(head: bytes) -> None:
    with answering(flooding(head)) as url, pytest.raises((ObjectTooLarge, ObjectUnavailable)):
        opened(S3Buckets(options(url, timeout_s=5.0)), max_bytes=2**17)


def test_a_size_and_a_file(s3_url: str, filled: Any) -> None:
    store = S3Buckets(options(s3_url))
    assert store.size("club-photos", "large") == 200_000
    with store.open("club-photos", "large", max_bytes=200_000) as path:
        assert path.read_bytes() == bytes(200_000)
    with (
        pytest.raises(ObjectTooLarge, match="at most 199,999 bytes"),
        store.open("club-photos", "large", max_bytes=199_999),
    ):
        raise AssertionError
    with pytest.raises(ObjectUnavailable):
        store.size("club-photos", "nothing")


@pytest.mark.parametrize(
    "head",
    [OK + b"Content-Length: 3\r\n\r\n", OK + b"\r\n", OK + b"Content-Length: 99999999999\r\n\r\n"],
    ids=["says it is small", "says nothing of its size", "says it is huge"],
)
def test_a_size_that_is_a_lie_takes_no_memory(head: bytes) -> None:
    with answering(flooding(head)) as url:
        store = S3Buckets(options(url))
        tracemalloc.start()
        try:
            held = store.read("club-photos", "key", max_bytes=2**20)
        except (ObjectTooLarge, ObjectUnavailable):
            held = b""
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(held) <= 3
    assert peak < 32 * 2**20


def test_a_server_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ObjectUnavailable, match="EndpointConnectionError"):
        S3Buckets(options(f"http://127.0.0.1:{port}")).read("club-photos", "key", max_bytes=10)


def test_reads_that_hang_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.objects.s3.MAX_IN_FLIGHT", 2)
    with answering(silent) as url:
        store = S3Buckets(options(url, timeout_s=0.2))
        for _ in range(2):
            with pytest.raises(ObjectUnavailable):
                store.read("club-photos", "key", max_bytes=10)
        with pytest.raises(ObjectUnavailable, match=r"being read from S3 already|within 0.2 s"):
            store.read("club-photos", "key", max_bytes=10)


def test_the_settings_name_it(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        objects="s3",
        s3_endpoint="http://127.0.0.1:1",
        s3_access_key_id="AKIATEST",
        s3_secret_access_key=SecretStr(SECRET),
    )
    assert isinstance(open_objects(settings), S3Buckets)
    assert SECRET not in repr(settings)
    assert SECRET not in repr(options("http://x"))
