"""Notices through boto3: to a real server of the protocol, one that refuses, one that is gone, and none at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from assent.notifications import NotDelivered
from assent.notifications.kinesis import DataStream
from assent.notifications.sns import Topic
from tests.aws import moto

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/found"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with moto() as url:
        yield url


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that clients were made for."""
    names: list[str] = []
    make = boto3.session.Session.client

    def counted(self: Any, service: str, **options: Any) -> Any:
        names.append(service)
        return make(self, service, **options)

    monkeypatch.setattr(boto3.session.Session, "client", counted)
    return names


def test_many_are_told_by_one_client(server: str, made: list[str]) -> None:
    kinesis = boto3.client("kinesis", endpoint_url=server, **KEYS)
    kinesis.create_stream(StreamName="found", ShardCount=1)
    made.clear()
    for number in range(3):
        DataStream(ARN, server).send(f"notice-{number}", '{"a": 1}')
    assert made == ["kinesis"]
    shard = kinesis.list_shards(StreamName="found")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="found", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [record["PartitionKey"] for record in records] == ["notice-0", "notice-1", "notice-2"]
    assert {record["Data"] for record in records} == {b'{"a": 1}'}


def test_a_refusal_is_told_by_its_code(server: str) -> None:
    topic = Topic("arn:aws:sns:us-east-1:123456789012:absent", server, "us-east-1")
    with pytest.raises(NotDelivered) as caught:
        topic.send("notice", "{}")
    assert caught.value.reason == "SNS refused it (NotFound)"


def test_a_client_that_reaches_nobody_is_made_anew(server: str, made: list[str]) -> None:
    nobody = DataStream(ARN, "http://127.0.0.1:1")
    for _ in range(2):
        with pytest.raises(NotDelivered, match="Kinesis cannot be reached"):
            nobody.send("notice", "{}")
    assert made == ["kinesis", "kinesis"]


def test_without_boto3_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(NotDelivered, match=r"SNS needs botocore.*pip install 'assent\[server\]'"):
        Topic("arn:aws:sns:us-east-1:123456789012:jobs", None, "us-east-1").send("notice", "{}")
