"""The log: append only, one canonical JSON entry per act, in the act's own transaction.

An entry's hash is the leaf hash of RFC 9162 section 2.1.1, so that a Merkle tree can be put over the table
as it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from assent.errors import UsageError
from assent.store import fields
from assent.store.schema import format_time, log_entries
from assent.store.scope import Scope
from assent.store.values import LogEntry
from assent.types import JsonObject

# ids, hashes, times, slugs, versions: one token. What a person is called has spaces or other letters.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:+@/\-]{0,128}")
# a shorter run of plain numbers may be a histogram; a longer one could be a template
_MAX_NUMBERS: Final = 32
_ROWS_AT_ONCE: Final = 2000


def leaf_hash(entry: str) -> str:
    """sha256(0x00 || entry), hexadecimal (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\0" + entry.encode("ascii")).hexdigest()


def checked_actor(actor: str | None) -> str | None:
    """``actor`` where it can stand in the log: one token, an id and not a name; None where nobody said.

    Raises:
        UsageError: it is something else.
    """
    if actor is None or (actor and _TOKEN.fullmatch(actor)):
        return actor
    raise UsageError(
        f"who acts must be an id for the log, one token matching {_TOKEN.pattern}, got something else; not a name"
    )


def canonical_json(value: JsonObject) -> str:
    """Sorted keys, no spaces, ASCII: the same value is always the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class LogReads(Scope):
    """Reading the log."""

    def log_entries(
        self, *, after_seq: int = 0, limit: int | None = None, kind: str | None = None
    ) -> list[LogEntry]:
        """Entries with ``seq > after_seq``, oldest first.

        Args:
            after_seq: 0 for the beginning.
            limit: at most so many; None for all.
            kind: only these; None for all.
        """
        query = sa.select(log_entries).where(log_entries.c.seq > after_seq).order_by(log_entries.c.seq)
        if kind is not None:
            query = query.where(log_entries.c.kind == kind)
        if limit is not None:
            query = query.limit(limit)
        return [LogEntry(**row) for row in self._connection.execute(query).mappings()]

    def latest_log_entries(
        self, *, before_seq: int | None = None, limit: int, kind: str | None = None
    ) -> list[LogEntry]:
        """The newest ``limit`` entries with ``seq < before_seq`` (None: of all), newest first.

        Args:
            before_seq: None to begin at the newest.
            limit: at most so many.
            kind: only these; None for all.
        """
        query = sa.select(log_entries).order_by(log_entries.c.seq.desc()).limit(limit)
        if before_seq is not None:
            query = query.where(log_entries.c.seq < before_seq)
        if kind is not None:
            query = query.where(log_entries.c.kind == kind)
        return [LogEntry(**row) for row in self._connection.execute(query).mappings()]

    def log_kinds(self) -> list[str]:
        """The kinds of act that the log has, sorted."""
        return sorted(self._connection.execute(sa.select(log_entries.c.kind).distinct()).scalars())

    def last_log_seq(self) -> int:
        """The number of the newest entry; 0 where there is none."""
        found = self._connection.execute(sa.select(sa.func.max(log_entries.c.seq))).scalar()
        return int(found or 0)

    def num_log_entries(self) -> int:
        """How many rows the log has, whatever stands in them."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(log_entries)).scalar_one()

    def raw_log(self, *, after_seq: int | None = None) -> Iterator[dict[str, Any]]:
        """The rows as the database has them, nothing parsed, so that an altered one can be looked at too.

        Args:
            after_seq: only those with a greater ``seq``; None for every row, whatever its ``seq`` is.

        Yields:
            ``seq``, ``at``, ``kind``, ``entry`` and ``leaf_sha256``; in an altered database of any type.
        """
        while True:
            # Page by page, each read to its end: a cursor left open would keep its connection at an old moment.
            condition = "" if after_seq is None else "WHERE seq > :after_seq "
            query = sa.text(
                f"SELECT seq, at, kind, entry, leaf_sha256 FROM log_entries {condition}"  # noqa: S608
                f"ORDER BY seq LIMIT {_ROWS_AT_ONCE}"
            )
            values = {} if after_seq is None else {"after_seq": after_seq}
            page = self._connection.execute(query, values).mappings().all()
            yield from (dict(row) for row in page)
            if len(page) < _ROWS_AT_ONCE:
                return
            after_seq = page[-1]["seq"]

    def _log_entries_naming(self, record_id: str) -> list[LogEntry]:
        query = sa.select(log_entries).where(log_entries.c.entry.contains(f'"{record_id}"', autoescape=True))
        rows = self._connection.execute(query.order_by(log_entries.c.seq)).mappings()
        return [LogEntry(**row) for row in rows]


class LogWrites(LogReads):
    """Writing the log."""

    def append_log(self, kind: str, body: JsonObject) -> LogEntry:
        """Append one entry; who acts is the transaction's actor.

        Args:
            kind: slug with dots, e.g. ``search``.
            body: JSON values. Text must be one token of ``A-Za-z0-9_.:+@/-`` (ids, hashes, times, slugs), at
                most 128 characters; a list holds at most 32 plain numbers. So no name, image or template
                fits.

        Returns:
            The entry, with its sequence number and leaf hash.

        Raises:
            UsageError: ``kind`` or something in ``body`` is not acceptable.
        """
        fields.matching("kind", kind, fields.KIND)
        _check(body, "body")
        seq = self.last_log_seq() + 1
        entry = canonical_json(
            {"actor": self._actor, "at": format_time(self._now), "body": body, "kind": kind, "seq": seq}
        )
        record = LogEntry(seq=seq, at=self._now, kind=kind, entry=entry, leaf_sha256=leaf_hash(entry))
        self._connection.execute(
            sa.insert(log_entries).values(
                seq=seq, at=self._now, kind=kind, entry=entry, leaf_sha256=record.leaf_sha256
            )
        )
        self._has_logged = True
        return record


def _check(value: Any, where: str) -> None:
    """Refuse whatever could carry a name, an image or a template."""
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"{where} of a log entry must be a finite number; write null for none")
    elif isinstance(value, str):
        if not _TOKEN.fullmatch(value):
            raise UsageError(
                f"{where} of a log entry must be one token matching {_TOKEN.pattern}; write an id, not a text"
            )
    elif isinstance(value, list | tuple):
        if sum(isinstance(item, int | float) for item in value) > _MAX_NUMBERS:
            raise UsageError(f"{where} of a log entry holds more than {_MAX_NUMBERS} numbers; a template?")
        for number, item in enumerate(value):
            _check(item, f"{where}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not _TOKEN.fullmatch(key):
                raise UsageError(f"a key in {where} of a log entry must be one token of text")
            _check(item, f"{where}.{key}")
    else:
        raise UsageError(f"{where} of a log entry must be a JSON value, got {type(value).__name__}")
