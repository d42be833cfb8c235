"""Writes a clip whose picture is new and whose sound, subtitles and chapters are those of another.

What says where and with what a clip was taken does not come along: tags of the file and its streams, data streams
(GPS tracks, sensors, time codes), cover pictures, attachments, further pictures. What was left out is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import av.container
import numpy as np
from PIL import Image

from assent.errors import VideoError
from assent.types import UInt8
from assent.video.encoders import ContainerKind, Encoder
from assent.video.sounds import SoundEncoder, encode_text

_BITEXACT: Final[Any] = av.container.Flags.bitexact.value
_FULL_RANGE: Final = 2
_LIMITED_RANGE: Final = 1
_KEPT_TAGS: Final = ("language", "title")
_TECHNICAL_TAGS: Final = frozenset(
    {
        "major_brand",
        "minor_version",
        "compatible_brands",
        "duration",
        "bps",
        "number_of_frames",
        "number_of_bytes",
    }
)
"""What every container writes anew."""
_MAX_COLOURS: Final = 256


@dataclass(slots=True)
class Kept:
    """What became of everything but the picture.

    Attributes:
        copied: streams that came along as they were, such as "audio (aac)".
        encoded: streams that had to be encoded anew, and as what.
        removed: what was left out.
    """

    copied: list[str] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Picture:
    """How the new picture looks.

    Attributes:
        width: pixels as shown.
        height: pixels as shown.
        time_base: unit of its times, seconds.
        frame_rate: on average, frames a second.
        aspect: width of a pixel over its height; None for square ones.
        is_full_range: whether luma takes all of 0 to 255.
        looks: FFmpeg's numbers for primaries, transfer and matrix.
    """

    width: int
    height: int
    time_base: Fraction
    frame_rate: Fraction
    aspect: Fraction | None
    is_full_range: bool
    looks: tuple[int, int, int]


class ClipWriter:
    """An open output; one picture stream and what is copied beside it.

    Args:
        file: where it is written; must be seekable.
        kind: of the file.
        encoder: of the picture.
        picture: how it looks.
        source: the clip that the rest is taken from.
        source_picture: the stream of ``source`` that the new picture replaces.
        threads: for encoding; 0 lets the encoder choose.
        loops: how often a GIF is repeated; 0 for ever, None once.

    Attributes:
        kept: what became of everything else.
        sources: streams of ``source`` whose packets ``copy`` takes.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        kind: ContainerKind,
        encoder: Encoder,
        picture: Picture,
        source: av.container.InputContainer,
        source_picture: Any,
        threads: int = 0,
        loops: int | None = None,
    ) -> None:
        options = {"loop": str(-1 if loops is None else loops)} if kind.format == "gif" else {}
        self._container = av.open(file, "w", format=kind.format, container_options=options)
        # No name of the program that wrote it.
        self._container.flags |= _BITEXACT
        self._kind, self._encoder = kind, encoder
        self._num_in = self._num_out = 0
        self._routes: dict[int, Any] = {}
        self.kept = Kept()
        self._stream = self._add_picture(encoder, picture, threads)
        self._time_base = picture.time_base
        for stream in source.streams:
            if stream.index != source_picture.index:
                self._add(stream)
        self._note_tags(source, source_picture)
        if chapters := source.chapters():
            self._add_chapters(chapters)
        self.sources = [source.streams[index] for index in self._routes]

    def write(self, frame: av.VideoFrame, pts: int, duration: int) -> None:
        """Encode one frame.

        Args:
            frame: of the encoder's pixel format and the picture's size.
            pts: when it is shown, in the picture's time base.
            duration: how long, 0 where unknown.

        Raises:
            OSError: the disk is full.
        """
        if self._kind.format == "gif":
            frame = _with_palette(frame)
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, duration
        frame.pict_type = 0  # which frames are key frames is the encoder's to choose, not the original's
        self._num_in += 1
        self._mux(self._stream.encode(frame))

    def copy(self, packet: av.Packet[Any]) -> None:
        """Take over a packet of a stream in ``sources``."""
        route = self._routes[packet.stream_index]
        if isinstance(route, SoundEncoder):
            for made in route.encode(packet):
                self._container.mux_one(made)
        elif route is not None:
            for made in route(packet):
                self._container.mux_one(made)

    def finish(self) -> None:
        """Write what is still on its way, and the file's end.

        Raises:
            VideoError: the encoder dropped or doubled a frame.
            OSError: the disk is full.
        """
        self._mux(self._stream.encode(None))
        for route in self._routes.values():
            if isinstance(route, SoundEncoder):
                for made in route.finish():
                    self._container.mux_one(made)
        self._container.close()
        if self._num_out != self._num_in:
            raise VideoError(
                f"the encoder made {self._num_out:,} frames of {self._num_in:,}; nothing was kept, choose another kind "
                "of file"
            )

    def abandon(self) -> None:
        """Let go of the file without finishing it."""
        try:
            self._container.close()
        except (OSError, av.FFmpegError, ValueError):
            return  # it is thrown away

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            self._num_out += 1
            self._container.mux_one(packet)

    def _add_picture(self, encoder: Encoder, picture: Picture, threads: int) -> Any:
        stream: Any = self._container.add_stream(
            encoder.name, rate=picture.frame_rate, options=dict(encoder.options)
        )
        stream.width, stream.height = picture.width, picture.height
        stream.pix_fmt = "pal8" if encoder.name == "gif" else encoder.pixel_format
        context = stream.codec_context
        context.time_base = picture.time_base
        if encoder.bits_per_pixel is not None:
            context.bit_rate = int(
                picture.width * picture.height * float(picture.frame_rate) * encoder.bits_per_pixel
            )
        if encoder.name != "gif":
            context.thread_count = threads
            context.color_range = _FULL_RANGE if picture.is_full_range else _LIMITED_RANGE
            context.color_primaries, context.color_trc, context.colorspace = picture.looks
            if picture.aspect is not None:
                context.sample_aspect_ratio = picture.aspect
        return stream

    def _add(self, stream: Any) -> None:
        """Decide what becomes of a stream that is not the picture."""
        name = f"{stream.type} ({_codec_name(stream)})"
        if stream.type == "video":
            is_cover = stream.disposition & av.stream.Disposition.attached_pic
            self.kept.removed.append("cover picture" if is_cover else f"a further {name}")
        elif stream.type == "attachment":
            self.kept.removed.append(f"attachment {stream.name or ''}".strip())
        elif stream.type not in ("audio", "subtitle"):
            self.kept.removed.append(f"data stream ({_codec_name(stream)})")
        elif not self._copies(stream, name) and not self._encodes(stream, name):
            self.kept.removed.append(f"{name}, which {self._kind.format} cannot hold")

    def _copies(self, stream: Any, name: str) -> bool:
        holds = self._kind.audio if stream.type == "audio" else self._kind.subtitles
        if holds is None or stream.codec_context is None:
            return False
        if _codec_name(stream) not in self._container.supported_codecs:
            return False
        try:
            target: Any = self._container.add_stream_from_template(stream)
        except (ValueError, av.FFmpegError):
            return False
        _keep_tags(stream, target)

        def route(packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
            packet.stream = target
            yield packet

        self._routes[stream.index] = route
        self.kept.copied.append(name)
        return True

    def _encodes(self, stream: Any, name: str) -> bool:
        if stream.codec_context is None:
            return False
        if stream.type == "audio" and self._kind.audio is not None:
            sound = SoundEncoder(self._container, stream, self._kind.audio)
            _keep_tags(stream, sound.target)
            self._routes[stream.index] = sound
            self.kept.encoded.append(f"{name} as {self._kind.audio}")
            return True
        if stream.type == "subtitle" and self._kind.subtitles is not None:
            made = encode_text(self._container, stream, self._kind.subtitles)
            if made is not None:
                target, self._routes[stream.index] = made
                _keep_tags(stream, target)
                self.kept.encoded.append(f"{name} as {self._kind.subtitles}")
                return True
        return False

    def _add_chapters(self, chapters: list[Any]) -> None:
        if self._kind.audio is None or self._kind.format == "mpegts":
            self.kept.removed.append(f"{len(chapters)} chapters, which {self._kind.format} cannot hold")
            return
        for chapter in chapters:
            tags = chapter["metadata"]
            chapter["metadata"] = {"title": tags["title"]} if "title" in tags else {}
        self._container.set_chapters(chapters)
        self.kept.copied.append(f"{len(chapters)} chapters")

    def _note_tags(self, source: av.container.InputContainer, picture: Any) -> None:
        """Say which tags did not come along."""
        dropped = {name.lower() for name in source.metadata}
        dropped |= {name.lower() for name in picture.metadata if name.lower() not in _KEPT_TAGS}
        for index in self._routes:
            names = (name.lower() for name in source.streams[index].metadata)
            dropped |= {name for name in names if name not in _KEPT_TAGS}
        dropped -= _TECHNICAL_TAGS
        self.kept.removed += [f"tag {name}" for name in sorted(dropped)]
        _keep_tags(picture, self._stream)


def _keep_tags(source: Any, target: Any) -> None:
    tags = {name.lower(): text for name, text in source.metadata.items()}
    target.metadata.update({name: tags[name] for name in _KEPT_TAGS if name in tags})
    target.disposition = source.disposition


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    return "unknown" if context is None else str(context.name)


def _with_palette(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of RGB with the 256 colours that suit it best."""
    image_rgb: UInt8 = np.asarray(frame.to_ndarray(), np.uint8)
    few = Image.fromarray(image_rgb).quantize(_MAX_COLOURS, method=Image.Quantize.FASTOCTREE)
    palette = np.zeros((_MAX_COLOURS, 4), np.uint8)
    colours = np.array(few.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(colours), 0] = 255  # opaque; the order is alpha, red, green, blue
    palette[: len(colours), 1:] = colours
    pair: Any = (np.asarray(few, np.uint8), palette)
    return av.VideoFrame.from_ndarray(pair, format="pal8")
