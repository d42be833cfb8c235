"""Looks through a video, and what is known of it meanwhile, in a file, so that what was killed goes on from there.

Boxes, times and numbers; never a picture, a template, or anything that was computed of somebody's features.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from assent.errors import StoreUnavailable, UsageError
from assent.objects.whole import write_whole
from assent.service.context import Context
from assent.service.decisions import digest_of
from assent.types import JsonObject
from assent.version import __version__
from assent.video.resuming import Begun, StateUnusable
from assent.video.settings import AnalysisSettings

if TYPE_CHECKING:
    from assent.video.types import Analysis, Progress

FORMAT: Final = "assent-look-1"
EVERY_S: Final = 10.0
"""Between two times that it is written: as much as a killed run loses."""
_SHARE: Final = 50  # of the time between, that writing may take: a fiftieth


def _as_it_is(data: bytes) -> bytes:
    return data


@dataclass(frozen=True, slots=True)
class LookPlace:
    """Where what is known of a video lies while it is looked at.

    Attributes:
        path: of the file.
        seal: what is done to its bytes before they are written.
        unseal: the reverse. Raises ``StoreUnavailable`` where they are not what was sealed.
    """

    path: Path
    seal: Callable[[bytes], bytes] = _as_it_is
    unseal: Callable[[bytes], bytes] = _as_it_is


def look_through(
    ctx: Context,
    source: Path,
    *,
    settings: AnalysisSettings,
    place: LookPlace | None = None,
    sha256: str | None = None,
    part: tuple[float, float | None] = (0.0, None),
    threads: int = 0,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> tuple[Analysis, tuple[str, ...]]:
    """The tracks of a video, and notes; gone on with from what an earlier run left in ``place``.

    Args:
        ctx: the open data folder.
        source: the video.
        settings: of the look.
        place: where what is known is kept meanwhile; None for nowhere. The file is left there.
        sha256: of the video, where it is known already.
        part: of the video, from and to, seconds.
        threads: for decoding; 0 takes the machine's cores.
        progress: told at the first frame and now and then how far it is; what it raises ends the work.
        stop: called before each frame; what it raises ends the work.

    Raises:
        VideoError: the video cannot be read.
    """
    from assent.video.analysis import analyse
    from assent.video.reading import ClipReader

    kept = None
    if place is not None:
        kept = LookFile(
            place,
            sha256=sha256 or digest_of(source),
            model_digest=ctx.engine.model_digest,
            settings=settings,
            part=part,
        )

    def looked(begun: Begun | None) -> tuple[Analysis, tuple[str, ...]]:
        max_pixels = ctx.settings.max_video_pixels
        with ClipReader(
            source, max_pixels=max_pixels, threads=threads, start_s=part[0], end_s=part[1]
        ) as reader:
            analysis = analyse(
                reader.frames(only=begun, stop=stop),
                reader.facts,
                ctx.engine,
                settings=settings,
                progress=progress,
                stop=stop,
                begun=begun,
                keeper=kept,
            )
            return analysis, reader.notes

    begun = None if kept is None else kept.begun()
    try:
        analysis, notes = looked(begun)
        if begun is not None and begun.times_s:
            notes += (f"the look went on from {begun.times_s[-1]:.1f} s, where it had been broken off",)
    except StateUnusable:
        analysis, notes = looked(None)
    return analysis, notes if kept is None else notes + kept.notes


class LookFile:
    """The file of one look at one clip.

    Args:
        place: where it lies.
        sha256: of the clip.
        model_digest: of the networks.
        settings: of the look.
        part: of the clip, from and to, seconds.
    """

    def __init__(
        self,
        place: LookPlace,
        *,
        sha256: str,
        model_digest: str,
        settings: AnalysisSettings,
        part: tuple[float, float | None],
    ) -> None:
        import av

        from assent.models.sessions import RUNTIME_VERSION

        self._place = place
        # All that what comes out depends on: where any of it differs, the clip is looked at anew.
        self._head: JsonObject = {
            "format": FORMAT,
            "assent": __version__,
            "libraries": [av.__version__, cv2.__version__, np.__version__, RUNTIME_VERSION],
            "sha256": sha256,
            "models": model_digest,
            "settings": dataclasses.asdict(settings),
            "part": list(part),
        }
        self._next_s = time.monotonic() + EVERY_S
        self.notes: tuple[str, ...] = ()

    def begun(self) -> Begun | None:
        """What another run left; None where there is none, or of another clip, other wishes or versions."""
        try:
            body = json.loads(self._place.unseal(self._place.path.read_bytes()))
            return Begun(body["state"]) if body["head"] == self._head else None
        except (OSError, ValueError, KeyError, TypeError, StateUnusable, StoreUnavailable):
            return None

    def is_due(self) -> bool:
        """Whether it is time to write it again."""
        return time.monotonic() >= self._next_s

    def keep(self, state: JsonObject) -> None:
        """Write it whole. Where that fails the look goes on, and ``notes`` say so."""
        began_s = time.monotonic()
        data = json.dumps({"head": self._head, "state": state}, allow_nan=False, separators=(",", ":"))
        try:
            write_whole(self._place.path, self._place.seal(data.encode()), overwrite=True)
        except UsageError as error:
            self.notes = (f"what was seen so far could not be kept: {error.message}",)
        now_s = time.monotonic()
        self._next_s = now_s + max(EVERY_S, _SHARE * (now_s - began_s))
