"""Files that leave the store: every byte in them counts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import AssentError, LogTampered, UsageError
from assent.ledger.checkpoint import PublicKey, keys_by_id
from assent.ledger.export import audit_export, export_lines, parse_export
from assent.ledger.proof import ConsistencyProof, InclusionProof, format_proof, parse_proof
from assent.ledger.tree import consistency_proof, inclusion_proof
from tests.unit.ledger.builders import (
    KEY,
    KEYS,
    OTHER_KEY,
    checkpoint,
    entry,
    leaves_of,
    row_of,
    rows,
)


def exported(count: int = 5) -> str:
    made = rows(count)
    return "".join(export_lines([KEY.public], made, checkpoint(made)))


def audited(text: str, keys: dict[str, PublicKey] = KEYS) -> int:
    return audit_export(parse_export(text), [], keys).num_entries


def inclusion(seq: int = 3, count: int = 5) -> InclusionProof:
    made = rows(count)
    path = inclusion_proof(leaves_of(made), seq - 1)
    return InclusionProof(seq, str(made[seq - 1].entry), path, checkpoint(made))


def consistency(old: int = 3, new: int = 5) -> ConsistencyProof:
    made = rows(new)
    path = consistency_proof(leaves_of(made), old)
    return ConsistencyProof(checkpoint(made, old), checkpoint(made), path)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_an_export_is_read_back_and_passes(count: int) -> None:
    assert audited(exported(count)) == count
    assert parse_export(exported(count)).keys == (KEY.public,)


def flips(text: str) -> list[str]:
    """The text with each byte changed in three ways; those that are no UTF-8 any more are left out."""
    data, found = text.encode(), []
    for at, byte in enumerate(data):
        for mask in (1, 0x20, 0x81):
            changed = data[:at] + bytes([byte ^ mask]) + data[at + 1 :]
            try:
                found.append(changed.decode())
            except UnicodeDecodeError:
                continue
    assert len(found) > len(data)
    return found


def test_every_flipped_byte_of_an_export_is_found() -> None:
    for changed in flips(exported()):
        with pytest.raises(AssentError):
            audited(changed)


def test_lines_that_are_removed_moved_doubled_or_added_are_found() -> None:
    lines = exported().splitlines(keepends=True)
    for at in range(len(lines)):
        for changed in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[: at + 1], *lines[at:]],
            [*lines[:at], *lines[at + 1 : at + 2], lines[at], *lines[at + 2 :]],
        ):
            if changed != lines:
                with pytest.raises(AssentError):
                    audited("".join(changed))
    for end in range(len(exported())):
        with pytest.raises(AssentError):
            audited(exported()[:end])


def test_an_entry_added_after_the_signature_is_named() -> None:
    made = rows(5)
    text = "".join(export_lines([KEY.public], made, checkpoint(made, 3)))
    with pytest.raises(LogTampered, match="holds 5, its checkpoint was signed over 3") as caught:
        audited(text)
    assert caught.value.seq == 4


def test_the_first_altered_line_is_named() -> None:
    lines = exported().splitlines(keepends=True)
    lines[3] = lines[3].replace("21", "22")
    with pytest.raises(LogTampered, match=r"^entry 3") as caught:
        audited("".join(lines))
    assert caught.value.seq == 3


def test_an_export_that_brings_its_own_key_is_found_with_the_kept_one() -> None:
    """A forger rewrites the log, recomputes everything and signs it anew."""
    forged = [*rows(2), row_of(entry(3, num_faces=0))]
    text = "".join(export_lines([OTHER_KEY.public], forged, checkpoint(forged, key=OTHER_KEY)))
    assert audited(text, keys_by_id(list(parse_export(text).keys))) == 3
    with pytest.raises(LogTampered, match="signed by the key"):
        audited(text)


def test_an_export_is_held_to_an_older_kept_checkpoint() -> None:
    made = rows(5)
    forged = [*made[:2], row_of(entry(3, num_faces=0)), *made[3:]]
    # the thief has the signing key too
    text = "".join(export_lines([KEY.public], forged, checkpoint(forged)))
    assert audited(text) == 5
    with pytest.raises(LogTampered, match="rewritten"):
        audit_export(parse_export(text), [checkpoint(made, 4)], KEYS)


def test_proofs_hold_as_files() -> None:
    for seq in range(1, 6):
        text = format_proof(inclusion(seq))
        proof = parse_proof(text)
        assert proof == inclusion(seq)
        proof.verify(KEYS)
    for old in range(6):
        again = parse_proof(format_proof(consistency(old)))
        assert again == consistency(old)
        again.verify(KEYS)


@pytest.mark.parametrize("proof", [inclusion(), consistency()], ids=["inclusion", "consistency"])
def test_every_flipped_byte_of_a_proof_is_found(proof: InclusionProof | ConsistencyProof) -> None:
    for changed in flips(format_proof(proof)):
        with pytest.raises(AssentError):
            parse_proof(changed).verify(KEYS)


def test_a_proof_of_another_entry_does_not_hold() -> None:
    true = inclusion(3)
    for proof in (
        InclusionProof(2, true.entry, true.path, true.checkpoint),
        InclusionProof(3, inclusion(2).entry, true.path, true.checkpoint),
        InclusionProof(3, entry(3, num_faces=0), true.path, true.checkpoint),
        InclusionProof(6, entry(6), true.path, true.checkpoint),
    ):
        with pytest.raises(LogTampered):
            proof.verify(KEYS)


def test_a_rewritten_log_has_no_proof_of_consistency() -> None:
    made = rows(5)
    forged = [row_of(entry(1, num_faces=0)), *made[1:]]
    path = consistency_proof(leaves_of(forged), 3)
    with pytest.raises(LogTampered, match="does not hold"):
        ConsistencyProof(checkpoint(made, 3), checkpoint(forged), path).verify(KEYS)


def test_a_proof_by_another_key_is_not_believed() -> None:
    with pytest.raises(LogTampered, match="signed by the key"):
        inclusion().verify({OTHER_KEY.public.key_id: OTHER_KEY.public})


@given(st.text(max_size=200) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_any_text_is_no_proof_and_no_export(text: str) -> None:
    with pytest.raises(UsageError, match="expected a proof"):
        parse_proof(text)
    with pytest.raises(LogTampered):
        parse_export(text)
