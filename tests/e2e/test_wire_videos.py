"""Stored videos on the wire, through boto3: started, worked on, paged, told."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from assent import Assent
from assent.config import Settings
from assent.objects import FolderBuckets
from tests.aws import moto
from tests.e2e.cli import PURPOSE
from tests.e2e.wire import Wire, running

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

TOPIC = "arn:aws:sns:us-east-1:000000000000:jobs"
CHANNEL = {"SNSTopicArn": TOPIC, "RoleArn": "arn:aws:iam::000000000000:role/any"}
VIDEO = {"S3Object": {"Bucket": "videos", "Name": "clips/short.mkv"}}


@pytest.fixture
def videos(
    made_club: Path, tmp_path: Path, models_dir: Path, engine: FaceEngine, short_clip: Path
) -> Callable[..., Any]:
    """Opens a server on the club's data with the short clip in a bucket."""
    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, tmp_path / name)
    folder = tmp_path / "buckets" / "videos" / "clips"
    folder.mkdir(parents=True)
    shutil.copy(short_clip, folder / "short.mkv")
    (folder / "text.mp4").write_text("no video")
    objects = FolderBuckets(tmp_path / "buckets")

    @contextmanager
    def opened(**settings: Any) -> Iterator[Wire]:
        chosen = Settings(
            data_dir=tmp_path / "data", models_dir=models_dir, objects_dir=tmp_path / "buckets", **settings
        )
        with (
            Assent(settings=chosen, actor="tester", engine=engine) as assent,
            running(assent, objects=objects) as wire,
        ):
            yield wire

    return opened


def work(wire: Wire) -> None:
    assert wire.assent.worker().run(threading.Event(), until_idle=True) > 0


def test_a_face_search_names_the_consenting_and_leaves_strangers_a_number(videos: Callable[..., Any]) -> None:
    with videos() as wire:
        client = wire.client()
        started = client.start_face_search(Video=VIDEO, CollectionId="club", JobTag="party")
        job_id = started["JobId"]
        waiting = client.get_face_search(JobId=job_id)
        assert (waiting["JobStatus"], waiting["JobTag"], waiting["Video"]) == ("IN_PROGRESS", "party", VIDEO)
        assert "VideoMetadata" not in waiting
        work(wire)
        whole = wire.ask("GetFaceSearch", JobId=job_id).body  # held to the service model
        assert (whole["JobStatus"], whole["JobId"]) == ("SUCCEEDED", job_id)
        assert whole["VideoMetadata"] == {
            "Codec": "mpeg4",
            "DurationMillis": 1600,
            "Format": "matroska,webm",
            "FrameRate": 25.0,
            "FrameHeight": 360,
            "FrameWidth": 480,
            "ColorRange": "LIMITED",
        }
        named = [p for p in whole["Persons"] if "FaceMatches" in p]
        strangers = [p for p in whole["Persons"] if "FaceMatches" not in p]
        assert {match["Face"]["ExternalImageId"] for p in named for match in p["FaceMatches"]} == {"ana"}
        assert {p["Person"]["Index"] for p in named} == {0}
        assert {p["Person"]["Index"] for p in strangers} == {1}
        assert max(p["Timestamp"] for p in named) < 900
        assert min(p["Timestamp"] for p in strangers) >= 500
        assert all(p["Timestamp"] == int(p["Timestamp"]) for p in whole["Persons"])
        detailed = [p for p in whole["Persons"] if "Landmarks" in p["Person"]["Face"]]
        assert detailed
        assert (whole["GallerySize"], whole["AppliedThreshold"] >= 80) == (2, True)
        withdrawn = wire.assent.consents.list("ana")[0].id
        wire.assent.consents.withdraw(withdrawn)
        after = client.get_face_search(JobId=job_id)["Persons"]
        assert len(after) == len(whole["Persons"])
        assert not [p for p in after if "FaceMatches" in p]


