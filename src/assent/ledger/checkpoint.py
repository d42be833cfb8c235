"""Checkpoints: the log's state at a moment, signed, as text that can be kept anywhere.

The form is C2SP's signed note (c2sp.org/signed-note) around a checkpoint (c2sp.org/tlog-checkpoint), with two of its
extension lines: the time, and the frontier that lets the next checkpoint be made without reading the whole log.

    assent/6f1c...                               origin: the store
    3                                            number of entries
    rra8/ip...=                                  root of the Merkle tree, base64
    time 2026-01-15T12:00:00.000000Z
    frontier +sVC... 5ZZ...                      roots of the perfect subtrees, base64
                                                 (empty line)
    — assent/6f1c... 8Tq0...                     base64 of key id (4 bytes) and Ed25519 signature (64)

Parsing is strict: a text that is not exactly what would be written is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from assent.errors import LogTampered, UsageError
from assent.ledger.tree import HASH_BYTES, Frontier

_ED25519: Final = b"\x01"  # the algorithm's byte in signed notes
_KEY_ID_BYTES: Final = 4
_ORIGIN: Final = re.compile(r"assent/[0-9a-f-]{36}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_SIZE: Final = re.compile(r"0|[1-9]\d{0,17}")


def origin_of(store_id: str) -> str:
    """What a store's checkpoints and keys are called."""
    return f"assent/{store_id}"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who checks a checkpoint needs this. Its text is a signed note's verifier key: ``NAME+ID+BASE64``.

    Attributes:
        origin: the store whose log it signs.
        key: 32 bytes, Ed25519.
    """

    origin: str
    key: bytes

    @property
    def key_id(self) -> str:
        """8 hexadecimal digits: the start of sha256(origin, newline, 0x01, key)."""
        digest = sha256(self.origin.encode("ascii") + b"\n" + _ED25519 + self.key)
        return digest.digest()[:_KEY_ID_BYTES].hex()

    def __str__(self) -> str:
        return f"{self.origin}+{self.key_id}+{_base64(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """The key of a text.

        Raises:
            UsageError: it is something else, or damaged.
        """
        try:
            origin, key_id, encoded = text.strip().split("+", 2)
            decoded = _unbase64(encoded)
            key = cls(origin, decoded[1:])
            if not _ORIGIN.fullmatch(origin) or decoded[:1] != _ED25519 or key.key_id != key_id:
                raise ValueError(key_id)
            Ed25519PublicKey.from_public_bytes(key.key)
        except ValueError:
            raise UsageError(
                "expected a public key of a log, assent/STORE+ID+BASE64 as `assent log key` prints it, got "
                "something else; copy it whole"
            ) from None
        return key

    def is_signature(self, signature: bytes, signed: bytes) -> bool:
        """Whether ``signature`` (64 bytes) is this key's over ``signed``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, signed)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """Signs the checkpoints of one store.

    Args:
        origin: the store, from ``origin_of``.
        seed: 32 bytes, secret.
    """

    def __init__(self, origin: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(origin, self._private.public_key().public_bytes_raw())

    def sign(self, frontier: Frontier, at: str) -> Checkpoint:
        """A checkpoint of the tree that ``frontier`` is of.

        Args:
            frontier: of the whole log.
            at: the time, ``2026-01-31T12:00:00.000000Z``.
        """
        unsigned = Checkpoint(self.public.origin, at, frontier, self.public.key_id, b"")
        return Checkpoint(
            self.public.origin, at, frontier, self.public.key_id, self._private.sign(unsigned.body())
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's state at one moment, signed.

    Attributes:
        origin: the store.
        at: when, as text in UTC.
        frontier: of the tree over all entries.
        key_id: 8 hexadecimal digits, of the key that signed.
        signature: 64 bytes.
    """

    origin: str
    at: str
    frontier: Frontier
    key_id: str
    signature: bytes

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size

    @property
    def root(self) -> bytes:
        """The Merkle tree hash over the entries, 32 bytes."""
        return self.frontier.root

    def body(self) -> bytes:
        """What is signed."""
        peaks = "".join(f" {_base64(peak)}" for peak in self.frontier.peaks)
        lines = (
            self.origin,
            str(self.size),
            _base64(self.root),
            f"time {self.at}",
            f"frontier{peaks}",
        )
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    def __str__(self) -> str:
        signature = _base64(bytes.fromhex(self.key_id) + self.signature)
        return f"{self.body().decode('ascii')}\n— {self.origin} {signature}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint of a text, its signature not yet checked.

        Raises:
            LogTampered: it is not exactly what ``str`` of a checkpoint gives.
        """
        try:
            return _parse(text)
        except ValueError as error:
            raise LogTampered(
                f"expected a checkpoint of a log, got something else or a damaged one ({error}); use a copy that "
                "was kept elsewhere"
            ) from None

    def verify(self, keys: Mapping[str, PublicKey]) -> None:
        """Check who signed it.

        Args:
            keys: by key id.

        Raises:
            LogTampered: the signature is not that of one of the keys.
        """
        key = keys.get(self.key_id)
        if key is None:
            raise LogTampered(
                f"the checkpoint of {self.at} over {self.size} entries is signed by the key {self.key_id}, expected "
                f"one of {', '.join(keys) or 'none'}; give the public key that you kept (--key), or take it for forged"
            )
        if key.origin != self.origin or not key.is_signature(self.signature, self.body()):
            raise LogTampered(
                f"the checkpoint of {self.at} over {self.size} entries is not what the key {self.key_id} signed; it "
                "was altered"
            )


def parse_checkpoints(text: str) -> list[Checkpoint]:
    """Every checkpoint of a file of them, each followed by an empty line, oldest first.

    Raises:
        LogTampered: the text holds something else; says at which line.
    """
    parts = text.split("\n\n")
    if parts.pop() != "":
        raise LogTampered(
            f"the checkpoints end in the middle of one (after line {text.count(chr(10))}), or something else stands "
            "there; use a copy that was kept elsewhere, or remove the last, incomplete one"
        )
    if len(parts) % 2:
        raise LogTampered(
            "the checkpoints are damaged: expected a body and a signature in turn; use a kept copy"
        )
    found, line = [], 1
    for body, signature in zip(parts[::2], parts[1::2], strict=True):
        record = f"{body}\n\n{signature}\n"
        try:
            found.append(Checkpoint.parse(record))
        except LogTampered as error:
            raise LogTampered(f"line {line}: {error.message}") from None
        line += record.count("\n") + 1
    return found


def format_checkpoints(checkpoints: list[Checkpoint]) -> str:
    """The text that ``parse_checkpoints`` reads."""
    return "".join(f"{checkpoint}\n" for checkpoint in checkpoints)


def keys_by_id(keys: list[PublicKey]) -> dict[str, PublicKey]:
    """Public keys, by their key ids."""
    return {key.key_id: key for key in keys}


def _parse(text: str) -> Checkpoint:
    """The checkpoint; ValueError where the text is something else."""
    lines = text.split("\n")
    if len(lines) != 8:
        raise ValueError("it has not the lines of one")
    origin, size, _, time, frontier = lines[:5]
    words = lines[6].split(" ")
    if not _ORIGIN.fullmatch(origin) or not _SIZE.fullmatch(size) or len(words) != 3:
        raise ValueError("origin, size or signature line")
    at = time.removeprefix("time ")
    if not _TIME.fullmatch(at):
        raise ValueError("time")
    peaks = tuple(_unbase64(word) for word in frontier.split(" ")[1:])
    if any(len(peak) != HASH_BYTES for peak in peaks):
        raise ValueError("frontier")
    signed = _unbase64(words[2])
    made = Checkpoint(
        origin, at, Frontier(int(size), peaks), signed[:_KEY_ID_BYTES].hex(), signed[_KEY_ID_BYTES:]
    )
    # whatever was not looked at above (the root, spaces, base64's spare bits) must be as it would be written
    if len(made.signature) != 64 or str(made) != text:
        raise ValueError("it is not in the form that it would be written in")
    return made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    """Strict base64; ValueError where the text is not what ``_base64`` writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("base64") from None
    if _base64(data) != text:
        raise ValueError("base64")
    return data
