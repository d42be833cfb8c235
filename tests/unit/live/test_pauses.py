"""Pauses grow, and news does not shorten them."""

from __future__ import annotations

import threading
import time

from assent.live.pauses import Pauses, wait_out


def test_each_pause_is_twice_the_last_up_to_the_most() -> None:
    pauses = Pauses(1.0, 3.0)
    assert [pauses.next_s() for _ in range(3)] == [1.0, 2.0, 3.0]
    pauses.reset()
    assert pauses.next_s() == 1.0


def test_news_does_not_end_a_pause_and_the_end_does() -> None:
    wake = threading.Event()
    wake.set()
    began_s = time.monotonic()
    wait_out(wake, 0.2, is_over=lambda: False)
    assert time.monotonic() - began_s >= 0.2
    assert not wake.is_set()
    over = threading.Event()

    def end() -> None:
        over.set()
        wake.set()

    threading.Timer(0.05, end).start()
    wait_out(wake, 60.0, is_over=over.is_set)
    assert over.is_set()
    assert time.monotonic() - began_s < 30
