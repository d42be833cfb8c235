"""Clips at the rim: any file that FFmpeg reads, as upright frames with exact times.

A frame that cannot be decoded is not left out: it comes at its time, without an image and with the reason. Decoders
say little of it (they skip, or raise at another packet, the more so with several threads), so what went in is
compared with what came out: a packet whose time no frame has is a frame that could not be decoded.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import av.container
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from assent.errors import NotFound, UnreadableVideo, VideoTooLarge
from assent.types import UInt8
from assent.video.clock import Clock
from assent.video.ledger import Ledger, Shown
from assent.video.orientation import orientation_of
from assent.video.types import ClipFacts, VideoFrame

DEFAULT_MAX_PIXELS: Final = 36_000_000  # 8K and a little
MIN_SIDE_PX: Final = 16
_FULL_RANGE: Final = 2  # FFmpeg's AVCOL_RANGE_JPEG
_MAX_RATE: Final = 1000  # frames a second; what containers without a rate make up is higher
_MAX_THREADS: Final = 16
_MAX_SHORT_S: Final = 0.5  # a last frame is shown for a while

# FFmpeg's log is not switched on: PyAV's callback takes the interpreter's lock in the decoder's threads, and waits for
# ever where the interpreter waits for these.


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """One frame as the decoder gave it.

    Attributes:
        index: from 0, in the order shown.
        pts: when it is shown, in ``ClipReader.time_base``; grows strictly from frame to frame.
        time_s: the same, seconds after the clip's first frame.
        duration: how long it is shown, in ``ClipReader.time_base``; 0 where unknown.
        picture: pixels as stored, not yet turned upright; None where it could not be decoded.
        damage: see ``VideoFrame``.
    """

    index: int
    pts: int
    time_s: float
    duration: int
    picture: av.VideoFrame | None
    damage: str | None = None


class ClipReader:
    """An open clip; read once, from its beginning to its end.

    Args:
        path: a file; never an address.
        max_pixels: largest frame that is decoded, width times height.
        threads: for decoding; 0 takes the machine's cores.
        start_s: frames shown before are passed over, seconds after the clip's first frame.
        end_s: frames shown at this time or later are passed over; None reads to the end.
        with_others: whether ``items`` gives packets of sound and subtitles too.

    Raises:
        NotFound: no such file.
        UnreadableVideo: not a video, of a kind that is not read, without a frame, or a side below ``MIN_SIDE_PX``.
        VideoTooLarge: over ``max_pixels``; no frame was decoded.

    Attributes:
        facts: what the container says, and the first frame.
        container: the open file.
        stream: the video stream that is read: the first that is no cover picture.
        others: the streams of sound and subtitles whose packets come along.
        time_base: of ``RawFrame.pts``, seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        threads: int = 0,
        start_s: float = 0.0,
        end_s: float | None = None,
        with_others: bool = False,
    ) -> None:
        self.start_s, self.end_s = start_s, end_s
        self._max_pixels = max_pixels
        self._threads = min(threads or os.cpu_count() or 1, _MAX_THREADS)
        self._with_others = with_others
        self._stopped: str | None = None
        self._last_time_s = 0.0
        self._is_short = False
        self._open(path)
        try:
            self.facts, self.first_pts = self._begin(path)
        except BaseException:
            self.close()
            raise
        self.time_base = Fraction(self.stream.time_base or Fraction(1, 1000))
        self._clock = Clock(self.time_base, self.facts.frame_rate)
        if start_s > 0:
            self._seek(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._rest.close()
        self.container.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd about the clip as far as it was read, for people: repaired times, an end that came early."""
        found = []
        if self._clock.num_repaired:
            found.append(
                f"{self._clock.num_repaired:,} frames had no time, or one that went backwards; they follow the frame "
                "before"
            )
        if self._stopped is not None:
            found.append(f"reading stopped at {self._last_time_s:.3f} s: {self._stopped}")
        elif self._is_short:
            found.append(
                f"the picture ends at {self._last_time_s:.3f} s, the file says {self.facts.duration_s:.3f} s; it may "
                "be cut short"
            )
        return tuple(found)

    def frames(
        self,
        long_side_px: int | None = None,
        *,
        only: Container[int] | None = None,
        stop: Callable[[], None] | None = None,
    ) -> Iterator[VideoFrame]:
        """Every frame, upright.

        Args:
            long_side_px: scale images down so that their longer side has at most so many pixels, which is cheaper than
                the full conversion; None gives them at their own size.
            only: indices of the frames that are wanted; None gives all. The others are decoded and passed over.
            stop: called before each frame, those that are passed over too; what it raises ends the reading.
        """
        converter = VideoReformatter()
        for item in self.items():
            if stop is not None:
                stop()
            if isinstance(item, RawFrame) and (only is None or item.index in only):
                yield _as_shown(item, long_side_px, converter)

    def items(self) -> Iterator[RawFrame | av.Packet[Any]]:
        """Frames, and between them the packets of ``others``, in the file's order."""
        # Which frames exist is known only when they are sorted, which the decoder does.
        index = 0
        for item in self._read():
            if isinstance(item, av.Packet):
                yield item
                continue
            picture, damage = item.picture, item.damage
            if damage is None and picture is not None and self._is_too_large(picture):
                damage = f"a frame of {picture.width} x {picture.height} pixels, over the limit"
                picture = None
            shown_at = self._clock.next(item.pts, item.duration)
            time_s = float((shown_at - self.first_pts) * self.time_base)
            if self.end_s is not None and time_s >= self.end_s:
                return
            self._last_time_s = time_s
            if time_s < self.start_s:
                continue
            yield RawFrame(index, shown_at, time_s, item.duration, picture, damage)
            index += 1
        says_s = self.facts.duration_s
        self._is_short = says_s is not None and says_s - self._last_time_s > _MAX_SHORT_S

    def _open(self, path: Path) -> None:
        """Open the file, ready to decode from its beginning."""
        self.container = _open(path, self._max_pixels)
        self.stream = _video_stream(self.container, path)
        context = self.stream.codec_context
        context.options = {"max_pixels": str(self._max_pixels)}
        context.thread_type = "AUTO"
        context.thread_count = self._threads
        self.others = [
            stream
            for stream in self.container.streams
            if self._with_others and stream.type in ("audio", "subtitle")
        ]
        self._ledger = Ledger(context.name)
        self._earliest: int | None = None
        self._early: deque[Shown | av.Packet[Any]] = deque()
        self._rest = self._decoded()

    def _begin(self, path: Path) -> tuple[ClipFacts, int]:
        """Decode until a frame comes: only it says how it is shown, and whether there is one at all.

        Returns:
            What there is, and when the first frame is shown. What was read is kept.
        """
        _check_size(self.stream.width, self.stream.height, self._max_pixels)
        for item in self._rest:
            self._early.append(item)
            picture = item.picture if isinstance(item, Shown) else None
            if picture is not None:
                break
        else:
            raise UnreadableVideo(
                f"expected a video with at least one frame that can be decoded, got none in {path.name}; the file is "
                "empty, damaged or cut short"
            )
        _check_size(picture.width, picture.height, self._max_pixels)
        pts = picture.pts if picture.pts is not None else picture.dts
        if pts is None or (self._earliest is not None and self._earliest < pts):
            pts = self._earliest
        return _facts(self.container, self.stream, picture), pts or 0

    def _seek(self, path: Path) -> None:
        """To the last key frame before ``start_s``; an index that is missing costs time, nothing else."""
        self.close()
        self._open(path)
        target = self.first_pts + int(self.start_s / self.time_base)
        with _quietly():
            self.container.seek(target, stream=self.stream)

    def _read(self) -> Iterator[Shown | av.Packet[Any]]:
        while self._early:
            yield self._early.popleft()
        yield from self._rest

    def _decoded(self) -> Generator[Shown | av.Packet[Any], None, None]:
        for packet in self._packets():
            if packet.stream_index != self.stream.index:
                if packet.size:
                    yield packet
                continue
            if self._earliest is None and packet.size and not packet.is_discard:
                self._earliest = packet.pts if packet.pts is not None else packet.dts
            yield from self._decode(packet if packet.size else None)
        yield from self._ledger.rest()

    def _decode(self, packet: av.Packet[Any] | None) -> Iterator[Shown]:
        """Frames that come out when a packet goes in; of None, all that are left."""
        context = self.stream.codec_context
        if packet is not None:
            self._ledger.sent(packet)
        try:
            pictures = context.decode(packet)
        except EOFError:
            return
        except av.FFmpegError as error:
            self._ledger.failed(packet, _said(error))
            return
        for picture in pictures:
            yield from self._ledger.came(picture)

    def _packets(self) -> Iterator[av.Packet[Any]]:
        """Packets to the end, or to where the file cannot be read any further; then an empty one of the video."""
        try:
            yield from self.container.demux(self.stream, *self.others)
        except av.FFmpegError as error:
            self._stopped = f"the file is damaged or cut short ({_said(error)})"
            flush: av.Packet[Any] = av.Packet()
            flush.stream = self.stream
            yield flush

    def _is_too_large(self, picture: av.VideoFrame) -> bool:
        return picture.width * picture.height > self._max_pixels


def frames(
    path: Path,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    threads: int = 0,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> Iterator[VideoFrame]:
    """Every frame of a clip, upright, in the order shown (see ``ClipReader`` for arguments and errors)."""
    with ClipReader(path, max_pixels=max_pixels, threads=threads, start_s=start_s, end_s=end_s) as reader:
        yield from reader.frames()


def frame_rate_of(facts: ClipFacts) -> Fraction:
    """Frames a second as a fraction, 30 where unknown."""
    return Fraction(facts.frame_rate).limit_denominator(1001) if facts.frame_rate else Fraction(30)


def _facts(container: av.container.InputContainer, stream: Any, picture: av.VideoFrame) -> ClipFacts:
    orientation = orientation_of(picture)
    width, height = orientation.size(picture.width, picture.height)
    rate = stream.average_rate or stream.guessed_rate
    duration_s = None if container.duration is None else container.duration / av.time_base
    if stream.duration is not None:
        duration_s = float(stream.duration * stream.time_base)
    is_full = picture.color_range == _FULL_RANGE or picture.format.name.startswith("yuvj")
    return ClipFacts(
        container=container.format.name,
        codec=stream.codec_context.name,
        width_px=width,
        height_px=height,
        rotation_deg=orientation.rotation_deg,
        frame_rate=float(rate) if rate and rate <= _MAX_RATE else 0.0,
        duration_s=duration_s if duration_s is not None and duration_s > 0 else None,
        num_frames=stream.frames or None,
        is_full_range=is_full,
        audio_codecs=tuple(_codec_name(audio) for audio in container.streams.audio),
        num_subtitles=len(container.streams.subtitles),
        num_chapters=len(container.chapters()),
    )


def _codec_name(stream: Any) -> str:
    return "unknown" if stream.codec_context is None else str(stream.codec_context.name)


def _as_shown(raw: RawFrame, long_side_px: int | None, converter: VideoReformatter) -> VideoFrame:
    picture = raw.picture
    if picture is None:
        return VideoFrame(raw.index, raw.time_s, None, raw.damage)
    size_wh = _smaller(picture.width, picture.height, long_side_px)
    return VideoFrame(raw.index, raw.time_s, _rgb(picture, size_wh, converter), raw.damage)


def _rgb(picture: av.VideoFrame, size_wh: tuple[int, int], converter: VideoReformatter) -> UInt8:
    """(H, W, 3) uint8 of a stored size, turned upright; contiguous."""
    how = Interpolation.AREA if size_wh[0] < picture.width else Interpolation.BILINEAR
    # One thread: swscale starts and ends its others for every frame.
    made = converter.reformat(
        picture, width=size_wh[0], height=size_wh[1], format="rgb24", interpolation=how, threads=1
    )
    return np.ascontiguousarray(orientation_of(picture).apply(np.asarray(made.to_ndarray(), np.uint8)))


def _smaller(width: int, height: int, long_side_px: int | None) -> tuple[int, int]:
    if long_side_px is None or max(width, height) <= long_side_px:
        return width, height
    scale = long_side_px / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _open(path: Path, max_pixels: int) -> av.container.InputContainer:
    """Open a local file; FFmpeg is told the limit too, since it may decode a frame to learn what a stream is."""
    try:
        if not path.stat().st_size:
            raise UnreadableVideo(
                f"expected a video, got an empty file (0 bytes), {path.name}; choose another"
            )
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise NotFound(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise UnreadableVideo(f"{path} cannot be read: {error.strerror}; expected a video file") from error
    try:
        # "file:" keeps FFmpeg from taking a name such as "concat:a" or "http:b" for an address.
        return av.open(
            f"file:{path}",
            "r",
            metadata_errors="replace",
            options={"max_pixels": str(max_pixels), "protocol_whitelist": "file"},
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(
            f"expected a video (MP4, MKV, MOV, WebM, GIF, ...), got a file that cannot be read as one, {path.name} "
            f"({_said(error)}); it is damaged, cut short, or of another kind"
        ) from error


def _video_stream(container: av.container.InputContainer, path: Path) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    container.close()
    raise UnreadableVideo(
        f"expected a video, got a file without a moving picture that can be decoded, {path.name}; choose another"
    )


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise VideoTooLarge(
            f"a video's frame may have at most {max_pixels:,} pixels, this one declares {width} x {height}; make it "
            "smaller or raise max_video_pixels"
        )
    if 0 < min(width, height) < MIN_SIDE_PX:
        raise UnreadableVideo(
            f"expected a video of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels, got {width} x {height}; no face can "
            "be found in it"
        )


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError:
        return


def _said(error: Exception) -> str:
    """FFmpeg's words, without the file's name."""
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()
