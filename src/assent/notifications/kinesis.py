"""Kinesis data streams, or anything that speaks their protocol, through boto3."""

from __future__ import annotations

from dataclasses import dataclass

from assent.notifications.base import NotDelivered

_TIMEOUT_S = 10


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
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(
            connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1}
        )
        try:
            client = boto3.session.Session().client(
                "kinesis", endpoint_url=self.endpoint, region_name=self.arn.split(":")[3], config=config
            )
            client.put_record(StreamARN=self.arn, Data=body.encode(), PartitionKey=notice_id)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:64]
            raise NotDelivered(f"Kinesis refused it ({code if code.isalnum() else 'error'})") from error
        except (BotoCoreError, ValueError, IndexError) as error:
            raise NotDelivered(f"Kinesis cannot be reached ({type(error).__name__})") from error
