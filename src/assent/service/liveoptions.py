"""How live video is to run."""

from __future__ import annotations

from dataclasses import dataclass, field

from assent.live.values import SourceSettings


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """Whose stream a run is for, where a worker does it: the log says so, beside who started it.

    Attributes:
        stream_id: random UUID of the stream.
        worker: who runs the worker, as the log calls them.
    """

    stream_id: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """How live video is to run.

    Attributes:
        threshold: a similarity of 0 to 100; by default 90 or the place's floor, whichever is stricter.
        away_s: who is not seen for so long has left.
        max_fps: frames analysed in a second, at most.
        look_px: longer side of the look at every frame, and of the preview.
        has_preview: make pictures for people.
        counts_strangers: say how many faces without a name are in the picture: a number, nothing more.
        webhook: URL that is told of each event, signed with the setting ``webhook_secret``.
        source: how patient to be with the source.
        on_behalf: of which stream, where a worker runs it.
    """

    threshold: float | None = None
    away_s: float = 5.0
    max_fps: float = 12.0
    look_px: int = 640
    has_preview: bool = False
    counts_strangers: bool = False
    webhook: str | None = None
    source: SourceSettings = field(default_factory=SourceSettings)
    on_behalf: OnBehalf | None = None
