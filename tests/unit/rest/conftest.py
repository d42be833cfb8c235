"""The interface over an empty data folder, and over a club of two."""

from __future__ import annotations

from pathlib import Path

import pytest

from assent import Assent
from tests.unit.rest.builders import Api


@pytest.fixture
def api(assent: Assent) -> Api:
    """Nobody and nothing yet."""
    return Api(assent)


@pytest.fixture
def club(api: Api, demo_photos: Path) -> Api:
    """Ana with two photos, bea with one."""
    api.club()
    for person, names in {"ana": ("obama.jpg", "obama2.jpg"), "bea": ("astronaut.png",)}.items():
        api.agree(person)
        for name in names:
            api.ok(
                "POST",
                "/collections/club/templates",
                status=201,
                files={"image": (demo_photos / name).read_bytes()},
                data={"person": person},
            )
    return api
