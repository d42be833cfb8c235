"""What is known of a video while it is looked at, in a file beside the copy, so that a killed run goes on from there.

Boxes, times and numbers; never a picture, a template, or anything that was computed of somebody's features.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import onnxruntime

from assent.errors import UsageError
from assent.objects.whole import write_whole
from assent.types import JsonObject
from assent.version import __version__
from assent.video.resuming import Begun, StateUnusable
from assent.video.settings import AnalysisSettings

FORMAT: Final = "assent-look-1"
EVERY_S: Final = 10.0
"""Between two times that it is written: as much as a killed run loses."""
_SHARE: Final = 50  # of the time between, that writing may take: a fiftieth


class LookFile:
    """The file of one look at one clip.

    Args:
        path: where it lies.
        sha256: of the clip.
        model_digest: of the networks.
        settings: of the look.
        part: of the clip, from and to, seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        sha256: str,
        model_digest: str,
        settings: AnalysisSettings,
        part: tuple[float, float | None],
    ) -> None:
        self._path = path
        # All that what comes out depends on: where any of it differs, the clip is looked at anew.
        self._head: JsonObject = {
            "format": FORMAT,
            "assent": __version__,
            "libraries": [av.__version__, cv2.__version__, np.__version__, onnxruntime.__version__],
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
            body = json.loads(self._path.read_bytes())
            return Begun(body["state"]) if body["head"] == self._head else None
        except (OSError, ValueError, KeyError, TypeError, StateUnusable):
            return None

    def is_due(self) -> bool:
        """Whether it is time to write it again."""
        return time.monotonic() >= self._next_s

    def keep(self, state: JsonObject) -> None:
        """Write it whole. Where that fails the look goes on, and ``notes`` say so."""
        began_s = time.monotonic()
        data = json.dumps({"head": self._head, "state": state}, allow_nan=False, separators=(",", ":"))
        try:
            write_whole(self._path, data.encode(), overwrite=True)
        except UsageError as error:
            self.notes = (f"what was seen so far could not be kept: {error.message}",)
        now_s = time.monotonic()
        self._next_s = now_s + max(EVERY_S, _SHARE * (now_s - began_s))