def test_pages_follow_each_other_by_time_or_by_index(videos: Callable[..., Any]) -> None:
    with videos() as wire:
        client = wire.client()
        job_id = client.start_person_tracking(Video=VIDEO)["JobId"]
        work(wire)
        for order, key in (
            ("TIMESTAMP", lambda p: (p["Timestamp"], p["Person"]["Index"])),
            ("INDEX", lambda p: (p["Person"]["Index"], p["Timestamp"])),
        ):
            whole = client.get_person_tracking(JobId=job_id, SortBy=order)["Persons"]
            pages: list[Any] = []
            token: dict[str, str] = {}
            while True:
                page = client.get_person_tracking(JobId=job_id, SortBy=order, MaxResults=4, **token)
                assert page["VideoMetadata"]["FrameWidth"] == 480
                assert len(page["Persons"]) <= 4
                pages += page["Persons"]
                if "NextToken" not in page:
                    break
                token = {"NextToken": page["NextToken"]}
            assert pages == whole
            assert [key(p) for p in whole] == sorted(key(p) for p in whole)
            assert not any("FaceMatches" in p for p in whole)
        with pytest.raises(ClientError, match="InvalidPaginationToken"):
            client.get_person_tracking(JobId=job_id, NextToken="AAAA")


def test_face_detection_and_segments(videos: Callable[..., Any]) -> None:
    with videos() as wire:
        client = wire.client()
        faces = client.start_face_detection(Video=VIDEO, FaceAttributes="ALL")["JobId"]
        segments = client.start_segment_detection(Video=VIDEO, SegmentTypes=["SHOT", "TECHNICAL_CUE"])[
            "JobId"
        ]
        strict = client.start_segment_detection(
            Video=VIDEO,
            SegmentTypes=["SHOT"],
            Filters={"ShotFilter": {"MinSegmentConfidence": 99.9}},
        )["JobId"]
        work(wire)
        found = wire.ask("GetFaceDetection", JobId=faces).body["Faces"]
        assert {frozenset(f["Face"]) for f in found} <= {
            frozenset(("BoundingBox", "Confidence")),
            frozenset(("BoundingBox", "Confidence", "Landmarks", "Pose", "Quality")),
        }
        assert [f["Timestamp"] for f in found] == sorted(f["Timestamp"] for f in found)
        whole = wire.ask("GetSegmentDetection", JobId=segments).body
        assert [s["Type"] for s in whole["Segments"]] == ["SHOT", "SHOT", "TECHNICAL_CUE", "SHOT"]
        black = whole["Segments"][2]
        assert black["TechnicalCueSegment"]["Type"] == "BlackFrames"
        assert {name: black[name] for name in black if name not in ("Type", "TechnicalCueSegment")} == {
            "StartTimestampMillis": 1200,
            "EndTimestampMillis": 1600,
            "DurationMillis": 400,
            "StartTimecodeSMPTE": "00:00:01:05",
            "EndTimecodeSMPTE": "00:00:01:14",
            "DurationSMPTE": "00:00:00:10",
            "StartFrameNumber": 30,
            "EndFrameNumber": 39,
            "DurationFrames": 10,
        }
        assert [s["ShotSegment"]["Index"] for s in whole["Segments"] if s["Type"] == "SHOT"] == [0, 1, 2]
        assert [t["Type"] for t in whole["SelectedSegmentTypes"]] == ["SHOT", "TECHNICAL_CUE"]
        assert len(whole["VideoMetadata"]) == 1
        few = client.get_segment_detection(JobId=strict)["Segments"]
        assert len(few) < 3
        with pytest.raises(ClientError, match="InvalidParameter"):
            client.start_segment_detection(
                Video=VIDEO,
                SegmentTypes=["SHOT"],
                Filters={"TechnicalCueFilter": {"MinSegmentConfidence": 60}},
            )


