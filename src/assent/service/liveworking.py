"""Workers of live streams: take on what was started, watch it, say how it does, end it when told.

A worker that is killed leaves a lease that runs out; another takes its streams up.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Final, Protocol

from assent.errors import AssentError, Forbidden, StoreError
from assent.faults import kind_and_place
from assent.live.pauses import Pauses
from assent.service.access import acting_for
from assent.service.context import Context
from assent.service.jobfiles import MACHINE
from assent.service.livedoor import LiveDoor
from assent.service.liveoptions import LiveOptions, OnBehalf
from assent.service.living import LiveRun, Sighting, open_live
from assent.store.access import Role
from assent.store.streams import StreamRecord, StreamState
from assent.store.transaction import Reading

_log = logging.getLogger("assent.live")

_LOOK_S: Final = 0.5
_REFUSED: Final = (
    "it has ended, since whoever started it may not search any more (their access key was revoked, or is no "
    "searcher's); start it with another key"
)
_LEASE: Final = timedelta(seconds=10)
_RENEW_S: Final = 3.0
"""Between two renewals where nothing is to be said: two may fail before the lease is over."""


class Output(AbstractContextManager[object], Protocol):
    """Where a stream's sightings go, while it runs.

    Attributes:
        problem: why they do not arrive at present; empty where they do.
    """

    problem: str

    def see(self, sighting: Sighting) -> None:
        """Somebody who has a name was looked at closely; must not wait."""
        ...


Outputs = Callable[[Context, StreamRecord], Output | None]


class LiveWorker:
    """Watches streams, each in threads of its own.

    Args:
        ctx: the open data folder.
        max_streams: at once.
        options: how each is to run; its own threshold comes first.
        outputs: makes what a stream's sightings go to; None where they go nowhere.
        name: unique among workers; made up when None.
    """

    def __init__(
        self,
        ctx: Context,
        *,
        max_streams: int = 4,
        options: LiveOptions | None = None,
        outputs: Outputs | None = None,
        name: str | None = None,
    ) -> None:
        self._ctx = ctx
        self._max_streams = max_streams
        self._options = options or LiveOptions(has_preview=True)
        self._outputs = outputs
        self.name = name or f"{MACHINE}.{os.getpid()}.{secrets.token_hex(4)}"
        self._threads: list[threading.Thread] = []

    def run(self, should_stop: threading.Event) -> None:
        """Work until told to stop; streams are given back then, for the next worker."""
        while not should_stop.is_set():
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            stream = self._claimed() if len(self._threads) < self._max_streams else None
            if stream is None:
                should_stop.wait(_LOOK_S)
                continue
            watch = _Watch(self._ctx, stream, self.name, self._options, should_stop, self._outputs)
            thread = threading.Thread(target=watch.run, name="live-stream")
            self._threads.append(thread)
            thread.start()
        for thread in self._threads:
            thread.join()

    def _claimed(self) -> StreamRecord | None:
        try:
            with self._ctx.records.reading() as tx:
                if not tx.has_unwatched_stream():
                    return None
            with self._ctx.records.transaction() as tx:
                return tx.claim_stream(self.name, lease=_LEASE)
        except StoreError as error:
            _log.warning("the records cannot be used: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the streams that are watched go on, and it is tried again
            _log.error("no stream could be taken on: %s", kind_and_place(error))
        return None


class _Watch:
    """One stream, until it is no longer wanted, no longer this worker's, or whoever started it may not have it.

    Its searches are made as whoever started it, who is looked up twice a second.
    """

    def __init__(
        self,
        ctx: Context,
        stream: StreamRecord,
        worker: str,
        options: LiveOptions,
        should_stop: threading.Event,
        outputs: Outputs | None,
    ) -> None:
        self._ctx = ctx
        self._stream = stream
        self._worker = worker
        self._options = replace(
            options,
            threshold=options.threshold if stream.threshold is None else stream.threshold,
            on_behalf=OnBehalf(stream.id, ctx.actor),
        )
        self._should_stop = should_stop
        self._outputs = outputs
        self._is_over = threading.Event()
        self._run: LiveRun | None = None
        self._output: Output | None = None
        self._address: str | None = None
        self._message = ""
        self._is_refused = False
        self._renewed_s = time.monotonic()
        self._said: tuple[StreamState, str, str | None] | None = None

    def run(self) -> None:
        renewing = threading.Thread(target=self._keep_renewing, name="live-lease")
        renewing.start()
        pauses = Pauses(0.5, 30.0)
        try:
            while not self._is_over.is_set():
                began_s = time.monotonic()
                self._watch_once()
                if time.monotonic() - began_s > pauses.most_s:
                    pauses.reset()  # it was watched for so long that what failed before is past
                self._is_over.wait(pauses.next_s())
        finally:
            self._is_over.set()
            renewing.join()
            self._release()

    def _watch_once(self) -> None:
        """Until the run ends; why it could not go on is the stream's message, and it is tried again."""
        try:
            with self._ctx.records.reading() as tx:
                acting = self._acting(tx)
            output = None if self._outputs is None else self._outputs(acting, self._stream)
            run = open_live(
                acting,
                self._stream.place,
                camera=self._stream.camera,
                options=self._options,
                see=None if output is None else output.see,
            )
            answers = {
                b"picture": lambda: run.preview() or b"",
                b"health": lambda: json.dumps(asdict(run.status())).encode(),
            }
            with LiveDoor(answers) as door, output or nullcontext():
                self._run, self._output, self._address, self._message = run, output, door.address, ""
                if not self._is_over.is_set():
                    run.run()
            self._message = "the source ended"
        except Forbidden:
            self._refuse()
        except AssentError as error:
            self._message = error.message
        except Exception as error:  # noqa: BLE001 - one stream's fault must not end the others
            _log.error("a stream failed: %s", kind_and_place(error))
            self._message = "a fault in Assent; the worker's log says which"
        finally:
            self._run = self._output = self._address = None

    def _keep_renewing(self) -> None:
        try:
            while not (self._is_over.is_set() or self._should_stop.is_set()) and self._is_kept():
                self._is_over.wait(_LOOK_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, whether the stream may go on is not known
            _log.error("a stream's lease failed: %s", kind_and_place(error))
        finally:
            self._end()

    def _is_kept(self) -> bool:
        """Whether to go on; without the records, for as long as the lease lasts."""
        try:
            with self._ctx.records.reading() as tx:
                self._acting(tx)
                is_kept = tx.is_stream_of(self._stream, self._worker)
            return is_kept and self._renew()
        except Forbidden:
            self._refuse()
            return False
        except StoreError:
            return time.monotonic() - self._renewed_s < _LEASE.total_seconds()

    def _acting(self, tx: Reading) -> Context:
        """The data folder as whoever started the stream has it now.

        Raises:
            Forbidden: their key was revoked, or is no searcher's.
        """
        acting = acting_for(self._ctx, tx, key_id=self._stream.key_id, actor=self._stream.actor)
        acting.require(Role.SEARCHER)
        return acting

    def _refuse(self) -> None:
        self._is_refused = True
        self._end()
        with suppress(StoreError):  # tried again when it is released
            self._say_refused()

    def _say_refused(self) -> None:
        if self._is_refused:
            with self._ctx.records.transaction() as tx:
                tx.refuse_stream(self._stream, self._worker, _REFUSED)

    def _end(self) -> None:
        self._is_over.set()
        run = self._run
        if run is not None:
            run.stop()

    def _renew(self) -> bool:
        """Say how it does, where that is news or the lease needs it; whether it is still this worker's."""
        run, output, address, message = self._run, self._output, self._address, self._message
        state = StreamState.FAILED
        if run is not None:
            state = StreamState.RUNNING
            status = run.status()
            message = status.problem or status.source.message or status.webhook
            message = message or ("" if output is None else output.problem)
        elif not message:
            state = StreamState.STARTING
        said = (state, message, address)
        if said == self._said and time.monotonic() - self._renewed_s < _RENEW_S:
            return True
        with self._ctx.records.transaction() as tx:
            is_kept = tx.renew_stream(
                self._stream, self._worker, lease=_LEASE, state=state, message=message, address=address
            )
        self._said, self._renewed_s = said, time.monotonic()
        return is_kept

    def _release(self) -> None:
        try:
            self._say_refused()
            with self._ctx.records.transaction() as tx:
                tx.release_stream(self._stream.id, self._worker)
        except StoreError as error:
            _log.warning("the records cannot be used: %s", type(error).__name__)
