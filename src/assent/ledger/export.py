"""The log as a file: JSON lines that can be audited without the store.

First a header with the store's origin and public keys, then the entries with their leaf hashes, then the checkpoint
over exactly these. Every line has one exact form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assent.errors import LogTampered
from assent.ledger.audit import Audit, Row, audit, canonical_json
from assent.ledger.checkpoint import Checkpoint, PublicKey

_FORMAT: Final = "assent-log-1"


@dataclass(frozen=True, slots=True)
class Export:
    """A log read from a file; nothing in it is checked yet but its form.

    Attributes:
        origin: the store.
        keys: the public keys that came with it; whoever made the file chose them.
        rows: the entries.
        checkpoint: the one at its end.
    """

    origin: str
    keys: tuple[PublicKey, ...]
    rows: tuple[Row, ...]
    checkpoint: Checkpoint


def export_lines(keys: Iterable[PublicKey], rows: Iterable[Row], checkpoint: Checkpoint) -> Iterator[str]:
    """The file's lines, each with its newline.

    Args:
        keys: the log's public keys.
        rows: the entries that ``checkpoint`` was signed over.
        checkpoint: stands at the end.
    """
    header = {"format": _FORMAT, "log": checkpoint.origin, "public_keys": [str(key) for key in keys]}
    yield canonical_json(header) + "\n"
    for row in rows:
        yield canonical_json({"entry": row.entry, "leaf_sha256": row.leaf_sha256}) + "\n"
    yield canonical_json({"checkpoint": str(checkpoint)}) + "\n"


def parse_export(text: str) -> Export:
    """The log of a file's text.

    Raises:
        LogTampered: a line is not what ``export_lines`` writes; says which. Or the file was cut.
        UsageError: a public key in it is damaged.
    """
    lines = text.split("\n")
    if len(lines) < 3 or lines.pop() != "":
        raise LogTampered(
            "the export was cut off, or it is something else; expected lines up to a checkpoint"
        )
    header = _members(1, lines[0], {"format", "log", "public_keys"})
    if header["format"] != _FORMAT or not isinstance(header["public_keys"], list):
        raise LogTampered(f"line 1: expected the header of a log's export in the format {_FORMAT}")
    rows = tuple(
        Row(found["entry"], found["leaf_sha256"])
        for number, line in enumerate(lines[1:-1], start=2)
        for found in [_members(number, line, {"entry", "leaf_sha256"})]
    )
    checkpoint = Checkpoint.parse(str(_members(len(lines), lines[-1], {"checkpoint"})["checkpoint"]))
    keys = tuple(PublicKey.parse(str(key)) for key in header["public_keys"])
    if checkpoint.origin != header["log"] or any(key.origin != header["log"] for key in keys):
        raise LogTampered("the export's header, keys and checkpoint are not of one log")
    return Export(checkpoint.origin, keys, rows, checkpoint)


def audit_export(export: Export, kept: Sequence[Checkpoint], keys: Mapping[str, PublicKey]) -> Audit:
    """Recompute everything in an export, as ``audit`` does.

    Args:
        export: the log.
        kept: checkpoints of the same log that were kept elsewhere.
        keys: the public keys to believe, by key id.

    Raises:
        LogTampered: names the first entry that is wrong, where it can be told, and says what is wrong.
    """
    result = audit(export.rows, [*kept, export.checkpoint], keys)
    if result.num_entries > export.checkpoint.size:
        raise LogTampered(
            f"entries were added to the export: it holds {result.num_entries}, its checkpoint was signed over "
            f"{export.checkpoint.size}",
            seq=export.checkpoint.size + 1,
        )
    return result


def _members(number: int, line: str, expected: set[str]) -> dict[str, Any]:
    """A line's JSON object, where it is exactly as it would be written."""
    try:
        found = json.loads(line)
        if isinstance(found, dict) and found.keys() == expected and canonical_json(found) == line:
            return found
    except (ValueError, RecursionError):
        pass
    raise LogTampered(
        f"line {number} of the export is not in the form that it is written in, with {', '.join(sorted(expected))}; "
        "it was altered",
        seq=number - 1 if expected == {"entry", "leaf_sha256"} else None,
    )
