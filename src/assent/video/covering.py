"""Which boxes to hide in each frame, given who is shown.

What is hidden is wider than the face: it takes in where the face is a frame before and after, and grows with motion and
with how little is known of the place. A shown track's box is not cut out of a hidden one's: where they overlap,
hidden wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, overload

import numpy as np

from assent.types import Float32, Int64
from assent.video.types import Analysis, Seen, Track

_PER_SPEED: Final = 0.5  # of a box's way from frame to frame, added on each side
_MOST_BY_SPEED: Final = 0.5  # of its sides
_DOUBT: Final = {Seen.DETECTED: 0.0, Seen.FOLLOWED: 0.04, Seen.BRIDGED: 0.12}


class HiddenBoxes(Sequence[Float32]):
    """For each frame of a clip the boxes to hide, (N, 4) float32 in its pixels, margins of motion included.

    The margin of hair, ears and chin is not: ``assent.vision.redact`` adds it.
    """

    def __init__(self, boxes_xyxy: Float32, starts: Int64) -> None:
        self._boxes = boxes_xyxy
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Float32: ...

    @overload
    def __getitem__(self, index: slice) -> list[Float32]: ...

    def __getitem__(self, index: int | slice) -> Float32 | list[Float32]:
        """The boxes of one frame, or of several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"the clip has {len(self)} frames, asked for {index}")
        index %= len(self)
        return self._boxes[self._starts[index] : self._starts[index + 1]]

    def __iter__(self) -> Iterator[Float32]:
        return (self[i] for i in range(len(self)))


def hidden_boxes(analysis: Analysis, *, keep: Collection[int] = ()) -> HiddenBoxes:
    """What to hide in each frame: every track but those in ``keep``.

    Args:
        analysis: of the clip.
        keep: ``Track.index`` of those who are shown.

    Raises:
        ValueError: a number in ``keep`` that is no track's.
    """
    unknown = set(keep) - {track.index for track in analysis.tracks}
    if unknown:
        raise ValueError(f"keep must name tracks of this clip, got {sorted(unknown)}; see Analysis.tracks")
    hidden = [track for track in analysis.tracks if track.index not in keep]
    frames = [np.arange(track.first_frame, track.last_frame + 1) for track in hidden]
    boxes = [covered_boxes(track) for track in hidden]
    all_frames = np.concatenate([*frames, np.zeros(0, np.int64)]).astype(np.int64)
    all_boxes = np.concatenate([*boxes, np.zeros((0, 4), np.float32)])
    order = np.argsort(all_frames, kind="stable")
    starts = np.searchsorted(all_frames[order], np.arange(analysis.num_frames + 1))
    return HiddenBoxes(all_boxes[order], starts.astype(np.int64))


def covered_boxes(track: Track) -> Float32:
    """A track's boxes (F, 4) as they are hidden."""
    boxes = track.boxes_xyxy
    padded = np.concatenate([boxes[:1], boxes, boxes[-1:]])
    low = np.minimum(np.minimum(padded[:-2, :2], padded[1:-1, :2]), padded[2:, :2])
    high = np.maximum(np.maximum(padded[:-2, 2:], padded[1:-1, 2:]), padded[2:, 2:])
    centres = (padded[:, :2] + padded[:, 2:]) / 2
    steps = np.abs(np.diff(centres, axis=0))
    speed = np.maximum(steps[:-1], steps[1:])
    sides = boxes[:, 2:] - boxes[:, :2]
    doubt = np.array([_DOUBT[seen] for seen in Seen], np.float32)[track.seen]
    pad = np.minimum(_PER_SPEED * speed, _MOST_BY_SPEED * sides) + doubt[:, None] * sides
    return np.concatenate([low - pad, high + pad], axis=1).astype(np.float32)
