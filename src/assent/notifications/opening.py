"""From a topic's ARN to what the operator's settings say of it."""

from __future__ import annotations

from pathlib import Path

from assent.config import Settings
from assent.errors import UsageError
from assent.notifications.base import Notifier
from assent.notifications.kinesis import DataStream
from assent.notifications.lines import Lines
from assent.notifications.sns import Topic
from assent.notifications.webhook import Webhook


def open_output(settings: Settings, stream: str) -> Notifier:
    """Where the records of a stream processor go; nothing is opened or asked yet.

    Args:
        settings: the operator's.
        stream: ARN of a Kinesis data stream.

    Raises:
        UsageError: the settings do not say, or say it of something else, or webhooks have no secret.
    """
    where = settings.stream_outputs.get(stream)
    if where is None:
        raise UsageError(
            "no destination is configured for this data stream; name a webhook, file:PATH, or kinesis for it in "
            "ASSENT_STREAM_OUTPUTS"
        )
    if where == "kinesis":
        return DataStream(stream, settings.kinesis_endpoint)
    if where.startswith("file:"):
        return Lines(Path(where.removeprefix("file:")))
    return open_webhook(settings, where, "ASSENT_STREAM_OUTPUTS")


def open_webhook(settings: Settings, url: str, variable: str) -> Webhook:
    """The webhook of an address; nothing is opened or asked yet.

    Args:
        settings: the operator's, with what it is signed with.
        url: of http or https.
        variable: where the address was given, for the error.

    Raises:
        UsageError: another address, or nothing to sign with.
    """
    if not url.startswith(("https://", "http://")):
        raise UsageError(f"expected a webhook's URL (https://...) in {variable}, got another word")
    if settings.webhook_secret is None:
        raise UsageError("webhooks are signed; set ASSENT_WEBHOOK_SECRET to a long random text")
    return Webhook(url, settings.webhook_secret.get_secret_value().encode())


def open_notifier(settings: Settings, topic: str) -> Notifier:
    """Where a topic's notices go; nothing is opened or asked yet.

    Raises:
        UsageError: the settings do not say, or say it of no URL, or webhooks have no secret to be signed with.
    """
    where = settings.notifications.get(topic)
    if where is None:
        raise UsageError(
            "no destination is configured for this topic; name a webhook, or sns, for it in ASSENT_NOTIFICATIONS"
        )
    if where == "sns":
        return Topic(topic, settings.sns_endpoint, settings.sns_region)
    return open_webhook(settings, where, "ASSENT_NOTIFICATIONS")
