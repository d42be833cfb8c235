"""Pictures named by bucket and key: folders, moto's S3, and an S3 that is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from assent.objects import S3Buckets, S3Options
from assent.service.pictures import encode_png
from assent.wire.pictures import MAX_OBJECT_BYTES
from tests.aws import moto
from tests.e2e.wire import Wire, assert_typed_error, running
from tests.unit.objects.servers import answering, dripping, saying, silent

SECRET = "the-secret-key-of-s3"


def named(bucket: str, key: str, **more: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": bucket, "Name": key, **more}}


def refused(wire: Wire, image: dict[str, Any], operation: str = "DetectFaces") -> str:
    reply = wire.ask(operation, Image=image)
    return assert_typed_error(reply, operation=operation)


@pytest.fixture
def buckets(club_wire: Wire, demo_photos: Path) -> Path:
    folder = club_wire.assent.settings.objects_path / "club-photos"
    folder.mkdir(parents=True)
    for name in ("obama3.jpg", "biden.jpg"):
        shutil.copy(demo_photos / name, folder / name)
    return folder


def test_a_picture_in_a_folder(club_wire: Wire, buckets: Path) -> None:
    client = club_wire.client()
    found = client.search_faces_by_image(CollectionId="club", Image=named("club-photos", "obama3.jpg"))
    assert {match["Face"]["ExternalImageId"] for match in found["FaceMatches"]} == {"ana"}
    compared = client.compare_faces(
        SourceImage=named("club-photos", "obama3.jpg"), TargetImage=named("club-photos", "biden.jpg")
    )
    assert (compared["FaceMatches"], len(compared["UnmatchedFaces"])) == ([], 1)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("club-photos", "nothing.jpg"),
        ("nowhere", "obama3.jpg"),
        ("club-photos", "../../records.sqlite3"),
        ("club-photos", "/etc/passwd"),
        ("club-photos", "../club-photos/obama3.jpg"),
        ("...", "records.sqlite3"),
        ("club-photos", "obama3.jpg\0"),
    ],
)
def test_there_is_no_way_out_of_a_bucket(club_wire: Wire, buckets: Path, bucket: str, key: str) -> None:
    assert refused(club_wire, named(bucket, key)) == "InvalidS3ObjectException"


def test_pictures_that_are_none(club_wire: Wire, buckets: Path) -> None:
    (buckets / "text").write_bytes(b"no picture")
    (buckets / "cut.jpg").write_bytes((buckets / "biden.jpg").read_bytes()[:2000])
    (buckets / "gif").write_bytes(b"GIF89a" + bytes(100))
    (buckets / "empty").write_bytes(b"")
    (buckets / "small.png").write_bytes(encode_png(np.zeros((79, 200, 3), np.uint8)))
    for name in ("text", "cut.jpg", "gif", "empty"):
        assert refused(club_wire, named("club-photos", name)) == "InvalidImageFormatException", name
    assert refused(club_wire, named("club-photos", "small.png")) == "InvalidParameterException"
    with (buckets / "huge.jpg").open("wb") as file:
        file.truncate(MAX_OBJECT_BYTES + 1)
    assert refused(club_wire, named("club-photos", "huge.jpg")) == "ImageTooLargeException"
    assert refused(club_wire, named("club-photos", "biden.jpg", Version="1")) == "InvalidS3ObjectException"


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"S3Object": {}},
        {"S3Object": {"Bucket": "club-photos"}},
        {"S3Object": {"Name": "biden.jpg"}},
        {"S3Object": {"Bucket": "club-photos", "Name": "biden.jpg"}, "Bytes": "aGFsbG8="},
        {"Url": "http://127.0.0.1/biden.jpg"},
    ],
    ids=str,
)
def test_what_names_no_picture(club_wire: Wire, buckets: Path, image: dict[str, Any]) -> None:
    assert refused(club_wire, image) == "InvalidParameterException"


@pytest.fixture
def make_wire(club_wire: Wire) -> Callable[..., Any]:
    """A second server on the same data, with its pictures in the S3 at a URL."""

    def make(url: str, *, timeout_s: float = 0.5) -> Any:
        options = S3Options(url, access_key_id="AKIA", secret_access_key=SECRET, timeout_s=timeout_s)
        return running(club_wire.assent, objects=S3Buckets(options))

    return make


@pytest.fixture
def s3_url() -> Iterator[str]:
    with moto() as url:
        yield url


def test_a_picture_in_an_s3(make_wire: Callable[..., Any], s3_url: str, demo_photos: Path) -> None:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="AKIA",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="pictures")
    client.upload_file(str(demo_photos / "obama3.jpg"), "pictures", "2026/ana & friends.jpg")
    with make_wire(s3_url, timeout_s=30) as wire:
        found = wire.client().search_faces_by_image(
            CollectionId="club", Image=named("pictures", "2026/ana & friends.jpg")
        )
        assert {match["Face"]["ExternalImageId"] for match in found["FaceMatches"]} == {"ana"}
        assert refused(wire, named("pictures", "nothing.jpg")) == "InvalidS3ObjectException"


@pytest.mark.parametrize(
    "answer",
    [
        saying(b"rubbish\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\xd8\xff"),
        silent,
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n\xff\xd8\xff", every_s=0.1),
    ],
    ids=["rubbish", "cut short", "silent", "dripping"],
)
def test_an_s3_that_is_broken(make_wire: Callable[..., Any], answer: Any) -> None:
    with answering(answer) as url, make_wire(url) as wire:
        assert refused(wire, named("pictures", "key")) == "InvalidS3ObjectException"


def test_an_s3_that_is_down(make_wire: Callable[..., Any], club_wire: Wire) -> None:
    with make_wire("http://127.0.0.1:1") as wire:
        assert refused(wire, named("pictures", "key")) == "InvalidS3ObjectException"


def test_nobody_is_fetched_from_the_web(club_wire: Wire, buckets: Path) -> None:
    for key in ("http://127.0.0.1:1/x.jpg", "file:///etc/passwd"):
        assert refused(club_wire, named("club-photos", key)) == "InvalidS3ObjectException"
