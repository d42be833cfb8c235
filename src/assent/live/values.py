"""Values of the live room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from assent.types import Face, Float32, UInt8

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How patient to be.

    Attributes:
        open_s: longest wait for a source to open.
        read_s: longest wait for its next packet; then it is stuck, and opened anew.
        first_pause_s: before a lost source is tried again; doubles each time.
        most_pause_s: but is never longer.
        most_lag_s: how far behind its own clock reading may fall before only key frames are decoded.
        transport: how RTSP brings its packets.
        is_looped: play a file again from its beginning, for ever.
        is_paced: play a file at the speed it was taken, rather than as fast as it goes.
    """

    open_s: float = 10.0
    read_s: float = 5.0
    first_pause_s: float = 0.5
    most_pause_s: float = 30.0
    most_lag_s: float = 1.0
    transport: Transport = "tcp"
    is_looped: bool = False
    is_paced: bool = True


class SourceState(StrEnum):
    """What a source does."""

    CONNECTING = "connecting"  # for the first time
    PLAYING = "playing"
    LOST = "lost"  # it will be tried again
    REFUSED = "refused"  # trying again would not help
    ENDED = "ended"  # a file that was played to its end
    STOPPED = "stopped"


class PictureState(StrEnum):
    """What is to be thought of the pictures that come."""

    GOOD = "good"
    FROZEN = "frozen"  # the same for too long
    NOISE = "noise"  # nothing but noise
    DAMAGED = "damaged"  # the last one could not be decoded
    NONE = "none"  # no new one for too long


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is doing.

    Attributes:
        state: what it does.
        message: why, for people; without a password.
        num_frames: decoded since the start.
        num_dropped: of these, those that nobody took in time.
        num_damaged: that could not be decoded.
        num_lost: times the source was lost.
        width_px: of the last frame; 0 before the first.
        height_px: of the last frame.
        retry_in_s: when it is tried again; None where it is not waiting.
    """

    state: SourceState
    message: str = ""
    num_frames: int = 0
    num_dropped: int = 0
    num_damaged: int = 0
    num_lost: int = 0
    width_px: int = 0
    height_px: int = 0
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """One frame, as it came.

    Attributes:
        image_rgb: (H, W, 3) uint8; None where it could not be decoded.
        at_s: when it came, ``time.monotonic()``.
    """

    image_rgb: UInt8 | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody who reaches the threshold.

    Attributes:
        person: random UUID.
        similarity: 0 to 100.
        fmr_at_score: upper bound of the false match rate at the score.
        expected_false_candidates: that times the gallery's size.
    """

    person: str
    similarity: float
    fmr_at_score: float
    expected_false_candidates: float


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """One face of an analysed frame.

    Attributes:
        box_xyxy: (4,) float32, pixels of the frame.
        person: who it is, once confirmed; None for everybody else.
    """

    box_xyxy: Float32
    person: str | None


@dataclass(frozen=True, slots=True, eq=False)
class CloseLook:
    """A picture that was taken of one face of a frame.

    Attributes:
        track: number of the track, of this run only.
        face: box, landmarks and quality, pixels of the frame.
    """

    track: int
    face: Face


def blank_picture(width_px: int, height_px: int) -> UInt8:
    """A picture (H, W, 3) uint8 that shows nothing."""
    return np.full((height_px, width_px, 3), 64, np.uint8)
