"""The tamper-evident log in use: checkpoints as work goes on, and proofs for whoever asks.

A checkpoint is made from the last kept one and the entries since: it costs what was added, not what is there, and a
log that was rewritten behind the last checkpoint never gets itself signed. Why so: docs/decisions/0005-log.md.
Whoever comes with a key needs the role ``admin``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from assent.errors import AssentError, KeyMissing, LogTampered, NotFound, UsageError
from assent.ledger.audit import Audit, Row, audit, check_row
from assent.ledger.checkpoint import (
    Checkpoint,
    PublicKey,
    SigningKey,
    keys_by_id,
    origin_of,
    parse_checkpoints,
)
from assent.ledger.export import audit_export, export_lines, parse_export
from assent.ledger.proof import ConsistencyProof, InclusionProof, Proof, parse_proof
from assent.ledger.tree import Frontier, consistency_proof, inclusion_proof
from assent.service.logfiles import CheckpointFile, LogKeys
from assent.store.access import Role
from assent.store.values import LogEntry
from assent.types import JsonObject

if TYPE_CHECKING:
    from assent.service.context import Context
    from assent.store.transaction import Reading

Progress = Callable[[int, int], None]
_PROGRESS_EVERY = 1000
_warnings = logging.getLogger("assent.log")


class Logbook:
    """The log of one data folder: read, sign, verify, prove, export."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._keys = LogKeys(ctx.settings.log_key_path)
        self._file = CheckpointFile(ctx.settings.checkpoint_path)
        self.origin = origin_of(ctx.records.store_id)

    def entries(
        self, *, kinds: Sequence[str] = (), after_seq: int = 0, limit: int | None = None
    ) -> list[JsonObject]:
        """The record of acts, oldest first: random ids and numbers only.

        Args:
            kinds: only these kinds of act; all when empty.
            after_seq: only entries after this one; 0 for the beginning.
            limit: at most so many; None for all.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.reading() as tx:
            found = tx.log_entries(
                after_seq=after_seq,
                limit=limit if len(kinds) < 2 else None,
                kind=kinds[0] if len(kinds) == 1 else None,
            )
            return [_shown(entry) for entry in found if not kinds or entry.kind in kinds][:limit]

    def latest(
        self, *, limit: int, before_seq: int | None = None, kind: str | None = None
    ) -> list[JsonObject]:
        """The newest acts, newest first; however long the log is, no more than these is read.

        Args:
            limit: at most so many.
            before_seq: only entries before this one; None to begin at the newest.
            kind: only this kind of act; all when None.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.reading() as tx:
            found = tx.latest_log_entries(before_seq=before_seq, limit=limit, kind=kind)
            return [_shown(entry) for entry in found]

    def kinds(self) -> list[str]:
        """The kinds of act that were recorded, sorted. Raises ``Forbidden``: the caller is no admin."""
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.reading() as tx:
            return tx.log_kinds()

    def num_entries(self) -> int:
        """How many acts are recorded; nothing is read but their number.

        Raises:
            Forbidden: the caller is no admin.
        """
        self._ctx.require(Role.ADMIN)
        with self._ctx.records.reading() as tx:
            return tx.num_log_entries()

    def checkpoint(self, *, start_anew: bool = False) -> Checkpoint:
        """Sign the log as it is now and append that to the file of checkpoints; where nothing was added, the last.

        Args:
            start_anew: go on where the earlier checkpoints are lost; what stands in the log is then believed.

        Raises:
            KeyMissing: the signing key is gone or damaged.
            LogTampered: the log is not the one that the last checkpoint was signed over, or the checkpoints are gone.
            StoreUnavailable: a file cannot be written.
        """
        self._ctx.require(Role.ADMIN)
        with self._file.locked():
            last, published = self._file.last(self.origin), self._keys.published(self.origin)
            key = self._signing_key(last, published, start_anew=start_anew)
            # A first key is published once it has signed: killed in between, it is a first key still. A later one
            # is published before: no checkpoint is ever signed by a key that nobody can find.
            if published:
                self._keys.publish(key.public)
            if last is not None:
                last.verify(keys_by_id([*published, key.public]))
            made = self._continued(last, key)
            self._keys.publish(key.public)
            return made

    def checkpoint_at_closing(self) -> None:
        """Make a checkpoint, if this process added entries; what was done stands, so a failure is only a warning."""
        if not self._ctx.records.has_logged:
            return
        try:
            self.checkpoint()
        except AssentError as error:
            _warnings.warning("Warning: the log was written, but no checkpoint of it: %s", error.message)

    def checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint kept here, oldest first.

        Raises:
            LogTampered: the file is damaged.
        """
        self._ctx.require(Role.ADMIN)
        return self._file.all(self.origin)

    def public_keys(self) -> list[PublicKey]:
        """The public keys to check this log with, oldest first; the last one signs now."""
        self._ctx.require(Role.ADMIN)
        published = self._keys.published(self.origin)
        if published:
            return published
        key = self._keys.signing_key(self.origin)
        return [key.public] if key is not None and self.checkpoints() else []

    def make_key(self) -> PublicKey:
        """Start a new signing key; earlier checkpoints are still checked with the earlier public keys.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        self._ctx.require(Role.ADMIN)
        if not self.public_keys() and not self.checkpoints():
            self.checkpoint()  # the first key comes with the first checkpoint
            return self.public_keys()[-1]
        key = self._keys.make(self.origin).public
        self._keys.publish(key)
        return key

    def verify(
        self,
        *,
        kept: Sequence[Checkpoint] = (),
        keys: Sequence[PublicKey] = (),
        progress: Progress | None = None,
    ) -> Audit:
        """Recompute every entry and the tree, and compare with every checkpoint.

        Args:
            kept: checkpoints that were kept elsewhere, besides those here.
            keys: the public keys to believe; those beside the signing key by default.
            progress: called with (entries done, entries in all).

        Raises:
            LogTampered: names the first entry that is wrong, where it can be told, and says what is wrong.
            UsageError: a kept checkpoint is of another log.
        """
        self._ctx.require(Role.ADMIN)
        _require_origin(self.origin, kept)
        here = self.checkpoints()  # before the entries: all that is signed is then among them
        if not here and self.public_keys():
            raise _checkpoints_gone(self._file)
        with self._ctx.records.reading() as tx:
            num_entries = tx.num_log_entries()
            rows = _reporting(_rows(tx), num_entries, progress)
            return audit(rows, [*here, *kept], keys_by_id(list(keys) or self.public_keys()))

    def prove(self, seq: int) -> InclusionProof:
        """That an entry is in the log, in a form that needs neither the log nor this machine.

        Raises:
            NotFound: there is no such entry.
            LogTampered: the log is not the one that was signed.
        """
        self._ctx.require(Role.ADMIN)
        checkpoint = self.checkpoint()
        if not 1 <= seq <= checkpoint.size:
            raise NotFound(f"expected the number of an entry, 1 to {checkpoint.size}, got {seq}")
        with self._ctx.records.reading() as tx:
            rows = _first(_rows(tx), checkpoint.size)
        leaves = [check_row(number, row) for number, row in enumerate(rows, start=1)]
        proof = InclusionProof(seq, str(rows[seq - 1].entry), inclusion_proof(leaves, seq - 1), checkpoint)
        proof.verify(keys_by_id(self.public_keys()))
        return proof

    def consistency(self, old: Checkpoint) -> ConsistencyProof:
        """That the log is the one of an older checkpoint with entries added, and nothing else changed.

        Raises:
            LogTampered: it is not.
            UsageError: the checkpoint is of another log.
        """
        self._ctx.require(Role.ADMIN)
        _require_origin(self.origin, [old])
        new = self.checkpoint()
        with self._ctx.records.reading() as tx:
            rows = _first(_rows(tx), new.size)
        leaves = [check_row(number, row) for number, row in enumerate(rows, start=1)]
        if old.size > len(leaves):
            raise LogTampered(
                f"the log was cut off: it has {len(leaves)} entries, and the checkpoint of {old.at} was signed over "
                f"{old.size}"
            )
        proof = ConsistencyProof(old, new, consistency_proof(leaves, old.size))
        proof.verify(keys_by_id(self.public_keys()))
        return proof

    def export(self) -> str:
        """The whole log with its public keys and a checkpoint over it, as JSON lines to be audited elsewhere.

        Raises:
            LogTampered: the log is not the one that was signed; ``verify`` says more.
        """
        self._ctx.require(Role.ADMIN)
        checkpoint = self.checkpoint()
        with self._ctx.records.reading() as tx:
            rows = _first(_rows(tx), checkpoint.size)
        keys = self.public_keys()
        audit(rows, [checkpoint], keys_by_id(keys))
        return "".join(export_lines(keys, rows, checkpoint))

    def _continued(self, last: Checkpoint | None, key: SigningKey) -> Checkpoint:
        """The last checkpoint where nothing was added since; else a new one, appended to the file."""
        with self._ctx.records.reading() as tx:
            frontier = _extended(last.frontier if last else Frontier(), tx)
            at = tx.now
        if last is not None and frontier == last.frontier:
            return last
        made = key.sign(frontier, at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        self._file.append(made)
        return made

    def _signing_key(
        self, last: Checkpoint | None, published: list[PublicKey], *, start_anew: bool
    ) -> SigningKey:
        """The key to sign with; made where there is no trace of an earlier one."""
        key = self._keys.signing_key(self.origin)
        if key is None:
            if last is not None or published:
                raise KeyMissing(
                    f"the log's signing key is gone from {self._keys.path}; put the file back, or start a new key: "
                    "assent log key --new --yes (earlier checkpoints can still be checked with the earlier public key)"
                )
            return self._keys.make(self.origin)
        if last is None and published and not start_anew:
            raise _checkpoints_gone(self._file)
        return key


def read_keys(texts: Iterable[str]) -> list[PublicKey]:
    """Public keys, one a line.

    Raises:
        UsageError: a line is something else.
    """
    return [PublicKey.parse(line) for text in texts for line in text.splitlines() if line.strip()]


def read_checkpoints(text: str) -> list[Checkpoint]:
    """Checkpoints that somebody kept, in a file or a mail; what their way may do to line ends is forgiven.

    Raises:
        LogTampered: there is none, or one is damaged.
    """
    return parse_checkpoints(text.replace("\r\n", "\n").strip() + "\n\n")


def verify_export(text: str, *, kept: Sequence[Checkpoint] = (), keys: Sequence[PublicKey] = ()) -> Audit:
    """Audit an exported log, without the store.

    Args:
        text: the export.
        kept: checkpoints of the same log that were kept elsewhere.
        keys: the public keys to believe; by default those in the export, which whoever made it chose.

    Raises:
        LogTampered: names the first entry that is wrong, where it can be told, and says what is wrong.
        UsageError: a checkpoint is of another log.
    """
    export = parse_export(text)
    _require_origin(export.origin, kept)
    return audit_export(export, kept, keys_by_id(list(keys) or list(export.keys)))


def verify_proof(text: str, keys: Sequence[PublicKey]) -> Proof:
    """Check a proof's file with public keys and nothing else.

    Raises:
        LogTampered: it does not hold.
        UsageError: it is not a proof.
    """
    proof = parse_proof(text)
    proof.verify(keys_by_id(list(keys)))
    return proof


def _extended(frontier: Frontier, tx: Reading) -> Frontier:
    """The frontier with the entries since; LogTampered where the log is shorter than it was."""
    size = tx.last_log_seq()
    if size < frontier.size:
        raise LogTampered(
            f"the log was cut off: it ends after entry {size}, and the last checkpoint was signed over {frontier.size}",
            seq=size + 1,
        )
    since = enumerate(_rows(tx, after_seq=frontier.size), start=frontier.size + 1)
    return frontier.extended(check_row(seq, row) for seq, row in since)


def _rows(tx: Reading, *, after_seq: int | None = None) -> Iterator[Row]:
    for found in tx.raw_log(after_seq=after_seq):
        columns = {name: found[name] for name in ("seq", "at", "kind")}
        yield Row(found["entry"], found["leaf_sha256"], columns)


def _first(rows: Iterator[Row], count: int) -> list[Row]:
    """At most so many; others may have been added since."""
    return [row for _, row in zip(range(count), rows, strict=False)]


def _reporting(rows: Iterator[Row], total: int, progress: Progress | None) -> Iterator[Row]:
    for done, row in enumerate(rows):
        if progress is not None and done % _PROGRESS_EVERY == 0:
            progress(done, total)
        yield row
    if progress is not None:
        progress(total, total)


def _require_origin(origin: str, checkpoints: Iterable[Checkpoint]) -> None:
    for checkpoint in checkpoints:
        if checkpoint.origin != origin:
            raise UsageError(
                f"expected a checkpoint of {origin}, got one of {checkpoint.origin}; give this log's"
            )


def _checkpoints_gone(file: CheckpointFile) -> LogTampered:
    return LogTampered(
        f"the checkpoints of this log are gone from {file.path}, though its key has signed some; put the file back (or "
        "point ASSENT_CHECKPOINT_FILE at it), or believe the log as it is: assent log checkpoint --start-anew"
    )


def _shown(entry: LogEntry) -> JsonObject:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "actor": entry.actor,
        "leaf_sha256": entry.leaf_sha256,
        **entry.body,
    }
