"""Telling others that a job has ended: webhooks, and topics of SNS; only where the operator's settings say so."""

from assent.notifications.base import NotDelivered, Notifier
from assent.notifications.opening import open_notifier, open_output, open_webhook

__all__ = ["NotDelivered", "Notifier", "open_notifier", "open_output", "open_webhook"]
