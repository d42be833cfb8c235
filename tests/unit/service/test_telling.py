"""What a teller waits between attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from assent.live.pauses import Pauses
from assent.notifications import NotDelivered
from assent.service import telling
from assent.service.telling import Teller


class Scripted(Teller):
    """Each attempt goes as it is written: ``down``, ``told``, or ``nothing`` owed."""

    def __init__(self, script: str) -> None:
        super().__init__("news", Pauses(1.0, 60.0), trouble="not reached ({reason})")
        self._script = script.split()
        self.is_over = threading.Event()

    def _tell_next(self) -> bool:
        if not self._script:
            self.is_over.set()
            return False
        step = self._script.pop(0)
        if step == "down":
            raise NotDelivered("503")
        if step == "nothing":
            self.wake()  # there is more at once
        return step == "told"


@pytest.mark.parametrize(
    ("script", "pauses_s"),
    [
        ("down down down told", [1, 2, 4]),
        ("down down told down", [1, 2, 1]),
        ("told down told told down", [1, 1]),
        # whoever it was of withdrew meanwhile
        ("down down nothing down", [1, 2, 1]),
    ],
)
def test_pauses_grow_until_it_went_well(
    script: str, pauses_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[float, str]] = []

    def pass_at_once(_: threading.Event, pause_s: float, *, is_over: Callable[[], bool]) -> None:
        assert not is_over()
        waited.append((pause_s, teller.problem))

    monkeypatch.setattr(telling, "wait_out", pass_at_once)
    teller = Scripted(script)
    with teller:
        assert teller.is_over.wait(10)
    assert waited == [(pause_s, "not reached (503)") for pause_s in pauses_s]
    assert teller.problem == ""
