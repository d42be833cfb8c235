"""Streams: cameras of places that workers watch, apart from whoever started them."""

from __future__ import annotations

import json

from assent.service.context import Context
from assent.service.livedoor import asked
from assent.store.access import Role
from assent.store.streams import StreamRecord
from assent.types import JsonObject


class Streams:
    """The streams of one data folder. Workers (``assent live-worker``) run those that were started."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def add(
        self,
        name: str,
        *,
        place: str,
        camera: str,
        threshold: float | None = None,
        facts: JsonObject | None = None,
    ) -> StreamRecord:
        """Make a stream, stopped.

        Args:
            name: letters, digits, ``_ . : -``, at most 128.
            place: where.
            camera: which of the place's cameras.
            threshold: a similarity of 0 to 100; stricter than the place's floor, or it has no effect.
            facts: what to be told again; no secrets.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: no such place or camera.
            AlreadyExists: the name is taken.
            UsageError: a malformed field.
        """
        self._ctx.require(Role.SEARCHER)
        with self._ctx.records.transaction() as tx:
            return tx.add_stream(name, place_name=place, camera=camera, threshold=threshold, facts=facts)

    def list(self) -> tuple[StreamRecord, ...]:
        """All streams, by name. Raises ``Forbidden``: the caller is no searcher."""
        self._ctx.require(Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return tuple(tx.streams())

    def get(self, name: str) -> StreamRecord:
        """One stream.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        self._ctx.require(Role.SEARCHER)
        with self._ctx.records.reading() as tx:
            return tx.stream(name)

    def start(self, name: str) -> StreamRecord:
        """Have a worker watch it, until it is stopped, also through restarts of workers and of the server.

        Its searches are the caller's: logged as theirs, and ended when their key is revoked.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        return self._want(name, is_wanted=True)

    def stop(self, name: str) -> StreamRecord:
        """Have its worker end it.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        return self._want(name, is_wanted=False)

    def remove(self, name: str) -> None:
        """Forget a stream; a worker that has it ends it.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        self._ctx.require(Role.SEARCHER)
        with self._ctx.records.transaction() as tx:
            tx.remove_stream(name)

    def health(self, name: str) -> JsonObject | None:
        """How a running stream does, from its worker; None where that cannot be asked from here.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        address = self.get(name).address
        answer = None if address is None else asked(address, b"health")
        return None if answer is None else dict(json.loads(answer))

    def picture(self, name: str) -> bytes | None:
        """The newest picture as a JPEG, everybody hidden who was not recognised; None where there is none.

        Raises:
            Forbidden: the caller is no searcher.
            NotFound: there is none of that name.
        """
        address = self.get(name).address
        return None if address is None else asked(address, b"picture") or None

    def _want(self, name: str, *, is_wanted: bool) -> StreamRecord:
        self._ctx.require(Role.SEARCHER)
        caller = self._ctx.caller
        with self._ctx.records.transaction() as tx:
            return tx.want_stream(name, is_wanted=is_wanted, key_id=None if caller is None else caller.id)
