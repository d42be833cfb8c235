"""Two people who agreed and one who did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
