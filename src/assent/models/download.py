"""One file over HTTP, whole and of the expected hash, or not at all; if interrupted, it goes on later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx2

from assent.errors import DownloadFailed
from assent.models.files import PART_SUFFIX, disk_errors, exclusive_part, sha256_of_file

_MAX_FRUITLESS_TRIES = 4
_MAX_TRIES = 50
_OK, _PARTIAL, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


class Progress(Protocol):
    """Somebody who wants to know how far a download is."""

    def start(self, label: str, total_bytes: int | None) -> None:
        """A file begins; ``total_bytes`` is None where its size is not known."""

    def advance(self, num_bytes: int) -> None:
        """That many more bytes are here; negative where a server makes the download begin again."""

    def finish(self) -> None:
        """The file is done, or given up."""


class NoProgress:
    """Nobody does."""

    def start(self, label: str, total_bytes: int | None) -> None:
        """Nothing."""

    def advance(self, num_bytes: int) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download.

    Attributes:
        label: what messages and progress call it: a file name, never an address.
        sha256: of the whole file.
        size_bytes: where it is known; more is refused early.
    """

    label: str
    sha256: str
    size_bytes: int | None = None


class _InterruptedError(Exception):
    """The connection ended early or the server is busy; another try may go further."""


def has_hash(path: Path, sha256: str) -> bool:
    """Whether the file is there and of this hash."""
    try:
        return sha256_of_file(path) == sha256
    except FileNotFoundError:
        return False


def download(
    client: httpx2.Client,
    url: str,
    dest: Path,
    wanted: Wanted,
    *,
    progress: Progress,
    retry_delay_s: float = 0.25,
) -> None:
    """Gets ``url`` into ``dest``.

    Bytes are kept under ``dest`` + ``.part`` and outlive an interruption; ``dest`` appears only when the
    hash is right. Two processes that want the same file wait for each other.

    Args:
        client: with whatever certificates, proxy and password the address needs.
        url: never shown, since it may hold a password.
        dest: its folder must exist.
        wanted: hash and size.
        progress: told of every byte.
        retry_delay_s: pause after the first interruption in a row; doubles with each.

    Raises:
        DownloadFailed: the server does not give the file, or gives another one.
        ModelError: no room or no permission.
    """
    with disk_errors(dest.parent, wanted.size_bytes), exclusive_part(dest) as part:
        if not has_hash(dest, wanted.sha256):
            resumed = part.seek(0, 2) > 0
            digest = _fill(client, url, part, wanted, progress, retry_delay_s)
            if digest != wanted.sha256 and resumed:
                # What an earlier run left may have come from another server: once more, from the start.
                part.truncate(0)
                digest = _fill(client, url, part, wanted, progress, retry_delay_s)
            if digest != wanted.sha256:
                _part_path(dest).unlink()
                raise DownloadFailed(
                    f"{wanted.label}: expected sha256 {wanted.sha256}, got {digest}; the file was removed. "
                    "The source gives another file than the one checked: use another index or address."
                )
            part.flush()
            _part_path(dest).replace(dest)
        else:
            _part_path(dest).unlink()


def _part_path(dest: Path) -> Path:
    return dest.with_name(dest.name + PART_SUFFIX)


def _fill(
    client: httpx2.Client,
    url: str,
    part: BinaryIO,
    wanted: Wanted,
    progress: Progress,
    retry_delay_s: float,
) -> str:
    """Completes the part, however many connections it takes; the sha256 of what is there then."""
    fruitless = 0
    for _ in range(_MAX_TRIES):
        before = part.seek(0, 2)
        try:
            with _reported(progress, wanted, before):
                _append(client, url, part, wanted, progress)
        except _InterruptedError as error:
            fruitless = 0 if part.seek(0, 2) > before else fruitless + 1
            if fruitless >= _MAX_FRUITLESS_TRIES:
                raise DownloadFailed(
                    f"{wanted.label}: expected a complete download, got {part.seek(0, 2)} of "
                    f"{wanted.size_bytes or 'unknown'} bytes: {error}. Check the network and run the same "
                    "command again to go on from there."
                ) from error
            time.sleep(retry_delay_s * 2**fruitless)
        else:
            part.flush()
            return sha256_of_file(Path(part.name))
    raise DownloadFailed(
        f"{wanted.label}: expected a complete download, got {_MAX_TRIES} interruptions. Run the same command "
        "again to go on from there."
    )


@contextmanager
def _reported(progress: Progress, wanted: Wanted, num_bytes_there: int) -> Iterator[None]:
    progress.start(wanted.label, wanted.size_bytes)
    try:
        progress.advance(num_bytes_there)
        yield
    finally:
        progress.finish()


def _append(client: httpx2.Client, url: str, part: BinaryIO, wanted: Wanted, progress: Progress) -> None:
    """One connection's worth of bytes behind those that are there."""
    there = part.seek(0, 2)
    if wanted.size_bytes is not None and there >= wanted.size_bytes:
        return
    # Identity: the hash and the range are those of the file, not of a compressed transfer.
    headers = {"Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        with client.stream("GET", url, headers=headers) as response:
            if not _accept(response, part, there, wanted, progress):
                return
            # As they come: a larger chunk would lose what it had gathered when the connection breaks.
            for chunk in response.iter_raw():
                part.write(chunk)
                progress.advance(len(chunk))
                if wanted.size_bytes is not None and part.tell() > wanted.size_bytes:
                    part.truncate(0)
                    raise DownloadFailed(
                        f"{wanted.label}: expected {wanted.size_bytes} bytes, got more; the source gives "
                        "another file than the one checked: use another index or address."
                    )
    except httpx2.TransportError as error:
        # The exception's text may repeat the address; its class says what happened.
        raise _InterruptedError(type(error).__name__) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadFailed(
            f"{wanted.label}: expected the file, got {type(error).__name__}; check the address and your pip "
            "settings."
        ) from error
    if wanted.size_bytes is not None and part.tell() < wanted.size_bytes:
        raise _InterruptedError("the server closed the connection")


def _accept(
    response: httpx2.Response, part: BinaryIO, there: int, wanted: Wanted, progress: Progress
) -> bool:
    """Makes the part ready for what this answer brings; False when it is complete as it is."""
    if response.status_code == _PARTIAL and there:
        if response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
            return True
        # Another range than the one asked for: what is there is of no use with it.
        part.truncate(0)
        raise _InterruptedError("the server sent another range than the one asked for")
    if response.status_code == _OK:
        if there:
            # The server does not resume: everything comes again.
            part.truncate(0)
            progress.advance(-there)
        return True
    if response.status_code == _RANGE_NOT_SATISFIABLE and there:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if total == str(there):
            return False
        part.truncate(0)
        raise _InterruptedError("the server has fewer bytes than were there")
    answer = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _WORTH_ANOTHER_TRY:
        raise _InterruptedError(answer)
    raise DownloadFailed(
        f"{wanted.label}: expected the file, got the answer {answer}; check the address and your pip "
        "settings."
    )
