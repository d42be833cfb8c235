"""Kinesis data streams, or anything that speaks their protocol, through boto3."""

from __future__ import annotations

from dataclasses import dataclass

from assent.notifications.aws import telling


@dataclass(frozen=True, slots=True)
class DataStream:
    """One data stream.

    Attributes:
        arn: of the stream.
        endpoint: URL of the server; AWS's own when None.
    """

    arn: str
    endpoint: str | None

    def send(self, notice_id: str, body: str) -> None:
        """See ``Notifier.send``; the id is the partition key."""
        region = self.arn.split(":")[3:4]
        with telling("Kinesis", endpoint=self.endpoint, region=region[0] if region else None) as client:
            client.put_record(StreamARN=self.arn, Data=body.encode(), PartitionKey=notice_id)
