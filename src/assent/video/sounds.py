"""Sound and text that a container cannot hold as they are, encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import av
import av.container

_OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)
_TEXT: Final = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})


class SoundEncoder:
    """Decodes one stream of sound and encodes it into another container.

    Args:
        container: where to.
        source: the stream.
        codec: FFmpeg's name of the encoder.

    Attributes:
        target: the new stream.
    """

    def __init__(self, container: av.container.OutputContainer, source: Any, codec: str) -> None:
        context = source.codec_context
        rate = context.sample_rate
        if codec == "libopus" and rate not in _OPUS_RATES:
            rate = 48_000
        target: Any = container.add_stream(codec, rate=rate)
        if context.layout is not None and context.layout.nb_channels:
            target.codec_context.layout = context.layout
        self.target = target
        self._source = source
        self._resampler: av.AudioResampler | None = None

    def encode(self, packet: av.Packet[Any] | None) -> Iterator[av.Packet[Any]]:
        """Packets that come of one of the source's; a damaged one leaves a gap of its own length."""
        try:
            frames = self._source.codec_context.decode(packet)
        except (av.FFmpegError, EOFError):
            return
        for frame in frames:
            for part in self._resample(frame):
                yield from self.target.encode(part)

    def finish(self) -> Iterator[av.Packet[Any]]:
        """The rest."""
        yield from self.encode(None)
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                yield from self.target.encode(part)
            yield from self.target.encode(None)

    def _resample(self, frame: Any) -> list[Any]:
        if self._resampler is None:
            context = self.target.codec_context
            if not context.is_open:
                context.open()
            self._resampler = av.AudioResampler(
                format=context.format.name,
                layout=context.layout.name,
                rate=context.sample_rate,
                frame_size=context.frame_size or None,
            )
        return self._resampler.resample(frame)


def encode_text(
    container: av.container.OutputContainer, source: Any, codec: str
) -> tuple[Any, Callable[[av.Packet[Any]], Iterator[av.Packet[Any]]]] | None:
    """The new stream, and what turns packets of subtitles into its kind; None where they are pictures, not text."""
    if source.codec_context.name not in _TEXT:
        return None
    target: Any = container.add_stream(codec)
    header = source.codec_context.subtitle_header
    if header is None:
        source.codec_context.open(strict=False)
        header = source.codec_context.subtitle_header
    target.codec_context.subtitle_header = header

    def route(packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        try:
            shown = source.codec_context.decode2(packet)
            if shown is None:
                return
            made = target.codec_context.encode_subtitle(shown)
        except av.FFmpegError:
            return
        made.pts = made.dts = packet.pts
        made.duration = packet.duration
        made.time_base = packet.time_base
        made.stream = target
        yield made

    return target, route
