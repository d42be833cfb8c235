"""How the server asks a worker on the same machine for a stream's picture and health: a socket only this user can open.

Pictures go from memory to memory: nobody recognised is ever in a file.
"""

from __future__ import annotations

import logging
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from assent.faults import kind_and_place

_log = logging.getLogger("assent.live")

_TIMEOUT_S: Final = 2.0
_MAX_BYTES: Final = 16 * 2**20


class LiveDoor:
    """Answers questions about one run.

    Args:
        answers: what is answered, by question.

    Attributes:
        address: where to ask.
    """

    def __init__(self, answers: Mapping[bytes, Callable[[], bytes]]) -> None:
        self._answers = answers
        self._folder = tempfile.mkdtemp(prefix="assent-")  # this user's alone, and short enough for a socket
        self.address = str(Path(self._folder) / "live")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.address)
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve, name="live-door", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(_TIMEOUT_S)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        answer = self._answers.get(connection.recv(64))
        try:
            body = b"" if answer is None else answer()
        except Exception as error:  # noqa: BLE001 - who asks next is answered all the same
            _log.error("a live stream cannot say how it is: %s", kind_and_place(error))
            return
        connection.sendall(struct.pack("!I", len(body)) + body)


def asked(address: str, question: bytes) -> bytes | None:
    """A worker's answer; None where it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(address)
            connection.sendall(question)
            (length,) = struct.unpack("!I", _exactly(connection, 4))
            return _exactly(connection, length) if length <= _MAX_BYTES else None
        except (OSError, EOFError):
            return None


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(65536, count - len(parts)))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
