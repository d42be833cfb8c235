"""A file that the operator named: one line for each thing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assent.notifications.base import NotDelivered


@dataclass(frozen=True, slots=True)
class Lines:
    """One file, appended to.

    Attributes:
        path: of the file; its folder must be there.
    """

    path: Path

    def send(self, notice_id: str, body: str) -> None:  # noqa: ARG002 - a line needs no id
        """See ``Notifier.send``."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(body + "\n")
        except OSError as error:
            raise NotDelivered(f"the file cannot be written ({error.strerror})") from error
