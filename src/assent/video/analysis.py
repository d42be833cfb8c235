"""One pass over a clip: shots, and the faces in it from their first to their last visible frame.

The detector runs beside decoding and following, a few frames ahead: the schedule of looks is known from the times of
the frames and the cuts. What comes out does not depend on how fast either is. Memory holds a few frames, two seconds
of working pictures, the boxes, and the samples, whose bytes are bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.types import Detections, JsonObject
from assent.video.joining import closed_gaps
from assent.video.looking import Looks
from assent.video.packing import packed
from assent.video.preparing import Prepared
from assent.video.resuming import Begun, Keeper, StateUnusable
from assent.video.settings import AnalysisSettings
from assent.video.tracker import Tracker
from assent.video.types import Analysis, ClipFacts, Damage, Progress, VideoFrame

_AHEAD_PIXELS: Final = 12_000_000  # of frames waiting; at least two wait, at most eight
_TELL_EVERY: Final = 10  # frames


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame ahead of the tracker; ``looked`` comes from the detector's thread."""

    frame: VideoFrame
    ready: Prepared | None
    looked: Future[Detections | None] | None  # None for no look


def analyse(
    frames: Iterable[VideoFrame],
    facts: ClipFacts,
    engine: Looks,
    *,
    settings: AnalysisSettings | None = None,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
    begun: Begun | None = None,
    keeper: Keeper | None = None,
) -> Analysis:
    """All that is known of a clip before it is decided who is shown.

    Args:
        frames: every frame in the order shown, those that could not be decoded included; each is held briefly.
        facts: of the container.
        engine: an open ``FaceEngine``. Two threads of this process use it at once.
        settings: the schedule and the limits.
        progress: told now and then how far it is.
        stop: called before each frame; what it raises ends the analysis.
        begun: an analysis of the same clip, engine and settings to go on with; ``frames`` may then leave out those
            that are not in it.
        keeper: takes now and then what is known so far, so that the analysis can go on from there.

    Returns:
        Shots and tracks; those of a clip without a frame are empty. The same for the same frames, and the same whether
        it was broken off or not.

    Raises:
        StateUnusable: ``begun`` is damaged, or not of these frames.
    """
    settings = settings or AnalysisSettings()
    tracker = Tracker(engine, settings, is_whole_clip=True)
    times_s: list[float] = []
    damages: list[Damage] = []
    frames = iter(frames)
    if begun is not None:
        damages = _restored(begun, tracker, frames, engine, settings)
        times_s = list(begun.times_s)
        if progress is not None and times_s:
            progress(times_s[-1], facts.duration_s)
    with ThreadPoolExecutor(1, thread_name_prefix="assent-looks") as pool:
        for waiting in _ahead(frames, tracker, pool, keeper):
            if waiting is None:
                assert keeper is not None
                keeper.keep(_state(tracker, times_s, damages))
                continue
            frame = waiting.frame
            if stop is not None:
                stop()
            times_s.append(frame.time_s)
            if frame.damage is not None or frame.image_rgb is None:
                damages.append(Damage(frame.index, frame.time_s, frame.damage or "not decoded"))
            if waiting.ready is None:
                tracker.skip(frame.time_s)
            else:
                found = waiting.looked.result() if waiting.looked is not None else None
                tracker.advance(waiting.ready.picture, found, is_cut=waiting.ready.is_cut)
            if progress is not None and frame.index % _TELL_EVERY == 0:
                progress(frame.time_s, facts.duration_s)
    tracker.end_all()
    shots = tracker.preparing.shots
    found_shots = shots.shots()
    trails = closed_gaps(tracker.ended, found_shots)
    trails.sort(key=lambda trail: (trail.first_frame, trail.number))
    tracks = [trail.track(index, trail.bins.best_first()) for index, trail in enumerate(trails)]
    if progress is not None and times_s:
        progress(times_s[-1], facts.duration_s)
    return Analysis(
        facts,
        np.array(times_s, np.float64),
        found_shots,
        tuple(tracks),
        tuple(damages),
        shots.black_spans(),
    )


def _state(tracker: Tracker, times_s: list[float], damages: list[Damage]) -> JsonObject:
    return {
        "times_s": packed(np.array(times_s, np.float64)),
        "damages": [(damage.frame_index, damage.time_s, damage.reason) for damage in damages],
        "tracker": tracker.state(),
    }


def _restored(
    begun: Begun, tracker: Tracker, frames: Iterator[VideoFrame], engine: Looks, settings: AnalysisSettings
) -> list[Damage]:
    """Brings the tracker to where it was; the damages so far."""
    pixels = begun.pixels(frames, engine, work_px=settings.work_px)
    try:
        tracker.restore(begun.state["tracker"], pixels)
        return [Damage(*damage) for damage in begun.state["damages"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StateUnusable(str(error)) from error


def _ahead(
    frames: Iterable[VideoFrame], tracker: Tracker, pool: ThreadPoolExecutor, keeper: Keeper | None
) -> Iterator[_Waiting | None]:
    """The frames, each given out when some later ones have been sent to the detector.

    None where the keeper is due: all frames that were read have been given out then.
    """
    queue: deque[_Waiting] = deque()
    for frame in frames:
        image = frame.image_rgb
        ready = tracker.preparing.prepare(image, index=frame.index, time_s=frame.time_s)
        looked = None
        if ready is not None and ready.long_side_px is not None:
            looked = pool.submit(tracker.look, ready)
        queue.append(_Waiting(frame, ready, looked))
        pixels = 1 if image is None else image.shape[0] * image.shape[1]
        if len(queue) > min(8, max(2, _AHEAD_PIXELS // pixels)):
            yield queue.popleft()
        if keeper is not None and keeper.is_due():
            while queue:
                yield queue.popleft()
            yield None
    yield from queue
