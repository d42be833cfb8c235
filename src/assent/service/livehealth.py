"""How a live run is doing: frames, latencies, drops, and who is here."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from assent.live.values import PictureState, SourceStatus

_KEPT: Final = 300
_RATE_OVER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class HerePerson:
    """Somebody who is here.

    Attributes:
        person: what the caller calls them.
        name: for people to read; None when not given.
        for_s: since they arrived.
    """

    person: str
    name: str | None
    for_s: float


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How a live run stands.

    Attributes:
        place: the place's name.
        camera: which of its cameras.
        source: the source, with its frames and drops.
        picture: what is to be thought of the pictures.
        problem: why nobody can be named; empty where people can.
        here: who is here.
        gallery_size: people who may be named.
        num_analysed: frames analysed since the start.
        analysed_fps: in the last five seconds; 0 where none came.
        preview_fps: the same of pictures for people.
        latency_p50_ms: from a frame's coming to its analysis being done, of the last 300; None where none came in the
            last five seconds.
        latency_p95_ms: the same.
        event_latency_p95_ms: from a frame's coming to the event about it being sent, of the last 300 events; None as
            above.
        num_strangers: faces without a name in the picture; None where that was not asked for.
        webhook: why the webhook is not told at present; empty where it is, or there is none.
    """

    place: str
    camera: str
    source: SourceStatus
    picture: PictureState
    problem: str
    here: tuple[HerePerson, ...]
    gallery_size: int
    num_analysed: int
    analysed_fps: float
    preview_fps: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    event_latency_p95_ms: float | None
    num_strangers: int | None
    webhook: str = ""


class Health:
    """Told what happened when; remembers the last of it.

    Args:
        clock: seconds that only grow, the same as the moments that it is told.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_analysed = 0
        self._latencies_s: deque[float] = deque(maxlen=_KEPT)
        self._event_latencies_s: deque[float] = deque(maxlen=_KEPT)
        self._analysed_s: deque[float] = deque(maxlen=_KEPT)
        self._shown_s: deque[float] = deque(maxlen=_KEPT)

    def analysed(self, at_s: float, now_s: float) -> None:
        """A frame that came at ``at_s`` is analysed."""
        self._num_analysed += 1
        if self._analysed_s and now_s - self._analysed_s[-1] > _RATE_OVER_S:
            self._latencies_s.clear()  # of before a pause
        self._latencies_s.append(now_s - at_s)
        self._analysed_s.append(now_s)

    def told(self, at_s: float, now_s: float) -> None:
        """An event about a frame that came at ``at_s`` is sent."""
        self._event_latencies_s.append(now_s - at_s)

    def shown(self, now_s: float) -> None:
        """A picture is ready for people."""
        self._shown_s.append(now_s)

    def status(
        self,
        *,
        place: str,
        camera: str,
        source: SourceStatus,
        picture: PictureState,
        problem: str,
        here: tuple[HerePerson, ...],
        gallery_size: int,
        num_strangers: int | None,
        webhook: str = "",
    ) -> LiveStatus:
        """All of it, with what the run knows itself (see ``LiveStatus``)."""
        is_quiet = not self._lately(self._analysed_s)
        return LiveStatus(
            place=place,
            camera=camera,
            source=source,
            picture=picture,
            problem=problem,
            here=here,
            gallery_size=gallery_size,
            num_analysed=self._num_analysed,
            analysed_fps=self._rate(self._analysed_s),
            preview_fps=self._rate(self._shown_s),
            latency_p50_ms=None if is_quiet else _percentile_ms(self._latencies_s, 50),
            latency_p95_ms=None if is_quiet else _percentile_ms(self._latencies_s, 95),
            event_latency_p95_ms=None if is_quiet else _percentile_ms(self._event_latencies_s, 95),
            num_strangers=num_strangers,
            webhook=webhook,
        )

    def _rate(self, moments_s: deque[float]) -> float:
        lately = self._lately(moments_s)
        if len(lately) < 2 or lately[-1] == lately[0]:
            return 0.0
        return round((len(lately) - 1) / (lately[-1] - lately[0]), 2)

    def _lately(self, moments_s: deque[float]) -> list[float]:
        # A copy, made at once: the run adds to it from another thread.
        since_s = self._clock() - _RATE_OVER_S
        return [moment for moment in tuple(moments_s) if moment > since_s]


def _percentile_ms(values_s: deque[float], percent: float) -> float | None:
    values = tuple(values_s)  # at once, as in ``_lately``
    return None if not values else round(float(np.percentile(np.array(values), percent)) * 1000, 1)
