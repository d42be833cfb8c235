"""The log: its entries, whether they are what was signed, and what an auditor takes along."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from assent.console.visit import LogCheck, Page, Visit, sentence
from assent.console.wording import plural
from assent.errors import AssentError, LogTampered
from assent.ledger.checkpoint import Checkpoint, format_checkpoints
from assent.types import JsonObject

PAGE_SIZE = 50
_OWN_COLUMNS = frozenset({"seq", "at", "kind", "actor", "leaf_sha256"})


@dataclass(frozen=True, slots=True)
class LogState:
    """How the log stands, without recomputing it.

    Attributes:
        num_entries: entries.
        last: the newest checkpoint; None before the first.
        problem: why its checkpoints cannot be read; empty where they can.
    """

    num_entries: int
    last: Checkpoint | None
    problem: str = ""

    @property
    def num_unsigned(self) -> int:
        """Entries after the newest checkpoint, which could still be changed without a trace."""
        return self.num_entries - (self.last.size if self.last else 0)


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as it is shown.

    Attributes:
        entry: as the log gives it.
        details: what belongs to its kind, as JSON text.
    """

    entry: JsonObject
    details: str


def log(visit: Visit) -> Response:
    """The newest entries, or those before one, all kinds or one."""
    logbook = visit.assent.logbook
    kind, before = visit.query("kind"), visit.query("before")
    before_seq = int(before) if before.isdecimal() and len(before) < 19 else None
    found = logbook.latest(limit=PAGE_SIZE + 1, before_seq=before_seq, kind=kind or None)
    shown = found[:PAGE_SIZE]
    return visit.page(
        "log.html",
        entries=[Shown(entry, _details(entry)) for entry in shown],
        older=shown[-1]["seq"] if len(found) > len(shown) else 0,
        is_newest=not before,
        kind=kind,
        kinds=logbook.kinds(),
        state=log_state(visit),
        check=visit.shared.log_check,
        public_keys=[str(key) for key in logbook.public_keys()],
    )


def verify(visit: Visit) -> Response:
    """Recompute everything; what was found is shown until the next time, or the server's end."""
    check = LogCheck(visit.assent.now())
    try:
        audit = visit.assent.logbook.verify()
        check.num_entries, check.num_signed = audit.num_entries, audit.num_signed
    except LogTampered as error:
        check.problem = sentence(error)
    visit.shared.log_check = check
    return visit.go("/log")


def sign(visit: Visit) -> Response:
    """Sign the log as it is now."""
    made = visit.assent.logbook.checkpoint()
    return visit.go("/log", note=f"Signed over {plural(made.size, 'entry', 'entries')}.")


def export(visit: Visit) -> Response:
    """The whole log, to be audited elsewhere."""
    return visit.download(visit.assent.logbook.export(), filename="log.jsonl", media_type="application/jsonl")


def checkpoints(visit: Visit) -> Response:
    """Every checkpoint, to be kept elsewhere: against a kept one, nothing signed can be cut off unseen."""
    text = format_checkpoints(visit.assent.logbook.checkpoints())
    return visit.download(text, filename="checkpoints.txt", media_type="text/plain; charset=utf-8")


def log_state(visit: Visit) -> LogState:
    """How the log stands, cheaply: the newest checkpoint and how much came after it."""
    num_entries = visit.assent.logbook.num_entries()
    try:
        found = visit.assent.logbook.checkpoints()
    except AssentError as error:
        return LogState(num_entries, None, sentence(error))
    return LogState(num_entries, max(found, key=lambda made: made.size, default=None))


def _details(entry: JsonObject) -> str:
    own: dict[str, Any] = {name: value for name, value in entry.items() if name not in _OWN_COLUMNS}
    return json.dumps(own, indent=2, ensure_ascii=False) if own else ""


PAGES = (
    Page("GET", "/log", log),
    Page("POST", "/log/verify", verify),
    Page("POST", "/log/sign", sign),
    Page("POST", "/log/export", export),
    Page("GET", "/log/checkpoints", checkpoints),
)
