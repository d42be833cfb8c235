from __future__ import annotations

from assent.console.throttle import FORGOTTEN_AFTER_S, FREE_FAILURES, LONGEST_WAIT_S, MAX_ENTRIES, Throttle
from tests.unit.console.builders import Time


def test_the_first_mistakes_are_free() -> None:
    throttle = Throttle(clock=Time())
    for _ in range(FREE_FAILURES - 1):
        throttle.failed("somebody")
        assert throttle.wait_s("somebody") == 0


def test_every_further_one_doubles_the_wait_up_to_a_minute() -> None:
    throttle = Throttle(clock=Time())
    waits = []
    for _ in range(FREE_FAILURES + 8):
        throttle.failed("somebody")
        waits.append(throttle.wait_s("somebody"))
    assert waits[FREE_FAILURES - 1 : FREE_FAILURES + 2] == [2.0, 4.0, 8.0]
    assert max(waits) == LONGEST_WAIT_S
    assert throttle.wait_s("somebody else") == 0


def test_the_wait_passes_and_is_forgotten() -> None:
    time = Time()
    throttle = Throttle(clock=time)
    for _ in range(FREE_FAILURES):
        throttle.failed("somebody")
    time.now_s += 1.5
    assert throttle.wait_s("somebody") == 0.5
    time.now_s += 0.5
    assert throttle.wait_s("somebody") == 0
    time.now_s += FORGOTTEN_AFTER_S
    throttle.failed("somebody")
    assert throttle.wait_s("somebody") == 0


def test_success_wipes_the_slate() -> None:
    throttle = Throttle(clock=Time())
    for _ in range(FREE_FAILURES):
        throttle.failed("somebody")
    throttle.succeeded("somebody")
    assert throttle.wait_s("somebody") == 0


def test_memory_has_an_end() -> None:
    throttle = Throttle(clock=Time())
    for number in range(MAX_ENTRIES + 5):
        throttle.failed(f"address {number}")
    assert len(throttle._failures) == MAX_ENTRIES
