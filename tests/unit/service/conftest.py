"""A club with two people who agreed, for what a server asks of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from assent import Assent
from tests.builders import agree

PURPOSE = "club-photos"


@pytest.fixture
def club(assent: Assent, demo_photos: Path) -> Assent:
    """Ana with two photos, bea with one."""
    assent.collections.create("club", purpose=PURPOSE)
    enrol_both(assent, "club", demo_photos)
    return assent


@pytest.fixture
def reviewed(assent: Assent, demo_photos: Path) -> Assent:
    """The same people in a collection under two-person review."""
    assent.collections.create("club", purpose=PURPOSE, review="two-person")
    enrol_both(assent, "club", demo_photos)
    return assent


def enrol_both(assent: Assent, collection: str, photos: Path) -> None:
    for ref, names in {"ana": ("obama.jpg", "obama2.jpg"), "bea": ("astronaut.png",)}.items():
        agree(assent, ref, purpose=PURPOSE)
        for name in names:
            assent.enrol(photos / name, person=ref, collection=collection)
