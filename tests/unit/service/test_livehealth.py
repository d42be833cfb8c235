"""How a live run is doing: what is told of a source that gives nothing any more is nothing."""

from __future__ import annotations

from assent.live.values import PictureState, SourceState, SourceStatus
from assent.service.livehealth import Health, LiveStatus


class Passing:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def status_of(health: Health) -> LiveStatus:
    return health.status(
        place="door",
        camera="front",
        source=SourceStatus(SourceState.PLAYING),
        picture=PictureState.GOOD,
        problem="",
        here=(),
        gallery_size=1,
        num_strangers=None,
    )


def run_for(health: Health, clock: Passing, num_frames: int, latency_s: float) -> None:
    for _ in range(num_frames):
        clock.now_s += 0.1
        health.analysed(clock.now_s - latency_s, clock.now_s)
        health.shown(clock.now_s)


def test_rates_and_latencies_are_of_now() -> None:
    clock = Passing()
    health = Health(clock)
    before = status_of(health)
    assert (before.analysed_fps, before.latency_p95_ms) == (0.0, None)
    run_for(health, clock, 100, 0.05)
    health.told(clock.now_s - 0.2, clock.now_s)
    running = status_of(health)
    assert (running.analysed_fps, running.preview_fps) == (10.0, 10.0)
    assert (running.latency_p50_ms, running.event_latency_p95_ms) == (50.0, 200.0)

    clock.now_s += 5.1  # the camera is unplugged
    dead = status_of(health)
    assert (dead.analysed_fps, dead.preview_fps, dead.num_analysed) == (0.0, 0.0, 100)
    assert (dead.latency_p50_ms, dead.latency_p95_ms, dead.event_latency_p95_ms) == (None, None, None)

    run_for(health, clock, 20, 0.01)
    again = status_of(health)
    assert (again.analysed_fps, again.latency_p95_ms) == (10.0, 10.0)  # and not of before
