"""The whole server as one ASGI app: rooms behind the gate, and what happens at start and stop."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from assent.server.admission import Admission
from assent.server.bodies import Budget, Receive
from assent.server.gate import Gate
from assent.server.housekeeping import Housekeeping
from assent.server.rooms import Rooms, Scope, Send
from assent.server.workers import Workers

if TYPE_CHECKING:
    from assent.config import Settings
    from assent.service import Assent

MAX_BODIES_BYTES = 256 * 2**20
"""Of all requests that are being read, wait, or are worked on."""


class ServerApp:
    """Answers HTTP through the gate, and ASGI's lifespan.

    Args:
        assent: the open data folder; whoever opened it closes it after the server has ended.
        rooms: what to serve.
        known_operations: the wire's names that may appear in the access log.

    Attributes:
        admission: who is worked for; closing it begins the end.
    """

    def __init__(
        self, assent: Assent, rooms: Rooms, *, known_operations: frozenset[str] = frozenset()
    ) -> None:
        settings = assent.settings
        self.admission = Admission(
            max_running=num_places(settings),
            max_waiting=settings.max_waiting,
            max_wait_s=settings.max_wait_s,
        )
        self._gate = Gate(rooms, self.admission, Budget(MAX_BODIES_BYTES), known_operations=known_operations)
        self._housekeeping = Housekeeping(
            assent,
            checkpoint_every_s=settings.checkpoint_every_s,
            sweep_every_s=settings.sweep_every_s,
        )
        self._workers = Workers(assent, settings.job_workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entrance."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._gate(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._housekeeping.start()
                self._workers.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self._workers.stop)
                await self._housekeeping.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def num_places(settings: Settings) -> int:
    """Requests worked on at once: as set, or the cores that this process may use."""
    if settings.max_concurrent:
        return settings.max_concurrent
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_app(assent: Assent) -> ServerApp:
    """The server of one open data folder, with all its rooms.

    Raises:
        ModuleNotFoundError: the ``server`` extra is not installed.
    """
    from starlette.applications import Starlette

    from assent.console import console_routes
    from assent.rest import rest_app
    from assent.wire.app import wire_app
    from assent.wire.model import operation_names

    rooms = Rooms.of(
        wire_app(assent),
        rest_app(assent),
        Starlette(routes=console_routes(assent)),
        max_upload_bytes=assent.settings.max_upload_bytes,
    )
    return ServerApp(assent, rooms, known_operations=frozenset(operation_names()))
