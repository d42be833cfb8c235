"""Two people who agreed and one who did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assent import Assent
from tests.builders import agree
from tests.promises.builders import PURPOSE


@pytest.fixture
def club(assent: Assent, demo_photos: Path) -> Assent:
    """Ana with two photos, bea with one, enrolled for ``PURPOSE``."""
    assent.collections.create("club", purpose=PURPOSE)
    for ref, names in {"ana": ("obama.jpg", "obama2.jpg"), "bea": ("astronaut.png",)}.items():
        agree(assent, ref, purpose=PURPOSE)
        for name in names:
            assent.enrol(demo_photos / name, person=ref, collection="club")
    return assent


@pytest.fixture
def found(club: Assent, demo_photos: Path) -> Callable[[Assent], list[str]]:
    """Who a search for Ana's face finds."""

    def search(handle: Assent) -> list[str]:
        result = handle.search(demo_photos / "obama3.jpg", collection="club", purpose=PURPOSE)
        return [candidate.person for candidate in result.candidates]

    return search


@pytest.fixture
def answers(club: Assent, demo_photos: Path) -> dict[str, Any]:
    """What everything that answers, answers."""
    photo = demo_photos / "obama3.jpg"
    return {
        "search": club.search(photo, collection="club", purpose=PURPOSE),
        "verify": club.verify(photo, person="ana", collection="club", purpose=PURPOSE),
        "detect": club.detect(photo),
        "enrol": club.enrol(photo, person="ana", collection="club"),
        "people": club.people.list(),
        "consents": club.consents.list(),
        "collections": club.collections.list(),
        "templates": club.collections.templates("club"),
        "export": club.people.export("ana"),
        "receipt": club.consents.withdraw(club.consents.list("bea")[0].id),
        "log": club.log(),
    }
