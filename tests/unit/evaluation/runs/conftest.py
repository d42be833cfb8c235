"""A service on the wire, computed by the engine of paper, and people for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.evaluation.runs.calls import Calls
from assent.evaluation.runs.endpoint import EndpointSystem
from tests.unit.evaluation.paper import paper, write_people
from tests.unit.evaluation.runs.builders import RekognitionStub, serving


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[RekognitionStub]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with serving(RekognitionStub(paper())) as one:
        yield one


class Waits(list[float]):
    """Notes how long it would have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def endpoint_of(stub: RekognitionStub, **options: object) -> EndpointSystem:
    """The service as a system, without botocore's own retries (their waits are real)."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "rekognition",
        endpoint_url=stub.url,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    return EndpointSystem(Calls(client, sleep=Waits(), max_wait_s=10.0), "127.0.0.1", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "people"
    write_people(folder, 6, pictures=2)
    return folder
