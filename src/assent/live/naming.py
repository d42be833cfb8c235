"""Who a track is: asked of a few pictures, said when they agree, asked again later, taken back when they no longer do.

A *round* looks at a few pictures of one track, one after the other. The most typical of them is the search's probe,
since error rates are measured for single photos; the others name nobody and can only object. A round ends with a person
or with nobody; either way it is one search. What was embedded lives until the round ends and is overwritten then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from assent.live.pauses import Pauses
from assent.live.values import Hit
from assent.types import Float32


class Gallery(Protocol):
    """The people who may be named."""

    def search(self, template: Float32) -> Hit | None:
        """Who of (D,) float32, unit norm, reaches the threshold, best first; None where nobody does."""
        ...

    def is_still(self, person: str, template: Float32) -> bool:
        """Whether a picture may show somebody who was named before; more is let pass than for naming."""
        ...


@dataclass(frozen=True, slots=True)
class NamingSettings:
    """How many pictures it takes.

    Attributes:
        every_s: between two pictures of a track that is being asked about.
        min_pictures: that must agree before a name is said.
        max_pictures: after so many without agreement the round ends with nobody.
        first_pause_s: from a round with nobody to the next; doubles each time,
        most_pause_s: but is never longer.
        check_every_s: between two pictures of a track that has a name.
        max_misses: so many pictures in a row that do not fit take the name back.
    """

    every_s: float = 0.12
    min_pictures: int = 3
    max_pictures: int = 6
    first_pause_s: float = 0.5
    most_pause_s: float = 60.0
    check_every_s: float = 1.0
    max_misses: int = 3


@dataclass(frozen=True, slots=True)
class Round:
    """How a round ended.

    Attributes:
        track: number of the track, of this run only.
        hit: who it is; None for nobody.
        num_pictures: that were compared.
    """

    track: int
    hit: Hit | None
    num_pictures: int


@dataclass(slots=True)
class _Asked:
    """A track that is being asked about. Its templates are nobody's yet."""

    pauses: Pauses
    templates: list[Float32] = field(default_factory=list)
    hits: list[Hit | None] = field(default_factory=list)
    next_s: float = 0.0
    person: str | None = None
    misses: int = 0

    def forget(self) -> None:
        """Overwrite what was embedded, and drop it."""
        for template in self.templates:
            template.fill(0.0)
        self.templates.clear()
        self.hits.clear()


class Naming:
    """The rounds of all tracks there are."""

    def __init__(self, settings: NamingSettings | None = None) -> None:
        self._settings = settings or NamingSettings()
        self._asked: dict[int, _Asked] = {}

    def person(self, track: int) -> str | None:
        """Who a track is; None while that is not confirmed."""
        asked = self._asked.get(track)
        return None if asked is None else asked.person

    def wants(self, track: int, now_s: float) -> bool:
        """Whether another picture of a track would be looked at now."""
        asked = self._asked.get(track)
        return asked is None or now_s >= asked.next_s

    def look_later(self, track: int, now_s: float) -> None:
        """No picture of it was good enough now."""
        self._of(track).next_s = now_s + self._settings.every_s

    def add(self, track: int, template: Float32, gallery: Gallery, now_s: float) -> Round | None:
        """One more picture of a track.

        Args:
            track: its number.
            template: (D,) float32, unit norm; taken over, and overwritten when it is no longer needed.
            gallery: the people who may be named.
            now_s: seconds, by a clock that only goes on.

        Returns:
            How the round ended, where it ended with this picture. A name counts once ``confirm`` is called.
        """
        asked = self._of(track)
        if asked.person is not None:
            self._check(asked, template, gallery, now_s)
            template.fill(0.0)
            return None
        asked.next_s = now_s + self._settings.every_s
        asked.templates.append(template)
        asked.hits.append(gallery.search(template))
        return self._ended(track, asked, now_s)

    def confirm(self, track: int, person: str, now_s: float) -> None:
        """The search was recorded: the track has a name from now on."""
        asked = self._of(track)
        asked.person, asked.misses = person, 0
        asked.next_s = now_s + self._settings.check_every_s
        asked.pauses.reset()

    def drop_people(self, kept: set[str]) -> None:
        """Take back the name of everybody who may not be named any more."""
        for asked in self._asked.values():
            if asked.person is not None and asked.person not in kept:
                asked.person = None

    def keep(self, tracks: set[int]) -> tuple[Round, ...]:
        """Forget every track but these; the rounds that were going on end with nobody."""
        gone = [track for track in self._asked if track not in tracks]
        ended = []
        for track in gone:
            asked = self._asked.pop(track)
            if asked.templates:
                ended.append(Round(track, None, len(asked.templates)))
            asked.forget()
        return tuple(ended)

    def _of(self, track: int) -> _Asked:
        settings = self._settings
        if track not in self._asked:
            self._asked[track] = _Asked(Pauses(settings.first_pause_s, settings.most_pause_s))
        return self._asked[track]

    def _ended(self, track: int, asked: _Asked, now_s: float) -> Round | None:
        settings, num_pictures = self._settings, len(asked.templates)
        if num_pictures < settings.min_pictures:
            return None
        hit = _agreed(asked, settings.min_pictures)
        if hit is None and num_pictures < settings.max_pictures and _may_agree(asked, settings):
            return None
        asked.forget()
        asked.next_s = now_s + asked.pauses.next_s()
        return Round(track, hit, num_pictures)

    def _check(self, asked: _Asked, template: Float32, gallery: Gallery, now_s: float) -> None:
        """A picture of a track that has a name: another's takes the name back at once, a poor one after a few."""
        settings = self._settings
        asked.next_s = now_s + settings.check_every_s
        hit = gallery.search(template)
        if hit is not None and hit.person != asked.person:
            asked.person = None
        elif asked.person is not None and not gallery.is_still(asked.person, template):
            asked.misses += 1
            asked.next_s = now_s + settings.every_s
            if asked.misses >= settings.max_misses:
                asked.person = None
        else:
            asked.misses = 0


def _agreed(asked: _Asked, min_pictures: int) -> Hit | None:
    """The person whom the most typical picture names, enough others too, and none contradicts."""
    people = {hit.person for hit in asked.hits if hit is not None}
    if len(people) != 1 or sum(hit is not None for hit in asked.hits) < min_pictures:
        return None
    templates = np.stack(asked.templates)
    typical = int(np.argmax(templates @ templates.sum(axis=0)))
    templates.fill(0.0)
    return asked.hits[typical]


def _may_agree(asked: _Asked, settings: NamingSettings) -> bool:
    """Whether the pictures still to come could bring agreement."""
    left = settings.max_pictures - len(asked.templates)
    people = {hit.person for hit in asked.hits if hit is not None}
    return len(people) <= 1 and sum(hit is not None for hit in asked.hits) + left >= settings.min_pictures
