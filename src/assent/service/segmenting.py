"""Shots and black frames of a video: no face is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assent.service.context import Context
from assent.service.findings import Segment, VideoFindings, duration_s
from assent.service.watching import check_length, check_size, require_video_extra
from assent.store.access import Role
from assent.types import UInt8
from assent.video.shots import ShotFinder, thumbnail
from assent.video.types import Damage, Progress

_LOOK_PX = 160


@dataclass(frozen=True, slots=True)
class BlackFrames:
    """Which frames count as black.

    Attributes:
        max_luma: a pixel up to this is black, as a share of the range of luma, 0 to 1.
        min_coverage: so large a share of the pixels must be, 0 to 1.
    """

    max_luma: float = 0.2
    min_coverage: float = 0.99


def segments(
    ctx: Context,
    path: Path,
    *,
    black: BlackFrames | None = None,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> VideoFindings:
    """The shots of a video and its black spans.

    Args:
        ctx: the open data folder.
        path: a file.
        black: what counts as black.
        progress: told now and then how far it is.
        stop: called before each frame; what it raises ends it.

    Raises:
        NotFound: no such file.
        VideoError: it cannot be read, or is too large.
    """
    ctx.require(Role.ENROLLER, Role.SEARCHER)
    require_video_extra()
    from assent.video.reading import ClipReader

    check_size(ctx, path)
    rule = black or BlackFrames()
    finder = ShotFinder()
    times_s: list[float] = []
    shares: list[float] = []
    damages: list[Damage] = []
    with ClipReader(path, max_pixels=ctx.settings.max_video_pixels) as clip:
        check_length(ctx, clip.facts.duration_s)
        for frame in clip.frames(_LOOK_PX):
            if stop is not None:
                stop()
            check_length(ctx, frame.time_s)
            times_s.append(frame.time_s)
            image_rgb = frame.image_rgb
            if image_rgb is None:
                damages.append(Damage(frame.index, frame.time_s, frame.damage or "not decoded"))
            finder.add(None if image_rgb is None else thumbnail(image_rgb))
            shares.append(0.0 if image_rgb is None else _black_share(image_rgb, rule))
            if progress is not None and frame.index % 25 == 0:
                progress(frame.time_s, clip.facts.duration_s)
        facts = clip.facts
    end_s = duration_s(times_s, facts)
    edges = [*times_s, end_s]
    found = [
        Segment(
            "shot", s.first_frame, s.last_frame, edges[s.first_frame], edges[s.last_frame + 1], s.confidence
        )
        for s in finder.shots()
        if times_s
    ]
    found += [
        Segment("black", first, last, edges[first], edges[last + 1], min(shares[first : last + 1]))
        for first, last in _runs(shares, rule.min_coverage)
    ]
    found.sort(key=lambda segment: (segment.first_frame, segment.kind))
    return VideoFindings(facts, len(times_s), end_s, segments=tuple(found), damages=tuple(damages))


def _black_share(image_rgb: UInt8, rule: BlackFrames) -> float:
    """The share of the pixels that are black."""
    luma = image_rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return float((luma <= rule.max_luma * 255).mean())


def _runs(shares: Sequence[float], least: float) -> Iterator[tuple[int, int]]:
    """First and last frames of the runs in which each share is at least so large."""
    start: int | None = None
    for at, share in enumerate([*shares, -1.0]):
        if share >= least and start is None:
            start = at
        elif share < least and start is not None:
            yield start, at - 1
            start = None
