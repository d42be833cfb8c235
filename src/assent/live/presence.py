"""Who is here: arrived once named, left when not seen for a while, however often the track broke in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assent.live.values import Hit

Kind = Literal["arrived", "left"]


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody came or went.

    Attributes:
        kind: which of the two.
        hit: who, and how alike when it was said.
        at_s: when, seconds by a clock that only goes on; of ``left`` the last moment they were seen.
    """

    kind: Kind
    hit: Hit
    at_s: float


@dataclass(slots=True)
class _Here:
    hit: Hit
    since_s: float
    seen_s: float


class Presence:
    """The people who are at a camera.

    Args:
        away_s: who is not seen for so long has left.
    """

    def __init__(self, away_s: float = 5.0) -> None:
        self._away_s = away_s
        self._here: dict[str, _Here] = {}

    @property
    def here(self) -> tuple[tuple[Hit, float], ...]:
        """Who is here, and since when, in the order of their coming."""
        return tuple((item.hit, item.since_s) for item in self._here.values())

    def is_here(self, person: str) -> bool:
        """Whether somebody is."""
        return person in self._here

    def arrive(self, hit: Hit, at_s: float) -> Change | None:
        """Somebody was named; a change where they were not here."""
        if hit.person in self._here:
            self._here[hit.person].seen_s = at_s
            return None
        self._here[hit.person] = _Here(hit, at_s, at_s)
        return Change("arrived", hit, at_s)

    def see(self, people: Mapping[str, object] | set[str], now_s: float) -> None:
        """These people are in the picture now."""
        for person in people:
            if person in self._here:
                self._here[person].seen_s = now_s

    def leave(self, now_s: float) -> tuple[Change, ...]:
        """Whoever was not seen for long enough has left."""
        gone = [item for item in self._here.values() if now_s - item.seen_s > self._away_s]
        for item in gone:
            del self._here[item.hit.person]
        return tuple(Change("left", item.hit, item.seen_s) for item in gone)

    def leave_all(self) -> tuple[Change, ...]:
        """The stream ends: all have left."""
        gone = tuple(Change("left", item.hit, item.seen_s) for item in self._here.values())
        self._here.clear()
        return gone

    def forget(self, person: str) -> None:
        """Somebody withdrew: they are not here, and it is not said that they left."""
        self._here.pop(person, None)
