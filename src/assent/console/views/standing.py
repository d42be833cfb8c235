"""How a person stands: whether anything they agreed to counts today, and for how much longer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from assent.store.values import ConsentRecord

ENDING_SOON = timedelta(days=30)
"""A consent that ends within this is brought up on the first page."""


class Standing(StrEnum):
    """In a word, for people to read."""

    LIVE = "agreed"
    ENDING = "ending soon"
    ENDED = "ended"
    NONE = "no consent"


def standing_of(consents: Iterable[ConsentRecord], now: datetime) -> Standing:
    """How the person of these consents stands at ``now`` (aware)."""
    held = list(consents)
    live = [item for item in held if item.is_live(now)]
    if any(is_ending(item, now) for item in live):
        return Standing.ENDING
    if live:
        return Standing.LIVE
    return Standing.ENDED if held else Standing.NONE


def is_ending(consent: ConsentRecord, now: datetime) -> bool:
    """Whether a consent is live and ends within ``ENDING_SOON``."""
    return consent.is_live(now) and consent.effective_expires_at <= now + ENDING_SOON


def has_run_out(consent: ConsentRecord, now: datetime) -> bool:
    """Whether its term has ended and what rests on it is still to be destroyed."""
    return consent.withdrawn_at is None and consent.effective_expires_at <= now
