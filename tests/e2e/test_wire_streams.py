"""Stream processors through boto3: a camera of a declared place, watched by a worker; records for the program."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from assent import Assent, Settings
from assent.live.values import SourceSettings
from assent.notifications import NotDelivered
from assent.service.liveoptions import LiveOptions
from assent.service.liveworking import Outputs
from assent.wire.model import declared_errors
from assent.wire.streamoutput import StreamOutput, output_of
from tests.aws import moto
from tests.builders import add_profile, agree
from tests.e2e.wire import Wire, running
from tests.unit.live.clips import portrait_frames, write_clip
from tests.unit.service.test_places import agree_to
from tests.unit.service.test_streams import until

INPUT = "arn:aws:kinesisvideo:us-east-1:000000000000:stream/front/1500000000000"
OUTPUT = "arn:aws:kinesis:us-east-1:123456789012:stream/AmazonRekognitionFound"
FILE = "arn:aws:kinesis:us-east-1:123456789012:stream/to-a-file"
ROLE = "arn:aws:iam::000000000000:role/anything"
OUTPUT_DOWN = "the output is not reached (nobody answers); records wait for a minute, 100 of them at most"
LOOPED = LiveOptions(max_fps=20, has_preview=True, source=SourceSettings(is_looped=True))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, demo_photos: Path) -> Path:
    frames = portrait_frames(demo_photos / "obama3.jpg", 30)
    return write_clip(tmp_path_factory.mktemp("live") / "ana.mkv", frames, fps=20)


@pytest.fixture
def kinesis() -> Iterator[Any]:
    """A data stream on moto's server; its client."""
    with moto() as url:
        client = boto3.client(
            "kinesis",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        client.create_stream(StreamName="AmazonRekognitionFound", ShardCount=1)
        yield client


@pytest.fixture
def live_wire(
    tmp_path: Path,
    models_dir: Path,
    engine: Any,
    demo_photos: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Wire]:
    """A server whose settings map both streams; ana and bea enrolled, ana agreed to the door."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings = Settings(
        data_dir=tmp_path / "data",
        models_dir=models_dir,
        stream_sources={INPUT: "door/front"},
        stream_outputs={OUTPUT: "kinesis", FILE: f"file:{tmp_path / 'found.jsonl'}"},
    )
    add_profile(settings, engine.model_digest)
    with Assent(settings=settings, actor="tester", engine=engine) as assent, running(assent) as wire:
        assent.collections.create("club", purpose="club-photos")
        for ref, names in {"ana": ("obama.jpg", "obama2.jpg"), "bea": ("astronaut.png",)}.items():
            agree(assent, ref)
            for name in names:
                assent.enrol(demo_photos / name, person=ref, collection="club")
        assent.places.add(
            "door", collection="club", responsible="Club", notice="Members are recognised here."
        )
        assent.places.set_camera("door", "front", str(clip))
        yield wire


class Down:
    """The network's edge, down until it is up."""

    def __init__(self) -> None:
        self.is_up = False
        self.tries = 0
        self.got: list[str] = []

    def send(self, notice_id: str, body: str) -> None:
        self.tries += 1
        if not self.is_up:
            raise NotDelivered("nobody answers")
        self.got.append(body)


@contextmanager
def working(assent: Assent, outputs: Outputs = output_of) -> Iterator[None]:
    stop = threading.Event()
    worker = assent.live_worker(options=LOOPED, outputs=outputs)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def create(client: Any, name: str = "front", output: str = FILE, **changes: Any) -> Any:
    return client.create_stream_processor(
        **{
            "Name": name,
            "Input": {"KinesisVideoStream": {"Arn": INPUT}},
            "Output": {"KinesisDataStream": {"Arn": output}},
            "Settings": {"FaceSearch": {"CollectionId": "club", "FaceMatchThreshold": 85}},
            "RoleArn": ROLE,
        }
        | changes
    )


def refused(call: Callable[[], Any], operation: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] in declared_errors(operation)
    return str(error["Code"]), str(error["Message"])


def test_the_whole_life_of_a_stream_processor(live_wire: Wire, tmp_path: Path) -> None:
    assent, client = live_wire.assent, live_wire.client()
    made = create(client)
    assert made["StreamProcessorArn"] == "arn:aws:rekognition:us-east-1:000000000000:streamprocessor/front"
    assert refused(lambda: create(client), "CreateStreamProcessor")[0] == "ResourceInUseException"
    told = client.describe_stream_processor(Name="front")
    assert (told["Status"], told["RoleArn"]) == ("STOPPED", ROLE)
    assert told["Settings"]["FaceSearch"] == {"CollectionId": "club", "FaceMatchThreshold": 85.0}
    assert told["Input"]["KinesisVideoStream"]["Arn"] == INPUT
    assert client.list_stream_processors()["StreamProcessors"] == [{"Name": "front", "Status": "STOPPED"}]
    code, message = refused(lambda: client.start_stream_processor(Name="front"), "StartStreamProcessor")
    assert (code, "nobody agreed" in message) == ("AccessDeniedException", True)
    agree_to(assent, "ana", "door")
    session = client.start_stream_processor(Name="front")["SessionId"]
    assert len(session) == 36
    again = refused(lambda: client.start_stream_processor(Name="front"), "StartStreamProcessor")
    assert again[0] == "ResourceInUseException"
    found = tmp_path / "found.jsonl"
    with working(assent):
        until(lambda: client.describe_stream_processor(Name="front")["Status"] == "RUNNING")
        until(lambda: found.exists() and found.read_text().count("\n") >= 2)
        in_use = refused(lambda: client.delete_stream_processor(Name="front"), "DeleteStreamProcessor")
        assert in_use[0] == "ResourceInUseException"
        client.stop_stream_processor(Name="front")
        until(lambda: client.describe_stream_processor(Name="front")["Status"] == "STOPPED")
    client.delete_stream_processor(Name="front")
    assert client.list_stream_processors()["StreamProcessors"] == []
    gone = refused(lambda: client.describe_stream_processor(Name="front"), "DescribeStreamProcessor")
    assert gone[0] == "ResourceNotFoundException"
    assert_record(json.loads(found.read_text().splitlines()[0]))


def test_an_output_that_is_down_is_said_until_it_is_reached(live_wire: Wire) -> None:
    assent, client, edge = live_wire.assent, live_wire.client(), Down()
    agree_to(assent, "ana", "door")
    create(client)
    client.start_stream_processor(Name="front")

    def told() -> tuple[str, str]:
        answer = client.describe_stream_processor(Name="front")
        return answer["Status"], answer.get("StatusMessage", "")

    with working(assent, outputs=lambda ctx, stream: StreamOutput(ctx, stream, edge)):
        until(lambda: told() == ("RUNNING", OUTPUT_DOWN))
        edge.is_up = True
        until(lambda: told() == ("RUNNING", ""))
    assert edge.got


@pytest.mark.slow
def test_a_stream_processor_ends_with_the_key_that_started_it(live_wire: Wire) -> None:
    assent = live_wire.assent
    agree_to(assent, "ana", "door")
    key = assent.access.make("program", ["searcher", "enroller"])
    theirs = live_wire.client(key)
    create(theirs)
    theirs.start_stream_processor(Name="front")
    client = live_wire.client()
    with working(assent):
        until(lambda: client.describe_stream_processor(Name="front")["Status"] == "RUNNING")
        assent.access.revoke(key.key.id)
        until(lambda: client.describe_stream_processor(Name="front")["Status"] == "FAILED")
        told = client.describe_stream_processor(Name="front")["StatusMessage"]
        assert "revoked" in told
        assert "start it with another key" in told
        until(lambda: assent.streams.get("front").worker is None)
        client.start_stream_processor(Name="front")
        until(lambda: client.describe_stream_processor(Name="front")["Status"] == "RUNNING")
        client.stop_stream_processor(Name="front")


def assert_record(record: dict[str, Any]) -> None:
    """The documented shape, of somebody who agreed."""
    assert set(record) == {"InputInformation", "StreamProcessorInformation", "FaceSearchResponse"}
    assert record["InputInformation"]["KinesisVideo"]["StreamArn"] == INPUT
    assert record["StreamProcessorInformation"] == {"Status": "RUNNING"}
    [face] = record["FaceSearchResponse"]
    assert set(face["DetectedFace"]) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert len(face["MatchedFaces"]) == 2
    for match in face["MatchedFaces"]:
        assert match["Face"]["ExternalImageId"] == "ana"
        assert match["Similarity"] >= 85
        assert 0 < match["FmrAtScore"] < 1e-3


def test_records_reach_a_kinesis_compatible_endpoint(live_wire: Wire, kinesis: Any) -> None:
    assent = live_wire.assent
    agree_to(assent, "ana", "door")
    assent.settings.__dict__["kinesis_endpoint"] = kinesis.meta.endpoint_url
    create(live_wire.client(), output=OUTPUT)
    stream = assent.streams.get("front")
    seen: list[Any] = []
    from assent.service.living import open_live

    output = output_of(assent._ctx, stream)
    assert output is not None

    def see(sighting: Any) -> None:
        seen.append(sighting)
        output.see(sighting)

    with output:
        run = open_live(assent._ctx, "door", camera="front", options=LiveOptions(max_fps=20), see=see)
        run.run()
    assert seen
    shard = kinesis.describe_stream(StreamName="AmazonRekognitionFound")["StreamDescription"]["Shards"][0][
        "ShardId"
    ]
    iterator = kinesis.get_shard_iterator(
        StreamName="AmazonRekognitionFound", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert len(records) == len(seen)
    assert_record(json.loads(records[0]["Data"]))


def test_what_waits_is_not_sent_of_somebody_who_withdrew(live_wire: Wire) -> None:
    assent = live_wire.assent
    consent = agree_to(assent, "ana", "door")
    create(live_wire.client())
    seen: list[Any] = []
    from assent.service.living import open_live

    open_live(assent._ctx, "door", camera="front", options=LiveOptions(max_fps=20), see=seen.append).run()

    class Faulty:
        """Fails otherwise than it may, once; then it takes all."""

        def __init__(self) -> None:
            self.faults = [RuntimeError("secret-of-somebody")]
            self.got: list[str] = []

        def send(self, notice_id: str, body: str) -> None:
            if self.faults:
                raise self.faults.pop()
            self.got.append(body)

    faulty = Faulty()
    with StreamOutput(assent._ctx, assent.streams.get("front"), faulty) as output:
        output.see(seen[0])
        until(lambda: len(faulty.got) == 1)
    edge = Down()
    with StreamOutput(assent._ctx, assent.streams.get("front"), edge) as output:
        output.see(seen[0])
        until(lambda: edge.tries >= 1)
        assent.consents.withdraw(consent.id)
        edge.is_up = True
        output.see(seen[0])
        time.sleep(0.2)
    assert edge.got == []


def test_what_cannot_be_is_refused_with_what_to_do(live_wire: Wire) -> None:
    client = live_wire.client()
    elsewhere = "arn:aws:kinesisvideo:us-east-1:000000000000:stream/attic/1"
    for changes, code, words in (
        (
            {"Input": {"KinesisVideoStream": {"Arn": elsewhere}}},
            "InvalidParameterException",
            "ASSENT_STREAM_SOURCES",
        ),
        ({"Input": {}}, "InvalidParameterException", "needs Input"),
        (
            {"Output": {"KinesisDataStream": {"Arn": OUTPUT + "2"}}},
            "InvalidParameterException",
            "ASSENT_STREAM_OUTPUTS",
        ),
        (
            {"Settings": {"ConnectedHome": {"Labels": ["PERSON"]}}},
            "AccessDeniedException",
            "Only face search",
        ),
        (
            {"Settings": {"FaceSearch": {"CollectionId": "none"}}},
            "InvalidParameterException",
            "does not exist",
        ),
        ({"KmsKeyId": "abc"}, "InvalidParameterException", "KmsKeyId"),
    ):
        got = refused(lambda: create(client, **changes), "CreateStreamProcessor")  # noqa: B023
        assert got[0] == code, got
        assert words in got[1]
    live_wire.assent.collections.create("other", purpose="club-photos")
    other: dict[str, Any] = {"Settings": {"FaceSearch": {"CollectionId": "other"}}}
    assert refused(lambda: create(client, **other), "CreateStreamProcessor")[0] == "AccessDeniedException"
    create(client)
    update = refused(
        lambda: client.update_stream_processor(
            Name="front", SettingsForUpdate={"ConnectedHomeForUpdate": {"MinConfidence": 50}}
        ),
        "UpdateStreamProcessor",
    )
    assert update[0] == "InvalidParameterException"
    for operation, call in (
        ("UpdateStreamProcessor", lambda: client.update_stream_processor(Name="none")),
        ("StopStreamProcessor", lambda: client.stop_stream_processor(Name="none")),
    ):
        assert refused(call, operation)[0] == "ResourceNotFoundException"
    selector = refused(
        lambda: client.start_stream_processor(Name="front", StopSelector={"MaxDurationInSeconds": 5}),
        "StartStreamProcessor",
    )
    assert selector[0] == "InvalidParameterException"
