"""Names: said when several pictures agree, taken back when they no longer do, and nothing kept of anybody else."""

from __future__ import annotations

import numpy as np
import pytest

from assent.live.naming import Naming, NamingSettings
from assent.live.values import Hit
from assent.types import Float32
from tests.builders import near, unit_templates

ANA, BEA, STRANGER = unit_templates(3, 16, seed=1)


class People:
    """A gallery of two."""

    def __init__(self, least: float = 0.9) -> None:
        self.least = least
        self.num_searches = 0

    def search(self, template: Float32) -> Hit | None:
        self.num_searches += 1
        scores = {"ana": float(template @ ANA), "bea": float(template @ BEA)}
        who = max(scores, key=scores.__getitem__)
        return Hit(who, 90.0, 1e-4, 1e-3) if scores[who] >= self.least else None

    def is_still(self, person: str, template: Float32) -> bool:
        return float(template @ {"ana": ANA, "bea": BEA}[person]) > 0.7


def like(template: Float32, cosine: float = 0.95, seed: int = 0) -> Float32:
    return near(template, cosine=cosine, seed=seed + 10)


def feed(naming: Naming, pictures: list[Float32], *, at_s: float = 0.0, gallery: People | None = None):
    ended = [
        naming.add(1, picture, gallery or People(), at_s + 0.2 * i) for i, picture in enumerate(pictures)
    ]
    return [item for item in ended if item is not None]


def test_a_name_takes_three_pictures_that_agree() -> None:
    naming = Naming()
    assert feed(naming, [like(ANA), like(ANA, seed=1)]) == []
    [ended] = feed(naming, [like(ANA, seed=2)], at_s=0.4)
    assert (ended.hit.person, ended.num_pictures) == ("ana", 3)
    assert naming.person(1) is None  # until the search is recorded
    naming.confirm(1, "ana", 0.6)
    assert naming.person(1) == "ana"


@pytest.mark.parametrize(
    ("caption", "pictures", "num_pictures"),
    [
        ("a stranger", [like(STRANGER, seed=i) for i in range(6)], 4),
        (
            "two pictures of six",
            [like(ANA), like(ANA, seed=1), *(like(STRANGER, seed=i) for i in range(4))],
            6,
        ),
        ("two people in turn", [like(ANA), like(BEA), like(ANA), like(ANA)], 3),
    ],
)
def test_pictures_that_do_not_agree_name_nobody(
    caption: str, pictures: list[Float32], num_pictures: int
) -> None:
    ended = feed(Naming(), pictures)
    assert [item.hit for item in ended] == [None] * len(ended), caption
    assert ended[0].num_pictures == num_pictures


def test_a_poor_picture_is_outvoted_but_never_the_probe() -> None:
    [ended] = feed(Naming(), [like(STRANGER), like(ANA), like(ANA, seed=1), like(ANA, seed=2)])
    assert ended.hit is not None
    assert ended.hit.person == "ana"


def test_a_stranger_is_asked_about_more_and_more_rarely() -> None:
    naming, gallery = Naming(NamingSettings(first_pause_s=1.0, most_pause_s=8.0)), People()
    starts, now_s = [], 0.0
    while now_s < 60:
        if naming.wants(1, now_s) and naming.add(1, like(STRANGER, seed=int(now_s * 10)), gallery, now_s):
            starts.append(now_s)
        now_s += 0.1
    pauses = np.diff(starts)
    assert len(starts) < 12
    assert pauses[0] < pauses[2] < pauses[-1] <= 9.0


def test_another_face_takes_the_name_back_at_once_and_a_turned_one_after_a_while() -> None:
    gallery = People()
    for pictures, lost_after in (([like(BEA)], 1), ([like(STRANGER, seed=i) for i in range(3)], 3)):
        naming = Naming()
        feed(naming, [like(ANA, seed=i) for i in range(3)], gallery=gallery)
        naming.confirm(1, "ana", 1.0)
        for number, picture in enumerate(pictures, 1):
            naming.add(1, picture, gallery, 2.0 + number)
            assert (naming.person(1) is None) == (number >= lost_after)


def test_whoever_withdrew_has_no_name_any_more() -> None:
    naming = Naming()
    feed(naming, [like(ANA, seed=i) for i in range(3)])
    naming.confirm(1, "ana", 1.0)
    naming.drop_people({"bea"})
    assert naming.person(1) is None


def test_what_was_embedded_is_overwritten_when_a_round_or_a_track_ends() -> None:
    naming = Naming()
    pictures = [like(STRANGER, seed=i) for i in range(4)]
    feed(naming, pictures)
    assert all(not picture.any() for picture in pictures)
    half = [like(STRANGER, seed=8)]
    feed(naming, half, at_s=5.0)
    assert half[0].any()
    [ended] = naming.keep(set())
    assert (ended.hit, ended.num_pictures) == (None, 1)
    assert not half[0].any()
    checked = like(ANA, seed=9)
    feed(naming, [like(ANA, seed=i) for i in range(3)], at_s=9.0)
    naming.confirm(1, "ana", 10.0)
    naming.add(1, checked, People(), 12.0)
    assert not checked.any()
