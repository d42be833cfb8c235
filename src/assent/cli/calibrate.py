"""``assent calibrate``."""

from __future__ import annotations


def calibrate() -> None:
    """Placeholder until the measuring part is in place."""
