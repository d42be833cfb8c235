"""The log's files outside the database: the signing key, the public keys, and the checkpoints.

The signing key is one JSON file (0600), replaced as a whole; the public keys stand beside it in a ``.pub`` file that
is only ever added to, so that they outlive a lost signing key. Checkpoints are only ever appended. One file may serve
several stores; each finds its own by origin.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assent.errors import KeyMissing, LogTampered, StoreUnavailable
from assent.ledger.checkpoint import (
    Checkpoint,
    PublicKey,
    SigningKey,
    format_checkpoints,
    parse_checkpoints,
)

_FORMAT: Final = "assent-log-keys-1"
_FORBIDDEN_BITS: Final = 0o027
_TAIL_BYTES: Final = 16 * 1024
SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class _Seed:
    origin: str
    key_id: str
    seed: bytes = field(repr=False)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot use {path}: {error.strerror or error}; make its folder writable for this user, or point "
            "ASSENT_LOG_KEY_FILE and ASSENT_CHECKPOINT_FILE at files that are"
        ) from error


@contextmanager
def _locked(path: Path, *, mode: int) -> Iterator[int]:
    """An open descriptor of ``path`` (made where there is none) that one process at a time has."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


class LogKeys:
    """The signing key's file at ``path``, and the public keys beside it; nothing is kept in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.public_path = path.with_suffix(".pub")

    def published(self, origin: str) -> list[PublicKey]:
        """Every public key of a log that stands in the file of them, oldest first.

        Raises:
            UsageError: the file of public keys is damaged.
            StoreUnavailable: it cannot be read.
        """
        with _translated(self.public_path):
            if not self.public_path.exists():
                return []
            lines = self.public_path.read_text("utf-8", errors="replace").splitlines()
        return [key for line in lines if line.startswith(f"{origin}+") for key in [PublicKey.parse(line)]]

    def signing_key(self, origin: str) -> SigningKey | None:
        """The key that signs a log, or None where the file has none for it.

        Raises:
            KeyMissing: the file is damaged, or others may read or change it.
        """
        with _translated(self.path):
            found = [seed for seed in self._read() if seed.origin == origin]
        return SigningKey(origin, found[-1].seed) if found else None

    def publish(self, key: PublicKey) -> None:
        """Add a public key to the file of them, unless it is there.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        with _translated(self.public_path), _locked(self.public_path, mode=0o644) as public:
            if key not in self.published(key.origin):
                os.write(public, f"{key}\n".encode())
                os.fsync(public)

    def make(self, origin: str) -> SigningKey:
        """A new key in the place of the log's earlier one; to be published.

        Raises:
            KeyMissing: the file is damaged.
            StoreUnavailable: the folder cannot be written.
        """
        key, seed = _new_key(origin)
        with _translated(self.path), _locked(self.public_path, mode=0o644):
            kept = [entry for entry in self._read() if entry.origin != origin]
            self._write([*kept, _Seed(origin, key.public.key_id, seed)])
        return key

    def _read(self) -> list[_Seed]:
        if not self.path.exists():
            return []
        mode = self.path.stat().st_mode & 0o777
        if mode & _FORBIDDEN_BITS:
            raise KeyMissing(
                f"the log's signing key {self.path} has mode {mode:04o}, so that others than its owner may read or "
                f"change it; run: chmod 600 {self.path}"
            )
        try:
            return _parse_seeds(json.loads(self.path.read_text("ascii")))
        except (ValueError, KeyError, TypeError):  # its cause would carry the text, and the text is the key
            raise KeyMissing(
                f"{self.path} is not a log's signing key, or it is damaged (expected JSON of format {_FORMAT}); put "
                "the file back, or move it away and start a new key: assent log key --new --yes"
            ) from None

    def _write(self, seeds: list[_Seed]) -> None:
        items = [{"log": item.origin, "id": item.key_id, "seed": item.seed.hex()} for item in seeds]
        text = json.dumps({"format": _FORMAT, "keys": items}, indent=1) + "\n"
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)


class CheckpointFile:
    """The file of checkpoints at ``path``; only ever appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self, origin: str) -> list[Checkpoint]:
        """Every checkpoint of a log, oldest first.

        Raises:
            LogTampered: the file is damaged; says at which line.
        """
        with _translated(self.path):
            if not self.path.exists():
                return []
            data = self.path.read_bytes()
        try:
            found = parse_checkpoints(data.decode("utf-8", errors="replace"))
        except LogTampered as error:
            raise LogTampered(f"{self.path}: {error.message}") from None
        return [checkpoint for checkpoint in found if checkpoint.origin == origin]

    def last(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint of a log, read from the file's end, so that a long file costs nothing.

        Raises:
            LogTampered: the file's end is damaged.
        """
        with _translated(self.path):
            if not self.path.exists():
                return None
            size, window = self.path.stat().st_size, _TAIL_BYTES
            while True:
                with self.path.open("rb") as stream:
                    stream.seek(max(0, size - window))
                    tail = stream.read()
                found = self._newest(tail, origin, is_whole=window >= size)
                if found is not None or window >= size:
                    return found
                window *= 4

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process append meanwhile.

        Raises:
            StoreUnavailable: the file cannot be made or written.
        """
        with _translated(self.path), _locked(self.path, mode=0o644):
            yield

    def append(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint, on the disk when this returns; call it while ``locked``.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        data = format_checkpoints([checkpoint]).encode()
        with _translated(self.path), self.path.open("ab") as stream:
            stream.write(data)  # one write: a killed process leaves all of it or nothing
            stream.flush()
            os.fsync(stream.fileno())

    def _newest(self, tail: bytes, origin: str, *, is_whole: bool) -> Checkpoint | None:
        parts = tail.decode("utf-8", errors="replace").split("\n\n")
        if parts.pop() != "" or (is_whole and len(parts) % 2):
            raise LogTampered(
                f"{self.path} ends in the middle of a checkpoint; see `assent log verify`, and put back a kept copy or "
                "remove the incomplete one"
            )
        first = 0 if is_whole else 1  # what the window cuts into is left alone
        for at in range(len(parts) - 2, first - 1, -2):
            if parts[at].startswith(f"{origin}\n"):
                return Checkpoint.parse(f"{parts[at]}\n\n{parts[at + 1]}\n")
        return None


def _new_key(origin: str) -> tuple[SigningKey, bytes]:
    seed = secrets.token_bytes(SEED_BYTES)
    return SigningKey(origin, seed), seed


def _parse_seeds(document: Any) -> list[_Seed]:
    """The file's entries; ValueError, KeyError or TypeError where it is something else."""
    if document["format"] != _FORMAT:
        raise ValueError(document["format"])
    seeds = [
        _Seed(str(item["log"]), str(item["id"]), bytes.fromhex(item["seed"])) for item in document["keys"]
    ]
    for item in seeds:
        if SigningKey(item.origin, item.seed).public.key_id != item.key_id:
            raise ValueError("a key is not the one its id names")
    return seeds
