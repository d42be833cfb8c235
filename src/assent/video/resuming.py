"""An analysis that was broken off goes on: what is known at one frame, as JSON without a pixel of anybody, and back.

What the tracker remembers of faces (patches, colours, samples) and of the last frames is cut anew from the clip, by
frame and box, so that what lies on the disk in between is boxes, times and numbers. A clip is read from its beginning
when the analysis goes on, since only so the same frames come out of any file; those of which nothing is needed are
decoded and passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from assent.types import JsonObject
from assent.video.appearance import colours
from assent.video.following import patch
from assent.video.looking import Looks
from assent.video.packing import Pixels, Place, box_of, place_of, unpacked
from assent.video.pictures import picture_of
from assent.video.samples import sample_of
from assent.video.types import VideoFrame


class StateUnusable(Exception):  # no error of ours: whoever goes on begins anew instead
    """What was kept of an analysis does not fit the clip, or is damaged."""


class Keeper(Protocol):
    """Where the state of an analysis is kept while it runs."""

    def is_due(self) -> bool:
        """Whether it is time to keep it."""
        ...

    def keep(self, state: JsonObject) -> None:
        """Takes it, in place of the one before."""
        ...


class Begun:
    """An analysis to go on with.

    Args:
        state: what ``Keeper.keep`` was given.

    Attributes:
        num_frames: that were done; the first to come has this index.
        times_s: of these frames.

    Raises:
        StateUnusable: it is malformed.
    """

    def __init__(self, state: JsonObject) -> None:
        self.state = state
        try:
            self.times_s: list[float] = unpacked(state["times_s"], "<f8").tolist()
            self.num_frames = len(self.times_s)
            tracker = state["tracker"]
            self._last = tracker["last"]
            self._pictures = {*tracker["history"], *([] if self._last is None else [self._last])}
            self._looks = {place_of(*trail["look"]) for trail in tracker["trails"]}
            self._samples = {
                place_of(held[2], held[3])
                for trail in (*tracker["trails"], *tracker["ended"])
                for held in trail["bins"]["held"]
            }
            frames = self._pictures | {frame for frame, _ in self._looks | self._samples}
            self._frames = sorted(frames)
            self._needed = frozenset(frames)
        except (KeyError, TypeError, ValueError) as error:
            raise StateUnusable(str(error)) from error
        if self._frames and not 0 <= self._frames[0] <= self._frames[-1] < self.num_frames:
            raise StateUnusable("a frame that was not read yet")

    def __contains__(self, index: object) -> bool:
        """Whether a frame is needed, for ``ClipReader.frames(only=...)``."""
        return isinstance(index, int) and (index >= self.num_frames or index in self._needed)

    def pixels(self, frames: Iterator[VideoFrame], engine: Looks, *, work_px: int) -> Pixels:
        """Cuts from the frames before ``num_frames`` what is needed of them.

        Raises:
            StateUnusable: a frame is another than it was.
        """
        made = Pixels()
        looks, samples = _by_frame(self._looks), _by_frame(self._samples)
        for index in self._frames:
            frame = next(frames, None)
            if frame is None or frame.index != index or frame.time_s != self.times_s[index]:
                raise StateUnusable("the clip's frames are not those that were read")
            if frame.image_rgb is None:
                raise StateUnusable("a frame cannot be decoded that could be")
            picture = picture_of(frame.image_rgb, index=index, time_s=frame.time_s, work_px=work_px)
            if index in self._pictures:
                made.pictures[index] = picture if index == self._last else picture.without_frame()
            for place in looks.get(index, ()):
                box = box_of(place) * picture.to_gray
                made.looks[place] = patch(picture.gray, box), colours(picture.small_rgb, box)
            for place in samples.get(index, ()):
                sample = sample_of(
                    engine, frame.image_rgb, box_of(place), frame_index=index, time_s=frame.time_s
                )
                if sample is None:
                    raise StateUnusable("a face is not found where it was")
                made.samples[place] = sample[0]
        return made


def _by_frame(places: set[Place]) -> Mapping[int, list[Place]]:
    found: dict[int, list[Place]] = {}
    for place in sorted(places):
        found.setdefault(place[0], []).append(place)
    return found
