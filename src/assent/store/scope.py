"""What every part of a transaction shares."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Connection

from assent.store.crypto import Vault

PART_CHARS = 2
"""Of a person's id, which is random: a gallery is saved in 256 parts of about equal size."""


def new_id() -> str:
    """A random UUID as text."""
    return str(uuid.uuid4())


class Scope:
    """An open transaction: its connection, its keys, the one moment it happens at, and who acts."""

    def __init__(self, connection: Connection, vault: Vault, now: datetime, actor: str | None = None) -> None:
        self._connection = connection
        self._vault = vault
        self._now = now
        self._actor = actor
        self._has_destroyed = False
        self._has_logged = False

    @property
    def now(self) -> datetime:
        """The moment, UTC, that everything in this transaction happens at."""
        return self._now

    @property
    def has_destroyed(self) -> bool:
        """Whether something was destroyed, so that old pages must go from the disk after the commit."""
        return self._has_destroyed

    @property
    def has_logged(self) -> bool:
        """Whether an entry was appended to the log."""
        return self._has_logged
