"""Clips that tests encode themselves: small, of known frames, with whatever else a container can hold."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from assent.types import UInt8
from assent.video.reading import frames

WIDTH, HEIGHT = 96, 64
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".ts": "mpegts", ".gif": "gif"}
TICKS = Fraction(1, 1000)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> UInt8:
    """A frame with sharp, coloured detail everywhere; each a little different."""
    y, x = np.mgrid[:height, :width]
    red = (x // 4 + y // 4 + number) % 2 * 200 + 20
    return np.stack([red, 250 * x / width, 250 * y / height], axis=2).astype(np.uint8)


def make_clip(
    path: Path,
    *,
    times_ms: Sequence[int] = tuple(range(0, 400, 40)),
    width: int = WIDTH,
    height: int = HEIGHT,
    codec: str | None = None,
    pixel_format: str = "yuv420p",
    num_audio: int = 0,
    audio_codec: str = "aac",
    subtitles: bool = False,
    chapters: bool = False,
    tags: dict[str, str] | None = None,
    stream_tags: dict[str, str] | None = None,
    rotation_deg: int = 0,
    cover: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode a clip of ``picture(0)``, ``picture(1)``, ... shown at given times."""
    fmt = FORMATS[path.suffix]
    codec = codec or {"gif": "gif", "webm": "libvpx-vp9"}.get(fmt, "libx264")
    given = {"libx264": {"preset": "ultrafast", "bf": "2", "g": "12"}}.get(codec, {})
    with av.open(str(path), "w", format=fmt) as out:
        video: Any = out.add_stream(codec, rate=25, options={**given, **(options or {})})
        video.width, video.height = width, height
        video.pix_fmt = "rgb8" if fmt == "gif" else pixel_format
        video.codec_context.time_base = TICKS if fmt != "gif" else Fraction(1, 100)
        if rotation_deg:
            video.set_display_rotation(-rotation_deg)
        if tags:
            out.metadata.update(tags)
        sounds: list[Any] = [out.add_stream(audio_codec, rate=48000) for _ in range(num_audio)]
        for number, sound in enumerate(sounds):
            sound.codec_context.layout = "stereo"
            sound.metadata["language"] = ("eng", "deu")[number % 2]
        for stream in (video, *sounds):
            stream.metadata.update(stream_tags or {})
        text: Any = None
        if subtitles:
            text = out.add_stream("subrip" if fmt == "matroska" else "mov_text")
            text.codec_context.subtitle_header = _HEADER
        if cover:
            picture_stream: Any = out.add_stream("mjpeg")
            picture_stream.width, picture_stream.height, picture_stream.pix_fmt = 64, 64, "yuvj420p"
            picture_stream.disposition = av.stream.Disposition.attached_pic
        if chapters:
            one: Any = {"id": 1, "start": 0, "end": 200, "time_base": TICKS, "metadata": {"title": "First"}}
            two: Any = {
                "id": 2,
                "start": 200,
                "end": 400,
                "time_base": TICKS,
                "metadata": {"title": "Second"},
            }
            out.set_chapters([one, two])
        out.start_encoding()
        if cover:
            small = av.VideoFrame.from_ndarray(picture(0, 64, 64), format="rgb24").reformat(format="yuvj420p")
            small.pts = 0
            for packet in [*picture_stream.encode(small), *picture_stream.encode(None)]:
                out.mux(packet)
        if text is not None:
            out.mux(_subtitle(text))
        for number, at in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            frame = frame.reformat(format=video.pix_fmt)
            frame.pts = at if fmt != "gif" else at // 10
            frame.time_base = video.codec_context.time_base
            frame.pict_type = 0
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for number, sound in enumerate(sounds):
            _tone(out, sound, 440 * (number + 1), max(times_ms))
    return path


def raw_frames(path: Path) -> list[Any]:
    """Times and images of a clip, by the project's own reader."""
    return list(frames(path))


def times_of(path: Path) -> list[float]:
    """When each frame is shown, by the container's own numbers, from the first on."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [float((frame.pts or 0) * (stream.time_base or 0)) for frame in container.decode(stream)]
    return [time - found[0] for time in found]


def packets_of(path: Path, kind: str) -> list[list[bytes]]:
    """The encoded packets of every stream of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        found: dict[int, list[bytes]] = {stream.index: [] for stream in streams}
        if not streams:
            return []
        for packet in container.demux(*streams):
            if packet.size:
                found[packet.stream_index].append(bytes(packet))
    return list(found.values())


def with_damage(source: Path, target: Path, number: int) -> Path:
    """A copy whose packet of this number, in the order stored, is nonsense."""
    with av.open(str(source)) as container, av.open(str(target), "w", format="matroska") as out:
        video = container.streams.video[0]
        copy = out.add_stream_from_template(video, opaque=True)
        packets = [packet for packet in container.demux(video) if packet.size]
        for at, packet in enumerate(packets):
            item: Any = packet
            if at == number:
                data = bytearray(bytes(packet))
                data[5:] = bytes(byte ^ 0x5A for byte in data[5:])
                item = av.Packet(bytes(data))
                item.pts, item.dts, item.time_base = packet.pts, packet.dts, packet.time_base
                item.is_keyframe = packet.is_keyframe
            item.stream = copy
            out.mux(item)
    return target


def _tone(out: Any, stream: Any, hertz: float, length_ms: int) -> None:
    count = 48 * (length_ms + 40)
    wave = (np.sin(np.arange(count) * 2 * np.pi * hertz / 48000) * 0.3).astype(np.float32)
    for at in range(0, count, 960):
        part = wave[at : at + 960]
        frame = av.AudioFrame.from_ndarray(np.stack([part, part]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
        resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="stereo", rate=48000)
        for item in resampler.resample(frame):
            out.mux(stream.encode(item))
    out.mux(stream.encode(None))


_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    b"SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    b"BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\nStyle: Default,Arial,16,&Hffffff,"
    b"&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\r\n\r\n[Events]\r\nFormat: Layer, Start, End, Style, "
    b"Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def _subtitle(stream: Any) -> Any:
    """One line of text, 0.1 to 0.3 s, as the container stores it."""
    words = b"Hello" if stream.codec_context.name in ("subrip", "srt") else b"\x00\x05Hello"
    packet: Any = av.Packet(words)
    packet.pts = packet.dts = 100
    packet.duration = 200
    packet.time_base = TICKS
    packet.stream = stream
    return packet
