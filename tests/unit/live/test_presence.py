"""Arrived once, left once, however often the track broke in between."""

from __future__ import annotations

from assent.live.presence import Presence
from assent.live.values import Hit

ANA = Hit("ana", 92.0, 1e-4, 1e-3)


def test_a_short_absence_is_none() -> None:
    presence = Presence(away_s=5.0)
    came = presence.arrive(ANA, 10.0)
    assert came is not None
    assert (came.kind, came.at_s) == ("arrived", 10.0)
    presence.see({"ana"}, 11.0)
    assert presence.leave(15.9) == ()
    assert presence.arrive(ANA, 15.9) is None
    assert presence.leave(20.8) == ()
    [left] = presence.leave(21.0)
    assert (left.kind, left.hit, left.at_s) == ("left", ANA, 15.9)
    assert not presence.is_here("ana")
    assert presence.arrive(ANA, 30.0) is not None


def test_who_withdrew_is_forgotten_without_a_word() -> None:
    presence = Presence()
    presence.arrive(ANA, 0.0)
    presence.forget("ana")
    assert presence.here == ()
    assert presence.leave(100.0) == presence.leave_all() == ()


def test_at_the_end_all_leave() -> None:
    presence = Presence()
    presence.arrive(ANA, 0.0)
    presence.see({"ana", "bea"}, 3.0)
    [left] = presence.leave_all()
    assert left.at_s == 3.0
