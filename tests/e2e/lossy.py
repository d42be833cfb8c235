"""Between an RTSP client and its server: loses a share of the packets."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress


class LossyRelay:
    """Stands between an RTSP client and its server and drops a share of the RTP packets that the client receives.

    The client asks for UDP; the relay rewrites its ports to its own, and passes on what comes there.
    """

    def __init__(self, port: int, *, share: float) -> None:
        self._port, self._share = port, share
        self._random = random.Random(7)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pair = self._even_pair()
        self._client: tuple[str, int] | None = None
        self._is_open = True
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._opened: list[socket.socket] = [self._listening, *self._pair]

    @staticmethod
    def _even_pair() -> tuple[socket.socket, socket.socket]:
        while True:
            first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                if port % 2 == 0:
                    second.bind(("127.0.0.1", port + 1))
                    return first, second
            except OSError:
                pass
            first.close()
            second.close()

    def __enter__(self) -> int:
        self._accepting.start()
        for number, one in enumerate(self._pair):
            threading.Thread(target=self._pass_on, args=(one, number), daemon=True).start()
        return int(self._listening.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # whoever was accepted just now is in ``_opened`` then
        for one in self._opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._opened.append(client)
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                client.close()
                continue
            self._opened.append(server)
            threading.Thread(target=self._pipe, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pipe, args=(server, client, False), daemon=True).start()

    def _pipe(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        mine = self._pair[0].getsockname()[1]
        for data in self._chunks(source):
            theirs = data.partition(b"client_port=")[2].partition(b"-")[0]
            if theirs.isdigit():
                if from_client:
                    self._client = ("127.0.0.1", int(theirs))
                wanted = mine if from_client else (self._client or ("", mine))[1]
                data = data.replace(
                    b"client_port=%d-%d" % (int(theirs), int(theirs) + 1),
                    b"client_port=%d-%d" % (wanted, wanted + 1),
                )
            try:
                sink.sendall(data)
            except OSError:
                return

    @staticmethod
    def _chunks(source: socket.socket) -> Iterator[bytes]:
        try:
            while data := source.recv(65536):
                yield data
        except OSError:
            return

    def _pass_on(self, one: socket.socket, number: int) -> None:
        while self._is_open:
            try:
                data = one.recv(65536)
                if self._client is not None and self._random.random() >= self._share:
                    one.sendto(data, (self._client[0], self._client[1] + number))
            except OSError:
                return
