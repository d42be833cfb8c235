"""Checkpoints: what is signed, what is refused, and that every flipped bit is found."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from assent.errors import LogTampered, UsageError
from assent.ledger.checkpoint import (
    Checkpoint,
    PublicKey,
    SigningKey,
    format_checkpoints,
    keys_by_id,
    origin_of,
    parse_checkpoints,
)
from assent.ledger.tree import EMPTY_ROOT, Frontier, leaf_hash

ORIGIN = origin_of("6f1c0000-0000-4000-8000-000000000001")
AT = "2026-01-15T12:00:00.000000Z"
KEY = SigningKey(ORIGIN, bytes(range(32)))
OTHER = SigningKey(ORIGIN, bytes(range(1, 33)))
KEYS = keys_by_id([KEY.public])


def frontier(size: int) -> Frontier:
    return Frontier().extended(leaf_hash(b"%d" % number) for number in range(size))


def made(size: int = 3, key: SigningKey = KEY) -> Checkpoint:
    return key.sign(frontier(size), AT)


def test_the_text_is_a_signed_note() -> None:
    text = str(made())
    body, signature_line = text.split("\n\n")
    lines = body.split("\n")
    assert lines[:2] == [ORIGIN, "3"]
    assert base64.b64decode(lines[2]) == frontier(3).root
    assert lines[3] == f"time {AT}"
    dash, name, encoded = signature_line.rstrip("\n").split(" ")
    assert (dash, name) == ("—", ORIGIN)
    signature = base64.b64decode(encoded)
    assert signature[:4].hex() == KEY.public.key_id
    # checked with the library directly, as somebody else's program would
    Ed25519PublicKey.from_public_bytes(KEY.public.key).verify(signature[4:], (body + "\n").encode())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 1000])
def test_text_and_back(size: int) -> None:
    checkpoint = made(size)
    again = Checkpoint.parse(str(checkpoint))
    assert again == checkpoint
    assert (again.size, again.root) == (size, frontier(size).root)
    again.verify(KEYS)
    assert size or again.root == EMPTY_ROOT


def test_every_flipped_bit_is_found() -> None:
    text = str(made(5)).encode()
    for at in range(len(text)):
        for bit in range(8):
            flipped = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
            with pytest.raises((LogTampered, UnicodeDecodeError)):
                Checkpoint.parse(flipped.decode()).verify(KEYS)


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(LogTampered, match="expected a checkpoint"):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n+3\n"),
        ("\n3\n", "\n٣\n"),
        ("\n3\n", "\n7\n"),
        ("time ", "time  "),
        ("— ", "-- "),
        ("\n\n", "\n\n\n"),
        ("\n", "\r\n"),
        ("frontier ", "frontier  "),
        ("frontier ", "border "),
        ("2026-01-15", "yesterday "),
    ],
)
def test_what_is_written_otherwise_is_refused(old: str, new: str) -> None:
    with pytest.raises(LogTampered):
        Checkpoint.parse(str(made()).replace(old, new))


def test_another_key_is_not_believed() -> None:
    with pytest.raises(LogTampered, match=f"signed by the key {OTHER.public.key_id}, expected one of"):
        made(key=OTHER).verify(KEYS)
    forged = Checkpoint(ORIGIN, AT, frontier(3), KEY.public.key_id, made(key=OTHER).signature)
    with pytest.raises(LogTampered, match="altered"):
        forged.verify(KEYS)


def test_a_key_signs_for_its_own_store_only() -> None:
    elsewhere = SigningKey(origin_of("6f1c0000-0000-4000-8000-000000000002"), bytes(range(32)))
    with pytest.raises(LogTampered):
        elsewhere.sign(frontier(3), AT).verify(KEYS)


def test_a_public_key_is_text_and_back() -> None:
    text = str(KEY.public)
    assert text.startswith(f"{ORIGIN}+{KEY.public.key_id}+")
    assert PublicKey.parse(f" {text}\n") == KEY.public


def test_a_public_key_that_was_altered_is_refused() -> None:
    text = str(KEY.public)
    for at in range(len(text)):
        for other in {chr(ord(text[at]) ^ 1), "A", "é"} - {text[at]}:
            with pytest.raises(UsageError, match="expected a public key"):
                PublicKey.parse(text[:at] + other + text[at + 1 :])
    for bad in ("", "assent", text[:-4], "a+b+c"):
        with pytest.raises(UsageError, match="expected a public key"):
            PublicKey.parse(bad)


def test_a_file_of_checkpoints() -> None:
    checkpoints = [made(size) for size in (0, 3, 3, 8)]
    text = format_checkpoints(checkpoints)
    assert parse_checkpoints(text) == checkpoints
    assert parse_checkpoints("") == []


def test_a_damaged_file_of_checkpoints_says_where() -> None:
    text = format_checkpoints([made(2), made(3)])
    with pytest.raises(LogTampered, match=r"^line 9: expected a checkpoint"):
        parse_checkpoints(text.replace("\n3\n", "\n4\n"))
    for cut in range(len(text) // 2 + 1, len(text)):
        with pytest.raises(LogTampered):
            parse_checkpoints(text[:cut])
    with pytest.raises(LogTampered, match="in turn"):
        parse_checkpoints(f"{text}something\n\n")
