"""The newest frame of a source: read in a thread of its own, dropped rather than queued, found again when lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import av
import av.container
import av.error
import numpy as np
from av.video.stream import VideoStream

from assent.errors import SourceUnavailable
from assent.live.opening import Address, reason_of
from assent.live.pauses import Pauses
from assent.live.values import Captured, SourceSettings, SourceState, SourceStatus

_JUMP_S: Final = 10.0  # a clock that is off by more was set, or the stream began anew
_MAX_SIDE_PX: Final = 8192


class LiveSource:
    """A source that is being read.

    Args:
        source: an address, a device or a file.
        settings: how patient to be.

    Raises:
        SourceUnavailable: an address of a kind that is not read.
    """

    def __init__(self, source: str, settings: SourceSettings | None = None) -> None:
        self._settings = settings or SourceSettings()
        self._address = Address.of(source, self._settings.transport)
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._frame: av.VideoFrame | None = None
        self._is_damaged = False
        self._at_s = 0.0
        self._is_fresh = False
        self._status = SourceStatus(SourceState.CONNECTING)
        self._retry_at_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="live-source", daemon=True)

    def start(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; waits for the thread as long as a packet may take."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._settings.open_s + self._settings.read_s)

    @property
    def status(self) -> SourceStatus:
        """How it is doing."""
        with self._changed:
            retry_at_s = self._retry_at_s
            left_s = None if retry_at_s is None else max(0.0, retry_at_s - time.monotonic())
            return replace(self._status, retry_in_s=left_s)

    def newest(self, timeout_s: float) -> Captured | None:
        """The newest frame, if one came since the last call or comes within ``timeout_s``; None otherwise.

        Frames that came between two calls are dropped: nothing waits in a queue.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_fresh or self._is_over, timeout=timeout_s)
            if not self._is_fresh:
                return None
            frame, at_s, is_damaged = self._frame, self._at_s, self._is_damaged
            self._frame, self._is_fresh = None, False
            self._changed.notify_all()
        if frame is None or is_damaged:
            return Captured(None, at_s)
        # Here rather than in the reading thread: dropped frames cost no conversion.
        return Captured(np.ascontiguousarray(frame.to_ndarray(format="rgb24")), at_s)

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or self._status.state in (SourceState.ENDED, SourceState.REFUSED)

    # --- the reading thread

    def _run(self) -> None:
        pauses = Pauses(self._settings.first_pause_s, self._settings.most_pause_s)
        while not self._stop.is_set():
            num_before = self._status.num_frames
            try:
                ended = self._read_once()
                if ended:
                    self._say(SourceState.ENDED, "the file is at its end")
                    return
                reason = "it ended the stream"
            except SourceUnavailable as error:
                reason = error.message
                # What never gave a picture will not from trying; a camera that starts anew may refuse for a while.
                if not self._status.num_frames:
                    self._say(SourceState.REFUSED, reason)
                    return
            except Exception as error:  # noqa: BLE001 - whatever it is, a thread that ended would be a silent source
                reason = reason_of(error)
            if self._status.num_frames > num_before:
                pauses.reset()
            if not self._stop.is_set():
                self._wait(pauses.next_s(), reason)
        self._say(SourceState.STOPPED, "")

    def _wait(self, pause_s: float, reason: str) -> None:
        with self._changed:
            self._retry_at_s = time.monotonic() + pause_s
            self._status = replace(
                self._status, state=SourceState.LOST, message=reason, num_lost=self._status.num_lost + 1
            )
        self._stop.wait(pause_s)
        with self._changed:
            self._retry_at_s = None

    def _say(self, state: SourceState, message: str) -> None:
        with self._changed:
            self._status = replace(self._status, state=state, message=message)
            self._changed.notify_all()

    def _read_once(self) -> bool:
        """Read until the source is lost; True where it was a file and is at its end."""
        settings = self._settings
        while True:
            num_before = self._status.num_frames
            with self._address.open(open_s=settings.open_s, read_s=settings.read_s) as container:
                if not container.streams.video:
                    raise SourceUnavailable("it has no video; check the address")
                stream = container.streams.video[0]
                stream.thread_type = "SLICE"  # frame threads would hold frames back
                self._read(container, stream)
            if not self._address.is_file:
                return False
            if not settings.is_looped or self._stop.is_set():
                return not self._stop.is_set()
            if self._status.num_frames == num_before:
                raise SourceUnavailable("no picture of it can be decoded; give another file")

    def _read(self, container: av.container.InputContainer, stream: VideoStream) -> None:
        pace = _Pace(self._settings, is_file=self._address.is_file, wait=self._stop.wait)
        heard_s = time.monotonic()
        for packet in container.demux(stream):
            if self._stop.is_set():
                return
            at_s = time.monotonic()
            try:
                frames = packet.decode()
            except (av.error.InvalidDataError, av.error.BufferTooSmallError):
                self._put(None, at_s)
                continue
            if frames or stream.codec_context.skip_frame == "NONKEY":
                heard_s = at_s
            elif at_s - heard_s > self._settings.read_s:
                return  # it changed to what this decoder cannot tell, which is no error to it; opened anew it can
            for frame in frames:
                at_s = pace.keep(frame.time, at_s)
                self._put(frame, at_s)
                if self._address.is_file and not self._settings.is_paced:
                    self._wait_until_taken()
            # Falling behind must not grow into a queue in the network's buffers.
            is_behind = pace.lag_s > self._settings.most_lag_s
            stream.codec_context.skip_frame = "NONKEY" if is_behind else "DEFAULT"

    def _put(self, frame: av.VideoFrame | None, at_s: float) -> None:
        is_damaged = frame is None or frame.is_corrupt or max(frame.width, frame.height) > _MAX_SIDE_PX
        with self._changed:
            status = self._status
            self._status = replace(
                status,
                state=SourceState.PLAYING,
                message="",
                num_frames=status.num_frames + (frame is not None),
                num_dropped=status.num_dropped + self._is_fresh,
                num_damaged=status.num_damaged + is_damaged,
                width_px=status.width_px if frame is None else frame.width,
                height_px=status.height_px if frame is None else frame.height,
            )
            self._frame, self._at_s, self._is_damaged, self._is_fresh = frame, at_s, is_damaged, True
            self._changed.notify_all()

    def _wait_until_taken(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_fresh or self._stop.is_set())


class _Pace:
    """A file's speed, or how far behind its own clock a stream is read."""

    def __init__(self, settings: SourceSettings, *, is_file: bool, wait: Callable[[float], bool]) -> None:
        self._is_paced = is_file and settings.is_paced
        self._is_file = is_file
        self._wait = wait
        self._offset_s: float | None = None
        self.lag_s = 0.0

    def keep(self, time_s: float | None, at_s: float) -> float:
        """Wait until a file's frame is due; when it is to be taken as captured.

        Args:
            time_s: the frame's own; None where it has none.
            at_s: when its packet came.
        """
        if time_s is None:
            return at_s
        offset_s = at_s - time_s
        if self._offset_s is None or abs(offset_s - self._offset_s) > _JUMP_S:
            self._offset_s = offset_s
        if self._is_paced:
            self._wait(max(0.0, self._offset_s + time_s - time.monotonic()))
            return time.monotonic()
        if not self._is_file:
            self._offset_s = min(self._offset_s, offset_s)  # the quickest way here is no delay
            self.lag_s = offset_s - self._offset_s
        return at_s
