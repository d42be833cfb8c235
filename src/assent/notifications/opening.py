"""From a topic's ARN to what the operator's settings say of it."""

from __future__ import annotations

from assent.config import Settings
from assent.errors import UsageError
from assent.notifications.base import Notifier
from assent.notifications.sns import Topic
from assent.notifications.webhook import Webhook


def is_mapped(settings: Settings, topic: str) -> bool:
    """Whether the settings say where this topic's notices go."""
    return topic in settings.notifications


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
    if not where.startswith(("https://", "http://")):
        raise UsageError("expected a webhook's URL (https://...) or sns in ASSENT_NOTIFICATIONS, got another")
    if settings.webhook_secret is None:
        raise UsageError("webhooks are signed; set ASSENT_WEBHOOK_SECRET to a long random text")
    return Webhook(where, settings.webhook_secret.get_secret_value().encode())
