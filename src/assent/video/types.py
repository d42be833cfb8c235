"""Values of the video room: what a clip is, its frames, and the faces followed through it.

A face followed through a clip is a *track*. Tracks belong to one clip: their numbers mean nothing elsewhere, and what
was embedded of a stranger's is dropped as soon as it is decided who is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from assent.types import Face, Float32, Float64, UInt8

Int32 = npt.NDArray[np.int32]

Progress = Callable[[float, float | None], None]
"""Told how many seconds of the clip are done, and how many there are (None where the container does not say)."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a container says of itself and of its first video stream.

    Attributes:
        container: FFmpeg's name of the format, such as "mov,mp4,m4a,3gp,3g2,mj2".
        codec: FFmpeg's name of the video codec, such as "h264".
        width_px: as shown, after the rotation.
        height_px: as shown, after the rotation.
        rotation_deg: how far the stored picture is turned clockwise to be shown: 0, 90, 180 or 270.
        frame_rate: frames a second on average; 0 where unknown.
        duration_s: None where the container does not say.
        num_frames: as the container says, which may be wrong; None where it does not.
        is_full_range: whether luma takes all of 0 to 255.
        audio_codecs: one for each audio stream.
        num_subtitles: subtitle streams.
        num_chapters: chapters.
    """

    container: str
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    frame_rate: float
    duration_s: float | None
    num_frames: int | None
    is_full_range: bool = False
    audio_codecs: tuple[str, ...] = ()
    num_subtitles: int = 0
    num_chapters: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame as shown.

    Attributes:
        index: from 0, in the order shown.
        time_s: when it is shown, seconds after the clip's first frame.
        image_rgb: (H, W, 3) uint8, upright; None where it could not be decoded.
        damage: why it could not be decoded, or what is doubtful in it; None for a sound frame.
    """

    index: int
    time_s: float
    image_rgb: UInt8 | None
    damage: str | None = None


class Seen(IntEnum):
    """How a box of a track came about."""

    DETECTED = 0  # by the detector, in this frame
    FOLLOWED = 1  # moved along with the pixels from a frame where it was detected
    BRIDGED = 2  # put between two frames where it was seen


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A face of a track that may be embedded: one of the few best ones. In memory only.

    Attributes:
        frame_index: of the frame.
        time_s: of the frame.
        face: box, landmarks and quality, in pixels of the frame.
        crop_rgb: (h, w, 3) uint8, the face with enough around it to align it.
        crop_xy: where the crop's upper left corner lies in the frame, pixels.
    """

    frame_index: int
    time_s: float
    face: Face
    crop_rgb: UInt8
    crop_xy: tuple[int, int]

    def in_crop(self) -> Face:
        """The face in pixels of its crop."""
        shift = np.asarray(self.crop_xy, np.float32)
        return replace(
            self.face,
            box_xyxy=self.face.box_xyxy - np.tile(shift, 2),
            landmarks_xy=self.face.landmarks_xy - shift[None],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face through the frames in which it is visible, without a gap.

    Attributes:
        index: from 0, by first appearance; of this clip only.
        first_frame: index of the first frame in which it is covered.
        boxes_xyxy: (F, 4) float32, pixels of the frame as shown, one for each frame from ``first_frame`` on.
        seen: (F,) uint8, values of ``Seen``.
        scores: (F,) float32, the detector's, NaN where it did not look or did not see.
        samples: the best few faces for embedding, best first; empty once they are dropped.
    """

    index: int
    first_frame: int
    boxes_xyxy: Float32
    seen: UInt8
    scores: Float32
    samples: tuple[Sample, ...] = ()

    @property
    def num_frames(self) -> int:
        """In how many frames it is covered."""
        return len(self.seen)

    @property
    def last_frame(self) -> int:
        """Index of the last frame in which it is covered."""
        return self.first_frame + len(self.seen) - 1


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts.

    Attributes:
        first_frame: index of its first frame.
        last_frame: index of its last frame.
        confidence: 0 to 1, that a cut is where it begins; 1 for the first.
    """

    first_frame: int
    last_frame: int
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class BlackSpan:
    """Frames that are black from edge to edge.

    Attributes:
        first_frame: index of the first.
        last_frame: index of the last.
        confidence: 0 to 1.
    """

    first_frame: int
    last_frame: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Damage:
    """A frame that could not be decoded, or not wholly.

    Attributes:
        frame_index: of the frame.
        time_s: of the frame.
        reason: what the decoder said, in words for people.
    """

    frame_index: int
    time_s: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """All that is known of a clip before it is decided who is shown.

    Attributes:
        facts: of the container.
        times_s: (N,) float64, when each frame is shown, seconds after the first.
        shots: in order, together all frames.
        tracks: by index.
        damages: frames that could not be read.
        black_spans: in order.
    """

    facts: ClipFacts
    times_s: Float64
    shots: tuple[Shot, ...]
    tracks: tuple[Track, ...]
    damages: tuple[Damage, ...] = ()
    black_spans: tuple[BlackSpan, ...] = ()

    @property
    def num_frames(self) -> int:
        """Frames in the clip, damaged ones included."""
        return len(self.times_s)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was written.

    Attributes:
        num_frames: in the copy, and in what was read.
        duration_s: from the first frame to the last.
        encoder: FFmpeg's name of it.
        width_px: of the copy.
        height_px: of the copy.
        blanked: frames that could not be decoded, and are grey in the copy.
        copied: streams that came along as they were.
        encoded: streams that had to be encoded anew, and as what.
        removed: tags, data, pictures and attachments that were left out.
        notes: what else is different from the original.
    """

    num_frames: int
    duration_s: float
    encoder: str
    width_px: int
    height_px: int
    blanked: tuple[Damage, ...]
    copied: tuple[str, ...]
    encoded: tuple[str, ...]
    removed: tuple[str, ...]
    notes: tuple[str, ...]
