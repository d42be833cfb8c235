"""Telling others that a job has ended: webhooks, and topics of SNS; only where the operator's settings say so."""

from assent.notifications.base import NotDelivered, Notifier
from assent.notifications.opening import is_mapped, open_notifier, open_output

__all__ = ["NotDelivered", "Notifier", "is_mapped", "open_notifier", "open_output"]
