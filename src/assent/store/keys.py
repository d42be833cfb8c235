"""The key file: the master keys, kept apart from the records.

A JSON file, 0600, in a folder of its own (0700), replaced as a whole: written beside, flushed to disk,
renamed. One file may serve several stores; each finds its own by store id and key id. During a rotation a
store has two.
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
from typing import Any

from assent.errors import KeyMissing, StoreUnavailable
from assent.store.crypto import KEY_BYTES, Vault, key_fingerprint

_FORMAT = "assent-keys-1"
_FORBIDDEN_BITS = 0o027  # nothing for others, no writing by the group (a group may read: mounted secrets)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One entry of the key file.

    Attributes:
        store_id: the store it belongs to.
        key: 32 bytes; never printed.
    """

    store_id: str
    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """The key's fingerprint."""
        return key_fingerprint(self.key)


class KeyFile:
    """The file at ``path``; nothing is kept in memory between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def vault(self, store_id: str, key_id: str, key_check: bytes) -> Vault:
        """The master key that the records name.

        Raises:
            KeyMissing: the file is gone, unreadable, garbled, readable by others, or has not this key.
        """
        for entry in self._read():
            if entry.store_id == store_id and entry.key_id == key_id:
                vault = Vault(store_id, entry.key)
                if vault.matches(key_check):
                    return vault
        raise KeyMissing(
            f"the key file {self.path} has not the key {key_id[:8]}… of these records (store {store_id}); "
            "put back the key file that belongs to them, or point ASSENT_KEY_FILE at it"
        )

    def add(self, entry: MasterKey) -> None:
        """Add a key, making the file and its folder where there is none.

        Raises:
            KeyMissing: a file is there and cannot be read.
            StoreUnavailable: the folder cannot be written.
        """
        with self._locked():
            entries = self._read() if self.path.exists() else []
            self._write([*entries, entry])

    def keep_only(self, store_id: str, key_id: str) -> None:
        """Remove every key of ``store_id`` but ``key_id``; overwrite the file that held them.

        Overwriting is best effort: a journalling file system or an SSD may keep the old blocks.

        Raises:
            KeyMissing: the file is gone or cannot be read.
            StoreUnavailable: the folder cannot be written.
        """
        with self._locked():
            entries = self._read()
            kept = [entry for entry in entries if entry.store_id != store_id or entry.key_id == key_id]
            if len(kept) == len(entries):
                return
            with self.path.open("r+b") as old:
                self._write(kept)
                size = old.seek(0, os.SEEK_END)
                old.seek(0)
                old.write(bytes(size))
                old.flush()
                os.fsync(old.fileno())

    def num_keys(self, store_id: str) -> int:
        """How many keys of this store the file has: 1, or 2 in the middle of a rotation."""
        return sum(entry.store_id == store_id for entry in self._read())

    def _read(self, *, attempts: int = 5) -> list[MasterKey]:
        """The entries. Raises ``KeyMissing`` where they cannot be had."""
        try:
            mode = self.path.stat().st_mode & 0o777
            text = self.path.read_text("ascii")
        except FileNotFoundError as error:
            raise KeyMissing(
                f"the records need their key file, and there is none at {self.path}; put the file back from "
                "where you keep it (a new key cannot read them), or point ASSENT_KEY_FILE at it"
            ) from error
        except OSError as error:
            reason = error.strerror or "unreadable"
            raise KeyMissing(f"cannot read the key file {self.path}: {reason}") from error
        except UnicodeDecodeError:
            raise _garbled(self.path) from None
        if mode & _FORBIDDEN_BITS:
            raise KeyMissing(
                f"the key file {self.path} has mode {mode:04o}, so that others than its owner may read or "
                f"change it; run: chmod 600 {self.path}"
            )
        try:
            return _parse(json.loads(text))
        except (ValueError, KeyError, TypeError):
            if not text.strip("\0") and attempts > 1:
                return self._read(
                    attempts=attempts - 1
                )  # an old file, replaced and overwritten while it was read
            raise _garbled(self.path) from None  # a JSON error carries the text, and the text is the key

    def _write(self, entries: list[MasterKey]) -> None:
        """Replace the file by one with these entries, on disk before this returns."""
        text = json.dumps(
            {
                "format": _FORMAT,
                "keys": [
                    {"store": entry.store_id, "id": entry.key_id, "key": entry.key.hex()} for entry in entries
                ],
            },
            indent=1,
        )
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(text + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self.path)
            _flush_folder(self.path.parent)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StoreUnavailable(
                f"cannot write the key file {self.path}: {error.strerror or error}; make its folder "
                "writable for this user, with some free space"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock file beside the key file, so that two writers do not lose each other's keys."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(
                self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise StoreUnavailable(
                f"cannot make the key file {self.path}: {error.strerror or error}; make its folder "
                "writable for this user, or point ASSENT_KEY_FILE elsewhere"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _parse(document: Any) -> list[MasterKey]:
    """The entries of the file's JSON; ValueError, KeyError or TypeError where it is something else."""
    if document["format"] != _FORMAT:
        raise ValueError(document["format"])
    entries = [MasterKey(str(item["store"]), bytes.fromhex(item["key"])) for item in document["keys"]]
    for entry, item in zip(entries, document["keys"], strict=True):
        if len(entry.key) != KEY_BYTES or entry.key_id != item["id"]:
            raise ValueError("a key is not the one its id names")
    return entries


def _garbled(path: Path) -> KeyMissing:
    return KeyMissing(
        f"{path} is not a key file, or it is damaged (expected JSON of format {_FORMAT}); put back the key "
        "file that belongs to these records"
    )


def _flush_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