def test_what_is_wrong_is_said_in_aws_words(videos: Callable[..., Any]) -> None:
    with videos(max_jobs=2, max_video_bytes=200_000_000) as wire:
        client = wire.client()

        def code(operation: str, **members: Any) -> str:
            with pytest.raises(ClientError) as refused:
                getattr(client, operation)(**members)
            return str(refused.value.response["Error"]["Code"])

        missing = {"S3Object": {"Bucket": "videos", "Name": "none.mp4"}}
        assert code("start_face_detection", Video=missing) == "InvalidS3ObjectException"
        assert code("start_face_detection", Video={}) == "InvalidParameterException"
        assert code("start_face_search", Video=VIDEO, CollectionId="none") == "ResourceNotFoundException"
        assert code("get_face_search", JobId="none") == "ResourceNotFoundException"
        assert (
            code("start_face_detection", Video=VIDEO, NotificationChannel=CHANNEL)
            == "InvalidParameterException"
        )
        token = uuid.uuid4().hex
        first = client.start_face_detection(Video=VIDEO, ClientRequestToken=token)["JobId"]
        assert client.start_face_detection(Video=VIDEO, ClientRequestToken=token)["JobId"] == first
        other = {"Video": VIDEO, "ClientRequestToken": token, "JobTag": "x"}
        assert code("start_face_detection", **other) == "IdempotentParameterMismatchException"
        text = {"S3Object": {"Bucket": "videos", "Name": "clips/text.mp4"}}
        broken = client.start_face_detection(Video=text)["JobId"]
        assert code("start_face_detection", Video=VIDEO) == "LimitExceededException"
        assert code("get_person_tracking", JobId=first) == "ResourceNotFoundException"
        work(wire)
        failed = client.get_face_detection(JobId=broken)
        assert failed["JobStatus"] == "FAILED"
        assert failed["StatusMessage"].startswith("UnreadableVideo: ")
    with videos(max_video_bytes=1000) as wire, pytest.raises(ClientError, match="VideoTooLargeException"):
        wire.client().start_face_detection(Video=VIDEO)


@contextmanager
def listener(statuses: list[int]) -> Iterator[tuple[str, list[Any]]]:
    """A webhook that answers with these statuses in turn; what it was sent."""
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.socket.settimeout(1.0)  # a client gone between being seen and being accepted is not waited for
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/ended", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_webhook_is_told_signed_and_again_where_it_failed(
    videos: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assent.service.working._FIRST_WAIT_S", 0.0)
    with (
        listener([503, 200]) as (url, got),
        videos(notifications={TOPIC: url}, webhook_secret="a long secret") as wire,
    ):
        client = wire.client()
        started = client.start_face_detection(Video=VIDEO, NotificationChannel=CHANNEL, JobTag="party")
        job_id = started["JobId"]
        work(wire)
        assert not wire.assent.worker().tell_once()
    assert len(got) == 2
    for headers, body in got:
        said = json.loads(body)
        assert {name: said[name] for name in ("JobId", "Status", "API", "JobTag", "Video")} == {
            "JobId": job_id,
            "Status": "SUCCEEDED",
            "API": "StartFaceDetection",
            "JobTag": "party",
            "Video": {"S3ObjectName": "clips/short.mkv", "S3Bucket": "videos"},
        }
        assert said["Timestamp"] > 1_700_000_000_000
        at, mac = (part.split("=")[1] for part in headers["Assent-Signature"].split(","))
        expected = hmac.new(b"a long secret", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert mac == expected
        assert headers["Assent-Notice-Id"] == job_id


def test_an_sns_topic_is_told(videos: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with moto() as url:
        options: dict[str, Any] = {"endpoint_url": url, "region_name": "us-east-1"}
        sns, sqs = boto3.client("sns", **options), boto3.client("sqs", **options)
        topic = sns.create_topic(Name="jobs")["TopicArn"]
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        with videos(notifications={topic: "sns"}, sns_endpoint=url) as wire:
            channel = {**CHANNEL, "SNSTopicArn": topic}
            job_id = wire.client().start_segment_detection(
                Video=VIDEO, SegmentTypes=["SHOT"], NotificationChannel=channel
            )["JobId"]
            work(wire)
        [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
        said = json.loads(json.loads(message["Body"])["Message"])
        assert (said["JobId"], said["Status"], said["API"]) == (job_id, "SUCCEEDED", "StartSegmentDetection")


def test_the_purpose_is_the_collections(videos: Callable[..., Any]) -> None:
    with videos() as wire:
        job_id = wire.client().start_face_search(Video=VIDEO, CollectionId="club")["JobId"]
        work(wire)
        [entry] = wire.assent.log(kinds=["search"])
        assert (entry["purpose"], entry["actor"].split("/")[0]) == (PURPOSE, "tester")
        assert wire.assent.jobs.answer(job_id).job.collection == "club"
