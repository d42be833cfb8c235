"""The second pass over a clip: a copy in which regions are hidden.

It reads the clip with the reader that the first pass used, so that a frame has the same number in both. Where it has
another time than it had, the clip is not the one that was looked at, and nothing is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from assent.errors import UndecodableFrame, UnreadableVideo, UsageError
from assent.objects.whole import require_output, whole_file
from assent.types import Float32, Float64
from assent.video.encoders import Encoder, Quality, choose_encoder, kind_of
from assent.video.orientation import orientation_of
from assent.video.planes import copy_looks, grey_frame, hide, padded, upright, views
from assent.video.reading import ClipReader, RawFrame, frame_rate_of
from assent.video.types import ClipFacts, Damage, Progress, Rendering
from assent.video.writing import ClipWriter, Kept, Picture
from assent.vision.redact import DEFAULT_MARGIN, RedactMethod

Regions = Callable[[int], Float32]
"""Boxes (N, 4) to hide in a frame of this index, pixels of the frame as shown."""

_TIME_SLACK_S: Final = 0.002
_LOOP_MARK: Final = b"NETSCAPE2.0\x03\x01"
_GIF_HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a copy is drawn and written.

    Attributes:
        method: what is put where a face was.
        margin: added around each box, in its widths and heights.
        quality: how much detail of the rest is kept.
        is_strict: stop at a frame that cannot be decoded rather than blank it.
        threads: for decoding and encoding each; 0 takes the machine's cores.
        max_pixels: largest frame that is decoded.
    """

    method: RedactMethod = RedactMethod.BLUR
    margin: float = DEFAULT_MARGIN
    quality: Quality = Quality.MEDIUM
    is_strict: bool = False
    threads: int = 0
    max_pixels: int = 36_000_000


