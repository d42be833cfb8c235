"""Topics of SNS, or of anything that speaks its protocol, through boto3."""

from __future__ import annotations

from dataclasses import dataclass

from assent.notifications.aws import telling


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
        attributes = {"notice_id": {"DataType": "String", "StringValue": notice_id}}
        with telling("SNS", endpoint=self.endpoint, region=self.region) as client:
            client.publish(TopicArn=self.arn, Message=body, MessageAttributes=attributes)
