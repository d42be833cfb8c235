"""The audit: whatever is changed in a log is found and named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import LogTampered
from assent.ledger.audit import Row, audit, canonical_json
from assent.ledger.checkpoint import SigningKey, origin_of
from assent.ledger.tree import tree_root
from assent.store import log as store_log
from tests.unit.ledger.builders import AT, KEYS, OTHER_KEY, checkpoint, entry, leaves_of, row_of, rows


def test_an_untouched_log_passes() -> None:
    made = rows(20)
    result = audit(made, [checkpoint(made, size) for size in (20, 0, 7, 7)], KEYS)
    assert (result.num_entries, result.num_signed) == (20, 20)
    assert result.frontier.root == tree_root(leaves_of(made))
    assert [item.size for item in result.checkpoints] == [0, 7, 7, 20]


def test_an_empty_log_and_one_that_was_never_signed() -> None:
    assert audit([], [], {}).num_entries == 0
    result = audit(rows(3), [], {})
    assert (result.num_entries, result.num_signed) == (3, 0)


def test_entries_after_the_last_checkpoint_are_counted() -> None:
    made = rows(9)
    assert audit(made, [checkpoint(made, 6)], KEYS).num_signed == 6


def test_it_checks_the_form_that_the_records_write() -> None:
    value = {"b": [None, True, 0.5, 1e-7, -0.0, "a-b"], "a": {"z": 1}}
    assert canonical_json(value) == store_log.canonical_json(value)


ALTERED = {
    "not-text": lambda row: replace(row, entry=5),
    "none": lambda row: replace(row, entry=None),
    "bytes": lambda row: replace(row, entry=row.entry.encode()),
    "empty": lambda row: replace(row, entry=""),
    "no-json": lambda row: replace(row, entry=row.entry[:-1]),
    "space": lambda row: replace(row, entry=row.entry.replace(":", ": ")),
    "deep": lambda row: replace(row, entry="[" * 100_000),
    "nan": lambda row: replace(row, entry=row.entry.replace("28", "NaN")),
    "twice": lambda row: replace(row, entry=row.entry.replace("{", '{"kind":"x",', 1)),
    "list": lambda row: row_of_text("[]"),
    "without-actor": lambda row: row_of_text(changed(row, actor=...)),
    "more": lambda row: row_of_text(changed(row, name="x")),
    "unicode": lambda row: replace(row, entry=row.entry.replace("search", "séarch")),
    "seq-float": lambda row: row_of_text(changed(row, seq=4.0)),
    "seq-text": lambda row: row_of_text(changed(row, seq="4")),
    "body": lambda row: replace(row, entry=changed(row, body={"num_faces": 27})),
    "hash": lambda row: replace(row, leaf_sha256="0" * 64),
    "hash-upper": lambda row: replace(row, leaf_sha256=row.leaf_sha256.upper()),
    "hash-none": lambda row: replace(row, leaf_sha256=None),
    "column-seq": lambda row: replace(row, columns={**row.columns, "seq": 5}),
    "column-seq-type": lambda row: replace(row, columns={**row.columns, "seq": 4.0}),
    "column-kind": lambda row: replace(row, columns={**row.columns, "kind": "verify"}),
    "column-at": lambda row: replace(row, columns={**row.columns, "at": None}),
}


def changed(row: Row, **members: object) -> str:
    found = {**json.loads(str(row.entry)), **members}
    return canonical_json({name: value for name, value in found.items() if value is not ...})


def row_of_text(text: str) -> Row:
    """With the right hash and no columns, so that only the form can be at fault."""
    return Row(text, store_log.leaf_hash(text))


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_entry_is_named(how: str) -> None:
    made = rows(6)
    made[3] = ALTERED[how](made[3])
    with pytest.raises(LogTampered, match=r"^entry 4") as caught:
        audit(made, [], {})
    assert caught.value.seq == 4
    assert caught.value.exit_code == 10


def test_a_missing_moved_or_doubled_entry_is_named() -> None:
    made = rows(6)
    for wrong, seq in [
        ([*made[:2], *made[3:]], 3),
        (made[1:], 1),
        ([*made[:2], made[3], made[2], *made[4:]], 3),
        ([*made[:3], made[2], *made[3:]], 4),
        (made[::-1], 1),
    ]:
        with pytest.raises(LogTampered, match=f"^entry {seq} is missing or out of its place") as caught:
            audit(wrong, [], {})
        assert caught.value.seq == seq


@given(st.integers(1, 12), st.data())
def test_a_rewritten_log_is_found_by_a_kept_checkpoint(seq: int, data: st.DataObject) -> None:
    """The forger recomputes everything: only the checkpoint knows."""
    made = rows(12)
    forged = [*made[: seq - 1], row_of(entry(seq, num_faces=0)), *made[seq:]]
    size = data.draw(st.integers(seq, 12))
    assert audit(forged, [], {}).num_entries == 12
    with pytest.raises(LogTampered, match="rewritten") as caught:
        audit(forged, [checkpoint(made, size)], KEYS)
    assert caught.value.seq is not None
    assert caught.value.seq <= seq


def test_checkpoints_narrow_down_where_it_was_rewritten() -> None:
    made = rows(12)
    kept = [checkpoint(made, size) for size in (4, 8, 9, 12)]
    forged = [*made[:5], row_of(entry(6, num_faces=0)), *made[6:]]
    with pytest.raises(LogTampered, match="an entry from 5 to 8 is not") as caught:
        audit(forged, kept, KEYS)
    assert caught.value.seq == 5
    forged = [*made[:8], row_of(entry(9)), *made[9:]]
    with pytest.raises(LogTampered, match="entry 9 is not"):
        audit(forged, kept, KEYS)


@pytest.mark.parametrize("left", range(6))
def test_a_log_cut_short_is_found_only_by_a_kept_checkpoint(left: int) -> None:
    made = rows(6)
    assert audit(made[:left], [], {}).num_entries == left
    with pytest.raises(LogTampered, match=f"cut off: it ends after entry {left}") as caught:
        audit(made[:left], [checkpoint(made)], KEYS)
    assert caught.value.seq == left + 1


def test_a_log_that_was_rewritten_and_signed_by_somebody_else_is_not_believed() -> None:
    made = rows(3)
    with pytest.raises(LogTampered, match="signed by the key"):
        audit(made, [checkpoint(made, key=OTHER_KEY)], KEYS)


def test_checkpoints_of_two_logs_are_not_mixed() -> None:
    made = rows(3)
    other = SigningKey(origin_of("6f1c0000-0000-4000-8000-000000000009"), bytes(32))
    keys = {**KEYS, other.public.key_id: other.public}
    foreign = other.sign(checkpoint(made).frontier, AT)
    with pytest.raises(LogTampered, match="several logs"):
        audit(made, [checkpoint(made), foreign], keys)