def render(
    source: Path,
    target: Path,
    regions: Regions,
    *,
    drawing: Drawing | None = None,
    times_s: Float64 | None = None,
    blank_frames: Collection[int] = (),
    start_s: float = 0.0,
    end_s: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> Rendering:
    """Write a copy of a clip with regions hidden; whole, or not at all.

    Args:
        source: the clip; never changed.
        target: the copy; its name's end says what kind of file it is.
        regions: what to hide in which frame.
        drawing: how; default ``Drawing()``.
        times_s: (N,) when each frame was shown in the first pass, as ``Analysis.times_s``; None where there was none.
        blank_frames: frames to make grey whatever they hold, such as those that the first pass could not decode.
        start_s: part of the clip, as the first pass read it (see ``ClipReader``).
        end_s: likewise.
        overwrite: replace a file that is there.
        progress: told how far it is.
        stop: called before each frame; what it raises ends the work, and nothing is left of it.

    Raises:
        UsageError: the output is the input, cannot be written, has a name of no kind that is written, or the disk is
            full.
        AlreadyExists: the output is there.
        UnreadableVideo: see ``ClipReader``; or the clip is not the one that the first pass saw.
        UndecodableFrame: a frame cannot be decoded, and ``drawing.is_strict``.
    """
    drawing = drawing or Drawing()
    kind = kind_of(target)
    require_output(target, sources=[source], overwrite=overwrite)
    with ClipReader(
        source,
        max_pixels=drawing.max_pixels,
        threads=drawing.threads,
        start_s=start_s,
        end_s=end_s,
        with_others=True,
    ) as reader:
        encoder = choose_encoder(kind, drawing.quality, is_full_range=reader.facts.is_full_range)
        with whole_file(target, overwrite=overwrite) as file:
            work = _Pass(reader, source, encoder, drawing, regions, frozenset(blank_frames), times_s)
            return work.run(file, target, progress, stop)


class _Pass:
    """One run through a clip."""

    def __init__(
        self,
        reader: ClipReader,
        source: Path,
        encoder: Encoder,
        drawing: Drawing,
        regions: Regions,
        blank_frames: frozenset[int],
        times_s: Float64 | None,
    ) -> None:
        self._reader, self._source, self._encoder, self._drawing = reader, source, encoder, drawing
        self._regions, self._blank_frames, self._times_s = regions, blank_frames, times_s
        facts = reader.facts
        even = encoder.needs_even
        self._width = facts.width_px + (facts.width_px % 2 if even else 0)
        self._height = facts.height_px + (facts.height_px % 2 if even else 0)
        self._converter = VideoReformatter()
        self._blanked: list[Damage] = []
        self._sizes: set[tuple[int, int]] = set()
        self._notes: list[str] = []
        self._time_base = _time_base(reader.time_base, encoder)

    def run(
        self,
        file: BinaryIO,
        target: Path,
        progress: Progress | None,
        stop: Callable[[], None] | None,
    ) -> Rendering:
        reader, facts = self._reader, self._reader.facts
        items = reader.items()
        first, early = _until_frame(items)
        if first is None:
            raise UnreadableVideo(
                f"expected frames from {reader.start_s:g} s on, got none in {self._source.name}; choose a part that "
                "the clip has"
            )
        writer = ClipWriter(
            file,
            kind=kind_of(target),
            encoder=self._encoder,
            picture=self._picture(first),
            source=reader.container,
            source_picture=reader.stream,
            threads=self._drawing.threads,
            loops=_gif_loops(self._source, facts),
        )
        try:
            num_frames, last_s = 0, first.time_s
            cut = _Cut(reader, first)
            wanted = {stream.index for stream in writer.sources}
            for item in itertools.chain(early, [first], items):
                if isinstance(item, RawFrame):
                    if stop is not None:
                        stop()
                    self._check(item)
                    writer.write(self._drawn(item), self._pts(item.pts - cut.shift), self._pts(item.duration))
                    num_frames, last_s = num_frames + 1, item.time_s
                    if progress is not None:
                        progress(item.time_s - reader.start_s, _length_s(reader))
                elif item.stream_index in wanted and cut.keeps(item):
                    writer.copy(item)
            self._check_end(num_frames)
            writer.finish()
        except BaseException:
            writer.abandon()
            raise
        return self._rendering(writer.kept, num_frames, last_s - first.time_s)

    def _drawn(self, frame: RawFrame) -> av.VideoFrame:
        """The frame as it is written: hidden at its own size, before anything else touches it."""
        pixel_format = self._encoder.pixel_format
        picture = frame.picture
        if picture is None or frame.damage is not None or frame.index in self._blank_frames:
            reason = frame.damage or "could not be decoded in the first pass"
            if self._drawing.is_strict:
                raise UndecodableFrame(
                    f"the frame at {frame.time_s:.3f} s {reason}; nothing was written. Without --strict it is "
                    "blanked",
                    time_s=frame.time_s,
                )
            self._blanked.append(Damage(frame.index, frame.time_s, reason))
            return grey_frame(self._width, self._height, pixel_format)
        picture = upright(self._converted(picture, pixel_format), orientation_of(picture))
        hide(picture, self._regions(frame.index), method=self._drawing.method, margin=self._drawing.margin)
        facts = self._reader.facts
        if (picture.width, picture.height) != (facts.width_px, facts.height_px):
            self._sizes.add((picture.width, picture.height))
            return self._converter.reformat(picture, width=self._width, height=self._height, threads=1)
        return picture if pixel_format == "rgb24" else padded(picture, self._width, self._height)

    def _converted(self, picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
        """The frame in the format that is encoded, at its own size; brightness keeps its range."""
        if picture.format.name == pixel_format:
            return picture
        is_full = self._reader.facts.is_full_range
        if {picture.format.name, pixel_format} == {"yuv420p", "yuvj420p"}:
            return _relabelled(picture, pixel_format)
        if pixel_format == "rgb24":
            return self._converter.reformat(picture, format=pixel_format, threads=1)
        in_range = 2 if is_full or picture.format.name.startswith(("rgb", "bgr", "gbr", "pal", "yuvj")) else 1
        return self._converter.reformat(
            picture,
            format=pixel_format,
            src_color_range=in_range,
            dst_color_range=2 if is_full else 1,
            threads=1,
        )

    def _check(self, frame: RawFrame) -> None:
        """The frame is the one that the first pass saw under this number."""
        if self._times_s is None:
            return
        seen = self._times_s[frame.index] if frame.index < len(self._times_s) else np.nan
        # Relative to the first frame of the part in both.
        if not abs(seen - frame.time_s) <= _TIME_SLACK_S:
            raise self._changed(
                f"frame {frame.index} is shown at {frame.time_s:.3f} s now, was at {seen:.3f} s"
            )

    def _check_end(self, num_frames: int) -> None:
        if self._times_s is not None and num_frames != len(self._times_s):
            raise self._changed(f"it has {num_frames:,} frames now, had {len(self._times_s):,}")

    def _changed(self, how: str) -> UnreadableVideo:
        return UnreadableVideo(
            f"{self._source.name} is not read as it was when it was looked at: {how}; nothing was written, start anew"
        )

    def _picture(self, first: RawFrame) -> Picture:
        facts, context = self._reader.facts, self._reader.stream.codec_context
        aspect = context.sample_aspect_ratio
        is_turned = facts.rotation_deg in (90, 270)
        if aspect and aspect != 1 and is_turned:
            aspect = 1 / aspect
        looks = (2, 2, 2)  # FFmpeg's numbers for unspecified
        if first.picture is not None and not first.picture.format.name.startswith(
            ("rgb", "bgr", "gbr", "pal")
        ):
            looks = (first.picture.color_primaries, first.picture.color_trc, first.picture.colorspace)
            if first.picture.format.name not in ("yuv420p", "yuvj420p", self._encoder.pixel_format):
                self._notes.append(f"colours kept as 8-bit 4:2:0 (were {first.picture.format.name})")
        if facts.rotation_deg:
            self._notes.append(f"turned upright ({facts.rotation_deg} degrees)")
        if (self._width, self._height) != (facts.width_px, facts.height_px):
            self._notes.append(
                f"{self._encoder.name} writes even sides only: {facts.width_px} x {facts.height_px} became "
                f"{self._width} x {self._height} by repeating the last column or row"
            )
        return Picture(
            width=self._width,
            height=self._height,
            time_base=self._time_base,
            frame_rate=frame_rate_of(facts),
            aspect=Fraction(aspect) if aspect and aspect != 1 else None,
            is_full_range=facts.is_full_range and self._encoder.name != "gif",
            looks=looks,
        )

    def _pts(self, value: int) -> int:
        """A time in the encoder's unit; the same number, except for encoders that have no such fine unit."""
        if self._time_base == self._reader.time_base:
            return value
        return round(value * self._reader.time_base / self._time_base)

    def _rendering(self, kept: Kept, num_frames: int, duration_s: float) -> Rendering:
        for width, height in sorted(self._sizes):
            self._notes.append(f"frames of {width} x {height} were scaled to {self._width} x {self._height}")
        return Rendering(
            num_frames=num_frames,
            duration_s=duration_s,
            encoder=self._encoder.name,
            width_px=self._width,
            height_px=self._height,
            blanked=tuple(self._blanked),
            copied=tuple(kept.copied),
            encoded=tuple(kept.encoded),
            removed=tuple(kept.removed),
            notes=(*self._notes, *self._reader.notes),
        )


class _Cut:
    """Where a part of a clip is written, what of the other streams belongs to it, and the shift to its beginning."""

    def __init__(self, reader: ClipReader, first: RawFrame) -> None:
        self._is_part = reader.start_s > 0 or reader.end_s is not None
        self.shift = first.pts - reader.first_pts if self._is_part else 0
        self._shift_s = self.shift * reader.time_base
        self._start = first.pts * reader.time_base if reader.start_s > 0 else None
        end_s = reader.end_s
        self._end = None if end_s is None else reader.first_pts * reader.time_base + Fraction(end_s)

    def keeps(self, packet: av.Packet[Any]) -> bool:
        """Whether a packet belongs to the part; it is then shifted along."""
        if not self._is_part:
            return True
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            return False
        time = at * packet.time_base
        if (self._start is not None and time < self._start) or (self._end is not None and time >= self._end):
            return False
        shift = round(self._shift_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True


def _until_frame(items: Any) -> tuple[RawFrame | None, list[av.Packet[Any]]]:
    """The first frame, and the packets before it."""
    early: list[av.Packet[Any]] = []
    for item in items:
        if isinstance(item, RawFrame):
            return item, early
        early.append(item)
    return None, early


def _relabelled(picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """The same numbers in the other of the two formats that differ in name only."""
    relabelled = av.VideoFrame(picture.width, picture.height, pixel_format)
    for target, source in zip(views(relabelled), views(picture), strict=True):
        target[:] = source
    copy_looks(picture, relabelled)
    return relabelled


def _time_base(time_base: Fraction, encoder: Encoder) -> Fraction:
    if encoder.max_time_den is None or time_base.denominator <= encoder.max_time_den:
        return time_base
    return Fraction(1, encoder.max_time_den - encoder.max_time_den % 1000)


def _length_s(reader: ClipReader) -> float | None:
    end_s = reader.end_s if reader.end_s is not None else reader.facts.duration_s
    return None if end_s is None else max(end_s - reader.start_s, 0.0)


def _gif_loops(source: Path, facts: ClipFacts) -> int | None:
    """How often a GIF is repeated, 0 for ever, None once; FFmpeg reads it and does not tell."""
    if facts.codec != "gif":
        return 0
    with source.open("rb") as file:
        head = file.read(_GIF_HEAD_BYTES)
    at = head.find(_LOOP_MARK)
    if at < 0 or at + len(_LOOP_MARK) + 2 > len(head):
        return None
    return int.from_bytes(head[at + len(_LOOP_MARK) : at + len(_LOOP_MARK) + 2], "little")


def require_part(start_s: float, end_s: float | None) -> None:
    """Refuse a part of a clip that is none.

    Raises:
        UsageError: it begins before 0, or ends before it begins.
    """
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise UsageError(
            f"expected a part that begins at 0 s or later and ends after that, got {start_s:g} to "
            f"{'the end' if end_s is None else f'{end_s:g}'}; correct --from and --to"
        )
