"""Topics of SNS, or of anything that speaks its protocol, through boto3."""

from __future__ import annotations

from dataclasses import dataclass

from assent.notifications.base import NotDelivered

_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        arn: of the topic.
        endpoint: URL of the server; AWS's own when None.
        region: that requests are signed for.
    """

    arn: str
    endpoint: str | None
    region: str

    def send(self, notice_id: str, body: str) -> None:
        """See ``Notifier.send``."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(
            connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1}
        )
        attributes = {"notice_id": {"DataType": "String", "StringValue": notice_id}}
        try:
            client = boto3.session.Session().client(
                "sns", endpoint_url=self.endpoint, region_name=self.region, config=config
            )
            client.publish(TopicArn=self.arn, Message=body, MessageAttributes=attributes)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:64]
            raise NotDelivered(f"SNS refused it ({code if code.isalnum() else 'error'})") from error
        except (BotoCoreError, ValueError) as error:
            raise NotDelivered(f"SNS cannot be reached ({type(error).__name__})") from error
