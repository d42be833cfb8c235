"""Which encoder writes a clip: by the container, the quality asked for, and what this build of FFmpeg has.

Presets and qualities were chosen by measurement (docs/decisions/0010-video-encoding.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import av
import av.codec

from assent.errors import UsageError


class Quality(StrEnum):
    """How much of the picture's detail the copy keeps, against its size."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class ContainerKind:
    """A kind of file that a copy can be written as.

    Attributes:
        format: FFmpeg's name of its writer.
        encoders: for the picture, best first.
        audio: the encoder for sound that cannot be copied; None where the kind holds no sound.
        subtitles: the encoder for text that cannot be copied; None where the kind holds none.
    """

    format: str
    encoders: tuple[str, ...]
    audio: str | None
    subtitles: str | None


_H264: Final = ("libx264", "libopenh264", "mpeg4")
KINDS: Final = {
    ".mp4": ContainerKind("mp4", _H264, "aac", "mov_text"),
    ".m4v": ContainerKind("mp4", _H264, "aac", "mov_text"),
    ".mov": ContainerKind("mov", _H264, "aac", "mov_text"),
    ".mkv": ContainerKind("matroska", _H264, "aac", "subrip"),
    ".webm": ContainerKind("webm", ("libvpx-vp9", "libvpx", "libsvtav1"), "libopus", "webvtt"),
    ".ts": ContainerKind("mpegts", _H264, "aac", None),
    ".gif": ContainerKind("gif", ("gif",), None, None),
}
"""By the end of the file's name."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How the picture is encoded.

    Attributes:
        name: FFmpeg's name of the encoder.
        pixel_format: what it is fed.
        options: its own.
        needs_even: whether it cannot write an odd number of columns or rows.
        max_time_den: largest denominator of a time base that it takes; None for any.
        bits_per_pixel: of a frame on average, where it has no constant quality.
    """

    name: str
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)
    needs_even: bool = False
    max_time_den: int | None = None
    bits_per_pixel: float | None = None


def kind_of(path: Path) -> ContainerKind:
    """The kind of file that a name stands for.

    Raises:
        UsageError: none that can be written.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"expected the name of a video to write ({', '.join(sorted(KINDS))}), got {path.name}; give it one of "
            "these ends"
        )
    return kind


def choose_encoder(kind: ContainerKind, quality: Quality, *, is_full_range: bool) -> Encoder:
    """The best encoder for a kind of file that this FFmpeg has.

    Args:
        kind: of the file.
        quality: how much detail is kept.
        is_full_range: whether the clip's luma takes all of 0 to 255, which is kept.

    Raises:
        UsageError: there is none.
    """
    for name in kind.encoders:
        if is_available(name):
            return _encoder(name, quality, is_full_range=is_full_range)
    raise UsageError(
        f"this FFmpeg can write no video into {kind.format}: expected one of {', '.join(kind.encoders)}; install PyAV "
        "from its wheel, or choose another kind of file"
    )


def is_available(name: str) -> bool:
    """Whether this FFmpeg has an encoder."""
    try:
        return av.codec.Codec(name, "w").is_encoder
    except (av.codec.codec.UnknownCodecError, ValueError):
        return False


_X264: Final = "partitions=i4x4:subme=1"
"""Without these half of the time goes into what hardly shows: dividing blocks further, and more exact motion."""
_LEVEL: Final = {Quality.HIGH: 0, Quality.MEDIUM: 1, Quality.LOW: 2}


def _encoder(name: str, quality: Quality, *, is_full_range: bool) -> Encoder:
    level = _LEVEL[quality]
    plain = "yuvj420p" if is_full_range else "yuv420p"
    if name == "gif":
        return Encoder(name, "rgb24")
    if name == "libx264":
        options = {"preset": "veryfast", "crf": ("18", "21", "26")[level], "x264-params": _X264}
        return Encoder(name, plain, options, needs_even=True)
    if name in ("libvpx-vp9", "libvpx"):
        options = {"deadline": "realtime", "cpu-used": "8", "crf": ("24", "31", "38")[level], "b": "0"}
        if name == "libvpx-vp9":
            options["row-mt"] = "1"
        else:
            options["b"] = "4M"  # VP8 takes it as the ceiling of its constant quality
        return Encoder(name, "yuv420p", options)
    if name == "libsvtav1":
        return Encoder(name, "yuv420p", {"preset": "10", "crf": ("26", "33", "42")[level]}, needs_even=True)
    if name == "libopenh264":
        return Encoder(name, "yuv420p", needs_even=True, bits_per_pixel=(0.2, 0.12, 0.06)[level])
    scale = ("2", "4", "8")[level]  # of MPEG-4, which has no constant quality but a constant quantiser
    return Encoder(name, "yuv420p", {"qmin": scale, "qmax": scale}, max_time_den=65_535)
